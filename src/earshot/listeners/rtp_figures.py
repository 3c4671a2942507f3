"""Live figures of every RTP port, in columns: packets, losses, junk, when it was last heard.

Here live the counters and how a drain is added to them. Not here: sockets, and the exact figures of a sealed leg
(media). The one rule: the cost is per drain, not per packet or per port.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot.listeners.rtp_receive import Drained
from earshot.telephony.rtp import Kinds, header_columns, sequence_step

_COLUMNS = {
    "packets": np.int64,
    "octets": np.int64,
    "last_us": np.int64,
    "opened_us": np.int64,
    "first_us": np.int64,
    "junk": np.int64,
    "rtcp": np.int64,
    "oversize": np.int64,
    "dropped": np.int64,
    "expected": np.int64,
    "ssrc_changes": np.int64,
    "sequence": np.uint16,
    "ssrc": np.uint32,
    "payload_type": np.uint8,
}


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
    """The counters of all ports, by place (a small number that is reused)."""

    def __init__(self) -> None:
        self.packets_total = 0
        self._columns: dict[str, NDArray[Any]] = {name: np.zeros(64, dtype) for name, dtype in _COLUMNS.items()}

    def clear(self, place: int, now_us: int) -> None:
        """A port was opened at `place`: begin from zero."""
        for name, column in self._columns.items():
            if place >= len(column):
                column = np.concatenate([column, np.zeros_like(column)])
                self._columns[name] = column
            column[place] = 0
        self._columns["opened_us"][place] = now_us

    def of(self, place: int) -> PortFigures:
        """The figures of one port."""
        values = {name: int(column[place]) for name, column in self._columns.items()}
        lost = max(0, values.pop("expected") - values["packets"])
        del values["sequence"]
        return PortFigures(lost=lost, **values)

    def silent(self, places: NDArray[np.int64], since_us: int) -> NDArray[np.bool_]:
        """Which of `places` have heard no RTP since `since_us` (nor were opened since)."""
        heard = np.maximum(self._columns["last_us"][places], self._columns["opened_us"][places])
        is_silent: NDArray[np.bool_] = heard < since_us
        return is_silent

    def add(self, places: NDArray[np.int64], drained: Drained, kinds: Kinds, times_us: NDArray[np.int64]) -> None:
        """Count a drain: `places[i]` had the next `drained.counts[i]` rows. No place comes twice."""
        columns = self._columns
        for index, total in drained.dropped:
            columns["dropped"][places[index]] = total
        active = drained.counts > 0
        places, counts = places[active], drained.counts[active]
        if not len(places):
            return
        starts = np.cumsum(counts) - counts
        good = kinds.rtp & ~drained.oversize
        if good.all():
            heard, packets = starts, counts
            octets = np.add.reduceat(drained.lengths, starts)
        else:
            packets = np.add.reduceat(good.astype(np.int64), starts)
            octets = np.add.reduceat(np.where(good, drained.lengths, 0), starts)
            rtcp = np.add.reduceat(kinds.rtcp.astype(np.int64), starts)
            oversize = np.add.reduceat((kinds.rtp & drained.oversize).astype(np.int64), starts)
            columns["rtcp"][places] += rtcp
            columns["oversize"][places] += oversize
            columns["junk"][places] += counts - packets - rtcp - oversize
            rows = np.flatnonzero(good)
            some = packets > 0
            places, packets, octets = places[some], packets[some], octets[some]
            if not len(places):
                return
            firsts = np.cumsum(packets) - packets
            heard = rows[firsts]
            last_rows = rows[firsts + packets - 1]
            self._follow(places, packets, octets, drained, times_us, (heard, last_rows))
            return
        self._follow(places, packets, octets, drained, times_us, (heard, starts + counts - 1))

    def _follow(
        self,
        places: NDArray[np.int64],
        packets: NDArray[np.int64],
        octets: NDArray[np.int64],
        drained: Drained,
        times_us: NDArray[np.int64],
        rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> None:
        """Add what the first and the last RTP packet of each port tell."""
        columns = self._columns
        first_rows, last_rows = rows
        headers = header_columns(drained.rows)
        first, last = headers[first_rows], headers[last_rows]
        known = columns["packets"][places] > 0
        changed = known & (columns["ssrc"][places] != last["ssrc"])
        goes_on = known & ~changed
        span = sequence_step(first["sequence"], last["sequence"]) + 1
        step = np.where(goes_on, sequence_step(columns["sequence"][places], last["sequence"]), np.maximum(span, 1))
        columns["expected"][places] += np.where(changed, packets, step)
        columns["ssrc_changes"][places] += changed
        columns["first_us"][places] = np.where(known, columns["first_us"][places], times_us[first_rows])
        columns["packets"][places] += packets
        self.packets_total += int(packets.sum())
        columns["octets"][places] += octets
        columns["last_us"][places] = np.maximum(columns["last_us"][places], times_us[last_rows])
        columns["sequence"][places] = last["sequence"]
        columns["ssrc"][places] = last["ssrc"]
        columns["payload_type"][places] = last["type"] & 0x7F
