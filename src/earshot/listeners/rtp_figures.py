"""Live figures of every RTP port, in columns: packets, losses, junk, when it was last heard.

Here live the counters and how a drain is added to them. Not here: sockets, and the exact figures of a sealed leg
(media). The one rule: the cost is per drain, not per packet or per port.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot.listeners.rtp_receive import Drained
from earshot.telephony.rtp import Headers, Kinds, headers_of, sequence_step

_COLUMNS = (
    "packets",
    "octets",
    "opened_us",
    "first_us",
    "last_us",
    "junk",
    "rtcp",
    "oversize",
    "dropped",
    "ssrc_changes",
    "ssrc",
    "payload_type",
    "expected",
    "sequence",
)
(
    _PACKETS,
    _OCTETS,
    _OPENED,
    _FIRST,
    _LAST,
    _JUNK,
    _RTCP,
    _OVERSIZE,
    _DROPPED,
    _SSRC_CHANGES,
    _SSRC,
    _PAYLOAD_TYPE,
    _EXPECTED,
    _SEQUENCE,
) = range(len(_COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFigures:
    """What one port has heard since it was opened.

    Counts are datagrams; `octets` counts those of RTP packets, headers included. Times are journal times (µs), 0 for
    never. `lost` is an estimate from the sequence numbers (reordering at the edge of a drain shows for a moment),
    `dropped` what the kernel had no room for. `payload_type` and `ssrc` are those of the last packet.
    """

    packets: int
    octets: int
    opened_us: int
    first_us: int
    last_us: int
    junk: int
    rtcp: int
    oversize: int
    dropped: int
    lost: int
    ssrc_changes: int
    ssrc: int
    payload_type: int


class LiveFigures:
    """The counters of all ports, a row each, by place (a small number that is reused)."""

    def __init__(self) -> None:
        self.packets_total = 0
        self._table = np.zeros((64, len(_COLUMNS)), np.int64)

    def clear(self, place: int, now_us: int) -> None:
        """A port was opened at `place`: begin from zero."""
        if place >= len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        self._table[place] = 0
        self._table[place, _OPENED] = now_us

    def of(self, place: int) -> PortFigures:
        """The figures of one port."""
        values = dict(zip(_COLUMNS, self._table[place].tolist(), strict=True))
        lost = max(0, values.pop("expected") - values["packets"])
        del values["sequence"]
        return PortFigures(lost=lost, **values)

    def packets(self, place: int) -> int:
        """How many RTP packets one port has heard."""
        return int(self._table[place, _PACKETS])

    def last_us(self, place: int) -> int:
        """When one port heard its last RTP packet, journal time; 0 for never."""
        return int(self._table[place, _LAST])

    def silent(self, places: NDArray[np.int64], since_us: int) -> NDArray[np.bool_]:
        """Which of `places` have heard no RTP since `since_us` (nor were opened since)."""
        is_silent: NDArray[np.bool_] = np.maximum(self._table[places, _LAST], self._table[places, _OPENED]) < since_us
        return is_silent

    def add(self, places: NDArray[np.int64], drained: Drained, kinds: Kinds, times_us: NDArray[np.int64]) -> None:
        """Count a drain: `places[i]` had the next `drained.counts[i]` rows. No place comes twice."""
        for index, total in drained.dropped:
            self._table[places[index], _DROPPED] = total
        counts = drained.counts
        if not counts.all():
            active = counts > 0
            places, counts = places[active], counts[active]
        if not len(places):
            return
        ends = np.cumsum(counts)
        starts = ends - counts
        if kinds.only_rtp and not drained.any_oversize:
            octets = np.add.reduceat(drained.lengths, starts)
            self._follow(places, counts, octets, drained, times_us, starts, ends - 1)
            return
        good = kinds.rtp & ~drained.oversize
        packets = np.add.reduceat(good.astype(np.int64), starts)
        octets = np.add.reduceat(np.where(good, drained.lengths, 0), starts)
        rtcp = np.add.reduceat(kinds.rtcp.astype(np.int64), starts)
        oversize = np.add.reduceat((kinds.rtp & drained.oversize).astype(np.int64), starts)
        self._table[places, _RTCP] += rtcp
        self._table[places, _OVERSIZE] += oversize
        self._table[places, _JUNK] += counts - packets - rtcp - oversize
        some = packets > 0
        places, packets, octets = places[some], packets[some], octets[some]
        if len(places):
            rows = np.flatnonzero(good)
            ends = np.cumsum(packets)
            self._follow(places, packets, octets, drained, times_us, rows[ends - packets], rows[ends - 1])

    def _follow(
        self,
        places: NDArray[np.int64],
        packets: NDArray[np.int64],
        octets: NDArray[np.int64],
        drained: Drained,
        times_us: NDArray[np.int64],
        first_rows: NDArray[np.int64],
        last_rows: NDArray[np.int64],
    ) -> None:
        """Add what the first and the last RTP packet of each port tell."""
        last = headers_of(drained.rows, last_rows)
        table = self._table[places]
        known = table[:, _PACKETS] > 0
        same = known & (table[:, _SSRC] == last.ssrc)
        if same.all():
            table[:, _EXPECTED] += sequence_step(table[:, _SEQUENCE], last.sequence)
        else:
            first = headers_of(drained.rows, first_rows)
            self._begin_streams(table, packets, first, last, known, same)
            table[:, _FIRST] = np.where(known, table[:, _FIRST], times_us[first_rows])
        self.packets_total += int(packets.sum())
        table[:, _PACKETS] += packets
        table[:, _OCTETS] += octets
        table[:, _LAST] = np.maximum(table[:, _LAST], times_us[last_rows])
        table[:, _SEQUENCE] = last.sequence
        table[:, _SSRC] = last.ssrc
        table[:, _PAYLOAD_TYPE] = last.payload_type
        self._table[places] = table

    @staticmethod
    def _begin_streams(
        table: NDArray[np.int64],
        packets: NDArray[np.int64],
        first: Headers,
        last: Headers,
        known: NDArray[np.bool_],
        same: NDArray[np.bool_],
    ) -> None:
        """Count on where some ports heard their first stream, or another one than before."""
        changed = known & ~same
        span = np.maximum(sequence_step(first.sequence, last.sequence) + 1, 1)
        step = np.where(same, sequence_step(table[:, _SEQUENCE], last.sequence), span)
        table[:, _EXPECTED] += np.where(changed, packets, step)
        table[:, _SSRC_CHANGES] += changed
