"""The order of a leg's packets: sequence numbers unwrapped, sorted, duplicates dropped, losses counted (RFC 3550).

Where packets lie in time is `timeline`. The one rule: the outcome depends on what arrived when, never on how the rows
were batched or shuffled; a window of packets is given whole, and the packets behind the cut come again next time.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earshot.media.packets import Int64s
from earshot.media.rtp_columns import RtpColumns

MAX_DROPOUT = 3000
"""A step of the sequence number beyond this is a restart of the sender, unless time explains it (RFC 3550, A.1)."""

REMEMBERED = 4096
NOTHING = -(2**62)
FRAME_TICKS = 80
"""Shortest packet, in ticks of an 8 kHz clock, by which an outage can explain a large step."""


@dataclass(slots=True)
class OrderCounts:
    """Counts of packets, as in `LegFigures`; `too_late` came after their time had been written to the file."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicated: int = 0
    reordered: int = 0
    too_late: int = 0


@dataclass(frozen=True, slots=True)
class StreamState:
    """What one SSRC leaves behind for the next window: its last final packet, raw and unwrapped.

    `emitted` is the highest number that was final, `recent` the numbers of the last `REMEMBERED` final packets.
    """

    last_sequence: int
    last_time: int
    last_timestamp: int
    last_ticks: int
    last_extended: int = 0
    emitted: int = NOTHING
    recent: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class OrderedPackets:
    """Packets of one SSRC in order, each once. `row` points into the columns; rows from `ready` on are a look ahead.

    `number` is the unwrapped sequence number, `ticks` the unwrapped timestamp in units of the RTP clock. `rest` are
    the rows, in order of arrival, that the caller must give again with the next window.
    """

    ssrc: int
    row: Int64s
    number: Int64s
    ticks: Int64s
    ready: int
    rest: Int64s


