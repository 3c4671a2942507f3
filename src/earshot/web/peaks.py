"""The waveform as numbers: stored peaks reduced to a picture's columns, and the small picture of the list.

No sound is decoded here. The one rule: reducing keeps extremes, so that a short cry stays visible in a long call.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from earshot.ports import SealedRecording

COLUMNS: Final = 1_600
"""Most columns of the player's picture."""
SMALL_COLUMNS: Final = 64
SMALL_HEIGHT: Final = 14
"""Half the height of the list's picture, in its own units; it is SMALL_COLUMNS * 2 wide."""


def columns(sealed: SealedRecording, most: int = COLUMNS) -> npt.NDArray[np.int8]:
    """(columns, channels, 2) minimum and maximum per column, at most `most` columns; no columns without peaks."""
    channels = max(1, sealed.channels)
    values = np.frombuffer(sealed.peaks, np.int8)
    slots = len(values) // (2 * channels)
    pairs = values[: slots * 2 * channels].reshape(slots, channels, 2)
    if slots <= most:
        return pairs
    edges = np.arange(most) * slots // most
    low = np.minimum.reduceat(pairs[:, :, 0], edges, axis=0)
    high = np.maximum.reduceat(pairs[:, :, 1], edges, axis=0)
    return np.stack((low, high), axis=2)


def picture(sealed: SealedRecording) -> dict[str, object]:
    """What the player draws: per channel a flat list minimum, maximum, minimum, ... in -128 to 127, and the spans."""
    reduced = columns(sealed)
    return {
        "duration": sealed.duration_s,
        "mixed": sealed.channels == 1,
        "channels": [reduced[:, channel, :].reshape(-1).tolist() for channel in range(reduced.shape[1])],
        "gaps": [{"start": start, "end": end, "why": why} for start, end, why in sealed.gaps],
    }


def small_path(sealed: SealedRecording) -> str:
    """The `d` of an SVG path: one bar per column, first channel above the middle line, the last one below it."""
    reduced = columns(sealed, SMALL_COLUMNS)
    if not len(reduced):
        return ""
    loudness = np.abs(reduced.astype(np.int16)).max(axis=2)
    tallest = max(24, int(loudness.max()))
    heights = np.maximum(1, loudness * (SMALL_HEIGHT - 1) // tallest)
    scale = SMALL_COLUMNS / len(reduced)
    above, below = heights[:, 0], heights[:, -1]
    return "".join(
        f"M{round((index + 0.5) * 2 * scale, 1)} {SMALL_HEIGHT - int(up)}V{SMALL_HEIGHT + int(down)}"
        for index, (up, down) in enumerate(zip(above, below, strict=True))
    )
