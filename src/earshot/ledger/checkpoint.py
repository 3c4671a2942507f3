"""Signed checkpoints: how many leaves there are and what their root is, signed with Ed25519 (RFC 8032).

The form is that of C2SP tlog-checkpoint in a C2SP signed-note: origin, size, root in base64, one extension line with
the time, an empty line, the signature line. The one rule: what is signed is the text up to and with the line feed
before the empty line.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from earshot.errors import BadInput
from earshot.ledger.tree import HASH_BYTES

ED25519: Final = b"\x01"
"""The signature type of Ed25519 in a signed note."""
SIGNATURE_BYTES: Final = 64
TEXT: Final = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]+)\ntime ([0-9T:.\-]+Z)\n")
NAME: Final = re.compile(r"[!-*,-~]{1,200}")
"""Names of keys: no blanks and no plus sign (C2SP signed-note)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The log called `origin` had `size` leaves with this root at `at_us` (microseconds since the Unix epoch)."""

    origin: str
    size: int
    root: bytes
    at_us: int

    def text(self) -> str:
        """What is signed."""
        at = datetime.fromtimestamp(self.at_us // 1_000_000, UTC).replace(microsecond=self.at_us % 1_000_000)
        moment = at.isoformat(timespec="microseconds").removesuffix("+00:00")
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\ntime {moment}Z\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """The checkpoint of this text. Raises BadInput unless it is exactly what `text` makes."""
        match = TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError("its lines are not those of a checkpoint")
            moment = datetime.fromisoformat(match[4])
            at_us = int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
            root = base64.b64decode(match[3], validate=True)
            found = cls(origin=match[1], size=int(match[2]), root=root, at_us=at_us)
            if len(root) != HASH_BYTES or found.text() != text:
                raise ValueError("it is written in another way")
        except (ValueError, OverflowError, binascii.Error) as why:
            raise BadInput(f"this is no checkpoint: {why}") from None
        return found


@dataclass(frozen=True, slots=True)
class LogKey:
    """The published half of the key that signs a log called `origin`: 32 bytes (RFC 8032)."""

    origin: str
    public: bytes

    @property
    def ident(self) -> bytes:
        """The four bytes that name the key in a signature line (C2SP signed-note)."""
        return sha256(self.origin.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def verifier(self) -> str:
        """The key in the form that other programs take: name+ident+key (C2SP signed-note, vkey)."""
        return f"{self.origin}+{self.ident.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    def opened(self, note: str) -> Checkpoint:
        """The checkpoint of a signed note. Raises BadInput when it is none, or not signed with this key."""
        text, _, signatures = note.partition("\n\n")
        wanted = f"\N{EM DASH} {self.origin} "
        for line in signatures.splitlines():
            if line.startswith(wanted) and self._signed(f"{text}\n", line.removeprefix(wanted)):
                found = Checkpoint.read(f"{text}\n")
                if found.origin != self.origin:
                    break
                return found
        raise BadInput(f"the checkpoint is not signed with the key of {self.origin}")

    def _signed(self, text: str, signature: str) -> bool:
        try:
            raw = base64.b64decode(signature, validate=True)
            if len(raw) != 4 + SIGNATURE_BYTES or raw[:4] != self.ident:
                return False
            if base64.b64encode(raw).decode() != signature:
                return False
            Ed25519PublicKey.from_public_bytes(self.public).verify(raw[4:], text.encode())
        except (ValueError, InvalidSignature):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs checkpoints of the log called `origin`."""

    origin: str
    private: Ed25519PrivateKey

    @property
    def key(self) -> LogKey:
        """The half that is published."""
        return LogKey(self.origin, self.private.public_key().public_bytes_raw())

    def note(self, size: int, root: bytes, at_us: int) -> str:
        """A signed note of the checkpoint."""
        text = Checkpoint(origin=self.origin, size=size, root=root, at_us=at_us).text()
        raw = self.key.ident + self.private.sign(text.encode())
        return f"{text}\n\N{EM DASH} {self.origin} {base64.b64encode(raw).decode()}\n"
