"""The key block: the wrapped key of a segment or of a carry block, in two slots of which one is in use.

Here live its layout, opening it and destroying it. Not here: changing the master key (rewrap), the cipher itself. The
one rule: the slot in use is never written over. A new wrapping goes into the other slot and becomes durable before the
old is blanked, so a write torn anywhere leaves a whole slot. Each slot has a checksum of its own; that of the file's
tables does not cover them.

Slot (128 bytes): length of the wrapped key, the wrapped key, checksum of what precedes. An empty slot is zeros.
"""

import os
import struct
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from earshot.errors import EarshotError
from earshot.journal.cipher import KEY_BYTES, JournalLocked, Keystream, KeyWrap
from earshot.journal.format import KEY_BLOCK_BYTES, JournalDamaged

SLOTS = 2
SLOT_BYTES = KEY_BLOCK_BYTES // SLOTS
WRAPPED_BYTES = 96
_SLOT = struct.Struct("<H2x120s")
_CHECK = struct.Struct("<I")


def pack_slot(wrapped: bytes) -> bytes:
    """A slot that holds a wrapped key of at most 96 bytes."""
    if not 0 < len(wrapped) <= WRAPPED_BYTES:
        raise ValueError(f"a wrapped key of {len(wrapped)} bytes")
    body = _SLOT.pack(len(wrapped), wrapped)
    return body + _CHECK.pack(zlib.crc32(body))


def pack_key_block(wrapped: bytes) -> bytes:
    """A new key block: the wrapped key in the first slot."""
    return pack_slot(wrapped).ljust(KEY_BLOCK_BYTES, b"\0")


def slots(block: bytes) -> list[bytes | None]:
    """The wrapped key of each slot; None for one that is empty or torn."""
    return [_unpack(block[at : at + SLOT_BYTES]) for at in range(0, KEY_BLOCK_BYTES, SLOT_BYTES)]


def _unpack(slot: bytes) -> bytes | None:
    if len(slot) < SLOT_BYTES or _CHECK.unpack_from(slot, _SLOT.size)[0] != zlib.crc32(slot[: _SLOT.size]):
        return None
    length, wrapped = _SLOT.unpack_from(slot)
    return bytes(wrapped[:length]) if 0 < length <= WRAPPED_BYTES else None


def is_destroyed(block: bytes) -> bool:
    """Whether this is a key block that was blanked, because its file is being removed."""
    return len(block) == KEY_BLOCK_BYTES and not any(block)


def destroy_keys(path: Path, places: Iterable[int]) -> None:
    """Blank the key blocks at these bytes of a file, durably: what they encrypt is gone then, wherever else copies of
    the file's blocks may lie. A file that is not there has none. Raises OSError."""
    found = list(places)
    if not found:
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for at in found:
            os.pwrite(handle, bytes(KEY_BLOCK_BYTES), at)
        os.fdatasync(handle)
    finally:
        os.close(handle)


def open_key(block: bytes, wrap: KeyWrap | None, where: str) -> tuple[bytes, int]:
    """The key in a key block, and the slot it was found in; `where` names the block.

    Raises JournalDamaged when no slot is whole, JournalLocked when none can be unwrapped.
    """
    found = [(slot, wrapped) for slot, wrapped in enumerate(slots(block)) if wrapped is not None]
    if not found:
        raise JournalDamaged(f"{where} has no valid key block")
    if wrap is None:
        raise JournalLocked(
            f"{where} is encrypted, and no master key is set: set the one it was written with (master_key_file)"
        )
    why = ""
    for slot, wrapped in found:
        try:
            key = wrap.unwrap(wrapped)
        except EarshotError as refused:
            why = str(refused)
            continue
        if len(key) == KEY_BYTES:
            return key, slot
        why = f"the key in it has {len(key)} bytes"
    raise JournalLocked(f"{where} is encrypted: {why}")


class FileKey:
    """The key of a segment or carry block that was found on disk: unwrapped when it is needed, not before.

    Finding the end of the journal, checking it and redacting it need no key.
    """

    def __init__(self, block: bytes, wrap: KeyWrap | None, where: str) -> None:
        self._block = block
        self._wrap = wrap
        self._where = where

    def open(self) -> bytes:
        """The key. Raises JournalDamaged, JournalLocked."""
        return open_key(self._block, self._wrap, self._where)[0]

    @cached_property
    def stream(self) -> Keystream:
        """The keystream; raises as `open`."""
        return Keystream(self.open())
