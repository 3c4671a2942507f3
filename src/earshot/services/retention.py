"""Retention in the running system: the loop, the steps of a deletion, the pages, and where moved recordings are read.

The one rule: it starts before everything that reads recordings, so that they are found wherever they lie.
"""

import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog

from earshot.actor import SYSTEM
from earshot.api.audit_trail import short
from earshot.api.metrics import Gauge
from earshot.api.retention import RetentionDesk
from earshot.config import Settings
from earshot.core.archiving import Archiving
from earshot.core.plausible import PlausibleClock
from earshot.core.removal import Removal
from earshot.core.retention import Retention, RetentionSettings
from earshot.core.screen_retention import ScreenPurge
from earshot.ports import FinishedCall, RecordingFilter, Store
from earshot.ports.audit import AuditEntry, AuditFilter, AuditLog
from earshot.ports.retention import PERSON, Defaults, Deletion
from earshot.premises import object_access
from earshot.services import House
from earshot.storage.placed import PlacedStorage
from earshot.storage.places import Places
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screen_retention import SqlScreenRetention
from earshot.tasks import in_pieces
from earshot.web.holds import HoldPages

log = structlog.get_logger(__name__)

DELETED = "deleted"
RECORDING, SCREEN = "recording", "screen session"
"""What is deleted, as the subject of a leaf and of an entry begins."""
MB = 1 << 20
HOUR_S = 3600.0
MICROSECONDS = 1_000_000


def settings_of(settings: Settings) -> RetentionSettings:
    """What the settings say about retention."""
    return RetentionSettings(
        defaults=Defaults(keep_days=settings.keep_days, archive_action=settings.archive_action),
        interval_s=settings.retention_interval_s,
        batch=settings.retention_batch,
        limit=settings.retention_limit,
        free_bytes=settings.retention_free_mb * MB,
    )


async def newest_of(store: Store) -> float | None:
    """The time of the newest recording, if there is any."""
    rows = await store.recordings(RecordingFilter(), 1)
    return rows[0].sealed.recording_time if rows else None


def _proof(one: Deletion, what: str = RECORDING) -> tuple[str, dict[str, Any], str]:
    """Subject, body and key of the leaf of a deletion."""
    body = {
        "key": one.key,
        "sha256": one.audio_sha256,
        "size": one.audio_size,
        "decided_at_us": int(one.decided_at * MICROSECONDS),
        "by": one.by,
        "reason": one.reason,
        "rule": one.rule,
    }
    key = f"{DELETED} {one.key}" if what == RECORDING else f"{DELETED} {what} {one.key}"
    return f"{what} {one.record_id}", body, key


def _entry(one: Deletion, what: str = RECORDING) -> AuditEntry:
    """The entry of a deletion in the audit trail."""
    return AuditEntry(
        at=one.decided_at,
        kind=SYSTEM.kind,
        actor=short(one.by),
        act=DELETED,
        subject=f"{what} {one.record_id}",
        details={"reason": short(one.reason), "rule": one.rule, "sha256": short(one.audio_sha256)},
    )


