"""Walking through a segment or a carry file from front to back, verifying as it goes.

Here live the views of a batch and of a carry block on mapped bytes. Not here: chains of one leg (reader), repairs
(recovery). The one rule: nothing is believed before its checksum was compared.
"""

import mmap
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot.journal.format import (
    BATCH_CHECKED,
    BATCH_CHECKS,
    BATCH_FIXED,
    BATCH_MAGIC,
    CARRY_CHECKED,
    CARRY_CHECKS,
    CARRY_FIXED,
    CARRY_MAGIC,
    ENTRY,
    HEADER_BYTES,
    PACKET,
    PAYLOAD_WHOLE,
    padded,
    unpack_segment_header,
)

Bytes = mmap.mmap | bytes


def map_file(path: Path) -> Bytes:
    """The bytes of a file, mapped read-only; empty bytes for an empty file. Raises FileNotFoundError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        return mmap.mmap(handle, size, prot=mmap.PROT_READ) if size else b""
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch of a segment, its table verified. Arrays and offsets refer to the mapped segment."""

    data: Bytes
    salt: int
    offset: int
    number: int
    time_us: int
    length: int
    event_bytes: int
    events: int
    entry_count: int
    packet_count: int
    payload_bytes: int
    payload_state: int
    payload_check: int

    @property
    def entries_offset(self) -> int:
        return self.offset + HEADER_BYTES + padded(self.event_bytes)

    @property
    def payload_offset(self) -> int:
        return self.entries_offset + ENTRY.itemsize * self.entry_count + PACKET.itemsize * self.packet_count

    def event_lines(self) -> list[bytes]:
        """The events as they were appended, each a JSON document."""
        if not self.events:
            return []
        start = self.offset + HEADER_BYTES
        return bytes(self.data[start : start + self.event_bytes]).split(b"\n")

    def entries(self) -> NDArray[Any]:
        """The leg entries, dtype ENTRY."""
        return np.frombuffer(self.data, ENTRY, self.entry_count, self.entries_offset)

    def payload_is_whole(self) -> bool | None:
        """Whether the payload has its checksum; None while it is marked as being redacted."""
        if self.payload_state != PAYLOAD_WHOLE:
            return None
        with memoryview(self.data) as view:
            found = zlib.crc32(view[self.payload_offset : self.offset + self.length], self.salt)
        return found == self.payload_check


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment from `offset` on that are no valid batch. `torn` if nothing valid follows them."""

    offset: int
    torn: bool


def _batch_at(data: Bytes, offset: int, salt: int) -> BatchView | None:
    if offset + HEADER_BYTES > len(data):
        return None
    fields = BATCH_FIXED.unpack_from(data, offset)
    magic, _flags, number, time_us, length, event_bytes, events, entries, packets, payload = fields
    if magic != BATCH_MAGIC or offset + length > len(data):
        return None
    table, state, check = BATCH_CHECKS.unpack_from(data, offset + BATCH_CHECKED)
    view = BatchView(
        data, salt, offset, number, time_us, length, event_bytes, events, entries, packets, payload, state, check
    )
    if view.payload_offset + padded(payload) != offset + length:
        return None
    with memoryview(data) as raw:
        found = zlib.crc32(raw[offset : offset + BATCH_CHECKED], salt)
        found = zlib.crc32(raw[offset + HEADER_BYTES : view.payload_offset], found)
    return view if found == table else None


def scan_segment(data: Bytes, number: int) -> Iterator[BatchView | Damage]:
    """All batches in order. What is no valid batch is reported and skipped up to the next valid one.

    Raises JournalDamaged if the segment's own header is not valid.
    """
    _base_us, salt = unpack_segment_header(bytes(data[:HEADER_BYTES]), number)
    offset = HEADER_BYTES
    while offset < len(data):
        batch = _batch_at(data, offset, salt)
        if batch is not None:
            yield batch
            offset += batch.length
            continue
        following = _next_batch(data, offset + 8, salt)
        yield Damage(offset, torn=following is None)
        if following is None:
            return
        offset = following


def _next_batch(data: Bytes, start: int, salt: int) -> int | None:
    at = data.find(BATCH_MAGIC, start)
    while at >= 0:
        if at % 8 == 0 and _batch_at(data, at, salt) is not None:
            return at
        at = data.find(BATCH_MAGIC, at + 4)
    return None


@dataclass(frozen=True, slots=True)
class BlockView:
    """One block of a carry file: what its leg has in segments `first` to `last`. Its table is verified."""

    data: Bytes
    offset: int
    leg: int
    first: int
    last: int
    base_us: int
    packet_count: int
    payload_bytes: int
    payload_state: int
    payload_check: int

    @property
    def headers_offset(self) -> int:
        return self.offset + HEADER_BYTES

    @property
    def payload_offset(self) -> int:
        return self.headers_offset + PACKET.itemsize * self.packet_count

    @property
    def end(self) -> int:
        return self.payload_offset + padded(self.payload_bytes)

    def payload_is_whole(self) -> bool | None:
        """Whether the payload has its checksum; None while it is marked as being redacted."""
        if self.payload_state != PAYLOAD_WHOLE:
            return None
        with memoryview(self.data) as view:
            return zlib.crc32(view[self.payload_offset : self.end]) == self.payload_check


def scan_carry(data: Bytes, leg: int) -> Iterator[BlockView]:
    """The valid blocks of the carry file of `leg`; ends at the first that is not valid."""
    offset = 0
    while offset + HEADER_BYTES <= len(data):
        magic, _flags, owner, first, last, base_us, packets, payload = CARRY_FIXED.unpack_from(data, offset)
        table, state, check = CARRY_CHECKS.unpack_from(data, offset + CARRY_CHECKED)
        block = BlockView(data, offset, owner, first, last, base_us, packets, payload, state, check)
        if magic != CARRY_MAGIC or owner != leg or block.end > len(data):
            return
        with memoryview(data) as raw:
            found = zlib.crc32(raw[offset : offset + CARRY_CHECKED])
            found = zlib.crc32(raw[block.headers_offset : block.payload_offset], found)
        if found != table:
            return
        yield block
        offset = block.end
