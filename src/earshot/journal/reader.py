"""Reading one leg back: from its carry file, then along its chain of entries, in the order it was heard.

Works on paths and pointers alone, in any process, while the journal is being written. Not here: RTP (sealing orders by
sequence number). The one rule: the cost is the leg's own data, not the journal's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot.journal.format import (
    ENTRY,
    ENTRY_FIELDS,
    HEADER_BYTES,
    PACKET,
    ChainPointer,
    JournalDamaged,
    carry_path,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.scan import BlockView, Bytes, map_file, scan_carry

CHUNK_BYTES = 8 * 2**20
_TRIES = 3


@dataclass(frozen=True, slots=True)
class LegPackets:
    """Packets of one leg in the order of arrival.

    `times_us` int64[N] journal time of arrival; `lengths` uint32[N]; `offsets` int64[N] where each begins in `data`,
    uint8[sum of lengths], the raw packets with their RTP headers one after the other.
    """

    times_us: NDArray[np.int64]
    lengths: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    def packet(self, index: int) -> bytes:
        """Packet number `index` as bytes."""
        start = int(self.offsets[index])
        return self.data[start : start + int(self.lengths[index])].tobytes()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some packets of a leg that lie together in a mapped file; `times_us` and lengths are read on demand."""

    data: Bytes
    base_us: int
    headers_offset: int
    payload_offset: int
    count: int
    payload_bytes: int

    def headers(self) -> NDArray[Any]:
        """The packet headers, dtype PACKET."""
        return np.frombuffer(self.data, PACKET, self.count, self.headers_offset)

    def payload(self) -> NDArray[np.uint8]:
        """The raw packets."""
        return np.frombuffer(self.data, np.uint8, self.payload_bytes, self.payload_offset)


def block_piece(block: BlockView) -> Piece:
    """The packets of a carry block."""
    return Piece(
        block.data, block.base_us, block.headers_offset, block.payload_offset, block.packet_count, block.payload_bytes
    )


def packets_of(pieces: list[Piece]) -> LegPackets:
    """Copy `pieces`, in this order, into one `LegPackets`."""
    headers = np.concatenate([piece.headers() for piece in pieces]) if pieces else np.zeros(0, PACKET)
    data = np.concatenate([piece.payload() for piece in pieces]) if pieces else np.zeros(0, np.uint8)
    bases = np.array([piece.base_us for piece in pieces], np.int64)
    counts = np.array([piece.count for piece in pieces], np.int64)
    lengths = headers["length"].astype(np.uint32)
    ends = np.cumsum(lengths, dtype=np.int64)
    return LegPackets(headers["delta_us"] + np.repeat(bases, counts), lengths, ends - lengths, data)


class ChainWalk:
    """Follows the chain of a leg backwards through mapped segments."""

    def __init__(self, directory: Path, leg: int) -> None:
        self._directory = directory
        self._leg = leg
        self._maps: dict[int, tuple[Bytes, int]] = {}

    def entries(self, tail: ChainPointer, carried_upto: int) -> NDArray[Any]:
        """(segment, headers, payload, count, payload bytes) rows, oldest first, of what is not carried yet.

        Raises JournalDamaged for a chain that leads elsewhere, FileNotFoundError for a segment that is gone.
        """
        rows = []
        segment, offset = tail.segment, tail.offset
        while segment > carried_upto:
            data, _base = self.segment(segment)
            if not HEADER_BYTES <= offset <= len(data) - ENTRY.itemsize:
                raise JournalDamaged(f"leg {self._leg}: segment {segment} has no entry at byte {offset}")
            leg, before, before_at, count, headers, payload, size = ENTRY_FIELDS.unpack_from(data, offset)
            backwards = (before, before_at) < (segment, offset)
            if leg != self._leg or not backwards or max(headers + count * PACKET.itemsize, payload + size) > len(data):
                raise JournalDamaged(f"leg {self._leg}: the entry in segment {segment} at byte {offset} is not its own")
            rows.append((segment, headers, payload, count, size))
            segment, offset = before, before_at
        return np.array(rows[::-1], np.int64).reshape(-1, 5)

    def segment(self, number: int) -> tuple[Bytes, int]:
        """(mapped bytes, base time) of a segment. Raises FileNotFoundError, JournalDamaged."""
        known = self._maps.get(number)
        if known is None:
            data = map_file(segment_path(self._directory, number))
            known = data, unpack_segment_header(bytes(data[:HEADER_BYTES]), number)[0]
            self._maps[number] = known
        return known

    def pieces(self, rows: NDArray[Any]) -> Iterator[Piece]:
        """The rows of `entries()` as pieces."""
        for segment, headers, payload, count, size in rows.tolist():
            data, base_us = self._maps[segment]
            yield Piece(data, base_us, headers, payload, count, size)


def leg_pieces(directory: Path, leg: int, tail: ChainPointer) -> Iterator[Piece]:
    """All that is kept of `leg`, piece by piece, oldest first. Raises JournalDamaged.

    A segment that vanishes meanwhile was carried first: the carry file is read anew then.
    """
    for attempt in range(_TRIES):
        walk = ChainWalk(directory, leg)
        try:
            blocks = list(scan_carry(map_file(carry_path(directory, leg)), leg))
        except FileNotFoundError:
            blocks = []
        try:
            rows = walk.entries(tail, blocks[-1].last if blocks else 0)
        except FileNotFoundError as gone:
            if attempt == _TRIES - 1:
                raise JournalDamaged(f"leg {leg}: a segment it needs is missing ({gone})") from gone
            continue
        for block in blocks:
            yield block_piece(block)
        yield from walk.pieces(rows)
        return


def iter_leg(directory: Path, leg: int, tail: ChainPointer, chunk_bytes: int = CHUNK_BYTES) -> Iterator[LegPackets]:
    """The packets of `leg` up to the entry at `tail`, in order, in chunks of about `chunk_bytes` each.

    The packets must be durable (`JournalWriter.sync`). Raises JournalDamaged.
    """
    pieces: list[Piece] = []
    size = 0
    for piece in leg_pieces(directory, leg, tail):
        if pieces and size + piece.payload_bytes > chunk_bytes:
            yield packets_of(pieces)
            pieces, size = [], 0
        pieces.append(piece)
        size += piece.payload_bytes
    if pieces:
        yield packets_of(pieces)


def read_leg(directory: Path, leg: int, tail: ChainPointer) -> LegPackets:
    """All packets of `leg` at once; as `iter_leg`."""
    return packets_of(list(leg_pieces(directory, leg, tail)))
