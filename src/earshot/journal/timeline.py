"""Journal time: microseconds since the Unix epoch, anchored once and running evenly from then on.

Here live the anchor and the conversion of kernel arrival stamps to it. Not here: formats and sockets. The one rule: a
wall clock that is set, forward or back, never moves a time that is or will be in the journal.
"""

import numpy as np
from numpy.typing import NDArray

from earshot.clock import Clock

STEP_US = 1_000
"""A wall clock that moved this much against the monotonic clock between two readings was set."""

QUEUE_US = 15_000_000
"""No packet waits longer in a socket; so long after a step may stamps of before the step still come."""

_TRIES = 5


class JournalTime:
    """Turns the readings of a `Clock` into journal time. `not_before_us` keeps a restart from going back."""

    def __init__(self, clock: Clock, not_before_us: int = 0) -> None:
        self._clock = clock
        self.anchor_us = max(int(clock.now() * 1e6), not_before_us) - int(clock.monotonic() * 1e6)

    def now_us(self) -> int:
        """Journal time now, int64 microseconds; never goes back."""
        return self.anchor_us + int(self._clock.monotonic() * 1e6)


class ArrivalTimes:
    """Converts wall-clock stamps of the kernel (SO_TIMESTAMPNS) to journal time, by the batch.

    Call `read_clocks()` before the sockets of a batch are drained, then `convert()`. When the wall clock was set,
    stamps that are still queued carry the old clock: each is read with the offset under which it makes sense (not in
    the future, and not before the last reading that still saw the old clock).
    """

    def __init__(self, clock: Clock, time: JournalTime) -> None:
        self._clock = clock
        self._time = time
        self._offset_us, self._monotonic_us = self._measure() or (0, 0)
        self._old_offset_us = self._offset_us
        self._seen_before_step_us = 0
        self._doubtful_until_us = -1

    def _measure(self) -> tuple[int, int] | None:
        """(wall minus monotonic, monotonic), both in µs; None if this thread was interrupted at every try."""
        for _ in range(_TRIES):
            before = self._clock.monotonic()
            wall = self._clock.now()
            after = self._clock.monotonic()
            if after - before < STEP_US / 4e6:
                return int(wall * 1e6) - int(after * 1e6), int(after * 1e6)
        return None

    def read_clocks(self) -> None:
        """Compare the two clocks and notice whether the wall clock was set since the last time."""
        measured = self._measure()
        if measured is None:
            self._monotonic_us = int(self._clock.monotonic() * 1e6)
            return
        offset_us, monotonic_us = measured
        if abs(offset_us - self._offset_us) >= STEP_US:
            self._old_offset_us = self._offset_us
            self._seen_before_step_us = self._monotonic_us
            self._doubtful_until_us = monotonic_us + QUEUE_US
        self._offset_us = offset_us
        self._monotonic_us = monotonic_us

    def convert(self, stamps_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Wall-clock stamps (µs since the epoch, 0 for none) as journal times, none of them in the future."""
        now_us = int(self._clock.monotonic() * 1e6)
        monotonic = stamps_us - self._offset_us
        if now_us <= self._doubtful_until_us:
            old = stamps_us - self._old_offset_us
            misread = (monotonic < self._seen_before_step_us) | (monotonic > now_us)
            monotonic = np.where(misread & (old <= now_us), old, monotonic)
        monotonic[stamps_us == 0] = now_us
        np.minimum(monotonic, now_us, out=monotonic)
        monotonic += self._time.anchor_us
        return monotonic
