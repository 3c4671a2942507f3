"""The batch under construction: events and packets that wait for the next flush, and how they become bytes.

Here live the growing buffers and the vectorised building of a batch. Not here: files, threads. The one rule: nothing is
done per packet in Python; per append there is a fixed number of array operations.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot.journal.cipher import Keystream
from earshot.journal.format import (
    BATCH_CHECKS,
    BATCH_FIXED,
    BATCH_MAGIC,
    ENTRY,
    HEADER_BYTES,
    PACKET,
    PAYLOAD_WHOLE,
    checksum,
    padded,
)
from earshot.journal.tails import LegTails

_PADDING = bytes(8)
_INT32 = np.iinfo(np.int32)


class _Column:
    """A one-dimensional array that grows by doubling and is reused for the next batch."""

    def __init__(self, dtype: type[np.generic], size: int) -> None:
        self._array: NDArray[Any] = np.empty(size, dtype)
        self.used = 0

    def room(self, count: int) -> NDArray[Any]:
        """The next `count` places, to be filled by the caller."""
        end = self.used + count
        if end > len(self._array):
            grown = np.empty(max(end, 2 * len(self._array)), self._array.dtype)
            grown[: self.used] = self._array[: self.used]
            self._array = grown
        place = self._array[self.used : end]
        self.used = end
        return place

    def filled(self) -> NDArray[Any]:
        return self._array[: self.used]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch ready to be written: its parts, each but the payload as long as it is in the file, and its total length.

    `finish` gives the bytes; it costs two checksums, and encryption, and runs on the writing thread.
    """

    fixed: bytes
    events: bytes
    entries: memoryview
    headers: memoryview
    payload: memoryview
    length: int

    def finish(self, salt: int, stream: Keystream | None = None, offset: int = 0) -> list[memoryview]:
        """All bytes of the batch, checksums included, in pieces; encrypted for its place when there is a `stream`.

        The payload is good until the stream is used again.
        """
        events, payload = memoryview(self.events), self.payload
        padding = memoryview(_PADDING[: padded(len(payload)) - len(payload)])
        if stream is not None:
            events = memoryview(stream.applied(events, offset + HEADER_BYTES))
            payload = stream.covered(payload, offset + self.length - len(payload) - len(padding))
        table = checksum((self.fixed, events, self.entries, self.headers), salt)
        second = (payload, padding) if stream is None else (self.headers, payload, padding)
        header = self.fixed + BATCH_CHECKS.pack(table, PAYLOAD_WHOLE, checksum(second, salt))
        parts = (memoryview(header), events, self.entries, self.headers, payload, padding)
        return [part for part in parts if len(part)]


