"""The samples of one file brought to the channels and the rate of another shape, without a seam between blocks.

The one rule: what needs no change is not touched.
"""

from collections.abc import Iterator

import numpy as np

from earshot.media.formats.sound import Shape, WavFile, frames_at
from earshot.media.formats.wav_header import WavInfo
from earshot.media.packets import Samples
from earshot.media.resample import filter_for, resample


def reshaped(file: WavFile, shape: Shape) -> Iterator[Samples]:
    """All samples of the file as int16[frames, channels], low byte first."""
    yield from _at_rate(_mixed(_blocks(file), file.info.channels, shape.channels), file.info, shape)


def _blocks(file: WavFile) -> Iterator[Samples]:
    for data in file.raw():
        yield np.frombuffer(data, "<i2").reshape(-1, file.info.channels)


def _mixed(blocks: Iterator[Samples], channels: int, wanted: int) -> Iterator[Samples]:
    """One channel from two is their mean, rounded as sox does; two from one are the same twice."""
    for block in blocks:
        if channels == wanted:
            yield block
        elif wanted == 2:
            yield np.repeat(block, 2, axis=1)
        else:
            mean = block[:, 0].astype(np.int32)
            mean += block[:, 1]
            mean += 1
            mean >>= 1
            yield mean.astype(np.int16).reshape(-1, 1)


def _at_rate(blocks: Iterator[Samples], info: WavInfo, shape: Shape) -> Iterator[Samples]:
    """The blocks at the rate of `shape`."""
    rate_in, rate_out = info.sample_rate_hz, shape.sample_rate_hz
    if rate_in == rate_out:
        yield from blocks
        return
    chosen = filter_for(rate_in, rate_out)
    left = frames_at(info, rate_out)
    kept = np.zeros((chosen.context, shape.channels), np.int16)
    for block in blocks:
        kept = np.concatenate([kept, block])
        steps = (len(kept) - 2 * chosen.context) // chosen.block_in
        if steps > 0:
            used, made = steps * chosen.block_in, min(steps * chosen.block_out, left)
            yield _resampled(kept[: used + 2 * chosen.context], rate_in, rate_out, made)
            kept, left = kept[used:], left - made
    if left:
        yield _resampled(kept, rate_in, rate_out, left)


def _resampled(samples: Samples, rate_in: int, rate_out: int, frames: int) -> Samples:
    each = [resample(np.ascontiguousarray(one), rate_in, rate_out, frames) for one in samples.T]
    return np.stack(each, axis=1)
