"""A claim on an export: what a client holds while its file is made and read.

The one rule: a claim is released once, by whoever got it, and until then the file stays.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from earshot.api.export_cache import Entry, ExportCache
from earshot.api.export_processes import ExportFailed
from earshot.api.export_queue import Work
from earshot.vault.files import read_growing

CHUNK_BYTES = 256 * 1024


class Claim:
    """Reads the file from anywhere, waiting where it is not made yet; implements `earshot.api.media.RangedBytes`.

    It is on a `work` that is under way or on an `entry` of the cache. `unclaimed` is told of a work that nobody waits
    for any more.
    """

    def __init__(
        self,
        cache: ExportCache,
        key: str,
        size: int,
        unclaimed: Callable[[Work], None],
        *,
        work: Work | None = None,
        entry: Entry | None = None,
    ) -> None:
        self.key = key
        self.size = size
        self._cache = cache
        self._unclaimed = unclaimed
        self._work = work
        self._entry = entry
        self._released = False

    @property
    def fraction(self) -> float:
        """How much is made, from 0 to 1; 1 only when all is. Raises why it could not be made."""
        if self._work is None or self._work.done:
            return 1.0
        if self._work.failure is not None:
            raise self._work.failure
        return min(self._work.fraction, 0.999)

    async def news(self) -> None:
        """Wait for the next change of `fraction`."""
        if self._work is not None and not self._work.done and self._work.failure is None:
            await self._work.news()

    @property
    def path(self) -> Path:
        """Where the file is now."""
        entry = self._entry or (self._work.entry if self._work is not None else None)
        return entry.path if entry is not None else self._cache.unfinished(self.key)

    @property
    def file_key(self) -> bytes:
        """What the file is encrypted with; empty where it is plain."""
        if self._entry is not None:
            return self._entry.key
        return bytes.fromhex(self._work.task.out_key) if self._work is not None else b""

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """See `RangedBytes.read`. Raises what the making of the file raised."""
        await self._until(min(start + 1, stop))
        # Opened here and not in a thread: the loop gives the file its final name, never between these two.
        handle, key = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), self.file_key
        try:
            at = start
            while at < stop:
                ready = await self._until(at + 1)
                upto = min(stop, ready, at + CHUNK_BYTES)
                chunk = await asyncio.to_thread(_read, handle, key, self.size, at, upto)
                if not chunk:
                    raise ExportFailed("the export is shorter than it should be")
                at += len(chunk)
                yield chunk
        finally:
            os.close(handle)

    async def _until(self, wanted: int) -> int:
        if self._work is None:
            return self.size
        await self._work.until(wanted)
        return self._work.ready

    def release(self) -> None:
        """See `RangedBytes.release`."""
        if self._released:
            return
        self._released = True
        work, entry = self._work, self._entry or (self._work.entry if self._work is not None else None)
        if entry is not None:
            self._cache.let_go(self.key, entry)
        elif work is not None:
            work.waiting -= 1
            if work.waiting == 0 and work.failure is None:
                self._unclaimed(work)


def _read(handle: int, key: bytes, size: int, start: int, stop: int) -> bytes:
    return read_growing(handle, key, size, start, stop) if key else os.pread(handle, stop - start, start)
