"""RTP headers by the column (RFC 3550 section 5.1): what is RTP, what is RTCP, what is junk, for thousands at once.

Here lives what the ingest needs of a header. Not here: ordering and decoding (media), sockets (listeners). The one
rule: a datagram is judged by its header only, and nothing is done per packet.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 12
"""The fixed part of an RTP header."""

_FIELDS = {
    "names": ["flags", "type", "sequence", "timestamp", "ssrc"],
    "formats": ["u1", "u1", ">u2", ">u4", ">u4"],
    "offsets": [0, 1, 2, 4, 8],
}


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which rows are RTP and which are RTCP (bool[N] each); the rest is junk."""

    rtp: NDArray[np.bool_]
    rtcp: NDArray[np.bool_]


def header_columns(rows: NDArray[np.uint8]) -> NDArray[Any]:
    """A structured view of uint8[N, W >= 12] rows: flags, type, sequence, timestamp, ssrc. Copies nothing.

    `rows` must be contiguous within a row.
    """
    dtype = np.dtype({**_FIELDS, "itemsize": rows.shape[1]})  # type: ignore[call-overload]
    view: NDArray[Any] = rows.view(dtype)[:, 0]
    return view


def classify(rows: NDArray[np.uint8], lengths: NDArray[np.int64]) -> Kinds:
    """Sort datagrams by their first two bytes and their length, as RFC 5761 section 4 tells RTP and RTCP apart.

    RTP is version 2, at least as long as its header with the CSRC list it announces; packet types 192 to 223 are RTCP.
    """
    first, second = rows[:, 0], rows[:, 1]
    version_2 = (first & 0xC0) == 0x80
    rtcp = version_2 & ((second & 0xE0) == 0xC0) & (lengths >= 4)
    rtp = version_2 & ~rtcp & (lengths >= HEADER_BYTES + 4 * (first & 0x0F).astype(np.int64))
    return Kinds(rtp, rtcp)


def sequence_step(before: NDArray[np.integer[Any]], after: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """How far `after` lies beyond `before` on the circle of 16-bit sequence numbers: -32768 to 32767."""
    return (after.astype(np.uint16) - before.astype(np.uint16)).astype(np.int16).astype(np.int64)
