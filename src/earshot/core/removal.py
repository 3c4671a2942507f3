"""The steps of a deletion that was decided: noted, keys destroyed, files removed, caches emptied, journal overwritten.

Each step may be done again. The store knows when they are noted, and after that how far a batch got, so that a process
that is killed goes on where it was, or a little before. The one rule: nothing is removed before the trail says that it
is, and a tombstone is finished only when nothing is left.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from earshot.clock import Clock
from earshot.errors import EarshotError, StoreUnavailable
from earshot.ports import Storage
from earshot.ports.retention import NOTED, Deletion, Leftover, RemovalStore

log = structlog.get_logger(__name__)

Step = Callable[[Sequence[Deletion]], Awaitable[set[int]]]
"""Does one step for some deletions, and gives the RECORDIDs of those for which it is done. Raises OSError and
StoreUnavailable: for none of them, try again."""

AT_ONCE = 200
KEYS = "keys"
FILES = "files"


class Removal:
    """Takes deletions (of recordings, or of screen sessions) through `noting`, what is done to their objects, and
    `steps` (name and work, in their order). `reached` is told of each step."""

    def __init__(
        self,
        store: RemovalStore,
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
        own = ((NOTED, noting), (KEYS, self._keys), (FILES, self._files))
        self._steps: tuple[tuple[str, Step], ...] = (*own, *steps)
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
        stored = dict(at)
        for number, (name, work) in enumerate(self._steps):
            batch = [one for one in deletions if at[one.record_id] == number]
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
            at |= dict.fromkeys(done, number + 1)
            if name == NOTED:
                await self._keep(at, stored)
        await self._keep(at, stored)
        return sum(step == len(names) for step in at.values())

    async def _keep(self, at: Mapping[int, int], stored: dict[int, int]) -> None:
        """Store how many steps each deletion has done, where that is not what is `stored`."""
        changed = {one: steps for one, steps in at.items() if steps != stored[one]}
        for steps in sorted(set(changed.values())):
            name = self._steps[steps - 1][0]
            ended = self._clock.now() if steps == len(self._steps) else 0.0
            await self._store.stepped(sorted(one for one in changed if changed[one] == steps), name, ended)
            self._reached(f"{name} stored")
        stored |= changed

    async def _keys(self, deletions: Sequence[Deletion]) -> set[int]:
        """Destroy the keys of their objects: from then on nobody can read them, whatever becomes of the files."""
        wanted = {one.record_id for one in deletions}
        left = await self._store.leftovers_of(sorted(wanted))
        kept = await self._storage.destroy_keys(list({one.object_name for one in left}))
        for name, why in kept.items():
            self.troubles[KEYS] = why
            log.error("key_not_destroyed", object=name, why=why)
        return wanted - {one.record_id for one in left if one.object_name in kept}

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
        kept = await self._storage.delete_all(list({one.object_name for one in leftovers})) if leftovers else {}
        self._reached("unlinked")
        await self._store.removed([one for one in leftovers if one.object_name not in kept])
        left = [one for one in leftovers if one.object_name in kept]
        for one in left:
            why = self.troubles[FILES] = kept[one.object_name]
            log.error("object_not_removed", object=one.object_name, recording=one.record_id, why=why)
        return left
