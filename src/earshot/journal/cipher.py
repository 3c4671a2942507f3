"""What encrypts the journal: the keystream of a file, and what is asked of those who hold the master keys.

AES-256 in counter mode, and the place in the keystream is the place in the file: any packet is read without what lies
before it, and one call covers a whole batch. Not here: where keys lie in files (key_block), master keys (they come in
as a `KeyWrap`). The one rule: a key belongs to one segment or one carry block, and each place of it is written once
under that key; two plain texts under one piece of keystream would give each other away.
"""

from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from earshot.errors import EarshotError

KEY_BYTES = 32
_BLOCK = 16
_CHUNK = 1 << 20


class JournalLocked(EarshotError):
    """Something of the journal is encrypted, and the key to it is not at hand. The message says what is missing."""


class KeyWrap(Protocol):
    """The master keys, as far as the journal uses them. A value that crosses into other processes."""

    def fresh(self) -> tuple[bytes, bytes]:
        """A new random key of 32 bytes, and the same wrapped by the current master key, in at most 96 bytes."""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that was wrapped. Raises an EarshotError that names the master key when that is not at hand."""
        ...


class KeyRewrap(KeyWrap, Protocol):
    """What changing the master key asks for on top."""

    def wrap(self, key: bytes) -> bytes:
        """`key` wrapped by the current master key, in at most 96 bytes."""
        ...

    def is_current(self, wrapped: bytes) -> bool:
        """Whether it was wrapped by the current master key."""
        ...


class Keystream:
    """The keystream of one segment or carry block. Encrypting and decrypting are the same. For one thread at a time."""

    def __init__(self, key: bytes) -> None:
        self._context = Cipher(algorithms.AES(key), modes.CTR(bytes(_BLOCK))).encryptor()
        self._kept = bytearray()

    def _seek(self, offset: int) -> None:
        block, skipped = divmod(offset, _BLOCK)
        self._context.reset_nonce(block.to_bytes(_BLOCK, "big"))
        if skipped:
            self._context.update(bytes(skipped))

    def _room(self, size: int) -> bytearray:
        """A buffer that is kept: memory that is mapped anew for each batch costs more than the encryption."""
        if len(self._kept) < size + _BLOCK:
            self._kept = bytearray(max(size + _BLOCK, 2 * len(self._kept)))
        return self._kept

    def applied(self, data: bytes | memoryview, offset: int) -> bytes:
        """`data`, which lies or will lie at byte `offset` of the file, encrypted or decrypted."""
        self._seek(offset)
        return self._context.update(data)

    def covered(self, data: memoryview, offset: int) -> memoryview:
        """As `applied`, into memory of this object: good until its next use."""
        self._seek(offset)
        room = memoryview(self._room(len(data)))
        self._context.update_into(data, room)
        return room[: len(data)]

    def apply(self, place: memoryview, offset: int) -> None:
        """Encrypt or decrypt in place what lies or will lie at byte `offset` of the file."""
        self._seek(offset)
        for start in range(0, len(place), _CHUNK):
            part = place[start : start + _CHUNK]
            room = self._room(len(part))
            self._context.update_into(part, room)
            part[:] = memoryview(room)[: len(part)]