class Ordering:
    """Orders one leg window by window."""

    def __init__(self) -> None:
        self.counts = OrderCounts()
        self.streams: dict[int, StreamState] = {}

    def window(self, columns: RtpColumns, times_us: Int64s, cut_us: int | None) -> list[OrderedPackets]:
        """Order the rows of a window; `times_us` are the arrival times of `columns`' rows.

        Rows that arrived before `cut_us` (all, if None) are final; so is every packet numbered before one of them.
        Streams come in the order of their first arrival.
        """
        arrival = np.arange(times_us.size)
        if times_us.size > 1 and not bool((np.diff(times_us) >= 0).all()):
            arrival = np.lexsort((columns.sequence, times_us))
        groups: list[tuple[int, Int64s]] = []
        if times_us.size:
            ssrc = columns.ssrc
            if bool((ssrc == ssrc[0]).all()):
                groups = [(int(ssrc[0]), arrival)]
            else:
                values, first = np.unique(ssrc[arrival], return_index=True)
                ranked = values[np.argsort(first)]
                groups = [(int(value), arrival[ssrc[arrival] == value]) for value in ranked]
        return [self._stream(ssrc, rows, columns, times_us, cut_us) for ssrc, rows in groups]

    def _stream(
        self, ssrc: int, rows: Int64s, columns: RtpColumns, times_us: Int64s, cut_us: int | None
    ) -> OrderedPackets:
        """One SSRC; `rows` in order of arrival."""
        times = times_us[rows]
        sequence = columns.sequence[rows].astype(np.int64)
        timestamps = columns.timestamp[rows].astype(np.int64)
        state = self.streams.get(ssrc)
        if state is None:
            state = StreamState(int(sequence[0]), int(times[0]), int(timestamps[0]), int(timestamps[0]))
        extended = _unwrap(sequence, timestamps, times, state)
        final = times.size if cut_us is None else int(np.searchsorted(times, cut_us))
        top = max(int(extended[:final].max()), state.emitted) if final else state.emitted
        rest = rows[extended > top]
        fresh = self._count_arrivals(extended, top, state)
        if not fresh.all():
            rows, extended = rows[fresh], extended[fresh]
        if extended.size > 1 and not bool((np.diff(extended) > 0).all()):
            order = np.argsort(extended, kind="stable")
            rows, extended = rows[order], extended[order]
            first = np.concatenate(([True], np.diff(extended) > 0))
            self.counts.duplicated += int((~first & (extended <= top)).sum())
            rows, extended = rows[first], extended[first]
        ready = int(np.searchsorted(extended, top, side="right"))
        ticks = _unwrap_ticks(columns.timestamp[rows].astype(np.int64), state)
        if ready:
            before = int(extended[0]) - 1 if state.emitted == NOTHING else state.emitted
            self.counts.lost += int(extended[ready - 1]) - before - ready
            row = rows[ready - 1]
            self.streams[ssrc] = StreamState(
                last_sequence=int(columns.sequence[row]),
                last_time=int(times_us[row]),
                last_timestamp=int(columns.timestamp[row]),
                last_ticks=int(ticks[ready - 1]),
                last_extended=int(extended[ready - 1]),
                emitted=int(extended[ready - 1]),
                recent=np.concatenate((state.recent, extended[:ready]))[-REMEMBERED:],
            )
        return OrderedPackets(ssrc, rows, extended, ticks, ready, rest)

    def _count_arrivals(self, extended: Int64s, top: int, state: StreamState) -> NDArray[np.bool_]:
        """Count what the order of arrival tells of the final rows; False for rows to drop: those the file is past."""
        fresh = np.ones(extended.size, np.bool_)
        mine = extended <= top
        self.counts.received += int(mine.sum())
        floor = max(state.emitted, int(extended[0]) - 1)
        before = np.maximum.accumulate(np.concatenate(([floor], extended[:-1])))
        stale = extended <= state.emitted
        if stale.any():
            again = stale & np.isin(extended, state.recent)
            self.counts.duplicated += int(again.sum())
            self.counts.too_late += int((stale & ~again).sum())
            fresh = ~stale
        late = mine & (extended < before)
        if late.any():
            original = np.zeros(extended.size, np.bool_)
            original[np.unique(extended, return_index=True)[1]] = True
            late &= original & fresh
            self.counts.late += int(late.sum())
            steps_back = np.diff(extended, prepend=floor) < 0
            self.counts.reordered += int((late & steps_back).sum())
        return fresh


def _unwrap(sequence: Int64s, timestamps: Int64s, times: Int64s, state: StreamState) -> Int64s:
    """Numbers without the wrap at 65,535, in order of arrival; after a restart they go on above all earlier ones."""
    steps = np.diff(sequence, prepend=state.last_sequence)
    steps = (steps + 0x8000 & 0xFFFF) - 0x8000
    extended: Int64s = state.last_extended + np.cumsum(steps)
    large = np.flatnonzero(np.abs(steps) > MAX_DROPOUT)
    if large.size == 0:
        return extended
    ticks = np.diff(timestamps, prepend=state.last_timestamp) & 0xFFFFFFFF
    elapsed = np.diff(times, prepend=state.last_time)
    highest = max(state.emitted, -1)
    done = 0
    for at in large.tolist():
        outage = steps[at] > 0 and elapsed[at] > 0 and int(ticks[at]) >= int(steps[at]) * FRAME_TICKS
        if outage and abs(int(ticks[at]) / 8000 - int(elapsed[at]) / 1e6) < 2.0:
            continue
        if at > done:
            highest = max(highest, int(extended[done:at].max()))
        done = at
        extended[at:] += highest + 1 - int(extended[at])
    return extended


def _unwrap_ticks(timestamps: Int64s, state: StreamState) -> Int64s:
    """Timestamps without the wrap at 2^32, in order of number."""
    steps = np.diff(timestamps, prepend=state.last_timestamp)
    unwrapped: Int64s = state.last_ticks + np.cumsum((steps + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
    return unwrapped
