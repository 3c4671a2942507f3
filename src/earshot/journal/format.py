"""The bytes of the journal: segment header, batch header, leg entries, packet headers, carry blocks, file names.

Here lives layout only; reading, writing and scanning live beside it. All numbers are little-endian. The one rule: an
entry says all that is needed to find its packets, with offsets absolute in its segment, and points back to the entry
of the same leg before it.

Segment: header (64 bytes), then batches. Batch: header (64), events (JSON lines, padded to 8), leg entries (32 each),
packet headers (8 each), payload (raw RTP packets, consecutive per entry, padded to 8). Two checksums per batch: one of
everything but the payload, one of the payload, which redaction renews. Both start from the salt of the segment, so
that nobody who sends us packets can place something in the payload that passes for a batch.

Format 2 is the same encrypted, told by the version of the segment and a flag of the carry block: a key block (256
bytes) follows the header of each, and events and payload are encrypted by their place in the file. Checksums are of
what lies on disk, so that the end of the journal is found without a key. A packet that was redacted has a flag in its
header, because zeros are not what is left when zeros are decrypted. The first checksum takes these flags as 0, the
second covers packet headers and payload.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earshot.errors import EarshotError

PLAIN, KEYED = 1, 2
"""Versions of a segment: as it is, and encrypted."""
SEGMENT_MAGIC = b"EARSHOTJ"
BATCH_MAGIC = b"EBAT"
CARRY_MAGIC = b"ECAR"

SEGMENT_HEADER = struct.Struct("<8sIIqI32xI")
"""magic, version, number, base time (µs), salt, checksum of what precedes it."""
BATCH_FIXED = struct.Struct("<4sIQqIIIIII")
"""magic, flags, batch number, time (µs), length, event bytes, event count, entries, packets, payload bytes."""
BATCH_CHECKS = struct.Struct("<I4xII")
"""checksum of everything but the payload, state of the payload, checksum of the payload."""
CARRY_FIXED = struct.Struct("<4sIQIIqIQ4x")
"""magic, flags, leg, first segment, last segment, base time (µs), packets, payload bytes."""
CARRY_CHECKS = struct.Struct("<4xIII")
"""checksum of everything but the payload, state of the payload, checksum of the payload."""
PAYLOAD_CHECK = struct.Struct("<II")
"""state and checksum of the payload: the last 8 bytes of a batch or block header, which redaction rewrites."""

HEADER_BYTES = 64
KEY_BLOCK_BYTES = 256
BATCH_CHECKED = BATCH_FIXED.size
CARRY_CHECKED = CARRY_FIXED.size
PAYLOAD_CHECK_AT = 56

ENTRY = np.dtype(
    [
        ("leg", "<u8"),
        ("previous_segment", "<u4"),
        ("previous_offset", "<u4"),
        ("count", "<u4"),
        ("header_offset", "<u4"),
        ("payload_offset", "<u4"),
        ("payload_bytes", "<u4"),
    ]
)
PACKET = np.dtype([("delta_us", "<i4"), ("length", "<u2"), ("flags", "<u2")])
PACKET_FLAGS_AT = 6
PACKET_FLAGS = struct.Struct("<H")
ENTRY_FIELDS = struct.Struct("<QIIIIII")

REDACTED = 1
"""Flag of a packet of which only the fixed RTP header is left. In format 2 only: plain zeros need no flag."""
CARRY_KEYED = 1
"""Flag of a carry block that is encrypted."""

PAYLOAD_WHOLE = 0
PAYLOAD_BEING_REDACTED = 1

RTP_HEADER_BYTES = 12


class JournalDamaged(EarshotError):
    """The journal does not hold what it must. The message says where."""


@dataclass(frozen=True, slots=True)
class ChainPointer:
    """Where the newest entry of a leg lies: segment number and byte offset. Segment 0 means there is none."""

    segment: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A segment file: its number, its base time and the time of its last batch (µs), its size in bytes."""

    number: int
    base_us: int
    last_us: int
    size: int


def padded(size: int) -> int:
    """`size` rounded up to a multiple of 8."""
    return (size + 7) & ~7


def checksum(parts: Iterable[bytes | memoryview], salt: int) -> int:
    """CRC-32 over `parts` in turn, started from `salt`."""
    value = salt
    for part in parts:
        value = zlib.crc32(part, value)
    return value


def segments_dir(directory: Path) -> Path:
    """The folder of the segment files."""
    return directory / "segments"


def carry_dir(directory: Path) -> Path:
    """The folder of the carry files."""
    return directory / "carry"


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment `number`."""
    return segments_dir(directory) / f"{number:010d}.seg"


def carry_path(directory: Path, leg: int) -> Path:
    """The carry file of `leg`."""
    return carry_dir(directory) / f"{leg}.leg"


def segment_numbers(directory: Path) -> list[int]:
    """The numbers of all segment files, ascending."""
    return sorted(int(path.stem) for path in segments_dir(directory).glob("*.seg") if path.stem.isdecimal())


def carried_legs(directory: Path) -> list[int]:
    """The legs that have a carry file, ascending."""
    return sorted(int(path.stem) for path in carry_dir(directory).glob("*.leg") if path.stem.isdecimal())


class SegmentHeader(NamedTuple):
    """What the header of a segment says: its base time (µs), its salt, and whether it is encrypted."""

    base_us: int
    salt: int
    keyed: bool

    @property
    def end(self) -> int:
        """Where the first batch begins."""
        return segment_begins(self.keyed)


def segment_begins(keyed: bool) -> int:
    """The byte of a segment at which its first batch begins."""
    return HEADER_BYTES + KEY_BLOCK_BYTES if keyed else HEADER_BYTES


def pack_segment_header(number: int, base_us: int, salt: int, keyed: bool = False) -> bytes:
    """The 64 bytes at the start of a segment."""
    packed = SEGMENT_HEADER.pack(SEGMENT_MAGIC, KEYED if keyed else PLAIN, number, base_us, salt, 0)
    body = packed[:-4]
    return body + struct.pack("<I", zlib.crc32(body))


def unpack_segment_header(raw: bytes, number: int) -> SegmentHeader:
    """Raises JournalDamaged when it is not the header of segment `number`."""
    if len(raw) < HEADER_BYTES:
        raise JournalDamaged(f"segment {number} is shorter than its header")
    magic, version, own_number, base_us, salt, check = SEGMENT_HEADER.unpack(raw[:HEADER_BYTES])
    if magic != SEGMENT_MAGIC or check != zlib.crc32(raw[: HEADER_BYTES - 4]):
        raise JournalDamaged(f"segment {number} has no valid header")
    if version not in (PLAIN, KEYED) or own_number != number:
        raise JournalDamaged(f"segment {number} says it is number {own_number} of format {version}")
    return SegmentHeader(base_us, salt, version == KEYED)


INTERNAL = "_journal"
"""The key that marks the journal's own events; a core's event must not have it."""
CHECKPOINT = "checkpoint"
RELEASED = "released"