class Pending:
    """What was appended since the last flush."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self.event_bytes = 0
        self._payload = _Column(np.uint8, 1 << 16)
        self._times = _Column(np.int64, 1 << 10)
        self._lengths = _Column(np.uint16, 1 << 10)
        self._slots = _Column(np.int32, 1 << 8)
        self._counts = _Column(np.uint32, 1 << 8)

    def __bool__(self) -> bool:
        return bool(self._events) or self._slots.used > 0

    @property
    def size(self) -> int:
        """Bytes held, about."""
        return self.event_bytes + self._payload.used + 16 * self._times.used

    def clear(self) -> None:
        """Forget the content, keep the room."""
        self._events.clear()
        self.event_bytes = 0
        for column in (self._payload, self._times, self._lengths, self._slots, self._counts):
            column.used = 0

    def append_event(self, line: bytes) -> None:
        """Add one event, a JSON document without line breaks."""
        self._events.append(line)
        self.event_bytes += len(line) + 1

    def append_media(
        self,
        slots: NDArray[np.int32],
        counts: NDArray[np.int64],
        times_us: NDArray[np.int64],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        overflow: NDArray[np.uint8] | None = None,
    ) -> None:
        """Add packets: `counts[i]` (none of them 0) rows in turn belong to the leg in `slots[i]`.

        Packet j is the first `lengths[j]` bytes of `rows[j]` continued, where that is too narrow, in `overflow[j]`.
        """
        if not len(slots):
            return
        self._slots.room(len(slots))[:] = slots
        self._counts.room(len(slots))[:] = counts
        self._times.room(len(times_us))[:] = times_us
        self._lengths.room(len(lengths))[:] = lengths
        copy_rows(self._payload.room(int(lengths.sum())), lengths, rows, overflow)

    def build(self, tails: LegTails, *, number: int, now_us: int, segment: int, offset: int, base_us: int) -> Batch:
        """Lay everything out as batch `number` at `offset` of `segment`; link its entries into the chains."""
        events = b"\n".join(self._events)
        entries = np.zeros(self._slots.used, ENTRY)
        headers = np.zeros(self._times.used, PACKET)
        payload = self._payload.filled()
        entries_at = offset + HEADER_BYTES + padded(len(events))
        headers_at = entries_at + entries.nbytes
        payload_at = headers_at + headers.nbytes
        length = payload_at + padded(len(payload)) - offset
        if len(entries):
            self._fill(tails, entries, headers, segment, base_us, (entries_at, headers_at, payload_at))
        fixed = BATCH_FIXED.pack(
            BATCH_MAGIC,
            0,
            number,
            now_us,
            length,
            len(events),
            len(self._events),
            len(entries),
            len(headers),
            len(payload),
        )
        return Batch(
            fixed,
            events.ljust(padded(len(events)), b"\0"),
            entries.view(np.uint8).data,
            headers.view(np.uint8).data,
            payload.data,
            length,
        )

    def _fill(
        self,
        tails: LegTails,
        entries: NDArray[np.void],
        headers: NDArray[np.void],
        segment: int,
        base_us: int,
        places: tuple[int, int, int],
    ) -> None:
        entries_at, headers_at, payload_at = places
        slots, counts, lengths = self._slots.filled(), self._counts.filled(), self._lengths.filled()
        ends = np.cumsum(counts, dtype=np.int64)
        starts = ends - counts
        bytes_before = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        offsets = (entries_at + ENTRY.itemsize * np.arange(len(entries))).astype(np.uint32)
        entries["previous_segment"], entries["previous_offset"] = tails.link(slots, offsets, segment)
        entries["leg"] = tails.ids[slots]
        entries["count"] = counts
        entries["header_offset"] = headers_at + PACKET.itemsize * starts
        entries["payload_offset"] = payload_at + bytes_before[starts]
        entries["payload_bytes"] = bytes_before[ends] - bytes_before[starts]
        headers["delta_us"] = np.clip(self._times.filled() - base_us, _INT32.min, _INT32.max)
        headers["length"] = lengths


def copy_rows(
    target: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    rows: NDArray[np.uint8],
    overflow: NDArray[np.uint8] | None,
) -> None:
    """Write the packets one after the other into `target`, which has exactly room for them.

    Runs of equal length are copied as rectangles; where lengths change from packet to packet, one mask picks the bytes.
    """
    width = rows.shape[1]
    changes = np.flatnonzero(lengths[1:] != lengths[:-1]) + 1
    if len(changes) * 8 > len(lengths):
        longest = int(lengths.max())
        if longest > width and overflow is not None:
            rows = np.concatenate([rows, overflow[: len(rows), : longest - width]], axis=1)
        target[:] = rows[:, :longest][np.arange(longest) < lengths[:, None]]
        return
    bounds = [0, *changes.tolist(), len(lengths)]
    at = 0
    for start, end in pairwise(bounds):
        length = int(lengths[start])
        stop = at + (end - start) * length
        if length == 0:
            continue
        place = target[at:stop].reshape(end - start, length)
        place[:, :width] = rows[start:end, :length]
        if length > width and overflow is not None:
            place[:, width:] = overflow[start:end, : length - width]
        at = stop
