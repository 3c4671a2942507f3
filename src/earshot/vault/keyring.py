"""The master keys of a running process: they wrap data keys, and unwrap what they or their predecessors wrapped.

A wrapped key is 72 bytes and says who wrapped it: 4 bytes "EKW1", the 8-byte fingerprint of the master key, a random
96-bit nonce, and the data key under AES-256-GCM with its tag; what stands before the nonce is authenticated with it
(NIST SP 800-38D). Keys are random by the operating system. The one rule: a data key is wrapped by the current master
key only.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from earshot.vault.errors import Altered, KeyDestroyed, WrongKey

KEY_BYTES = 32
FINGERPRINT_BYTES = 8
MAGIC = b"EKW1"
NONCE_BYTES, TAG_BYTES = 12, 16
_NONCE_AT = len(MAGIC) + FINGERPRINT_BYTES
_KEY_AT = _NONCE_AT + NONCE_BYTES
WRAPPED_BYTES = _KEY_AT + KEY_BYTES + TAG_BYTES


def fingerprint(master_key: bytes) -> str:
    """The name of a master key, 16 hex digits, which tells nothing about the key."""
    return hmac.digest(master_key, b"earshot master key", hashlib.sha256)[:FINGERPRINT_BYTES].hex()


def wrapped_by(wrapped: bytes) -> str:
    """The fingerprint of the master key that wrapped a data key. Raises KeyDestroyed, Altered."""
    if not any(wrapped):
        raise KeyDestroyed("the data key was destroyed")
    if len(wrapped) < WRAPPED_BYTES or not wrapped.startswith(MAGIC) or any(wrapped[WRAPPED_BYTES:]):
        raise Altered("this is no wrapped data key")
    return wrapped[len(MAGIC) : _NONCE_AT].hex()


@dataclass(frozen=True, slots=True)
class Keyring:
    """Master keys of 32 bytes each: the first wraps, the others are old ones that are still accepted. It crosses into
    other processes by pickle, and shows fingerprints only."""

    keys: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys or any(len(key) != KEY_BYTES for key in self.keys):
            raise ValueError(f"a keyring has one or more keys of {KEY_BYTES} bytes")

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.fingerprints)})"

    @property
    def fingerprints(self) -> Sequence[str]:
        """The names of the keys, the current one first."""
        return [fingerprint(key) for key in self.keys]

    @property
    def current(self) -> str:
        """The fingerprint of the key that wraps."""
        return fingerprint(self.keys[0])

    def fresh(self) -> tuple[bytes, bytes]:
        """A new random data key of 32 bytes, and it wrapped."""
        key = os.urandom(KEY_BYTES)
        return key, self.wrap(key)

    def wrap(self, key: bytes) -> bytes:
        """A data key wrapped by the current master key; another result each time."""
        head = MAGIC + bytes.fromhex(self.current)
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + AESGCM(self.keys[0]).encrypt(nonce, key, head)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key; zeros behind the wrapped form are left out. Raises WrongKey, KeyDestroyed, Altered."""
        by = wrapped_by(wrapped)
        for master in self.keys:
            if fingerprint(master) == by:
                break
        else:
            raise WrongKey.needed(by, ", ".join(self.fingerprints))
        try:
            nonce, sealed = wrapped[_NONCE_AT:_KEY_AT], wrapped[_KEY_AT:WRAPPED_BYTES]
            return AESGCM(master).decrypt(nonce, sealed, wrapped[:_NONCE_AT])
        except InvalidTag:
            raise Altered(f"the data key, wrapped by master key {by}, was altered") from None

    def is_current(self, wrapped: bytes) -> bool:
        """Whether the current master key wrapped it. Raises KeyDestroyed, Altered."""
        return wrapped_by(wrapped) == self.current