class Steps:
    """The steps of a deletion that need the running system. What was decided before `since` may have been noted by an
    earlier process; a person's deletion is noted by whoever asks for it."""

    def __init__(self, house: House, log: AuditLog) -> None:
        self._house = house
        self._log = log
        self._since = house.clock.now()

    async def noted(self, deletions: Sequence[Deletion]) -> set[int]:
        """Each deletion stands in the audit trail and is told to who listens."""
        context = self._house.context
        leaves = [(DELETED, *_proof(one)) async for some in in_pieces(deletions) for one in some]
        await context.ledger.append_all(leaves)
        entries = [_entry(one) async for some in in_pieces(deletions) for one in some if not await self._is_noted(one)]
        await self._log.append(entries)
        async for some in in_pieces(deletions):
            for one in some:
                context.publish("RECORDINGDELETED", [("RECORDID", str(one.record_id)), ("REASON", one.rule)])
        return {one.record_id for one in deletions}

    async def screens_noted(self, deletions: Sequence[Deletion]) -> set[int]:
        """The same for screen sessions; a person's deletion is noted of the recording only."""
        await self._house.context.ledger.append_all([(DELETED, *_proof(one, SCREEN)) for one in deletions])
        await self._log.append([_entry(one, SCREEN) for one in deletions if not await self._is_noted(one, SCREEN)])
        return {one.record_id for one in deletions}

    async def _is_noted(self, one: Deletion, what: str = RECORDING) -> bool:
        if one.decided_at >= self._since and (one.rule != PERSON or what == SCREEN):
            return False
        known = AuditFilter(since=one.decided_at - HOUR_S, act=DELETED, subject=f"{what} {one.record_id}")
        return bool(await self._log.entries(known, 1))

    async def caches(self, deletions: Sequence[Deletion]) -> set[int]:
        """No export is made of it any more."""
        exports = self._house.context.exports
        if exports is not None:
            exports.forget(*(one.audio_sha256 for one in deletions))
        return {one.record_id for one in deletions}

    async def journal(self, deletions: Sequence[Deletion]) -> set[int]:
        """What its packets left behind in the journal is overwritten. The legs of a session that still runs may hold
        sound of it as well: such a deletion waits until the session has ended."""
        house = self._house
        opened = [session.opened_us / MICROSECONDS for session in house.recorder.state.sessions.values()]
        first = min(opened, default=float("inf"))
        done = [one for one in deletions if one.recording_time + one.duration_s < first]
        begins = min(one.recording_time for one in deletions)
        ends = max(one.recording_time + one.duration_s for one in deletions)
        await house.upkeep.redact_released(int(begins * MICROSECONDS), int(ends * MICROSECONDS) + MICROSECONDS)
        return {one.record_id for one in done}


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in. It runs when the store has opened."""
    kept, clock = SqlRetention(house.database), house.clock
    keyring = house.keyring
    places = Places(keyring, house.objects, object_access(house.settings), clock)
    storage = PlacedStorage(house.storage, places)
    house.storage = house.context.storage = storage
    steps = Steps(house, SqlAudit(house.database))
    removal = Removal(
        kept,
        storage,
        clock,
        noting=steps.noted,
        steps=(("caches", steps.caches), ("journal", steps.journal)),
    )

    async def newest() -> float | None:
        return await newest_of(house.store)

    screens_kept = SqlScreenRetention(house.database)
    screen_removal = Removal(screens_kept, storage, clock, noting=steps.screens_noted, steps=())
    retention = Retention(
        kept,
        clock,
        settings_of(house.settings),
        plausible=PlausibleClock(clock, house.settings.retention_clock_jump_h * HOUR_S),
        removal=removal,
        archiving=Archiving(kept, storage, house.folders.work, clock, keyring=keyring, turns=house.turns),
        newest=newest,
        free=lambda: shutil.disk_usage(house.folders.root).free,
        places=storage.know,
        busy=lambda: bool(house.recorder.state.sessions),
        screens=ScreenPurge(screens_kept, clock, screen_removal),
    )
    context = house.context
    desk = RetentionDesk(
        kept, house.store, clock, lambda: context.audit, screens_kept, places, decided=retention.decided
    )
    house.context.retention = desk

    def stored(finished: FinishedCall, record_ids: tuple[int, ...]) -> None:
        names = (one.object_name for one in finished.recordings)
        retention.stored(dict(zip(record_ids, names, strict=True)))

    def said() -> list[str]:
        paused = [f"Nothing is removed now: {retention.paused}."] if retention.paused else []
        return paused + [f"Retention waits: {trouble}" for trouble in retention.troubles]

    house.notices.append(said)
    house.gauges += [
        Gauge(name="retention_paused", meaning="1: nothing is removed now", read=lambda: bool(retention.paused)),
        Gauge(name="removals_waiting", meaning="Deletions not finished", read=lambda: retention.removal.waiting),
        Gauge(name="retention_troubles", meaning="What retention waits for", read=lambda: len(retention.troubles)),
    ]
    house.sealing.on_stored.append(stored)
    house.routes += HoldPages(desk, retention).routes()

    async def begin() -> None:
        await retention.know_places()
        house.spawner.spawn("retention", retention.run())

    house.on_open.append(begin)
