"""The format of an encrypted file, version 1: a header with the wrapped data key, then chunks of 64 KiB each.

Header, three sectors of 512 bytes: (1) "EARSHOTE", version, chunk size, plain size, the SHA-256 of the name it belongs
to, a nonce and a tag over all of this; (2) and (3) two slots for the wrapped data key, one of them blank. Rotation
fills the blank slot before it blanks the other, so that a torn write loses no key; zeros in both destroy it. A chunk
is a random 96-bit nonce, the bytes under AES-256-GCM, the tag; its number and the version are authenticated with it.
How many chunks there are follows from the size in the header. Nonces are random and not the number of the chunk,
because an export goes back to a header it wrote: so no nonce is used twice under one key, whatever is written again.
The one rule: not a byte is given out that was not authenticated.
"""

import hashlib
import os
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from earshot.vault.errors import Altered, KeyDestroyed, KeyMissing, VaultError, WrongKey
from earshot.vault.keyring import NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES, Keyring, wrapped_by

MAGIC = b"EARSHOTE"
VERSION = 1
CHUNK_BYTES = 64 * 1024
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES
SECTOR_BYTES = 512
SLOTS = (SECTOR_BYTES, 2 * SECTOR_BYTES)
"""Where the slots begin."""
HEADER_BYTES = 3 * SECTOR_BYTES
BLANK = bytes(SECTOR_BYTES)
_FACTS = struct.Struct(">8sHIQ32s")
_CHUNK = struct.Struct(">8sHQ")
_STATEMENT_BYTES = _FACTS.size + OVERHEAD_BYTES


def name_digest(name: str) -> bytes:
    """What stands in the header of the file that belongs to `name`; zeros for a file that has none."""
    return hashlib.sha256(name.encode()).digest() if name else bytes(32)


def stored_size(size: int) -> int:
    """How many bytes an encrypted file of `size` plain bytes has."""
    return HEADER_BYTES + size + -(-size // CHUNK_BYTES) * OVERHEAD_BYTES


def chunk_at(number: int) -> int:
    """Where chunk `number` begins in the file."""
    return HEADER_BYTES + number * (CHUNK_BYTES + OVERHEAD_BYTES)


def chunks_of(size: int, start: int, stop: int) -> range:
    """The numbers of the chunks that hold the plain bytes [start, stop) of `size`."""
    stop = min(stop, size)
    return range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)) if start < stop else range(0)


def chunk_size(size: int, number: int) -> int:
    """How many plain bytes chunk `number` of a file of `size` plain bytes has."""
    return min(CHUNK_BYTES, size - number * CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it was read, not yet believed: the plain size, whom it belongs to, and the two slots."""

    statement: bytes
    size: int
    digest: bytes
    slots: tuple[bytes, bytes]

    @classmethod
    def read(cls, raw: bytes) -> "Header":
        """The header at the begin of `raw`. Raises Altered."""
        if len(raw) < HEADER_BYTES:
            raise Altered("the encrypted file was cut within its header")
        magic, version, chunk, size, digest = _FACTS.unpack_from(raw)
        if magic != MAGIC or version != VERSION or chunk != CHUNK_BYTES:
            raise Altered("this is no encrypted file that this version can read")
        if any(raw[_STATEMENT_BYTES:SECTOR_BYTES]):
            raise Altered("the header of the encrypted file was altered")
        first, second = (bytes(raw[at : at + SECTOR_BYTES]) for at in SLOTS)
        return cls(bytes(raw[:_STATEMENT_BYTES]), size, digest, (first, second))

    @property
    def is_destroyed(self) -> bool:
        """Whether there is no key in it any more."""
        return not any(any(slot) for slot in self.slots)

    def opened(self, keyring: Keyring | None, name: str = "") -> "Cipher":
        """The cipher of the file, once its header is believed; a file of another `name` is refused, where one is given.

        Raises KeyMissing, WrongKey, KeyDestroyed, Altered.
        """
        cipher = Cipher(self.key(keyring))
        cipher.check_header(self.statement)
        if name and self.digest != name_digest(name):
            raise Altered(f"what lies at {name} is the encrypted file of another recording")
        return cipher

    def key(self, keyring: Keyring | None) -> bytes:
        """The data key, from whichever slot has it. Raises KeyMissing, WrongKey, KeyDestroyed, Altered."""
        if self.is_destroyed:
            raise KeyDestroyed("the key of this file was destroyed: what it held is gone for good")
        troubles: list[VaultError] = []
        for slot in self.slots:
            if any(slot):
                try:
                    if keyring is None:
                        raise _missing(slot)
                    return keyring.unwrap(slot)
                except VaultError as trouble:
                    troubles.append(trouble)
        raise next((one for one in troubles if isinstance(one, WrongKey)), troubles[0])

    def problem(self, keyring: Keyring) -> str:
        """What is wrong with the slots although the file can be read: a sentence, empty if nothing is."""
        for slot in self.slots:
            try:
                if any(slot):
                    keyring.unwrap(slot)
            except VaultError as trouble:
                return f"one of its two key slots is damaged ({trouble}): earshot key rotate mends it"
        return ""


def _missing(slot: bytes) -> KeyMissing:
    by = wrapped_by(slot)
    missing = KeyMissing(
        f"this is encrypted, and no master key is set: set master_key_file, master_key_env or master_key_command to "
        f"where the master key {by} is had"
    )
    missing.fingerprint = by
    return missing


def slot_of(wrapped: bytes) -> bytes:
    """A wrapped key as it lies in its slot. Raises ValueError for one that is longer."""
    if len(wrapped) > WRAPPED_BYTES:
        raise ValueError("a wrapped key of this length fits no slot")
    return wrapped.ljust(SECTOR_BYTES, b"\0")


class Cipher:
    """Encrypts and decrypts the chunks of one file, in memory."""

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)

    def seal(self, number: int, plain: bytes | bytearray | memoryview) -> bytes:
        """Chunk `number` as it lies in the file."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._gcm.encrypt(nonce, plain, _CHUNK.pack(MAGIC, VERSION, number))

    def open(self, number: int, stored: bytes | memoryview) -> bytes:
        """The plain bytes of chunk `number`. Raises Altered."""
        try:
            said = _CHUNK.pack(MAGIC, VERSION, number)
            return self._gcm.decrypt(bytes(stored[:NONCE_BYTES]), stored[NONCE_BYTES:], said)
        except (InvalidTag, ValueError):
            raise Altered(f"chunk {number} of the encrypted file was altered, cut or put in another's place") from None

    def header(self, size: int, digest: bytes, wrapped: bytes) -> bytes:
        """The header of a file of `size` plain bytes; no `wrapped` key where it is kept in memory only."""
        facts = _FACTS.pack(MAGIC, VERSION, CHUNK_BYTES, size, digest)
        nonce = os.urandom(NONCE_BYTES)
        statement = facts + nonce + self._gcm.encrypt(nonce, b"", facts)
        return statement.ljust(SECTOR_BYTES, b"\0") + slot_of(wrapped) + BLANK

    def check_header(self, statement: bytes) -> None:
        """Raise Altered unless this is what `header` said."""
        facts, nonce, tag = (
            statement[: _FACTS.size],
            statement[_FACTS.size : _FACTS.size + NONCE_BYTES],
            statement[_FACTS.size + NONCE_BYTES :],
        )
        try:
            self._gcm.decrypt(nonce, tag, facts)
        except InvalidTag:
            raise Altered("the header of the encrypted file was altered") from None
