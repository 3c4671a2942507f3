"""The encrypted form of a CAV: a password, scrypt (RFC 7914), and AES-256-GCM in chunks, each bound to its place.

Not here: what is encrypted. The one rule: a byte that was altered, moved, added or cut off is never taken for content.
"""

import hashlib
import hmac
import io
import secrets
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from earshot.errors import BadInput

MAGIC = b"\x89CAVENC1"
HEAD = struct.Struct(">8sBBBxI16s7sx")
"""Magic, log2 of scrypt's N, r, p, a zero, bytes per chunk, salt, nonce prefix, a zero."""
CHECK_BYTES = 32
HEADER_BYTES = HEAD.size + CHECK_BYTES
TAG_BYTES = 16
CHUNK_BYTES = 65_536
CHUNK_LIMITS = (1024, 16 << 20)
MOST_MEMORY = 1 << 30
NONCE = struct.Struct(">7sIB")
MOST_CHUNKS = 1 << 32


class WrongPassword(BadInput):
    """The password does not open the file (or its first bytes were altered)."""


@dataclass(frozen=True, slots=True)
class Slowness:
    """The cost of scrypt: N = 2 ** `log2_n`, `r` and `p`; it takes 128 * N * r bytes of memory."""

    log2_n: int = 17
    r: int = 8
    p: int = 1

    @property
    def memory(self) -> int:
        """Bytes."""
        return 128 * self.r << self.log2_n


def encrypted_size(size: int) -> int:
    """How many bytes the encrypted form of so many has. Nothing at all is one empty chunk."""
    return HEADER_BYTES + size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))


def encrypted(pieces: Iterable[bytes], password: str, slowness: Slowness | None = None) -> Iterator[bytes]:
    """The encrypted form of what the pieces make together, piece by piece; memory holds a piece and a chunk."""
    slowness = slowness or Slowness()
    prefix = secrets.token_bytes(7)
    head = HEAD.pack(MAGIC, slowness.log2_n, slowness.r, slowness.p, CHUNK_BYTES, secrets.token_bytes(16), prefix)
    key, check = _keys(password, head)
    header = head + check
    yield header
    cipher = AESGCM(key)
    kept, number = bytearray(), 0
    for piece in pieces:
        kept += piece
        while len(kept) > CHUNK_BYTES:  # a full chunk is written when another byte follows: it is not the last
            yield cipher.encrypt(NONCE.pack(prefix, number, 0), bytes(kept[:CHUNK_BYTES]), header)
            del kept[:CHUNK_BYTES]
            number += 1
    yield cipher.encrypt(NONCE.pack(prefix, number, 1), bytes(kept), header)


def is_encrypted(file: BinaryIO) -> bool:
    """Whether an open file begins as the encrypted form does; it is left at its begin."""
    file.seek(0)
    begin = file.read(len(MAGIC))
    file.seek(0)
    return begin == MAGIC


class Decrypted(io.RawIOBase):
    """The content of an encrypted file, to be read from anywhere. Memory holds a chunk.

    Raises WrongPassword or BadInput when it is opened, and BadInput from `read` where the file was altered. That it
    was cut off or prolonged is found when it is opened, because only its last chunk says that it is the last.
    """

    def __init__(self, file: BinaryIO, password: str) -> None:
        super().__init__()
        self._file = file
        file.seek(0)
        self._header = file.read(HEADER_BYTES)
        if len(self._header) != HEADER_BYTES or not self._header.startswith(MAGIC):
            raise BadInput("not an encrypted CAV")
        _, log2_n, r, p, self._chunk, _, self._prefix = HEAD.unpack_from(self._header)
        if not 1 <= log2_n <= 30 or not r or not 1 <= p <= 16 or Slowness(log2_n, r, p).memory > MOST_MEMORY:
            raise BadInput("the key derivation asks for more than 1 GB of memory: the header is altered")
        if not CHUNK_LIMITS[0] <= self._chunk <= CHUNK_LIMITS[1]:
            raise BadInput("the size of the chunks is impossible: the header is altered")
        key, check = _keys(password, self._header[: HEAD.size])
        if not hmac.compare_digest(check, self._header[HEAD.size :]):
            raise WrongPassword("the password is wrong, or the first bytes of the file were altered")
        self._cipher = AESGCM(key)
        body = file.seek(0, 2) - HEADER_BYTES
        self._count = max(1, -(-body // (self._chunk + TAG_BYTES)))
        last = body - (self._count - 1) * (self._chunk + TAG_BYTES)
        if last < TAG_BYTES or (last == TAG_BYTES and self._count > 1) or self._count > MOST_CHUNKS:
            raise BadInput("the file is cut off")
        self._size = body - self._count * TAG_BYTES
        self._place, self._held, self._plain = 0, -1, b""
        self._open(self._count - 1)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As every file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        """As every file."""
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As every file. Raises BadInput where the chunk at hand was altered."""
        number, inside = divmod(self._place, self._chunk)
        if self._place >= self._size:
            return 0
        self._open(number)
        data = self._plain[inside : inside + len(buffer)]
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """As every file that is read to its end or to `size`."""
        wanted = self._size - self._place if size < 0 else size
        pieces = []
        while wanted > 0 and (piece := super().read(min(wanted, self._chunk))):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _open(self, number: int) -> None:
        if number == self._held:
            return
        self._file.seek(HEADER_BYTES + number * (self._chunk + TAG_BYTES))
        data = self._file.read(self._chunk + TAG_BYTES)
        nonce = NONCE.pack(self._prefix, number, number == self._count - 1)
        try:
            self._plain = self._cipher.decrypt(nonce, data, self._header)
        except InvalidTag:
            last = " or is not the last: the file was cut off or prolonged" if number == self._count - 1 else ""
            raise BadInput(f"chunk {number} was altered{last}") from None
        self._held = number


def _keys(password: str, head: bytes) -> tuple[bytes, bytes]:
    """The key of the content, and the check that stands behind `head`: both from one run of scrypt."""
    _, log2_n, r, p, _, salt, _ = HEAD.unpack(head)
    both = Scrypt(salt=salt, length=64, n=1 << log2_n, r=r, p=p).derive(password.encode())
    return both[:32], hmac.new(both[32:], head, hashlib.sha256).digest()
