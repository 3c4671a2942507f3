"""The records of the log file: a length, a CRC-32 and the bytes of a leaf, one after the other. No files here.

The one rule: bytes that are no whole record are an error, wherever they stand; who reads says what follows from that.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

MAGIC: Final = b"earshot ledger 1\n"
HEADER: Final = struct.Struct(">II")
LARGEST: Final = 1 << 20
"""No leaf is larger than this, bytes."""
AT_ONCE: Final = 1 << 20


class NotWhole(Exception):
    """The bytes at `offset` are no whole record."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"at byte {offset} {why}")
        self.offset = offset


def record(text: bytes) -> bytes:
    """The record of a leaf. Raises ValueError when it is too large."""
    if len(text) > LARGEST:
        raise ValueError(f"a leaf has at most {LARGEST} bytes, this has {len(text)}")
    return HEADER.pack(len(text), zlib.crc32(text)) + text


def read_records(read: Callable[[int, int], bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    """(offset, leaf) of every record from `offset` to the end; `read(offset, count)` gives bytes. Raises NotWhole."""
    start, buffer = offset, b""
    while True:
        ahead = offset - start
        if len(buffer) - ahead < HEADER.size + LARGEST:
            buffer, start, ahead = buffer[ahead:], offset, 0
            buffer += read(start + len(buffer), AT_ONCE + LARGEST)
        if len(buffer) == ahead:
            return
        if len(buffer) - ahead < HEADER.size:
            raise NotWhole(offset, "the log ends within a record")
        length, checksum = HEADER.unpack_from(buffer, ahead)
        text = buffer[ahead + HEADER.size : ahead + HEADER.size + length]
        if length > LARGEST or len(text) < length:
            raise NotWhole(offset, "a record is longer than what follows")
        if zlib.crc32(text) != checksum:
            raise NotWhole(offset, "a record was altered")
        yield offset, text
        offset += HEADER.size + length
