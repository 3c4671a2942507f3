"""A stretch of timeline at one sample rate, on which decoded packets are painted and from which finished sound is cut.

It holds samples from the last cut on; nothing is remembered before. The one rule: what nobody painted is silence.
"""

from itertools import pairwise

import numpy as np

from earshot.media.packets import Int64s, Samples
from earshot.media.resample import filter_for, resample
from earshot.media.timeline import STEP_US, STEPS_PER_PACKET


class Canvas:
    """Samples of one leg at `rate` Hz. Positions count from the start of the recording; `total` is its length."""

    def __init__(self, rate: int, total: int) -> None:
        self.rate = rate
        self._total = total
        self._low = 0
        self._samples: Samples = np.zeros(0, np.int16)
        self._ends: dict[int, int] = {}

    def reserve(self, upto: int) -> None:
        """Make room up to position `upto`."""
        missing = min(upto, self._total) - self._low - self._samples.size
        if missing > 0:
            grown = np.zeros(self._samples.size + missing, np.int16)
            grown[: self._samples.size] = self._samples
            self._samples = grown

    def paint(self, stream: int, positions: Int64s, sizes: Int64s, samples: Samples) -> None:
        """Put packets of one stream down, in order: packet i takes `sizes[i]` samples from `positions[i]` on.

        What one stream says twice is overwritten; where two streams sound at once they are added, with saturation.
        A hole of a drift correction between two packets is bridged by holding the last sample.
        """
        if positions.size == 0:
            return
        floor = max((end for other, end in self._ends.items() if other != stream), default=-(2**62))
        ends = positions + sizes
        bridge = STEPS_PER_PACKET * self.rate * STEP_US // 1_000_000
        breaks = np.flatnonzero(positions[1:] != ends[:-1]) + 1
        edges = [0, *breaks.tolist(), positions.size]
        offsets = np.concatenate(([0], np.cumsum(sizes)))
        previous_end = -(2**62)
        for first, last in pairwise(edges):
            begin, end = int(positions[first]), int(ends[last - 1])
            piece = samples[int(offsets[first]) : int(offsets[last])]
            if 0 < begin - previous_end <= bridge:
                hole = begin - previous_end
                self._put(previous_end, np.repeat(samples[offsets[first] - 1 : offsets[first]], hole), floor)
            self._put(begin, piece, floor)
            previous_end = end
        self._ends[stream] = max(int(ends.max()), self._ends.get(stream, -(2**62)))

    def _put(self, begin: int, piece: Samples, floor: int) -> None:
        """Copy a piece; add it where another stream has been."""
        low = max(begin, self._low)
        high = min(begin + piece.size, self._low + self._samples.size)
        if high <= low:
            return
        target = self._samples[low - self._low : high - self._low]
        source = piece[low - begin : high - begin]
        shared = min(max(floor - low, 0), source.size)
        if shared:
            both = target[:shared].astype(np.int32) + source[:shared]
            target[:shared] = np.clip(both, -32768, 32767)
        target[shared:] = source[shared:]

    def cut(self, rate: int, first: int, last: int) -> Samples:
        """Finished frames first to last at `rate` Hz, in order and without gaps; what lies before is forgotten."""
        if rate == self.rate:
            out = self._piece(first, last)
            self._forget(last)
            return out
        context = filter_for(self.rate, rate).context
        begin = first * self.rate // rate
        end = -(-last * self.rate // rate)
        out = resample(self._piece(begin - context, end + context), self.rate, rate, last - first)
        self._forget(end - context)
        return out

    def _piece(self, begin: int, end: int) -> Samples:
        low, high = begin - self._low, end - self._low
        if low >= 0 and high <= self._samples.size:
            return self._samples[low:high]
        out = np.zeros(end - begin, np.int16)
        have = self._samples[max(low, 0) : max(high, 0)]
        out[max(-low, 0) : max(-low, 0) + have.size] = have
        return out

    def _forget(self, before: int) -> None:
        if before > self._low:
            self._samples = self._samples[before - self._low :]
            self._low = before


def saturated_sum(parts: list[Samples]) -> Samples | None:
    """Samples heard together; what exceeds 16 bits is clipped. None of no parts."""
    if len(parts) < 2:
        return parts[0] if parts else None
    total = np.sum(parts, axis=0, dtype=np.int32)
    clipped: Samples = np.clip(total, -32768, 32767).astype(np.int16)
    return clipped
