"""Taking turns at a recording: one brings it to an archive, another takes sound from wherever it lies.

Not here: what either does. The one rule: whoever puts or removes an object beside the one that the row names has the
turn, from before the first byte until the rows say what is so.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Whose turn it is, by RECORDID, within this process."""

    def __init__(self) -> None:
        self._locks: dict[int, asyncio.Lock] = {}
        self._there: Counter[int] = Counter()

    @asynccontextmanager
    async def of(self, record_id: int) -> AsyncIterator[None]:
        """Have the turn of a recording for as long as this lasts; waits for it."""
        lock = self._locks.setdefault(record_id, asyncio.Lock())
        self._there[record_id] += 1
        try:
            async with lock:
                yield
        finally:
            self._there[record_id] -= 1
            if not self._there[record_id]:
                del self._there[record_id], self._locks[record_id]

    def is_awaited(self, record_id: int) -> bool:
        """Whether somebody waits for the turn of a recording, so that whoever has it had better give up."""
        return self._there[record_id] > 1
