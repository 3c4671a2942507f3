"""Telephone-events: keys that were pressed, as RTP says them (RFC 4733). They are data; they make no sound here.

The one rule: the packets of one event share a timestamp, so one timestamp of a stream is one key.
"""

import numpy as np

from earshot.media.packets import Bytes, Digit, Int64s

KEYS = "0123456789*#ABCD"
MOST = 4096
REMEMBERED = 64


class Digits:
    """Collects the keys of one leg, window by window. `found` is in the order of the packets; `held_s` says of each how
    long it was down already when its first packet came."""

    def __init__(self, label: str, start_us: int) -> None:
        self.found: list[Digit] = []
        self.held_s: list[float] = []
        self._label = label
        self._start_us = start_us
        self._known: dict[tuple[int, int], int] = {}

    def add(self, ssrc: int, clock: int, times_us: Int64s, ticks: Int64s, data: Bytes, start: Int64s) -> None:
        """Event packets of one stream in order, each with at least 4 bytes of payload at `start`."""
        if ticks.size == 0:
            return
        stamps, first, where = np.unique(ticks, return_index=True, return_inverse=True)
        durations = data[start + 2].astype(np.int64) << 8 | data[start + 3]
        longest = np.zeros(stamps.size, np.int64)
        np.maximum.at(longest, where, durations)
        for stamp, at, duration in zip(stamps.tolist(), first.tolist(), longest.tolist(), strict=True):
            held_s = int(durations[at]) / clock
            self._one(ssrc, stamp, int(data[start[at]]), int(times_us[at]), duration / clock, held_s)

    def _one(self, ssrc: int, stamp: int, event: int, time_us: int, duration_s: float, held_s: float) -> None:
        key = KEYS[event] if event < len(KEYS) else ""
        known = self._known.get((ssrc, stamp))
        if known is not None:
            before = self.found[known]
            self.found[known] = Digit(before.key, before.at_s, max(before.duration_s, duration_s), before.label)
        elif key and len(self.found) < MOST:
            self._known[ssrc, stamp] = len(self.found)
            self.found.append(Digit(key, (time_us - self._start_us) / 1e6, duration_s, self._label))
            self.held_s.append(held_s)
            while len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
