"""Reading one leg back: from its carry file, then along its chain of entries, in the order it was heard.

Works on paths and pointers alone, in any process, while the journal is being written. Not here: RTP (sealing orders by
sequence number). The one rule: the cost is the leg's own data, not the journal's.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from earshot.journal.cipher import KeyWrap
from earshot.journal.format import (
    ENTRY,
    ENTRY_FIELDS,
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    PACKET,
    REDACTED,
    RTP_HEADER_BYTES,
    ChainPointer,
    JournalDamaged,
    SegmentHeader,
    carry_path,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.key_block import FileKey
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


class Piece(NamedTuple):
    """Some packets of a leg that lie together in a file, mapped (bytes) or opened (its handle); read on demand.

    `key` is None when they lie there as they are.
    """

    source: Bytes | int
    base_us: int
    headers_offset: int
    payload_offset: int
    packets: int
    payload_bytes: int
    key: FileKey | None = None

    def headers(self) -> NDArray[Any]:
        """The packet headers, dtype PACKET."""
        found = np.empty(self.packets, PACKET)
        _fill(found.view(np.uint8).data, self.source, self.headers_offset)
        return found


def _fill(place: memoryview, source: Bytes | int, offset: int) -> None:
    """Read into `place` what lies at `offset`. Raises JournalDamaged when the file ends before.

    Reads of an opened file cost a fraction of touching a mapped one here: a call's packets are strewn over its
    segments, and each touch of a page that nobody has touched in this process is a fault.
    """
    if not isinstance(source, int):
        place[:] = source[offset : offset + len(place)]
    elif os.preadv(source, [place], offset) != len(place):
        raise JournalDamaged(f"{len(place)} bytes at byte {offset} are not there any more")


def block_key(block: BlockView, wrap: KeyWrap | None) -> FileKey | None:
    """The key of a carry block; None when it is not encrypted."""
    where = f"carry/{block.leg}.leg, byte {block.offset},"
    return FileKey(block.key_block, wrap, where) if block.keyed else None


def block_piece(block: BlockView, wrap: KeyWrap | None = None) -> Piece:
    """The packets of a carry block."""
    return Piece(
        block.data,
        block.base_us,
        block.headers_offset,
        block.payload_offset,
        block.packet_count,
        block.payload_bytes,
        block_key(block, wrap),
    )


def packets_of(pieces: list[Piece]) -> LegPackets:
    """Copy `pieces`, in this order, into one `LegPackets`. Raises JournalDamaged, JournalLocked, OSError.

    Of a packet that was redacted there is nothing but zeros after its fixed RTP header. It may be redacted right now:
    its flag is there before its sound goes, so the flag is read after the sound.
    """
    headers = np.empty(sum(piece.packets for piece in pieces), PACKET)
    data = np.empty(sum(piece.payload_bytes for piece in pieces), np.uint8)
    table, sound = headers.view(np.uint8).data, data.data
    row = at = 0
    for source, _base_us, headers_offset, payload_offset, count, size, key in pieces:
        end = row + count * PACKET.itemsize
        _fill(sound[at : at + size], source, payload_offset)
        _fill(table[row:end], source, headers_offset)
        if key is not None:
            key.stream.apply(sound[at : at + size], payload_offset)
        row, at = end, at + size
    bases = np.array([piece.base_us for piece in pieces], np.int64)
    counts = np.array([piece.packets for piece in pieces], np.int64)
    lengths = headers["length"].astype(np.uint32)
    ends = np.cumsum(lengths, dtype=np.int64)
    for index in np.flatnonzero(headers["flags"] & REDACTED).tolist():
        data[ends[index] - lengths[index] + RTP_HEADER_BYTES : ends[index]] = 0
    return LegPackets(headers["delta_us"] + np.repeat(bases, counts), lengths, ends - lengths, data)


class ChainWalk:
    """Follows the chain of a leg backwards through opened segments; a context manager that closes them.

    It needs no key for that; reading its pieces may.
    """

    def __init__(self, directory: Path, leg: int, wrap: KeyWrap | None = None) -> None:
        self._directory = directory
        self._leg = leg
        self._wrap = wrap
        self._opened: dict[int, tuple[int, int, int, FileKey | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the segments: pieces that lie in them cannot be read any more."""
        while self._opened:
            os.close(self._opened.popitem()[1][0])

    def entries(self, tail: ChainPointer, carried_upto: int) -> NDArray[Any]:
        """(segment, headers, payload, count, payload bytes) rows, oldest first, of what is not carried yet.

        Raises JournalDamaged for a chain that leads elsewhere, FileNotFoundError for a segment that is gone.
        """
        rows = []
        mine, pread, unpack = self._leg, os.pread, ENTRY_FIELDS.unpack
        segment, offset = tail.segment, tail.offset
        while segment > carried_upto:
            handle, _base_us, end, _key = self._segment(segment)
            here = segment
            while segment == here:
                if not HEADER_BYTES <= offset <= end - ENTRY.itemsize:
                    raise JournalDamaged(f"leg {mine}: segment {segment} has no entry at byte {offset}")
                leg, before, before_at, count, headers, payload, size = unpack(pread(handle, ENTRY.itemsize, offset))
                backwards = before < segment or (before == segment and before_at < offset)
                if leg != mine or not backwards or max(headers + count * PACKET.itemsize, payload + size) > end:
                    raise JournalDamaged(f"leg {mine}: the entry in segment {segment} at byte {offset} is not its own")
                rows.append((segment, headers, payload, count, size))
                segment, offset = before, before_at
        return np.array(rows[::-1], np.int64).reshape(-1, 5)

    def _segment(self, number: int) -> tuple[int, int, int, FileKey | None]:
        """(handle, base time in µs, size, key) of a segment. Raises FileNotFoundError, JournalDamaged."""
        known = self._opened.get(number)
        if known is None:
            handle = os.open(segment_path(self._directory, number), os.O_RDONLY | os.O_CLOEXEC)
            try:
                raw = os.pread(handle, HEADER_BYTES + KEY_BLOCK_BYTES, 0)
                header = unpack_segment_header(raw, number)
                known = handle, header.base_us, os.fstat(handle).st_size, segment_key(header, raw, number, self._wrap)
            except BaseException:
                os.close(handle)
                raise
            self._opened[number] = known
        return known

    def pieces(self, rows: NDArray[Any]) -> Iterator[Piece]:
        """The rows of `entries()` as pieces, to be read before the walk is closed."""
        for segment, headers, payload, count, size in rows.tolist():
            handle, base_us, _end, key = self._opened[segment]
            yield Piece(handle, base_us, headers, payload, count, size, key)


