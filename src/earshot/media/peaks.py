"""Peaks of a waveform: the lowest and highest sample of each short stretch, small enough to draw and to keep in a row.

Incremental: blocks of frames go in, signed bytes come out. The one rule: silence is 0, full scale is -128 and 127.
"""

import numpy as np

from earshot.media.packets import Samples

RESOLUTIONS = (50, 20, 10, 5, 2, 1)
MOST_PAIRS = 60_000


def peaks_per_second(duration_s: float) -> int:
    """How many pairs a second to keep of a recording: 50 up to 20 minutes, less beyond, at least 1."""
    return next((wanted for wanted in RESOLUTIONS if wanted * duration_s <= MOST_PAIRS), 1)


class Peaks:
    """Collects (minimum, maximum) pairs per channel, channels interleaved: min L, max L, min R, max R, ..."""

    def __init__(self, channels: int, sample_rate_hz: int, per_second: int) -> None:
        if sample_rate_hz % per_second:
            raise ValueError(f"{per_second} peaks a second do not divide {sample_rate_hz} Hz")
        self._channels = channels
        self._stretch = sample_rate_hz // per_second
        self._pieces: list[bytes] = []

    def add(self, channels: list[Samples]) -> None:
        """Frames of each channel. Only the last block may end within a stretch."""
        frames = channels[0].size
        if frames == 0:
            return
        starts = np.arange(0, frames, self._stretch)
        out = np.empty((starts.size, self._channels, 2), np.int8)
        for number, samples in enumerate(channels):
            for place, extreme in enumerate(
                (np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts))
            ):
                wide = extreme.astype(np.int32)
                out[:, number, place] = (wide + (wide < 0) * 255) >> 8
        self._pieces.append(out.tobytes())

    def result(self) -> bytes:
        """All pairs so far."""
        return b"".join(self._pieces)
