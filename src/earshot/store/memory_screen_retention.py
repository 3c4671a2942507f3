"""Tombstones of screen sessions in memory: for tests, and for a server that need not remember.

Same contract as `sql.screen_retention` (tests/contracts). The one rule: nothing is awaited between looking and
changing.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from earshot.ports.retention import DECIDED, Defaults, Deletion, Leftover
from earshot.ports.screen_retention import OWN_DAYS, SETTING, covers_session, screen_is_due
from earshot.ports.screens import ScreenSession
from earshot.store.memory import MemoryStore
from earshot.store.memory_retention import MemoryRetention
from earshot.store.memory_screens import MemoryScreens


class MemoryScreenRetention:
    """The port `earshot.ports.screen_retention.ScreenRetention` over the sessions, recordings and holds in memory."""

    def __init__(self, screens: MemoryScreens, store: MemoryStore, retention: MemoryRetention) -> None:
        self._screens = screens
        self._store = store
        self._retention = retention
        self._deletions: dict[int, Deletion] = {}
        self._leftovers: dict[int, Leftover] = {}
        self._numbers = 0
        retention.taken = self._taken

    def _recordings(self, session_id: str) -> list[int]:
        known = self._store._recordings.items()
        return [number for number, (one, _) in known if session_id and one.variables.session_id == session_id]

    def _held(self, session: ScreenSession) -> bool:
        standing = [one for one in self._retention._holds.values() if not one.lifted_at]
        return any(covers_session(one.criteria, session) for one in standing) or any(
            self._retention._standing_on(number) for number in self._recordings(session.session_id)
        )

    def holding(self, number: int) -> tuple[int, ...]:
        """The numbers of the standing holds whose criteria a session meets, or that cover a recording of it."""
        session = self._screens._kept.get(number)
        if session is None:
            return ()
        standing = [one for one in self._retention._holds.values() if not one.lifted_at]
        found = {one.number for one in standing if covers_session(one.criteria, session)}
        for record_id in self._recordings(session.session_id):
            found.update(self._retention.holding(record_id))
        return tuple(sorted(found))

    def _taken(self, session_id: str, gone: Deletion) -> None:
        """A recording is gone: sessions of which none is left go with it."""
        for number, session in list(self._screens._kept.items()):
            if session.session_id == session_id and not self._recordings(session_id) and not self._held(session):
                self._take(number, gone.decided_at, gone.by, gone.reason, gone.rule)

    def _take(self, number: int, now: float, by: str, reason: str, rule: str) -> Deletion:
        session = self._screens._kept.pop(number)
        self._screens._gone[session.key] = number
        self._deletions[number] = made = Deletion(
            record_id=number,
            key=session.key,
            core=session.core,
            recording_time=session.started_at,
            duration_s=max(session.stopped_at - session.started_at, 0.0),
            audio_sha256=" ".join(one.sha256 for one in session.segments),
            audio_size=sum(one.size for one in session.segments),
            decided_at=now,
            by=by,
            reason=reason,
            rule=rule,
            step=DECIDED,
        )
        for one in session.segments:
            self._numbers += 1
            found = Leftover(number=self._numbers, record_id=number, object_name=one.object_name)
            self._leftovers[self._numbers] = found
        return made

    async def doom_due(
        self, now: float, defaults: Defaults, purging: Collection[int], limit: int
    ) -> tuple[Deletion, ...]:
        """See `ScreenRetention.doom_due`."""
        self._screens._answer()
        made: list[Deletion] = []
        for number, session in sorted(self._screens._kept.items()):
            own = session.variables.keep_days >= 0
            wanted = screen_is_due(session, defaults, purging, now) and (
                own or not self._recordings(session.session_id)
            )
            if wanted and not self._held(session) and len(made) < limit:
                reason = OWN_DAYS if own else SETTING
                made.append(self._take(number, now, "earshot", reason, "archive action: purge"))
        return tuple(made)

    async def unfinished(self, limit: int, after: int = 0) -> list[Deletion]:
        """See `RemovalStore.unfinished`."""
        self._screens._answer()
        found = [one for number, one in sorted(self._deletions.items()) if number > after and not one.finished_at]
        return found[:limit]

    async def leftovers(self, limit: int, after: int = 0) -> list[Leftover]:
        """See `RemovalStore.leftovers`: sessions are not moved."""
        return []

    async def leftovers_of(self, record_ids: Sequence[int]) -> list[Leftover]:
        """See `RemovalStore.leftovers_of`."""
        self._screens._answer()
        return [one for one in self._leftovers.values() if one.record_id in record_ids]

    async def removed(self, leftovers: Sequence[Leftover]) -> None:
        """See `RemovalStore.removed`."""
        self._screens._answer()
        for one in leftovers:
            self._leftovers.pop(one.number, None)

    async def stepped(self, record_ids: Sequence[int], step: str, finished_at: float = 0.0) -> None:
        """See `RemovalStore.stepped`."""
        self._screens._answer()
        for number in record_ids:
            self._deletions[number] = replace(self._deletions[number], step=step, finished_at=finished_at)

    async def screen_deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """See `ScreenRetention.screen_deletions`."""
        self._screens._answer()
        numbers = sorted((one for one in self._deletions if before is None or one < before), reverse=True)
        return [self._deletions[number] for number in numbers[:limit]]
