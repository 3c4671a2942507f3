"""Taking in a leg's packets: from an iterator of chunks to one window of header columns at a time.

No order and no sound here. The one rule: what is held is bounded by the caller's limits, and packets far outside the
recording are never held at all.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from earshot.media.decoders import payload_bytes
from earshot.media.packets import Int64s, LegPackets
from earshot.media.rtp_columns import RtpColumns, parse

AROUND_US = 10_000_000
"""How far beyond a window, and around the recording, packets are looked at."""

NOTHING_MORE = 2**62


class Intake:
    """The packets of one leg between `start_us` and `stop_us` (and `AROUND_US` to either side)."""

    def __init__(self, chunks: Iterable[LegPackets], start_us: int, stop_us: int) -> None:
        self.broken = 0
        self._chunks: Iterator[LegPackets] = iter(chunks)
        self._first_us, self._last_us = start_us - AROUND_US, stop_us + AROUND_US
        self._held: list[LegPackets] = []
        self._held_bytes = 0
        self._reached = -NOTHING_MORE
        self._ended = False

    def read(self, until_us: int, most_bytes: int | None = None) -> int:
        """Take in what arrived up to `until_us`, but stop once `most_bytes` are held. Returns the arrival time that is
        reached, `NOTHING_MORE` at the end."""
        while not self._ended and self._reached < until_us and (most_bytes is None or self._held_bytes < most_bytes):
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
            elif chunk.times_us.size:
                self._reached = max(self._reached, int(chunk.times_us[-1]))
                self._ended = int(chunk.times_us[0]) > self._last_us
                if self._reached >= self._first_us and not self._ended:
                    self._held.append(chunk)
                    self._held_bytes += len(chunk.data)
        return NOTHING_MORE if self._ended else self._reached

    def take(self) -> tuple[Int64s, RtpColumns] | None:
        """Everything held, as arrival times and columns of the good packets; None if nothing is held."""
        chunks, self._held, self._held_bytes = self._held, [], 0
        if not chunks:
            return None
        data = chunks[0].data if len(chunks) == 1 else b"".join(chunk.data for chunk in chunks)
        lengths = np.concatenate([chunk.lengths for chunk in chunks]).astype(np.int64, copy=False)
        times = np.concatenate([chunk.times_us for chunk in chunks]).astype(np.int64, copy=False)
        columns = parse(np.frombuffer(data, np.uint8), lengths)
        self.broken += columns.broken
        return times[columns.row], columns

    def give_back(self, times: Int64s, columns: RtpColumns, rows: Int64s) -> None:
        """Hold rows of what was taken for the next window."""
        if rows.size == 0:
            return
        rows = rows[np.argsort(columns.begin[rows])]
        lengths = columns.end[rows] - columns.begin[rows]
        chunk = LegPackets(times[rows], lengths, payload_bytes(columns.data, columns.begin[rows], lengths).tobytes())
        self._held.insert(0, chunk)
        self._held_bytes += len(chunk.data)
