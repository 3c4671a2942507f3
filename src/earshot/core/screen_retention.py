"""Screen sessions whose days are over: decided, and taken through the steps of a deletion.

Not here: sessions that go with the last of their recordings are decided with it. The one rule: what was decided, by
whichever way, is brought to its end here.
"""

from collections.abc import Collection

from earshot.clock import Clock
from earshot.core.removal import Removal
from earshot.ports.retention import Defaults
from earshot.ports.screen_retention import ScreenRetention


class ScreenPurge:
    """`removal` is one over `kept`, with the numbers of sessions for RECORDIDs."""

    def __init__(self, kept: ScreenRetention, clock: Clock, removal: Removal) -> None:
        self._kept = kept
        self._clock = clock
        self.removal = removal

    async def perform(self, defaults: Defaults, purging: Collection[int], at_once: int) -> int:
        """Remove the sessions whose days are over; gives how many were decided. Raises StoreUnavailable."""
        decided = 0
        while doomed := await self._kept.doom_due(self._clock.now(), defaults, purging, at_once):
            decided += len(doomed)
            await self.removal.take(doomed)
        return decided
