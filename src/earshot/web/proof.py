"""Proofs for people and programs: the published key, the page that verifies a recording, its bundle as JSON.

The one rule: the key and the checkpoint are public; what is said of a recording is for those who may see it.
"""

import base64
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earshot.api.ledger import RecordedLedger
from earshot.api.verifying import verified
from earshot.errors import BadInput
from earshot.ledger.proof import FORMAT
from earshot.ports import RecordingRow, Storage
from earshot.ports.ledger import LedgerBroken
from earshot.web.gate import LEDGER_KEY
from earshot.web.permitted import actor_of, may_see

PUBLISHED: Final = LEDGER_KEY


class ProofPages:
    """GET of the published key, /recordings/{id}/proof and /api/v1/recordings/{id}/proof."""

    def __init__(self, ledger: RecordedLedger, storage: Storage) -> None:
        self._ledger = ledger
        self._storage = storage

    async def published(self, request: Request) -> Response:
        """The key that checkpoints are signed with, and the last one."""
        key = self._ledger.key
        return JSONResponse(
            {
                "format": FORMAT,
                "origin": key.origin,
                "public_key": base64.b64encode(key.public).decode(),
                "verifier": key.verifier,
                "checkpoint": self._ledger.note,
            }
        )

    async def _row(self, request: Request) -> RecordingRow | None:
        record_id = request.path_params["record_id"]
        store = request.app.state.console.store
        row: RecordingRow | None = await store.recording(record_id) if record_id < 2**63 else None
        if row is None or not may_see(actor_of(request), row.sealed.agent_id, row.sealed.variables):
            return None
        return row

    async def bundle(self, request: Request) -> Response:
        """The proof bundle (docs/verify.md) as JSON."""
        row = await self._row(request)
        if row is None:
            return JSONResponse({"error": "no such recording"}, 404)
        try:
            proof = await self._ledger.proof(row.record_id)
        except (BadInput, LedgerBroken, OSError) as wrong:
            return JSONResponse({"error": str(wrong)}, 409)
        name = f'attachment; filename="recording-{row.record_id}-proof.json"'
        return JSONResponse(proof.document(), headers={"Content-Disposition": name})

    async def page(self, request: Request) -> Response:
        """Read the whole recording, compare it with the log, and say what was found."""
        console = request.app.state.console
        row = await self._row(request)
        if row is None:
            sentence = f"There is no recording {request.path_params['record_id']}. It may have been deleted."
            missing: Response = console.sorry(request, 404, "No such recording", sentence)
            return missing
        found, problem = None, ""
        try:
            found = await verified(await self._ledger.proof(row.record_id), self._ledger.key, row, self._storage)
            problem = found.problem
        except (BadInput, LedgerBroken, OSError) as wrong:
            problem = str(wrong)
        shown = found.shown if found is not None else None
        values = {
            "row": row,
            "problem": problem,
            "shown": shown,
            "since": shown.since_us / 1e6 if shown is not None else 0.0,
            "note": found.proof.note if found is not None else "",
            "key": self._ledger.key,
            "media": found.media if found is not None else "",
        }
        response: Response = console.page(request, "proof.html", values)
        return response
