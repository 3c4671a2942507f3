"""The steps of a deletion that was decided: noted, files removed, caches emptied, the journal's remains overwritten.

Each step may be done again, and the store knows the last that was done, so that a process that is killed goes on where
it was. The one rule: nothing is removed before the trail says that it is, and a tombstone is finished only when nothing
is left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from earshot.clock import Clock
from earshot.errors import EarshotError, StoreUnavailable
from earshot.ports import Storage
from earshot.ports.retention import NOTED, Deletion, Leftover, RetentionStore

log = structlog.get_logger(__name__)

Step = Callable[[Sequence[Deletion]], Awaitable[set[int]]]
"""Does one step for some deletions, and gives the RECORDIDs of those for which it is done. Raises OSError and
StoreUnavailable: for none of them, try again."""

AT_ONCE = 500
ABREAST = 8
"""Objects that are removed at a time: each waits for its disk."""
FILES = "files"


class Removal:
    """Takes deletions through `noting` and `steps` (name and work, in their order). `reached` is told of each step."""

    def __init__(
        self,
        store: RetentionStore,
        storage: Storage,
        clock: Clock,
        *,
        noting: Step,
        steps: Sequence[tuple[str, Step]],
        reached: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._storage = storage
        self._clock = clock
        self._reached = reached
        self._steps: tuple[tuple[str, Step], ...] = ((NOTED, noting), (FILES, self._files), *steps)
        self.troubles: dict[str, str] = {}
        self.waiting = 0

    async def go_on(self) -> int:
        """Do what can be done of all that was decided and is not finished; gives how many became finished. Raises
        StoreUnavailable."""
        finished = after = 0
        self.troubles.clear()
        self.waiting = 0
        while batch := await self._store.unfinished(AT_ONCE, after):
            after = batch[-1].record_id
            done = await self.take(batch)
            finished += done
            self.waiting += len(batch) - done
        await self.sweep()
        return finished

    async def take(self, deletions: Sequence[Deletion]) -> int:
        """Take these through the steps they have to go, as far as they get; gives how many are finished now."""
        names = [name for name, _ in self._steps]
        at = {one.record_id: names.index(one.step) + 1 if one.step in names else 0 for one in deletions}
        left = list(deletions)
        for number, (name, work) in enumerate(self._steps):
            batch = [one for one in left if at[one.record_id] == number]
            if not batch:
                continue
            try:
                done = await work(batch)
            except StoreUnavailable:
                raise
            except (OSError, EarshotError) as trouble:
                self.troubles[name] = str(trouble)
                log.error("removal_waits", step=name, why=str(trouble), recordings=len(batch))
                continue
            self._reached(name)
            ended = self._clock.now() if number == len(names) - 1 else 0.0
            await self._store.stepped(sorted(done), name, ended)
            self._reached(f"{name} stored")
            at |= dict.fromkeys(done, number + 1)
        return sum(step == len(names) for step in at.values())

    async def _files(self, deletions: Sequence[Deletion]) -> set[int]:
        """Remove the objects of these recordings: media, copies, and screen segments."""
        wanted = {one.record_id for one in deletions}
        left = await self._remove(await self._store.leftovers_of(sorted(wanted)))
        return wanted - {one.record_id for one in left}

    async def sweep(self) -> None:
        """Remove what moves left behind. Raises StoreUnavailable."""
        after = 0
        while found := await self._store.leftovers(AT_ONCE, after):
            after = found[-1].number
            await self._remove(found)

    async def _remove(self, leftovers: Sequence[Leftover]) -> list[Leftover]:
        """Remove these objects; gives those that are still there."""
        gone: list[Leftover] = []
        for start in range(0, len(leftovers), ABREAST):
            some = leftovers[start : start + ABREAST]
            done = await asyncio.gather(*(self._gone(one) for one in some))
            gone += [one for one, is_gone in zip(some, done, strict=True) if is_gone]
        self._reached("unlinked")
        await self._store.removed(gone)
        numbers = {one.number for one in gone}
        return [one for one in leftovers if one.number not in numbers]

    async def _gone(self, one: Leftover) -> bool:
        try:
            await self._storage.delete(one.object_name)
        except (OSError, ValueError) as trouble:
            self.troubles[FILES] = str(trouble)
            log.error("object_not_removed", object=one.object_name, recording=one.record_id, why=str(trouble))
            return False
        return True