def segment_key(header: SegmentHeader, raw: bytes, number: int, wrap: KeyWrap | None) -> FileKey | None:
    """The key of a segment, of which `raw` is the beginning; None when it is not encrypted."""
    return FileKey(raw[HEADER_BYTES : header.end], wrap, f"segment {number}") if header.keyed else None


def _walk(directory: Path, leg: int, tail: ChainPointer, wrap: KeyWrap | None) -> tuple[ChainWalk, list[Piece]]:
    """All that is kept of `leg`, oldest first, and the walk to be closed once it was read. Raises JournalDamaged.

    A segment that vanishes meanwhile was carried first: the carry file is read anew then.
    """
    for attempt in range(_TRIES):
        walk = ChainWalk(directory, leg, wrap)
        try:
            blocks = list(scan_carry(map_file(carry_path(directory, leg)), leg))
        except FileNotFoundError:
            blocks = []
        try:
            rows = walk.entries(tail, blocks[-1].last if blocks else 0)
        except BaseException as error:
            walk.close()
            if not isinstance(error, FileNotFoundError):
                raise
            if attempt == _TRIES - 1:
                raise JournalDamaged(f"leg {leg}: a segment it needs is missing ({error})") from error
            continue
        return walk, [*(block_piece(block, wrap) for block in blocks), *walk.pieces(rows)]
    raise AssertionError("the last try returns or raises")


def iter_leg(
    directory: Path, leg: int, tail: ChainPointer, chunk_bytes: int = CHUNK_BYTES, wrap: KeyWrap | None = None
) -> Iterator[LegPackets]:
    """The packets of `leg` up to the entry at `tail`, in order, in chunks of about `chunk_bytes` each.

    The packets must be durable (`JournalWriter.sync`). Raises JournalDamaged, JournalLocked, OSError.
    """
    walk, found = _walk(directory, leg, tail, wrap)
    with walk:
        pieces: list[Piece] = []
        size = 0
        for piece in found:
            if pieces and size + piece.payload_bytes > chunk_bytes:
                yield packets_of(pieces)
                pieces, size = [], 0
            pieces.append(piece)
            size += piece.payload_bytes
        if pieces:
            yield packets_of(pieces)


def read_leg(directory: Path, leg: int, tail: ChainPointer, wrap: KeyWrap | None = None) -> LegPackets:
    """All packets of `leg` at once; as `iter_leg`."""
    return next(iter_leg(directory, leg, tail, sys.maxsize, wrap), packets_of([]))
