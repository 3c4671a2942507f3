"""RTP headers of many packets at once, as columns (RFC 3550 section 5.1).

Takes concatenated packets, gives arrays; knows nothing of order, time or codecs. The one rule: whatever the bytes are,
nothing is raised; a packet that is not sound RTP is left out and counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot.media.packets import Bytes, Int64s

FIXED_HEADER = 12


@dataclass(frozen=True, slots=True)
class RtpColumns:
    """The good packets of a batch, row by row.

    `row` is the place in the batch; `start` and `size` tell where the payload lies in `data` (padding cut off),
    `begin` and `end` where the whole packet does.
    `broken` counts rows that were no RTP: too short, wrong version, impossible lengths, or RTCP (RFC 5761).
    """

    data: Bytes
    row: Int64s
    payload_type: NDArray[np.uint8]
    sequence: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    start: Int64s
    size: Int64s
    begin: Int64s
    end: Int64s
    broken: int


def parse(data: Bytes, lengths: Int64s) -> RtpColumns:
    """Parse `lengths.size` packets that lie one after another in `data` (uint8, at least sum(lengths) long)."""
    ends = np.cumsum(lengths)
    offsets = ends - lengths
    long_enough = lengths >= FIXED_HEADER
    if long_enough.all():
        rows = np.arange(lengths.size, dtype=np.int64)
    else:
        rows = np.flatnonzero(long_enough)
        offsets, ends = offsets[rows], ends[rows]
    headers = _headers(data, offsets, lengths[rows])
    first, second = headers[:, 0], headers[:, 1]
    starts, sizes, good = _payloads(data, first, offsets, ends)
    good &= (first >> 6 == 2) & ((second < 192) | (second > 223))
    if not good.all():
        rows, headers, starts, sizes = rows[good], headers[good], starts[good], sizes[good]
        offsets, ends = offsets[good], ends[good]
    words = np.ascontiguousarray(headers)
    return RtpColumns(
        data=data,
        row=rows,
        payload_type=(words[:, 1] & 0x7F).astype(np.uint8),
        sequence=words[:, 2:4].copy().view(">u2")[:, 0].astype(np.uint16),
        timestamp=words[:, 4:8].copy().view(">u4")[:, 0].astype(np.uint32),
        ssrc=words[:, 8:12].copy().view(">u4")[:, 0].astype(np.uint32),
        start=starts,
        size=sizes,
        begin=offsets,
        end=ends,
        broken=int(lengths.size - rows.size),
    )


def _headers(data: Bytes, offsets: Int64s, lengths: Int64s) -> Bytes:
    """The twelve fixed bytes of each packet, as a matrix."""
    count = lengths.size
    if count == 0:
        return np.zeros((0, FIXED_HEADER), np.uint8)
    first = int(offsets[0])
    step = int(lengths[0])
    if int(offsets[-1]) == first + step * (count - 1) and bool((lengths == step).all()):
        block: Bytes = data[first : first + step * count].reshape(count, step)[:, :FIXED_HEADER]
        return block
    gathered: Bytes = data[offsets[:, None] + np.arange(FIXED_HEADER)]
    return gathered


def _payloads(data: Bytes, first: Bytes, offsets: Int64s, ends: Int64s) -> tuple[Int64s, Int64s, NDArray[np.bool_]]:
    """Where payloads start, their sizes, and which packets' lengths are possible: CSRC, extension, padding."""
    starts = offsets + FIXED_HEADER
    if not (first & 0x3F).any():
        return starts, ends - starts, np.ones(first.size, np.bool_)
    starts = starts + 4 * (first & 0x0F).astype(np.int64)
    extended = np.flatnonzero(((first & 0x10) != 0) & (starts + 4 <= ends))
    words = data[starts[extended] + 2].astype(np.int64) << 8 | data[starts[extended] + 3]
    good = ((first & 0x10) == 0) | (starts + 4 <= ends)
    starts[extended] += 4 + 4 * words
    good &= starts <= ends
    sizes = np.maximum(ends - starts, 0)
    padded = np.flatnonzero(((first & 0x20) != 0) & good)
    padding = data[ends[padded] - 1].astype(np.int64)
    good[padded] = (padding > 0) & (padding <= sizes[padded])
    sizes[padded] -= np.minimum(padding, sizes[padded])
    return starts, sizes, good
