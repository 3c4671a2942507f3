"""The files the writer appends to: creating segments, writing one batch at its place, making it durable.

Runs on the writing thread only. Not here: what is in a batch. The one rule: a flight has one fixed place, so writing it
again after an error or a short write overwrites exactly what the first try left behind.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earshot.journal.cipher import Keystream, KeyWrap
from earshot.journal.format import carry_dir, pack_segment_header, segment_begins, segment_path, segments_dir
from earshot.journal.key_block import pack_key_block
from earshot.journal.pending import Batch


@dataclass(frozen=True, slots=True)
class Flight:
    """A batch on its way to the disk: where it goes, and what the segment's header says."""

    segment: int
    base_us: int
    salt: int
    offset: int
    batch: Batch
    number: int


def sync_dir(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the content of a file durable that was written under another handle. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(handle)
    finally:
        os.close(handle)


def make_dirs(directory: Path) -> None:
    """Create the folders of a journal, durably. Raises OSError."""
    for path in (segments_dir(directory), carry_dir(directory)):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    sync_dir(directory)


def write_all(handle: int, parts: Sequence[bytes | memoryview], offset: int) -> None:
    """Write `parts` in turn at `offset`, going on after short writes. Raises OSError."""
    remaining = [memoryview(part) for part in parts]
    while remaining:
        written = os.pwritev(handle, remaining[:64], offset)
        offset += written
        while remaining and written >= len(remaining[0]):
            written -= len(remaining.pop(0))
        if written:
            remaining[0] = remaining[0][written:]


class SegmentFile:
    """The segment that is being appended to. With `wrap`, each gets a key of its own and is encrypted."""

    def __init__(self, directory: Path, wrap: KeyWrap | None = None) -> None:
        self._directory = directory
        self._wrap = wrap
        self._stream: Keystream | None = None
        self._handle = -1
        self._number = 0

    def write(self, flight: Flight) -> None:
        """Write one batch and wait until it is durable. Raises OSError; call again with the same flight then."""
        if flight.segment != self._number:
            self._open(flight)
        write_all(self._handle, flight.batch.finish(flight.salt, self._stream, flight.offset), flight.offset)
        os.fdatasync(self._handle)

    def _open(self, flight: Flight) -> None:
        self.close()
        path = segment_path(self._directory, flight.segment)
        self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        header = [pack_segment_header(flight.segment, flight.base_us, flight.salt, self._wrap is not None)]
        if self._wrap is not None:
            key, wrapped = self._wrap.fresh()
            self._stream = Keystream(key)
            header.append(pack_key_block(wrapped))
        assert sum(map(len, header)) == segment_begins(self._wrap is not None)
        write_all(self._handle, header, 0)
        os.fdatasync(self._handle)
        sync_dir(path.parent)
        self._number = flight.segment

    def close(self) -> None:
        """Close the file; what was written is durable already."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._number, self._stream = -1, 0, None
