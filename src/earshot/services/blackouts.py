"""Blackouts, hung into the running system: what removes sound, and what is noted of it."""

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack

from earshot.actor import SYSTEM, Actor
from earshot.api.audit import AuditTrail
from earshot.api.blackouts_after import AFTER_THE_FACT, BLACKED_OUT, REFUSED
from earshot.core.blackouts import Blackouts, Removers
from earshot.core.elsewhere import Elsewhere
from earshot.core.resealing import Resealing, Rewritten
from earshot.core.screen_blackouts import RewrittenPicture, ScreenBlackouts
from earshot.engine.blackout_values import Asked
from earshot.media.spans import Span
from earshot.ports.audit import AuditFilter, AuditLog
from earshot.ports.blackouts import LEGAL_HOLD
from earshot.services import House
from earshot.services.capture import INTAKE
from earshot.services.ledger import log_picture, log_rewriting
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screens import SqlScreens
from earshot.web.blackouts import BlackoutPages

MOST_KNOWN = 100


class NotedOnce:
    """Notes what became of a blackout that somebody asked for. A core may come to the same decision again, after a
    crash or because an archive was away: what `log` has of it already is not noted again."""

    def __init__(self, log: AuditLog, audit: Callable[[], AuditTrail]) -> None:
        self._log = log
        self._audit = audit

    async def __call__(self, asked: Asked, holds: Collection[int]) -> None:
        """It is removed, or refused because of `holds`. Raises StoreUnavailable."""
        act, subject = REFUSED if holds else BLACKED_OUT, f"recording {asked.record_id}"
        known = await self._log.entries(AuditFilter(since=asked.at, act=act, subject=subject), MOST_KNOWN)
        this = asked.user_id, asked.span, asked.reason
        if any((one.user_id, one.details.get("span"), one.details.get("reason")) == this for one in known):
            return
        actor = Actor(kind=asked.kind, name=asked.name, user_id=asked.user_id, address=asked.address)
        told = {"span": asked.span, "reason": asked.reason}
        if holds:
            told |= {"what": AFTER_THE_FACT, "holds": ", ".join(map(str, sorted(holds)))}
        await self._audit().note(actor, act, subject, **told)


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
    resealing.asked = NotedOnce(SqlAudit(house.database), lambda: house.context.audit)

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
