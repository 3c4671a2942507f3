"""The tamper-evident log in the running system: its files and key, what is logged, and where it is published.

It is opened before anything else that logs. The one rule: recording does not wait for the log; what could not be logged
is logged later, and a log that is not what was signed takes nothing more.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from starlette.routing import Route

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.api.ledger import MICROSECONDS, Ledger, RecordedLedger, compared
from earshot.api.metrics import Gauge
from earshot.api.permissions import EXPORT, PLAYBACK
from earshot.api.vcon_export import VconDesk
from earshot.core.ledger_check import NOTE
from earshot.core.resealing import Rewritten
from earshot.core.screen_blackouts import RewrittenPicture
from earshot.errors import BadInput
from earshot.ledger.leaves import REWRITTEN
from earshot.ports.ledger import LedgerBroken
from earshot.premises import ledger_signer, vcon_domain, vcon_signing
from earshot.services import House
from earshot.storage.leaf_log import FileLeafLog
from earshot.store.sql.ledger import SqlLedgerRows
from earshot.web.permitted import needs, page
from earshot.web.proof import PUBLISHED, ProofPages
from earshot.web.vcon import VconPage

log = structlog.get_logger(__name__)

LAST_WORDS_S = 1.5


class LoggedTrail:
    """An audit trail whose entries are logged soon after they are noted."""

    def __init__(self, trail: AuditTrail, ledger: RecordedLedger) -> None:
        self._trail = trail
        self._ledger = ledger

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        """See `earshot.api.audit.AuditTrail.note`."""
        await self._trail.note(actor, act, subject, **detail)
        self._ledger.wake()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """See `earshot.api.audit.AuditTrail.together`. What is noted inside is there to be logged only after it."""
        async with self._trail.together():
            yield
        self._ledger.wake()


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    signer = ledger_signer(house.settings)
    kept: Any = house.recorder.notes.get(NOTE)
    noted = str(kept["checkpoint"]) if isinstance(kept, dict) else ""
    leaves = FileLeafLog(house.folders.ledger)
    await leaves.open(_signed_size(signer.key, noted))
    undo.push_async_callback(leaves.close)
    if noted and not leaves.broken:
        leaves.broken = await compared(leaves, signer.key, noted)
    rows = SqlLedgerRows(house.database, house.clock)
    ledger = RecordedLedger(
        leaves, rows, signer, house.clock, lambda note: house.recorder.note(NOTE, {"checkpoint": note})
    )
    house.context.ledger = ledger
    house.context.audit = LoggedTrail(house.context.audit, ledger)

    async def opened() -> None:
        stored = await rows.checkpoint()
        if stored and not leaves.broken:
            leaves.broken = await compared(leaves, signer.key, stored)
        if leaves.broken:
            log.error("ledger_broken", why=leaves.broken)
        await ledger.try_to_catch_up()
        house.spawner.spawn("ledger", ledger.run())
        ledger.wake()

    def said() -> list[str]:
        if leaves.broken:
            return [f"The tamper-evident log is broken and takes nothing more: {leaves.broken}. Nothing is removed."]
        return [f"The tamper-evident log cannot be written: {ledger.trouble}."] if ledger.trouble else []

    house.notices.append(said)
    house.gauges += [
        Gauge(name="ledger_broken", meaning="1: the log is not what was signed", read=lambda: bool(leaves.broken)),
        Gauge(name="ledger_failing", meaning="1: the log cannot be written", read=lambda: bool(ledger.trouble)),
    ]
    house.sealing.on_saved.append(ledger.try_to_catch_up)
    house.on_open.append(opened)
    undo.push_async_callback(_finished, ledger)

    async def bundle(record_id: int) -> dict[str, Any] | None:
        try:
            return (await ledger.proof(record_id)).document()
        except (BadInput, LedgerBroken, OSError) as why:
            log.warning("vcon_without_proof", recording=record_id, why=str(why))
            return None

    vcons = VconPage(
        VconDesk(
            store=house.store,
            storage=house.storage,
            audit=house.context.audit,
            clock=house.clock,
            public_url=lambda: house.context.settings.public_url,
            domain=vcon_domain(house.settings),
            signing=lambda: vcon_signing(house.settings),
            proof=bundle,
        )
    )
    pages = ProofPages(ledger, house.storage)
    house.routes += [
        Route(PUBLISHED, pages.published, methods=["GET"]),
        Route("/recordings/{record_id:int}/proof", page(pages.page, PLAYBACK), methods=["GET"]),
        Route("/api/v1/recordings/{record_id:int}/proof", needs(pages.bundle, PLAYBACK, EXPORT), methods=["GET"]),
        Route("/api/v1/recordings/{record_id:int}/vcon", needs(vcons.answer, EXPORT), methods=["GET"]),
    ]


async def _finished(ledger: RecordedLedger) -> None:
    """Log what was stored last, and sign it; the next start does what there is no time for."""
    try:
        async with asyncio.timeout(LAST_WORDS_S):
            await ledger.try_to_catch_up()
            await ledger.try_to_sign()
    except TimeoutError:
        log.warning("ledger_not_finished", what="the next start appends what is missing")


async def log_rewriting(ledger: Ledger, rewritten: Rewritten) -> None:
    """Log that a blackout took sound from a sealed recording. A log that is broken does not keep a secret readable:
    then it is only said in the log of the process. Raises StoreUnavailable, OSError."""
    start_s, end_s = rewritten.span
    body = {
        "reason": "blackout",
        "from_us": round(start_s * MICROSECONDS),
        "until_us": round(end_s * MICROSECONDS),
        "sha256_before": rewritten.before,
        "sha256": rewritten.after,
    }
    key = f"rewritten/{rewritten.record_id}/{rewritten.before}/{rewritten.after}"
    await _log(ledger, f"recording {rewritten.record_id}", body, key)


async def log_picture(ledger: Ledger, rewritten: RewrittenPicture) -> None:
    """The same for pictures of a stored screen session."""
    start_s, end_s = rewritten.span
    body = {
        "reason": "blackout",
        "segment": rewritten.segment,
        "from_us": round(start_s * MICROSECONDS),
        "until_us": round(end_s * MICROSECONDS),
        "sha256_before": rewritten.before,
        "sha256": rewritten.after,
        "size": rewritten.size,
    }
    place = f"screen/{rewritten.screen}/{rewritten.segment}"
    key = f"rewritten/{place}/{rewritten.before}/{rewritten.after}"
    await _log(ledger, f"screen session {rewritten.screen}", body, key)


async def _log(ledger: Ledger, subject: str, body: dict[str, Any], key: str) -> None:
    try:
        await ledger.append(REWRITTEN, subject, body, key=key)
    except LedgerBroken as why:
        log.error("rewriting_not_logged", subject=subject, why=str(why))


def _signed_size(key: Any, note: str) -> int:
    try:
        return int(key.opened(note).size) if note else 0
    except BadInput as wrong:
        log.error("ledger_checkpoint_of_the_journal", why=str(wrong))
        return 0
