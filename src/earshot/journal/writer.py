"""The journal writer: takes events and packets from the event loop and makes them durable, one batch per interval.

Here live double buffering, segment rotation with its checkpoint, waiting for durability, and what happens when the disk
does not take it. Not here: layout (pending, format), getting rid of old segments (upkeep). The one rule: a batch gets
its place once; until it is durable there it is neither dropped nor moved, and nothing later overtakes it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from earshot.journal.cipher import KeyWrap
from earshot.journal.format import CHECKPOINT, INTERNAL, RELEASED, ChainPointer, SegmentInfo, segment_begins
from earshot.journal.pending import Pending
from earshot.journal.recovery import Recovered
from earshot.journal.segment_file import Flight, SegmentFile, make_dirs
from earshot.journal.tails import LegTails
from earshot.journal.timeline import JournalTime
from earshot.tasks import Spawner, one_thread

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """Sizes and times. `max_pending_bytes` bounds what waits in memory while the disk takes nothing.

    Each segment begins with all state there is, which for 2,000 calls takes 0.1 s: full ones must not come too often.
    """

    flush_interval_s: float = 0.25
    segment_bytes: int = 1024 * 2**20
    segment_seconds: float = 60.0
    max_pending_bytes: int = 512 * 2**20
    retry_s: float = 0.5


@dataclass(frozen=True, slots=True)
class JournalTrouble:
    """The disk does not take the journal: the error, what waits in memory, and packets dropped since the start.

    `error` is None when the trouble is over.
    """

    error: OSError | None
    waiting_bytes: int
    dropped_packets: int


class JournalWriter:
    """Appends to the journal in `directory`. Used from one event loop.

    `checkpoint` gives, synchronously, the events (dicts, or JSON documents as bytes) from which the state of all open
    calls can be rebuilt; it is asked at the start of each segment. `random_u32` gives the salt of a segment. With
    `wrap`, what is written is encrypted.
    """

    def __init__(
        self,
        directory: Path,
        *,
        time: JournalTime,
        random_u32: Callable[[], int],
        recovered: Recovered | None = None,
        settings: JournalSettings | None = None,
        checkpoint: Callable[[], Sequence[dict[str, Any] | bytes]] | None = None,
        on_trouble: Callable[[JournalTrouble], None] | None = None,
        wrap: KeyWrap | None = None,
    ) -> None:
        self.directory = directory
        self.time = time
        self.wrap = wrap
        self.settings = settings or JournalSettings()
        self.tails = LegTails()
        self.closed_segments: list[SegmentInfo] = []
        self.dropped_packets = 0
        self.has_checkpoint = checkpoint is not None
        self._random_u32 = random_u32
        self._checkpoint = checkpoint
        self._on_trouble = on_trouble
        self._pending, self._spare = Pending(), Pending()
        self._flying_bytes = 0
        self._segment = SegmentInfo(0, 0, 0, 0)
        self._salt = 0
        self._next_batch = 1
        self.durable = 0
        self.durable_segment = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._hurry = asyncio.Event()
        self._closing = False
        self._trouble: OSError | None = None
        self._file = SegmentFile(directory, wrap)
        self._thread = one_thread("journal-write")
        self._task: asyncio.Task[None] | None = None
        self._next_segment = 1
        if recovered is not None:
            self._take_over(recovered)

    def _take_over(self, recovered: Recovered) -> None:
        self._next_segment = recovered.next_segment
        self._next_batch = recovered.next_batch
        self.durable = recovered.next_batch - 1
        self.closed_segments = list(recovered.segments)
        for leg, found in recovered.legs.items():
            self.tails.adopt(leg, found.tail, found.first_segment, found.carried_upto)

    # --- appending ------------------------------------------------------------------------------------------------

    def append_event(self, event: dict[str, Any]) -> int:
        """Add an event (JSON values only, keys are strings); returns the position to wait for with `synced()`."""
        self._pending.append_event(orjson.dumps(event))
        return self._next_batch

    def open_leg(self, leg: int) -> int:
        """The slot under which packets of `leg` are appended; `leg` is a number that was never used before."""
        return self.tails.open(leg)

    def append_media(
        self,
        slots: NDArray[np.int32],
        counts: NDArray[np.int64],
        times_us: NDArray[np.int64],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        overflow: NDArray[np.uint8] | None = None,
    ) -> int:
        """Add raw packets of many legs, as `Pending.append_media` says; returns the position.

        While the disk takes nothing and the bound is reached, packets are dropped, counted and reported.
        """
        if self._pending.size + self._flying_bytes > self.settings.max_pending_bytes:
            self.dropped_packets += len(lengths)
        else:
            self._pending.append_media(slots, counts, times_us, lengths, rows, overflow)
        return self._next_batch

    def append_packets(self, leg: int, times_us: Sequence[int], packets: Sequence[bytes]) -> int:
        """Add packets of one leg the plain way: for sources that do not come by the batch."""
        if not packets:
            return self._next_batch
        lengths = np.array([len(packet) for packet in packets], np.int64)
        rows = np.zeros((len(packets), max(int(lengths.max()), 1)), np.uint8)
        for row, packet in zip(rows, packets, strict=True):
            row[: len(packet)] = np.frombuffer(packet, np.uint8)
        slots = np.array([self.open_leg(leg)], np.int32)
        return self.append_media(slots, np.array([len(packets)]), np.array(times_us, np.int64), lengths, rows)

    def leg_tail(self, leg: int) -> ChainPointer:
        """Where the newest entry of `leg` lies. Await `sync()` before, else the newest packets are not covered.

        Raises KeyError for a leg that is not open.
        """
        return self.tails.tail(leg)

    def forget_leg(self, leg: int) -> int:
        """The leg is sealed or not wanted: nothing of it needs to be kept. Returns the position.

        `Upkeep.release_leg` calls this and removes the leg's carry file as well.
        """
        self.tails.forget(leg)
        return self.append_event({INTERNAL: RELEASED, "leg": leg})

    # --- durability -----------------------------------------------------------------------------------------------

    async def start(self, spawner: Spawner) -> None:
        """Create the folders and begin to flush. Raises OSError."""
        await asyncio.get_running_loop().run_in_executor(self._thread, make_dirs, self.directory)
        self._task = spawner.spawn("journal-writer", self._run())

    async def synced(self, position: int) -> None:
        """Wait until `position` is durable; does not hasten the flush. Waits for as long as the disk is in trouble."""
        if position > self.durable:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((position, waiter))
            await waiter

    async def settled(self) -> None:
        """Wait until everything that was appended until now is durable; does not hasten the flush."""
        await self.synced(self._newest)

    async def sync(self) -> None:
        """Make everything that was appended until now durable, at once."""
        position = self._newest
        if position > self.durable:
            self.flush()
            await self.synced(position)

    @property
    def _newest(self) -> int:
        """The position of what was appended last."""
        return self._next_batch if self._pending else self._next_batch - 1

    def flush(self) -> None:
        """Begin the next flush now instead of at the end of the interval."""
        self._hurry.set()

    async def close(self) -> None:
        """Flush what is left and end. Raises OSError if the disk does not take it now."""
        self._closing = True
        self.flush()
        if self._task is not None:
            await self._task
        self._thread.shutdown()
        self._file.close()
        if self._trouble is not None:
            for _, waiter in self._waiters:
                if not waiter.done():
                    waiter.set_exception(self._trouble)
            raise self._trouble

    async def _run(self) -> None:
        while not self._closing:
            try:
                await asyncio.wait_for(self._hurry.wait(), self.settings.flush_interval_s)
            except TimeoutError:
                pass
            self._hurry.clear()
            if not await self._flush_once():
                return
        await self._flush_once()

    async def _flush_once(self) -> bool:
        """Write what is pending. False if that was given up because the writer closes and the disk is in trouble."""
        if not self._pending:
            return True
        filled = self._pending
        flight = self._freeze()
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(self._thread, self._file.write, flight)
            except OSError as error:
                self._report(error)
                if self._closing:
                    return False
                await asyncio.sleep(self.settings.retry_s)
            else:
                break
        self._landed(flight)
        filled.clear()
        self._spare = filled
        return True

    def _landed(self, flight: Flight) -> None:
        self._flying_bytes = 0
        self.durable, self.durable_segment = flight.number, flight.segment
        if self._trouble is not None:
            self._report(None)
        still = []
        for position, waiter in self._waiters:
            if position > self.durable:
                still.append((position, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._waiters = still

    def _report(self, error: OSError | None) -> None:
        changed = (error is None) != (self._trouble is None)
        self._trouble = error
        if changed:
            log.error("journal_trouble", error=str(error), dropped_packets=self.dropped_packets)
        if self._on_trouble is not None:
            self._on_trouble(JournalTrouble(error, self._flying_bytes + self._pending.size, self.dropped_packets))

    # --- layout ---------------------------------------------------------------------------------------------------

    @property
    def segment(self) -> int:
        """The number of the segment that is appended to; 0 before the first flush."""
        return self._segment.number

    def _freeze(self) -> Flight:
        """Give what is pending its place, and go on with the other buffer."""
        now_us = self.time.now_us()
        if self._rotation_due(now_us):
            self._rotate(now_us)
        pending, self._pending = self._pending, self._spare
        here = self._segment
        batch = pending.build(
            self.tails,
            number=self._next_batch,
            now_us=now_us,
            segment=here.number,
            offset=here.size,
            base_us=here.base_us,
        )
        self.tails.settle()
        flight = Flight(here.number, here.base_us, self._salt, here.size, batch, self._next_batch)
        self._segment = SegmentInfo(here.number, here.base_us, now_us, here.size + batch.length)
        self._next_batch += 1
        self._flying_bytes = pending.size
        return flight

    def _rotation_due(self, now_us: int) -> bool:
        here = self._segment
        full = here.size >= self.settings.segment_bytes
        return here.number == 0 or full or now_us - here.base_us >= self.settings.segment_seconds * 1e6

    def _rotate(self, now_us: int) -> None:
        if self._segment.number:
            self.closed_segments.append(self._segment)
        self._segment = SegmentInfo(self._next_segment, now_us, now_us, segment_begins(self.wrap is not None))
        self._next_segment += 1
        self._salt = self._random_u32()
        if self._checkpoint is not None:
            state = self._checkpoint()
            self._pending.append_event(orjson.dumps({INTERNAL: CHECKPOINT, "events": len(state)}))
            for event in state:
                self._pending.append_event(event if isinstance(event, bytes) else orjson.dumps(event))
