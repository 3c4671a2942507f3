"""Redaction: what was heard in a span is overwritten where it lies, in segments and in carry files.

Not here: what must not be written in the first place (the packet mask of the listener). Runs on the same thread as
carrying. The one rule: it may be killed between any two steps and is then simply run again: first the payload is marked
as being redacted, then overwritten, then its checksum is renewed, each step durable before the next.

No key is needed, and none may be used: encrypted zeros would be the bare keystream, which together with an old copy of
the file gives back what was there. What is overwritten is the cipher text, with zeros, and with the mark goes a flag
in the header of each packet, so that a reader gives zeros from then on, and never what zeros decrypt to.
"""

import mmap
import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earshot.journal.format import (
    HEADER_BYTES,
    PACKET,
    PACKET_FLAGS,
    PACKET_FLAGS_AT,
    PAYLOAD_BEING_REDACTED,
    PAYLOAD_CHECK,
    PAYLOAD_CHECK_AT,
    PAYLOAD_WHOLE,
    REDACTED,
    RTP_HEADER_BYTES,
    ChainPointer,
    carry_path,
    segment_numbers,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.reader import ChainWalk, Piece, block_piece
from earshot.journal.scan import BatchView, BlockView, Bytes, map_file, scan_carry, scan_segment

_BEFORE_BASE_US = 600_000_000
"""How long packets can have waited in memory for the disk before the segment they came into was begun."""


def redact_leg(directory: Path, leg: int, tail: ChainPointer, from_us: int, to_us: int) -> int:
    """Overwrite with zeros what packets of `leg` that arrived in [from_us, to_us) say after their RTP headers.

    Carried packets are overwritten in the segments they came from as well, while these exist. Durable when it
    returns; gives the number of places overwritten. Raises OSError (run it again) and JournalDamaged.
    """
    count = upto = 0
    path = carry_path(directory, leg)
    if path.exists():
        blocks = list(scan_carry(map_file(path), leg))
        upto = blocks[-1].last if blocks else 0
        spans = [_spans(block_piece(block), from_us, to_us) for block in blocks]
        count += _overwrite(path, [(block, span) for block, span in zip(blocks, spans, strict=True) if len(span)])
    hits: dict[int, list[NDArray[np.int64]]] = defaultdict(list)
    still_there = min(segment_numbers(directory), default=0)
    with ChainWalk(directory, leg) as walk:
        rows = walk.entries(tail, min(upto, max(still_there - 1, 0)))
        for row, piece in zip(rows.tolist(), walk.pieces(rows), strict=True):
            span = _spans(piece, from_us, to_us)
            if len(span):
                hits[row[0]].append(span)
    for number, found in hits.items():
        count += _redact_segment(directory, number, np.concatenate(found))
    return count


def _spans(piece: Piece, from_us: int, to_us: int) -> NDArray[np.int64]:
    """(start, end, flags) of packets of the span: the byte offsets in the file of what each carries after the fixed
    RTP header, and of the flags in its packet header."""
    headers = piece.headers()
    times = headers["delta_us"] + np.int64(piece.base_us)
    ends = piece.payload_offset + np.cumsum(headers["length"], dtype=np.int64)
    starts = ends - headers["length"] + RTP_HEADER_BYTES
    hit = (times >= from_us) & (times < to_us) & (starts < ends)
    flags = piece.headers_offset + PACKET_FLAGS_AT + PACKET.itemsize * np.arange(len(headers))
    return np.stack([starts[hit], ends[hit], flags[hit]], axis=1)


def _redact_segment(directory: Path, number: int, spans: NDArray[np.int64]) -> int:
    path = segment_path(directory, number)
    data = map_file(path)
    batches = [item for item in scan_segment(data, number) if isinstance(item, BatchView)]
    owner = np.searchsorted(np.array([batch.offset for batch in batches]), spans[:, 0], side="right") - 1
    work = [(batches[index], spans[owner == index]) for index in np.unique(owner).tolist()]
    return _overwrite(path, work)


def _overwrite(
    path: Path,
    work: list[tuple[BatchView, NDArray[np.int64]]] | list[tuple[BlockView, NDArray[np.int64]]],
) -> int:
    if not work:
        return 0
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for view, spans in work:
            os.pwrite(handle, PAYLOAD_CHECK.pack(PAYLOAD_BEING_REDACTED, 0), view.offset + PAYLOAD_CHECK_AT)
            for _, _, flags in spans.tolist() if view.keyed else ():
                os.pwrite(handle, PACKET_FLAGS.pack(REDACTED), flags)
        os.fdatasync(handle)
        for _, spans in work:
            for start, end, _ in spans.tolist():
                os.pwrite(handle, bytes(end - start), start)
        os.fdatasync(handle)
        data = mmap.mmap(handle, os.fstat(handle).st_size, prot=mmap.PROT_READ)
        for view, _ in work:
            check = PAYLOAD_CHECK.pack(PAYLOAD_WHOLE, view.payload_sum(data))
            os.pwrite(handle, check, view.offset + PAYLOAD_CHECK_AT)
        os.fdatasync(handle)
    finally:
        os.close(handle)
    return sum(len(spans) for _, spans in work)


def redact_released(directory: Path, needed: Collection[int], from_us: int, to_us: int) -> int:
    """The same for every leg that is not among `needed`: what sealed calls left behind until their segments go.

    Nobody reads it any more, so whose it was need not be known. Durable when it returns; raises OSError.
    """
    count = 0
    kept = np.array(sorted(needed), np.uint64)
    for number in segment_numbers(directory):
        try:
            data = map_file(segment_path(directory, number))
        except FileNotFoundError:
            continue
        if len(data) <= HEADER_BYTES:
            continue
        base_us = unpack_segment_header(bytes(data[:HEADER_BYTES]), number).base_us
        if base_us - _BEFORE_BASE_US > to_us:
            break
        batches = (item for item in scan_segment(data, number) if isinstance(item, BatchView))
        found = ((batch, _left_behind(data, batch, base_us, kept, from_us, to_us)) for batch in batches)
        count += _overwrite(segment_path(directory, number), [(batch, span) for batch, span in found if len(span)])
    return count


def _left_behind(
    data: Bytes, batch: BatchView, base_us: int, kept: NDArray[np.uint64], from_us: int, to_us: int
) -> NDArray[np.int64]:
    """The spans to overwrite in one batch. What a batch holds arrived before it was written."""
    if batch.time_us < from_us:
        return np.zeros((0, 3), np.int64)
    entries = batch.entries()
    spans = [
        _spans(Piece(data, base_us, headers_at, payload_at, count, size), from_us, to_us)
        for _, _, _, count, headers_at, payload_at, size in entries[~np.isin(entries["leg"], kept)].tolist()
    ]
    return np.concatenate(spans) if spans else np.zeros((0, 3), np.int64)
