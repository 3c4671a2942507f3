"""Changing the sample rate by a rational factor with a windowed-sinc filter, aligned to the sample.

The filter is a matrix product over blocks, without a state: the caller gives the samples around a stretch as context.
Its coefficients are whole numbers, so that sums in double precision are exact and the result does not depend on how a
BLAS splits the work. The one rule: output frame n lies at exactly the time of input sample n * rate_in / rate_out.
"""

from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from earshot.media.packets import Samples

ZERO_CROSSINGS = 16
KAISER_BETA = 9.0
BLOCK_OUTPUTS = 48
ROWS = 1024
SCALE = 1 << 22
"""16 bits of sample, 22 of coefficient and 8 for the sum stay within the 53 of a double."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A block filter: `block_in` samples with `context` more on each side become `block_out` by `matrix`,
    whose whole numbers are coefficients times `SCALE`."""

    block_in: int
    block_out: int
    context: int
    matrix: NDArray[np.float64]


@cache
def filter_for(rate_in: int, rate_out: int) -> Filter:
    """The filter from one rate to another, both in Hz. Cut off below the lower Nyquist frequency."""
    divisor = gcd(rate_in, rate_out)
    up, down = rate_out // divisor, rate_in // divisor
    repeat = max(1, BLOCK_OUTPUTS // up)
    block_in, block_out = down * repeat, up * repeat
    # Upwards by a whole factor the cut-off is exactly Nyquist, so that every input sample comes through unchanged.
    cutoff = 1.0 if down == 1 else min(1.0, up / down) * 0.94
    context = int(np.ceil(ZERO_CROSSINGS * max(1.0, down / up))) + 1
    places = np.arange(block_in + 2 * context) - context
    distance = places[:, None] - np.arange(block_out)[None, :] * down / up
    inside = np.clip(1.0 - (distance / (context - 1)) ** 2, 0.0, None)
    window = np.where(np.abs(distance) <= context - 1, np.i0(KAISER_BETA * np.sqrt(inside)) / np.i0(KAISER_BETA), 0.0)
    matrix = cutoff * np.sinc(cutoff * distance) * window
    if down != 1:
        matrix /= matrix.sum(axis=0, keepdims=True)
    return Filter(block_in, block_out, context, np.ascontiguousarray(np.rint(matrix * SCALE)))


def resample(samples: Samples, rate_in: int, rate_out: int, frames: int) -> Samples:
    """`frames` output samples. `samples` begins `filter_for(...).context` samples before the first output's time and
    reaches as far behind the last; what is missing at its end counts as silence."""
    chosen = filter_for(rate_in, rate_out)
    rows = -(-frames // chosen.block_out)
    width = chosen.matrix.shape[0]
    needed = rows * chosen.block_in + 2 * chosen.context
    padded = np.zeros(needed, np.int16)
    have = min(needed, samples.size)
    padded[:have] = samples[:have]
    out = np.empty((rows, chosen.block_out), np.int16)
    for first in range(0, rows, ROWS):
        count = min(ROWS, rows - first)
        piece = padded[first * chosen.block_in : (first + count) * chosen.block_in + 2 * chosen.context]
        flat = piece.astype(np.float64)
        view = np.lib.stride_tricks.as_strided(
            flat, (count, width), (chosen.block_in * flat.itemsize, flat.itemsize), writeable=False
        )
        product = np.matmul(np.ascontiguousarray(view), chosen.matrix)
        product *= 1.0 / SCALE
        np.clip(np.rint(product, out=product), -32768, 32767, out=product)
        out[first : first + count] = product
    return out.reshape(-1)[:frames]
