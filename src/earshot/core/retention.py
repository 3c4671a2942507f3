"""Retention at work: recordings are stamped, what is due is done, what was decided is brought to its end.

A round does all that once; `run` does rounds for ever. Not here: the steps of a deletion (removal) and of a move
(archiving). The one rule: a round that is ended anywhere, however it is, is a round that the next one goes on with.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from earshot.clock import Clock
from earshot.core.archiving import Archiving
from earshot.core.plausible import PlausibleClock
from earshot.core.removal import Removal
from earshot.core.screen_retention import ScreenPurge
from earshot.errors import StoreUnavailable
from earshot.ports.retention import ArchiveAction, Cause, Defaults, Due, RetentionStore

log = structlog.get_logger(__name__)

BELIEVED = "clock_believed_at"
"""The mark of the last time the clock was believed."""
EXCUSED = "clock_excused"
"""The mark of the newest recording's time when somebody vouched for the clock: it does not count against it."""
STAMPED_AT_ONCE = 200
LINGER_S = 5.0
"""How long a recording that is stored waits for others, to be stamped with them in one transaction."""
LOOK_S = 30.0
"""So often, while recordings are stored, it is looked for what other processes decided and what could not be done."""
RETRY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """`interval_s` between rounds, `batch` recordings a transaction, `limit` removals a round (0: no limit).

    Disk pressure: below `free_bytes` of free disk (0: never) the oldest recordings that are not held go early. While
    calls are recorded, `rest` times the time of a batch is left to them after it.
    """

    defaults: Defaults = field(default_factory=Defaults)
    interval_s: float = 3600.0
    batch: int = 200
    limit: int = 0
    free_bytes: int = 0
    rest: float = 1.0


async def trust_clock(store: RetentionStore, clock: Clock, newest: float | None) -> float:
    """Somebody says that the clock is right, whatever the newest recording says; gives the time it shows."""
    now = clock.now()
    await store.set_mark(BELIEVED, now)
    if newest is not None:
        await store.set_mark(EXCUSED, newest)
    return now


@dataclass(slots=True)
class Round:
    """What a round did: recordings stamped, decided to be removed, finished, moved or copied, kept by a hold; screen
    sessions decided to be removed. `paused` says why nothing was removed."""

    stamped: int = 0
    decided: int = 0
    finished: int = 0
    archived: int = 0
    held: int = 0
    screens: int = 0
    paused: str = ""


