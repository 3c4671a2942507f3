"""Files that may be encrypted: written through `create`, read through `opened`, as if they were plain.

Which files are encrypted and where they lie is decided elsewhere. The one rule: who gives a keyring never writes a
plain byte to the disk.
"""

import io
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from earshot.vault.errors import Altered
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard
from earshot.vault.sealed_file import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MAGIC,
    OVERHEAD_BYTES,
    Cipher,
    Header,
    chunk_at,
    chunk_size,
    chunks_of,
    name_digest,
    stored_size,
)

Keys = Keyring | bytes | None
"""What a file is encrypted by: a fresh key that is wrapped in its header, that very data key, which is then nowhere on
the disk, or nothing: it is plain."""


def create(path: Path, keys: Keys, name: str = "") -> BinaryIO:
    """A new file at `path`, to be written and closed; encrypted where there are `keys`, and then bound to `name`.

    `flush` makes it readable as far as it was written, and it may be written at any place of what is there already.
    """
    if keys is None:
        return path.open("wb")
    key, wrapped = keys.fresh() if isinstance(keys, Keyring) else (keys, b"")
    return cast(BinaryIO, EncryptedWriter(path, key, wrapped, name))


def opened(path: Path, keys: Keys, name: str = "") -> BinaryIO:
    """The file at `path`, to be read, whether it is encrypted or not; an encrypted one must belong to `name`, where one
    is given. Raises OSError, WrongKey, KeyDestroyed, Altered."""
    file = io.FileIO(path)
    try:
        if file.read(len(MAGIC)) != MAGIC:
            file.seek(0)
            return cast(BinaryIO, file)
        return cast(BinaryIO, EncryptedReader(file, keys, name))
    except BaseException:
        file.close()
        raise


def plain_size(path: Path, keys: Keys) -> int:
    """How many plain bytes the file has. Raises as `opened`."""
    with opened(path, keys) as file:
        return file.seek(0, os.SEEK_END)


def written_upto(file: BinaryIO) -> int:
    """How many bytes of a file that is being written another process can read from now on. Raises OSError."""
    whole = getattr(file, "whole", None)
    if whole is None:
        file.flush()
    return file.tell() if whole is None else int(whole)


def read_growing(handle: int, key: bytes, size: int, start: int, stop: int) -> bytes:
    """The plain bytes [start, stop) of a file that will have `size`; what holds them must be written already. Gives
    fewer than asked, but some. Raises OSError, Altered."""
    cipher = Cipher(key)
    for number in chunks_of(size, start, stop):
        stored = os.pread(handle, chunk_size(size, number) + OVERHEAD_BYTES, chunk_at(number))
        first = number * CHUNK_BYTES
        return cipher.open(number, stored)[max(start - first, 0) : stop - first]
    return b""


class EncryptedWriter(io.RawIOBase):
    """Encrypts what is written, chunk by chunk. At most one chunk is in memory, and none of it plain on the disk."""

    def __init__(self, path: Path, key: bytes, wrapped: bytes, name: str) -> None:
        discard(path)
        self._file = io.FileIO(path, "w+")
        self._cipher = Cipher(key)
        self._wrapped = wrapped
        self._digest = name_digest(name)
        self._at = self._size = 0
        self._number = 0
        self._chunk = bytearray()
        self._is_dirty = False
        self._is_loaded = True

    @property
    def whole(self) -> int:
        """The plain bytes up to here lie in chunks that are full and written."""
        return self._at - self._at % CHUNK_BYTES

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place of what was written already. Raises ValueError for others."""
        at = offset + (0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else self._size)
        if not 0 <= at <= self._size:
            raise ValueError("an encrypted file has no holes")
        if at // CHUNK_BYTES != self._number:
            self._store()
            self._number, self._is_loaded = at // CHUNK_BYTES, False
        self._at = at
        return at

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """All of `data`. Raises OSError."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            begin = self._at % CHUNK_BYTES
            piece = view[done : done + CHUNK_BYTES - begin]
            if len(piece) == CHUNK_BYTES:
                self._put(piece)
            else:
                self._load()
                self._chunk[begin : begin + len(piece)] = piece
                self._is_dirty = True
            self._at += len(piece)
            self._size = max(self._size, self._at)
            done += len(piece)
            if begin + len(piece) == CHUNK_BYTES:
                self._store()
                self._number, self._is_loaded = self._number + 1, False
        return done

    def _load(self) -> None:
        """Have the chunk at hand that is written next."""
        if self._is_loaded:
            return
        self._is_loaded = True
        self._chunk = bytearray()
        there = chunk_size(self._size, self._number)
        if there > 0:
            stored = os.pread(self._file.fileno(), there + OVERHEAD_BYTES, chunk_at(self._number))
            self._chunk += self._cipher.open(self._number, stored)

    def _store(self) -> None:
        if self._is_dirty:
            self._put(self._chunk)

    def _put(self, chunk: bytearray | memoryview) -> None:
        """Write the chunk at hand."""
        _write_all(self._file.fileno(), self._cipher.seal(self._number, chunk), chunk_at(self._number))
        self._is_dirty = False

    def flush(self) -> None:
        """Let the file be whole as of now."""
        if not self._file.closed:
            self._store()
            _write_all(self._file.fileno(), self._cipher.header(self._size, self._digest, self._wrapped), 0)

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._file.close()  # half of something gets no header: it is no file
        self.close()

    def close(self) -> None:
        """Finish the file; without what was not stored, if the disk does not take it. Raises OSError."""
        if self.closed:
            return
        try:
            self.flush()
        finally:
            self._file.close()
            self._wrapped = b""
            super().close()


def _write_all(handle: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(handle, view, at)
        view, at = view[done:], at + done


class EncryptedReader(io.RawIOBase):
    """Decrypts what is read. Holds one chunk. `file` is taken over."""

    def __init__(self, file: io.FileIO, keys: Keys, name: str) -> None:
        self._file = file
        header = Header.read(os.pread(file.fileno(), HEADER_BYTES, 0))
        if isinstance(keys, bytes):
            self._cipher = Cipher(keys)
            self._cipher.check_header(header.statement)
        else:
            self._cipher = header.opened(keys, name)
        self.size = header.size
        if os.fstat(file.fileno()).st_size != stored_size(header.size):
            raise Altered("the encrypted file was cut or extended")
        self._at = 0
        self._number = -1
        self._chunk = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def fileno(self) -> int:
        raise io.UnsupportedOperation("the file behind this is encrypted")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        at = offset + (0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else self.size)
        if at < 0:
            raise ValueError("a place in a file is 0 or more")
        self._at = at
        return at

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """All that is asked for, fewer only at the end. Raises OSError, Altered."""
        view = memoryview(buffer).cast("B")
        stop = min(self._at + len(view), self.size)
        done = 0
        while self._at < stop:
            number, begin = divmod(self._at, CHUNK_BYTES)
            if number != self._number:
                stored = os.pread(self._file.fileno(), chunk_size(self.size, number) + OVERHEAD_BYTES, chunk_at(number))
                self._chunk, self._number = self._cipher.open(number, stored), number
            piece = self._chunk[begin : begin + stop - self._at]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._at += len(piece)
        return done

    def close(self) -> None:
        self._file.close()
        super().close()
