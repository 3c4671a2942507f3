"""RTP headers by the column (RFC 3550 section 5.1): what is RTP, what is RTCP, what is junk, for thousands at once.

Here lives what the ingest needs of a header. Not here: ordering and decoding (media), sockets (listeners). The one
rule: a datagram is judged by its header only, and nothing is done per packet.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 12
"""The fixed part of an RTP header."""


def _first_two(first: int, second: int) -> np.uint16:
    """Two bytes as they lie in memory, as one number of this machine."""
    return np.uint16(int.from_bytes((first, second), sys.byteorder))


_VERSION_AND_COUNT, _PLAIN = _first_two(0xCF, 0), _first_two(0x80, 0)
_TYPE_RANGE, _RTCP_RANGE = _first_two(0, 0xE0), _first_two(0, 0xC0)


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which rows are RTP and which are RTCP (bool[N] each); the rest is junk. `only_rtp`: every row is RTP."""

    rtp: NDArray[np.bool_]
    rtcp: NDArray[np.bool_]
    only_rtp: bool


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields of some rows, int64[N] each. `payload_type` without the marker bit."""

    payload_type: NDArray[np.int64]
    sequence: NDArray[np.int64]
    ssrc: NDArray[np.int64]


def headers_of(rows: NDArray[np.uint8], chosen: NDArray[np.int64]) -> Headers:
    """The headers of the rows `chosen` (numbers of rows) of uint8[N, W], W a multiple of 4 and at least 12."""
    words: NDArray[Any] = rows.view(">u4")
    first = words[chosen, 0].astype(np.int64)
    return Headers((first >> 16) & 0x7F, first & 0xFFFF, words[chosen, 2].astype(np.int64))


def classify(rows: NDArray[np.uint8], lengths: NDArray[np.int64]) -> Kinds:
    """Sort datagrams by their first two bytes and their length, as RFC 5761 section 4 tells RTP and RTCP apart.

    RTP is version 2, at least as long as its header with the CSRC list it announces; packet types 192 to 223 are RTCP.
    `rows` as for `headers_of`.
    """
    head = rows.view(np.uint16)[:, 0]
    plain = (head & _VERSION_AND_COUNT) == _PLAIN
    plain &= (head & _TYPE_RANGE) != _RTCP_RANGE
    plain &= lengths >= HEADER_BYTES
    if plain.all():
        return Kinds(plain, np.zeros(len(plain), np.bool_), True)
    first, second = rows[:, 0], rows[:, 1]
    version_2 = (first & 0xC0) == 0x80
    rtcp = version_2 & ((second & 0xE0) == 0xC0) & (lengths >= 4)
    rtp = version_2 & ~rtcp & (lengths >= HEADER_BYTES + 4 * (first & 0x0F).astype(np.int64))
    return Kinds(rtp, rtcp, bool(rtp.all()))


def sequence_step(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far `after` lies beyond `before` on the circle of 16-bit sequence numbers: -32768 to 32767."""
    return ((after - before + 0x8000) & 0xFFFF) - 0x8000
