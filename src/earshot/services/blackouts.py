"""Blackouts, hung into the running system: what removes sound, and what is noted of it."""

from contextlib import AsyncExitStack

from earshot.actor import SYSTEM
from earshot.core.blackouts import Blackouts, Removers
from earshot.core.elsewhere import Elsewhere
from earshot.core.resealing import Resealing, Rewritten
from earshot.core.screen_blackouts import RewrittenPicture, ScreenBlackouts
from earshot.media.spans import Span
from earshot.ports.blackouts import LEGAL_HOLD
from earshot.services import House
from earshot.services.capture import INTAKE
from earshot.services.ledger import log_picture, log_rewriting
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screens import SqlScreens
from earshot.web.blackouts import BlackoutPages


async def start(house: House, undo: AsyncExitStack) -> None:
    """Blackouts are in force from here on, those of the process before first of all."""

    async def noted(rewritten: Rewritten) -> None:
        start_s, end_s = rewritten.span
        await house.context.audit.note(
            SYSTEM,
            "rewritten",
            f"recording {rewritten.record_id}",
            reason="blackout",
            span=f"{start_s:.3f}-{end_s:.3f}",
            sha256_before=rewritten.before,
            sha256=rewritten.after,
        )
        await log_rewriting(house.context.ledger, rewritten)
        if house.context.exports is not None:
            house.context.exports.forget(rewritten.before)

    async def hidden(record_id: int, span: Span, sha256: str) -> None:
        told = {"reason": "blackout", "span": f"{span[0]:.3f}-{span[1]:.3f}"}
        await house.context.audit.note(SYSTEM, "hidden", f"recording {record_id}", **told)
        if house.context.exports is not None:
            house.context.exports.forget(sha256)

    resealing = Resealing(SqlBlackouts(house.database), house.storage, house.folders.work, noted, house.keyring)
    elsewhere = Elsewhere(
        SqlBlackouts(house.database),
        SqlRetention(house.database),
        house.storage,
        house.folders.work,
        house.keyring,
        house.turns,
    )
    resealing.elsewhere, resealing.copies = elsewhere.renew, elsewhere.copies_of
    resealing.hidden = hidden

    async def picture_noted(rewritten: RewrittenPicture) -> None:
        start_s, end_s = rewritten.span
        await house.context.audit.note(
            SYSTEM,
            "rewritten",
            f"screen session {rewritten.screen}",
            reason="blackout",
            segment=str(rewritten.segment),
            span=f"{start_s:.3f}-{end_s:.3f}",
            sha256_before=rewritten.before,
            sha256=rewritten.after,
        )
        await log_picture(house.context.ledger, rewritten)

    house.pictures = resealing.pictures = ScreenBlackouts(
        SqlScreens(house.database),
        house.recorder,
        house.storage,
        folder=house.folders.root / INTAKE,
        work=house.folders.work,
        noted=picture_noted,
        keyring=house.keyring,
    )
    house.routes += BlackoutPages(house.context).routes()
    removers = Removers(
        journal=house.upkeep.redact,
        released=house.upkeep.redact_released,
        synced=house.journal.sync,
        stored=house.sealing.stored,
        sealed=resealing.remove,
    )
    blackouts = Blackouts(house.recorder, removers, house.spawner)
    undo.callback(blackouts.close)

    def said() -> list[str]:
        held = {why for why in blackouts.failing.values() if LEGAL_HOLD in why}
        return [f"A blackout waits until it may be applied: {why}." for why in sorted(held)]

    house.notices.append(said)
    blackouts.resume()
