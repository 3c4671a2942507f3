"""GET /api/v1/recordings/{id}/vcon: a recording as a vCon.

The one rule: `?form=link` points at the sound, else it is inside; `?sign=1` signs.
"""

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earshot.api.vcon import MEDIA_TYPE
from earshot.api.vcon_export import VconDesk
from earshot.errors import BadInput, ConfigurationError
from earshot.web.permitted import actor_of, may_see


class VconPage:
    """Answers with the vCon."""

    def __init__(self, desk: VconDesk) -> None:
        self._desk = desk

    async def answer(self, request: Request) -> Response:
        """The document, as application/vcon+json."""
        record_id, actor = request.path_params["record_id"], actor_of(request)
        row = await self._desk.store.recording(record_id) if record_id < 2**63 else None
        if row is None or not may_see(actor, row.sealed.agent_id, row.sealed.variables):
            return JSONResponse({"error": "no such recording"}, 404)
        form, sign = request.query_params.get("form", "inline"), request.query_params.get("sign", "0")
        if form not in ("inline", "link") or sign not in ("0", "1"):
            return JSONResponse({"error": "form is inline or link, sign is 0 or 1"}, 400)
        try:
            document = await self._desk.export(actor, row, link=form == "link", sign=sign == "1")
        except (BadInput, ConfigurationError) as wrong:
            return JSONResponse({"error": str(wrong)}, 409)
        name = f'attachment; filename="recording-{row.record_id}.vcon.json"'
        headers = {"Content-Disposition": name}
        return Response(orjson.dumps(document), media_type=f"{MEDIA_TYPE}+json", headers=headers)
