"""Whether what is kept is encrypted, by which master key, and how much of it is not. Fingerprints only, never a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionView:
    """`master_key` is the fingerprint of the key that wraps now, `older` those of keys that are still accepted.

    `objects` counts recordings and screen videos by the fingerprint of their master key, empty for plain ones;
    `is_counted` is False while those from before the register are still being looked through. `refused` counts reads
    of `last_refused` and others, in whose place a plain file lay. `troubles` are sentences. With encryption off all of
    this is empty: plain objects are not counted.
    """

    is_on: bool = False
    master_key: str = ""
    older: tuple[str, ...] = ()
    objects: Mapping[str, int] = field(default_factory=dict)
    is_counted: bool = False
    refused: int = 0
    last_refused: str = ""
    troubles: tuple[str, ...] = ()

    @property
    def under_current_key(self) -> int:
        """Objects whose key the current master key wraps."""
        return self.objects.get(self.master_key, 0) if self.is_on else 0

    @property
    def under_older_keys(self) -> int:
        """Objects whose key another one wraps."""
        return sum(self.objects.values()) - self.under_current_key - self.plain

    @property
    def plain(self) -> int:
        """Objects that are not encrypted."""
        return self.objects.get("", 0)


class Encryption(Protocol):
    """What watches over it."""

    async def look(self) -> EncryptionView:
        """How it is now."""
        ...


class NoEncryption:
    """Nothing is encrypted."""

    async def look(self) -> EncryptionView:
        """See `Encryption.look`."""
        return EncryptionView()
