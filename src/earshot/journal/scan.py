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

from earshot.journal.cipher import JournalLocked
from earshot.journal.format import (
    BATCH_CHECKED,
    BATCH_CHECKS,
    BATCH_FIXED,
    BATCH_MAGIC,
    CARRY_CHECKED,
    CARRY_CHECKS,
    CARRY_FIXED,
    CARRY_KEYED,
    CARRY_MAGIC,
    ENTRY,
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    PACKET,
    PAYLOAD_WHOLE,
    padded,
    unpack_segment_header,
)
from earshot.journal.key_block import FileKey

Bytes = mmap.mmap | bytes


def map_file(path: Path) -> Bytes:
    """The bytes of a file, mapped read-only; empty bytes for an empty file. Raises FileNotFoundError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        return mmap.mmap(handle, size, prot=mmap.PROT_READ) if size else b""
    finally:
        os.close(handle)


def _table_check(data: Bytes, fixed: tuple[int, int], table: tuple[int, int], packets: int, salt: int) -> int:
    """The checksum of everything but the payload: bytes `fixed` and bytes `table` of a file, of which the last are the
    headers of `packets`, their flags taken as 0: redaction sets them in a place that is valid before, while and after.
    """
    headers_at = table[1] - PACKET.itemsize * packets
    headers = np.frombuffer(data, PACKET, packets, headers_at)
    if headers["flags"].any():
        headers = headers.copy()
        headers["flags"] = 0
    with memoryview(data) as raw:
        found = zlib.crc32(raw[slice(*fixed)], salt)
        found = zlib.crc32(raw[table[0] : headers_at], found)
    return zlib.crc32(headers.view(np.uint8).data, found)


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
    keyed: bool

    @property
    def entries_offset(self) -> int:
        return self.offset + HEADER_BYTES + padded(self.event_bytes)

    @property
    def headers_offset(self) -> int:
        return self.entries_offset + ENTRY.itemsize * self.entry_count

    @property
    def payload_offset(self) -> int:
        return self.headers_offset + PACKET.itemsize * self.packet_count

    @property
    def checked_from(self) -> int:
        """Where begins what the second checksum covers."""
        return self.headers_offset if self.keyed else self.payload_offset

    def event_lines(self, key: FileKey | None = None) -> list[bytes]:
        """The events as they were appended, each a JSON document. Raises JournalLocked, JournalDamaged."""
        if not self.events:
            return []
        start = self.offset + HEADER_BYTES
        lines = bytes(self.data[start : start + self.event_bytes])
        if self.keyed:
            if key is None:
                raise JournalLocked(f"the events at byte {start} are encrypted, and no key is given")
            lines = key.stream.applied(lines, start)
        return lines.split(b"\n")

    def entries(self) -> NDArray[Any]:
        """The leg entries, dtype ENTRY."""
        return np.frombuffer(self.data, ENTRY, self.entry_count, self.entries_offset)

    def payload_is_whole(self) -> bool | None:
        """Whether the payload has its checksum; None while it is marked as being redacted."""
        if self.payload_state != PAYLOAD_WHOLE:
            return None
        return self.payload_sum() == self.payload_check

    def payload_sum(self, data: Bytes | None = None) -> int:
        """The second checksum as it must be of what lies there, or of `data`: the same file, read anew."""
        with memoryview(self.data if data is None else data) as raw:
            return zlib.crc32(raw[self.checked_from : self.offset + self.length], self.salt)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment from `offset` on that are no valid batch. `torn` if nothing valid follows them."""

    offset: int
    torn: bool


def _batch_at(data: Bytes, offset: int, salt: int, keyed: bool) -> BatchView | None:
    if offset + HEADER_BYTES > len(data):
        return None
    fields = BATCH_FIXED.unpack_from(data, offset)
    magic, _flags, number, time_us, length, event_bytes, events, entries, packets, payload = fields
    if magic != BATCH_MAGIC or offset + length > len(data):
        return None
    table, state, check = BATCH_CHECKS.unpack_from(data, offset + BATCH_CHECKED)
    view = BatchView(
        data, salt, offset, number, time_us, length, event_bytes, events, entries, packets, payload, state, check, keyed
    )
    if view.payload_offset + padded(payload) != offset + length:
        return None
    places = (offset, offset + BATCH_CHECKED), (offset + HEADER_BYTES, view.payload_offset)
    return view if _table_check(data, *places, packets, salt) == table else None


def scan_segment(data: Bytes, number: int) -> Iterator[BatchView | Damage]:
    """All batches in order. What is no valid batch is reported and skipped up to the next valid one.

    Raises JournalDamaged if the segment's own header is not valid.
    """
    header = unpack_segment_header(bytes(data[:HEADER_BYTES]), number)
    offset = header.end
    while offset < len(data):
        batch = _batch_at(data, offset, header.salt, header.keyed)
        if batch is not None:
            yield batch
            offset += batch.length
            continue
        following = _next_batch(data, offset + 8, header.salt, header.keyed)
        yield Damage(offset, torn=following is None)
        if following is None:
            return
        offset = following


def _next_batch(data: Bytes, start: int, salt: int, keyed: bool) -> int | None:
    at = data.find(BATCH_MAGIC, start)
    while at >= 0:
        if at % 8 == 0 and _batch_at(data, at, salt, keyed) is not None:
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
    keyed: bool

    @property
    def key_block(self) -> bytes:
        """The key block, or what lies in its place."""
        return bytes(self.data[self.offset + HEADER_BYTES : self.offset + HEADER_BYTES + KEY_BLOCK_BYTES])

    @property
    def headers_offset(self) -> int:
        return self.offset + HEADER_BYTES + (KEY_BLOCK_BYTES if self.keyed else 0)

    @property
    def payload_offset(self) -> int:
        return self.headers_offset + PACKET.itemsize * self.packet_count

    @property
    def end(self) -> int:
        return self.payload_offset + padded(self.payload_bytes)

    @property
    def checked_from(self) -> int:
        """Where begins what the second checksum covers."""
        return self.headers_offset if self.keyed else self.payload_offset

    def payload_is_whole(self) -> bool | None:
        """Whether the payload has its checksum; None while it is marked as being redacted."""
        if self.payload_state != PAYLOAD_WHOLE:
            return None
        return self.payload_sum() == self.payload_check

    def payload_sum(self, data: Bytes | None = None) -> int:
        """The second checksum as it must be of what lies there, or of `data`: the same file, read anew."""
        with memoryview(self.data if data is None else data) as raw:
            return zlib.crc32(raw[self.checked_from : self.end])


def scan_carry(data: Bytes, leg: int) -> Iterator[BlockView]:
    """The valid blocks of the carry file of `leg`; ends at the first that is not valid."""
    offset = 0
    while offset + HEADER_BYTES <= len(data):
        magic, flags, owner, first, last, base_us, packets, payload = CARRY_FIXED.unpack_from(data, offset)
        table, state, check = CARRY_CHECKS.unpack_from(data, offset + CARRY_CHECKED)
        keyed = flags == CARRY_KEYED
        block = BlockView(data, offset, owner, first, last, base_us, packets, payload, state, check, keyed)
        if magic != CARRY_MAGIC or owner != leg or block.end > len(data):
            return
        places = (offset, offset + CARRY_CHECKED), (block.headers_offset, block.payload_offset)
        if _table_check(data, *places, packets, 0) != table:
            return
        yield block
        offset = block.end