class Retention:
    """`newest` gives the time of the newest recording, `free` the free bytes of the disk of the recordings, `busy`
    whether calls are recorded now; `places` is told the destinations of moves and copies."""

    def __init__(
        self,
        store: RetentionStore,
        clock: Clock,
        settings: RetentionSettings,
        *,
        plausible: PlausibleClock,
        removal: Removal,
        archiving: Archiving,
        newest: Callable[[], Awaitable[float | None]],
        free: Callable[[], int],
        places: Callable[[dict[int, str]], None],
        busy: Callable[[], bool] = lambda: True,
        screens: ScreenPurge | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self.settings = settings
        self._plausible = plausible
        self.removal = removal
        self.archiving = archiving
        self._newest = newest
        self._free = free
        self._places = places
        self._busy = busy
        self._screens = screens
        self._one_at_a_time = asyncio.Lock()
        self._stored: dict[int, str] = {}
        self._wake = asyncio.Event()
        self._look_at = 0.0
        self._actions: dict[int, ArchiveAction] = {}
        self.last = Round()
        self.failing = ""

    @property
    def paused(self) -> str:
        """Why nothing is removed now; empty if that is not so."""
        return self.last.paused

    @property
    def troubles(self) -> list[str]:
        """What cannot be done now, one sentence each."""
        screens = self._screens.removal.troubles if self._screens else {}
        failing = [self.failing] if self.failing else []
        return [*failing, *self.archiving.troubles.values(), *self.removal.troubles.values(), *screens.values()]

    # --- what others tell ---------------------------------------------------------------------------------------------

    def stored(self, objects: dict[int, str]) -> None:
        """These recordings were stored, with their media: they are stamped soon."""
        self._stored |= objects
        self._wake.set()

    def decided(self) -> None:
        """A removal was decided: it is begun soon."""
        self._look_at = 0.0
        self._wake.set()

    async def know_places(self) -> None:
        """Read the archive actions: where media may lie. Raises StoreUnavailable."""
        self._actions = {action.number: action for action in await self._store.actions()}
        self._places({number: one.destination for number, one in self._actions.items() if one.destination})

    # --- rounds -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Do rounds for ever, and what was stored or decided between them soon."""
        while True:
            wait_s = self.settings.interval_s
            try:
                await self.round()
                self.failing = ""
            except Exception as trouble:  # noqa: BLE001 the loop must not die
                self._failed(trouble)
                wait_s = min(RETRY_S, wait_s)
            until = self._clock.monotonic() + wait_s
            while (left_s := until - self._clock.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left_s):
                        await self._wake.wait()
                except TimeoutError:
                    break
                await asyncio.sleep(min(LINGER_S, wait_s))
                try:
                    await self.soon()
                except Exception as trouble:  # noqa: BLE001 the loop must not die
                    self._failed(trouble)
                    break

    def _failed(self, trouble: Exception) -> None:
        """A round failed, and is tried again: what it was is logged and shown."""
        self.failing = str(trouble) or repr(trouble)
        expected = isinstance(trouble, (StoreUnavailable, OSError))
        log.error("retention_failed", why=self.failing, exc_info=None if expected else trouble)

    async def soon(self) -> int:
        """Stamp what is new, and go on with what was decided. Raises StoreUnavailable; gives how many were stamped."""
        async with self._one_at_a_time:
            self._wake.clear()
            stamped = await self._stamp()
            if self._clock.monotonic() >= self._look_at:
                await self._go_on()
            return stamped

    async def round(self) -> Round:
        """Everything once. Raises StoreUnavailable, OSError of the work folder."""
        async with self._one_at_a_time:
            done = self.last = Round()
            self._wake.clear()
            await self.know_places()
            done.stamped = await self._stamp()
            done.finished = await self._go_on()
            done.paused = await self._doubt()
            if not done.paused:
                await self._perform(done)
                await self._purge_screens(done)
                await self._relieve(done)
            return done

    async def _go_on(self) -> int:
        """Bring to its end what was decided; gives how many recordings became finished."""
        self._look_at = self._clock.monotonic() + LOOK_S
        finished = await self.removal.go_on()
        if self._screens is not None:
            await self._screens.removal.go_on()
        return finished

    async def _purge_screens(self, done: Round) -> None:
        if self._screens is not None:
            purging = [one.number for one in self._actions.values() if one.active and one.kind == "purge"]
            done.screens = await self._screens.perform(self.settings.defaults, purging, self.settings.batch)
            await self._screens.removal.go_on()  # those that went with the last of their recordings, too

    async def _stamp(self) -> int:
        stored, self._stored = self._stored, {}
        try:
            if stored:
                again = await self._store.reappeared(stored)
                if again:
                    self.decided()
                    log.warning("deleted_media_put_again", recordings=again)
            stamped = some = await self._store.stamp(self.settings.defaults, STAMPED_AT_ONCE)
            while some == STAMPED_AT_ONCE:
                some = await self._store.stamp(self.settings.defaults, STAMPED_AT_ONCE)
                stamped += some
        except StoreUnavailable:
            self._stored = stored | self._stored
            raise
        return stamped

    async def _doubt(self) -> str:
        believed = await self._store.mark(BELIEVED)
        if believed is not None and believed != self._plausible.seen_at:
            self._plausible.remember(believed)  # by an earlier process, or by somebody who vouches for the clock
        newest, excused = await self._newest(), await self._store.mark(EXCUSED)
        why = self._plausible.doubt(newest if newest is not None and newest != excused else None)
        if why:
            log.error("removal_paused", why=why, what="set the clock, or say: earshot retention trust-clock")
        else:
            await self._store.set_mark(BELIEVED, self._plausible.seen_at)
        return why

    async def _perform(self, done: Round) -> None:
        limit = self.settings.limit
        while not limit or done.decided < limit:
            wanted = min(self.settings.batch, limit - done.decided) if limit else self.settings.batch
            found = await self._store.due(self._clock.now(), wanted)
            if not found:
                return
            began = self._clock.monotonic()
            purged: list[Due] = []
            for due in found:
                action = self._actions.get(due.kept.action)
                if action is None or not action.active:
                    why = "is not known" if action is None else "is not active"
                    await self.archiving.wait(due.kept, f"archive action {due.kept.action} {why}")
                elif action.kind == "purge":
                    purged.append(due)
                else:
                    done.archived += await self.archiving.perform(due, action)
            await self._purge(purged, done)
            await self.removal.sweep()
            await asyncio.sleep((self._clock.monotonic() - began) * self.settings.rest if self._busy() else 0.0)

    async def _purge(self, purged: Sequence[Due], done: Round) -> None:
        now = self._clock.now()
        groups: dict[tuple[int, str], list[int]] = {}
        for due in purged:
            groups.setdefault((due.kept.action, due.kept.rule), []).append(due.kept.record_id)
        for (action, rule), numbers in groups.items():
            cause = Cause(by="earshot", reason=rule, rule=f"archive action {action}")
            await self._doom(numbers, cause, done, due_by=now)

    async def _doom(self, numbers: Sequence[int], cause: Cause, done: Round, due_by: float | None = None) -> int:
        doomed = await self._store.doom(numbers, cause, self._clock.now(), due_by=due_by)
        done.decided += len(doomed.deletions)
        done.held += len(doomed.held)
        done.finished += await self.removal.take(doomed.deletions)
        return len(doomed.deletions)

    async def _relieve(self, done: Round) -> None:
        """Under disk pressure the oldest recordings go before their time."""
        cause = Cause(by="earshot", reason="disk pressure", rule="setting retention_free_mb")
        while self.settings.free_bytes and (free := self._free()) < self.settings.free_bytes:
            oldest = await self._store.oldest(self.settings.batch)
            log.warning("disk_pressure", free_bytes=free, wanted_bytes=self.settings.free_bytes, removed=len(oldest))
            if not oldest or not await self._doom(oldest, cause, done) or self.removal.troubles:
                return
