"""Moving and copying recordings to an archive: copied, verified by SHA-256, and only then said in the row.

What is brought to an archive is a leftover before its first byte is there, and until the row says otherwise: whatever
ends in between, a deletion, a blackout or the next round finds it. What the row said before is a leftover from then on.
Copies of what a blackout rewrote are the blackout's to make anew (`elsewhere`): nobody else may bring anything to where
a copy lies. The one rule: whatever fails, the recording is where its row says, and the action is tried again.
"""

import asyncio
import errno
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from earshot.clock import Clock
from earshot.core.turns import Turns
from earshot.ports.retention import DAY_S, ArchiveAction, Due, Kept, RetentionStore
from earshot.storage.placed import PlacedStorage, name_at_place, placed_name
from earshot.vault.files import create
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard

log = structlog.get_logger(__name__)

FIRST_RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0


class NotTheSame(OSError):
    """What was read back from the archive is not what was written, or the media are not what their row says."""


class GivenUp(Exception):
    """Somebody waits for the recording, or it is not what it was: what is due of it is seen anew."""


class Archiving:
    """Performs move and copy. `work` is a folder on this machine for files that are on their way; with a `keyring`
    they are encrypted, and a copy has a key of its own. Who has other things to do with a recording takes `turns`."""

    def __init__(
        self,
        store: RetentionStore,
        storage: PlacedStorage,
        work: Path,
        clock: Clock,
        reached: Callable[[str], None] = lambda _: None,
        keyring: Keyring | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._store = store
        self._storage = storage
        self._work = work
        self._clock = clock
        self._reached = reached
        self._keyring = keyring
        self._turns = turns or Turns()
        self.troubles: dict[int, str] = {}

    async def perform(self, due: Due, action: ArchiveAction) -> bool:
        """Perform a move or copy that is due; False where it must be tried again. Raises StoreUnavailable."""
        async with self._turns.of(due.kept.record_id):
            return await self._perform(due, action)

    async def _perform(self, due: Due, action: ArchiveAction) -> bool:
        target = placed_name(action.number, due.object_name)
        try:
            if target != due.object_name:
                await self._bring(due, target)
        except GivenUp:
            return False
        except OSError as trouble:
            await self.wait(due.kept, f"{action.name}: {trouble}")
            return False
        self.troubles.pop(action.number, None)
        self._reached("copied")
        then = self._then(due.kept, action)
        if action.kind == "move":
            stored = await self._store.moved(due, target, then)
        else:
            stored = await self._store.copied(due, target, then)
        self._reached("switched")
        if not stored and target != due.object_name:
            await self._take_back(due, target)  # it was deleted or rewritten meanwhile; what is due now is seen anew
        return stored

    async def wait(self, kept: Kept, trouble: str) -> None:
        """Let its action wait, longer each time. Raises StoreUnavailable."""
        delay_s = min(FIRST_RETRY_S * 2 ** min(kept.tries, 10), LONGEST_RETRY_S)
        if self.troubles.get(kept.action) != trouble:
            log.error("archive_action_waits", action=kept.action, recording=kept.record_id, why=trouble)
        self.troubles[kept.action] = trouble
        await self._store.postpone(kept.record_id, self._clock.now() + delay_s, trouble)

    def _then(self, kept: Kept, action: ArchiveAction) -> Kept:
        """What the recording is kept by after `action`."""
        if not action.next_action:
            return replace(kept, due_at=None, done=kept.done + 1)
        assert kept.due_at is not None
        return replace(kept, action=action.next_action, due_at=kept.due_at + action.days * DAY_S, done=kept.done + 1)

    async def _bring(self, due: Due, target: str) -> None:
        """Put a verified copy of the media at `target`. Raises OSError, GivenUp: nothing lies there then, or it is a
        leftover."""
        copies = await self._store.copies(due.kept.record_id)
        for name in (due.object_name, *(copy.object_name for copy in copies)):
            if self._storage.is_same(target, name):  # a second name of it must not become a leftover
                raise FileExistsError(errno.EEXIST, "the recording or a copy of it lies in this archive already", name)
        await self._storage.look(target)  # in a place that is away nothing is begun, and nothing will have to go
        if not await self._store.begun(due, target):
            raise GivenUp
        self._reached("begun")
        try:
            await self._put(due, target)
        except (OSError, GivenUp):
            await self._take_back(due, target)
            raise

    async def _take_back(self, due: Due, target: str) -> None:
        """Remove what was put at `target`; where that cannot be now, it stays a leftover."""
        left = await self._store.leftovers_of([due.kept.record_id])
        try:
            await self._storage.delete(target)
        except OSError as trouble:
            log.error("object_not_removed", object=target, recording=due.kept.record_id, why=str(trouble))
        else:
            await self._store.removed([one for one in left if one.object_name == target])

    def _go_on(self, due: Due) -> None:
        if self._turns.is_awaited(due.kept.record_id):
            raise GivenUp

    async def _put(self, due: Due, target: str) -> None:
        on_the_way = self._work / f"archive-{due.kept.record_id}"
        try:
            digest = hashlib.sha256()
            with create(on_the_way, self._keyring, name_at_place(target)) as file:
                async for chunk in self._storage.read(due.object_name):
                    self._go_on(due)
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            if digest.hexdigest() != due.audio_sha256:
                raise NotTheSame("the media are not what their row says: see earshot check")
            self._go_on(due)
            await self._storage.put_file(target, on_the_way)
        finally:
            discard(on_the_way)
        self._reached("put")
        digest = hashlib.sha256()
        async for chunk in self._storage.read(target):
            self._go_on(due)
            digest.update(chunk)
        if digest.hexdigest() != due.audio_sha256:
            raise NotTheSame(f"{target} was not written as it was read")
