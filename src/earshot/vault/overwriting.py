"""Changing the key of an encrypted file where it lies: destroying it, and wrapping it by another master key.

Not a byte behind the header is touched. Whoever writes holds a lock on the file, so that a key that is being wrapped
anew in another process cannot come back after it was destroyed. The one rule: a slot is overwritten and on the disk
before what depends on it is done, so that whatever breaks off leaves a key that works, or none.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from earshot.vault.keyring import Keyring
from earshot.vault.sealed_file import BLANK, HEADER_BYTES, MAGIC, SLOTS, Header, slot_of

REPLACED = ".replaced.unfinished"
"""The ending of what an encrypted file is called while another takes its place: until its key is destroyed."""


def header_of(path: Path) -> Header | None:
    """The header of the file; None for one that is not encrypted. Raises OSError, Altered."""
    with path.open("rb", buffering=0) as file:
        raw = file.read(HEADER_BYTES)
    return Header.read(raw) if raw.startswith(MAGIC) else None


def destroy(path: Path) -> None:
    """Overwrite the key of an encrypted file, durably; nothing to do where there is none. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    try:
        destroy_in(handle)
    finally:
        os.close(handle)


def discard(path: Path) -> None:
    """Remove a file that is no longer needed, its key first. No error if there is none. Raises OSError."""
    destroy(path)
    path.unlink(missing_ok=True)


def destroy_in(handle: int) -> None:
    """The same for an open file."""
    fcntl.flock(handle, fcntl.LOCK_EX)
    raw = os.pread(handle, HEADER_BYTES, 0)
    if raw.startswith(MAGIC) and any(raw[SLOTS[0] :]):
        _put(handle, BLANK * len(SLOTS), SLOTS[0])


def rewrap(path: Path, keyring: Keyring) -> bool:
    """Have the key of the file wrapped by the current master key; whether there was anything to do. Raises OSError,
    WrongKey, KeyDestroyed, Altered."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        header = Header.read(os.pread(handle, HEADER_BYTES, 0))
        key = header.key(keyring)
        filled = [number for number, slot in enumerate(header.slots) if any(slot)]
        good = [number for number in filled if _is_good(header.slots[number], keyring)]
        if good and keyring.is_current(header.slots[good[0]]):
            keep = good[0]
            if filled == [keep]:
                return False
        else:
            keep = 1 - good[0] if good else 1 - filled[0]
            _put(handle, slot_of(keyring.wrap(key)), SLOTS[keep])
        _put(handle, BLANK, SLOTS[1 - keep])
        return True
    finally:
        os.close(handle)


def _is_good(slot: bytes, keyring: Keyring) -> bool:
    try:
        keyring.unwrap(slot)
    except OSError:
        return False
    return True


def rewrapped(header: Header, keyring: Keyring) -> bytes:
    """The two slots as they should be, for a file that can only be written anew. Raises WrongKey, KeyDestroyed."""
    return slot_of(keyring.wrap(header.key(keyring))) + BLANK


def _put(handle: int, data: bytes, at: int) -> None:
    os.pwrite(handle, data, at)
    os.fsync(handle)


class Replacing:
    """An encrypted file `source` is put at `path` (None: where objects are no files of this machine). After `begin` the
    key of what lies there now can still be destroyed, and `finish` does that; that of `source` too, if it was copied.

    What a process that was killed left behind is seen to by the next replacement or removal at the same place.
    """

    def __init__(self, source: Path, path: Path | None) -> None:
        self._source = source
        self._path = path
        self._handles: list[int] = []

    def begin(self) -> None:
        """Hold on to both. Raises OSError."""
        if self._path is not None:
            clear(self._path)
        self._hold(self._source)
        if self._path is not None and self._hold(self._path):
            with suppress(OSError):  # some file systems know no second name: there a crash leaves a key
                os.link(self._path, aside(self._path))

    def _hold(self, path: Path) -> bool:
        handle = _encrypted(path)
        self._handles += [handle] if handle is not None else []
        return handle is not None

    def _lies_there(self, handle: int) -> bool:
        """Whether the file of `handle` is what lies at the path now."""
        try:
            return self._path is not None and os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False

    def finish(self, *, replaced: bool) -> None:
        """Destroy the keys of both but of what lies at `path` now, if it was `replaced`; else leave them. Raises
        OSError."""
        try:
            for handle in self._handles if replaced else ():
                if not self._lies_there(handle):
                    destroy_in(handle)
        finally:
            for handle in self._handles:
                os.close(handle)
            self._handles.clear()
            if self._path is not None:
                with suppress(FileNotFoundError, NotADirectoryError):
                    aside(self._path).unlink()


def _encrypted(path: Path) -> int | None:
    """A handle of the file, if it is there and encrypted."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    if os.pread(handle, len(MAGIC), 0) == MAGIC:
        return handle
    os.close(handle)
    return None


def aside(path: Path) -> Path:
    """What a file that is being replaced is called meanwhile, beside it."""
    return path.with_name(path.name + REPLACED)


def clear(path: Path) -> None:
    """Destroy what an interrupted replacement at `path` left behind. It is no other file than the one that lies there
    when the replacement had not come about: that one stays. Raises OSError."""
    left = aside(path)
    if not left.exists():
        return
    if not (path.exists() and left.samefile(path)):
        destroy(left)
    left.unlink(missing_ok=True)
