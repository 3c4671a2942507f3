"""The keys of the journal's files: wrapped anew when the master key changes, and destroyed before a file is removed.

Rewrapping may run beside a server: it writes to key blocks only, which nobody else writes to while they are needed. Not
here: their layout (key_block). The one rule: everything here may be killed between any two steps and is then simply run
again; while a file is needed, every key block in it has a whole slot that one of the master keys opens.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from earshot.errors import EarshotError
from earshot.journal.cipher import KeyRewrap
from earshot.journal.format import (
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    JournalDamaged,
    carried_legs,
    carry_path,
    segment_numbers,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.key_block import SLOT_BYTES, SLOTS, destroy_keys, open_key, pack_slot, slots
from earshot.journal.scan import map_file, scan_carry


def rewrap(directory: Path, wrap: KeyRewrap) -> int:
    """Wrap by the current master key what is not; gives how many keys that were. Durable when it returns.

    Plain segments have no key, and a key block that is damaged is left to `check`. Raises OSError (run it again), and
    JournalLocked when an old master key is missing: what was done until then stays.
    """
    return sum(_rewrap_file(path, places, wrap) for path, places in _places(directory))


def wrapped_keys(directory: Path) -> list[bytes]:
    """The wrapped key of each segment and carry block that is encrypted: which master keys are still needed. While a
    change is unfinished, a key may be there twice. Raises OSError."""
    found = []
    for path, places in _places(directory):
        try:
            data = map_file(path)
        except FileNotFoundError:
            continue
        for at, _ in places:
            found += [wrapped for wrapped in slots(bytes(data[at : at + KEY_BLOCK_BYTES])) if wrapped is not None]
    return found


def remove_segment(directory: Path, number: int) -> None:
    """Destroy the key of a segment, then remove it; does nothing when it is not there. Raises OSError."""
    _remove(*_segment(directory, number))


def remove_carried(directory: Path, leg: int) -> None:
    """The same with the carry file of a leg."""
    _remove(*_carried(directory, leg))


def _remove(path: Path, places: list[tuple[int, str]]) -> None:
    destroy_keys(path, [at for at, _ in places])
    path.unlink(missing_ok=True)


def _places(directory: Path) -> Iterator[tuple[Path, list[tuple[int, str]]]]:
    """Each file with where its key blocks lie and what to call them."""
    for number in segment_numbers(directory):
        yield _segment(directory, number)
    for leg in carried_legs(directory):
        yield _carried(directory, leg)


def _segment(directory: Path, number: int) -> tuple[Path, list[tuple[int, str]]]:
    path = segment_path(directory, number)
    try:
        with path.open("rb") as file:
            keyed = unpack_segment_header(file.read(HEADER_BYTES), number).keyed
    except (FileNotFoundError, JournalDamaged):
        keyed = False
    return path, [(HEADER_BYTES, f"segment {number}")] if keyed else []


def _carried(directory: Path, leg: int) -> tuple[Path, list[tuple[int, str]]]:
    path = carry_path(directory, leg)
    try:
        blocks = [block for block in scan_carry(map_file(path), leg) if block.keyed]
    except FileNotFoundError:
        blocks = []
    return path, [(block.offset + HEADER_BYTES, f"carry/{leg}.leg, byte {block.offset},") for block in blocks]


def _is_done(wrapped: bytes, wrap: KeyRewrap) -> bool:
    """Whether the current master key wrapped it, and opens it: the other slot is blanked then."""
    try:
        return wrap.is_current(wrapped) and bool(wrap.unwrap(wrapped))
    except EarshotError:
        return False


def _rewrap_file(path: Path, places: list[tuple[int, str]], wrap: KeyRewrap) -> int:
    """The key blocks of one file: all new slots, durable, then the old ones blanked."""
    if not places:
        return 0
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        count = 0
        blank = []
        for at, where in places:
            block = os.pread(handle, KEY_BLOCK_BYTES, at)
            found = slots(block)
            current = [slot for slot, wrapped in enumerate(found) if wrapped is not None and _is_done(wrapped, wrap)]
            if not any(found):
                continue
            if not current:
                key, slot = open_key(block, wrap, where)
                new = (slot + 1) % SLOTS
                os.pwrite(handle, pack_slot(wrap.wrap(key)), at + SLOT_BYTES * new)
                count += 1
                current = [new]
            blank += [at + SLOT_BYTES * slot for slot in range(SLOTS) if slot != current[0]]
        os.fdatasync(handle)
        for at in blank:
            if any(os.pread(handle, SLOT_BYTES, at)):
                os.pwrite(handle, bytes(SLOT_BYTES), at)
        os.fdatasync(handle)
        return count
    finally:
        os.close(handle)
