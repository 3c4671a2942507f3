"""Upkeep: keeps the journal's size bound to the calls that run, and removes what is no longer needed.

Here live the decisions when to carry and which segments may go, releasing legs, and redaction of open legs, all on one
thread of their own so that they never delay a flush. Not here: how these are done. The one rule: a file is removed
only after everything that is needed of it is durable elsewhere.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

import structlog

from earshot.errors import EarshotError
from earshot.journal.carry import carry_segments
from earshot.journal.format import segments_dir
from earshot.journal.redaction import redact_leg, redact_released
from earshot.journal.rewrap import remove_carried, remove_segment
from earshot.journal.segment_file import sync_dir
from earshot.journal.writer import JournalWriter
from earshot.tasks import one_thread

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Upkeep:
    """Housekeeping of one journal. `carry_after_s` is the age at which open legs no longer pin a segment."""

    def __init__(self, writer: JournalWriter, *, carry_after_s: float = 300.0, round_s: float = 15.0) -> None:
        self._writer = writer
        self._directory = writer.directory
        self._carry_after_us = int(carry_after_s * 1e6)
        self._round_s = round_s
        self._thread = one_thread("journal-upkeep")
        self._unlinking: list[int] = []

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def run(self) -> None:
        """Do a round now and then, for ever. Errors of the disk are logged; the next round tries again."""
        while True:
            try:
                await self.round()
            except (OSError, EarshotError) as failure:
                log.error("journal_upkeep_failed", error=str(failure))
            await asyncio.sleep(self._round_s)

    def close(self) -> None:
        """End the thread, after what it is doing now."""
        self._thread.shutdown()

    async def round(self) -> None:
        """Carry what is old, finish releases, remove the segments nobody needs. Raises OSError, JournalDamaged."""
        await self._carry()
        await self.finish_releases()
        await self._remove_segments()

    async def _carry(self) -> None:
        """Carry when a segment is past the age; take along those that soon will be, to sync each file less often."""
        writer = self._writer
        now_us = writer.time.now_us()
        needed = writer.tails.first_needed()
        closed = [info for info in writer.closed_segments if info.number >= needed]
        if not closed or now_us - closed[0].last_us < self._carry_after_us:
            return
        old = [info.number for info in closed if now_us - info.last_us >= self._carry_after_us * 0.8]
        legs = list(writer.tails.legs())
        await self._in_thread(lambda: carry_segments(self._directory, old, legs, writer.wrap))
        writer.tails.carried(legs, max(old))

    def release_leg(self, leg: int) -> int:
        """The leg is sealed or not wanted: drop all that is kept of it. Returns the position to wait for.

        Its carry file goes in the next round, after the release is durable.
        """
        self._unlinking.append(leg)
        return self._writer.forget_leg(leg)

    async def finish_releases(self) -> None:
        """Remove the carry files of released legs. Raises OSError."""
        legs, self._unlinking = self._unlinking, []
        if not legs:
            return
        try:
            await self._writer.sync()
            await self._in_thread(lambda: _unlink_carried(self._directory, legs))
        except BaseException:
            self._unlinking += legs
            raise

    async def _remove_segments(self) -> None:
        """Remove the oldest segments up to the first that an open leg needs, or that has no checkpoint after it."""
        writer = self._writer
        if not writer.has_checkpoint:
            return
        limit = min(writer.tails.first_needed(), writer.durable_segment)
        gone = [info for info in writer.closed_segments if info.number < limit]
        if gone:
            await self._in_thread(lambda: _unlink_segments(self._directory, [info.number for info in gone]))
            writer.closed_segments = [info for info in writer.closed_segments if info not in gone]

    async def redact(self, leg: int, from_us: int, to_us: int) -> int:
        """Overwrite what is on disk of an open leg between two journal times; gives the number of places.

        Raises KeyError, OSError (run it again), JournalDamaged.
        """
        await self._writer.sync()
        tail = self._writer.leg_tail(leg)
        await self._writer.sync()  # the newest entry may be on its way: it must lie there before it is read
        return await self._in_thread(lambda: redact_leg(self._directory, leg, tail, from_us, to_us))

    async def redact_released(self, from_us: int, to_us: int) -> int:
        """The same for everything that is not of an open leg: what sealed calls left behind. Raises OSError."""
        await self._writer.sync()
        await self.finish_releases()
        needed = list(self._writer.tails.legs())
        return await self._in_thread(lambda: redact_released(self._directory, needed, from_us, to_us))


def _unlink_carried(directory: Path, legs: Collection[int]) -> None:
    for leg in legs:
        remove_carried(directory, leg)


def _unlink_segments(directory: Path, numbers: Collection[int]) -> None:
    for number in sorted(numbers):
        remove_segment(directory, number)
    sync_dir(segments_dir(directory))
