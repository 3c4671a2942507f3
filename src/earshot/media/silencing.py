"""A sealed recording written anew with silence in some spans: same length, other bytes, other peaks.

The keys pressed in them go with it. No names, no rows. The one rule: doing it twice gives the same file, so that it may
be done again after a crash.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from earshot.errors import BadInput
from earshot.media.formats.wav import WavWriter, read_wav_blocks, read_wav_info
from earshot.media.packets import LegFigures
from earshot.media.peaks import Peaks, peaks_per_second
from earshot.media.spans import Span
from earshot.vault.files import Keys, create, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """The new file: SHA-256 in hexadecimal, size in bytes, peaks as in `media.peaks`."""

    sha256: str
    size: int
    peaks: bytes
    peaks_per_second: int


def without_keys(legs: Sequence[LegFigures], spans: Sequence[Span]) -> tuple[LegFigures, ...]:
    """The legs without the keys that were down in one of `spans` (seconds from the start); without any where nobody
    kept when they were."""
    return tuple(_kept_keys(leg, spans) for leg in legs)


def _kept_keys(leg: LegFigures, spans: Sequence[Span]) -> LegFigures:
    if len(leg.digits_at) != len(leg.digits):
        return replace(leg, digits="", digits_at=())
    keys = zip(leg.digits, leg.digits_at, strict=True)
    kept = [(key, at) for key, at in keys if not any(at[1] > begin and at[0] < end for begin, end in spans)]
    return replace(leg, digits="".join(key for key, _ in kept), digits_at=tuple(at for _, at in kept))


def silence_wav(source: Path, target: Path, spans: Sequence[Span], keys: Keys = None, name: str = "") -> Silenced:
    """Copy the WAV file `source` to `target`, durably, with zeros in `spans` (seconds, widened to whole frames).

    With `keys` the source may be encrypted, the target is, and both belong to `name`. Raises OSError, and BadInput for
    a file that is no WAV or shorter than its header says.
    """
    with opened(source, keys, name) as old, create(target, keys, name) as new:
        info = read_wav_info(old)
        rate = info.sample_rate_hz
        holes = [(max(int(start * rate), 0), -int(-end * rate // 1)) for start, end in spans]
        writer = WavWriter(new, info.channels, rate, info.frames)
        peaks = Peaks(info.channels, rate, peaks_per_second(info.duration_s))
        first = 0
        block_frames = rate  # whole seconds: peaks end within a stretch only at the end
        for block in read_wav_blocks(old, info, block_frames):
            sound = np.array(block)
            for begin, end in holes:
                if end > first:
                    sound[max(begin - first, 0) : max(end - first, 0)] = 0
            channels = [np.ascontiguousarray(sound[:, number]) for number in range(info.channels)]
            writer.write(channels)
            peaks.add(channels)
            first += len(sound)
        if first != info.frames:
            raise BadInput(f"{source.name} is shorter than its header says")
        sha256 = writer.finish()
        new.flush()
        os.fsync(new.fileno())
    return Silenced(
        sha256=sha256, size=writer.size, peaks=peaks.result(), peaks_per_second=peaks_per_second(info.duration_s)
    )
