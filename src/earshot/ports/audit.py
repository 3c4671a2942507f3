"""The audit trail and API tokens: what they hold and what keeps them.

The one rule: a trail only grows. There is no method that changes or removes an entry, and of a token only its SHA-256
is ever kept.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from earshot.actor import Kind
from earshot.ports import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, when. `number` counts from 1 and is given by the log; `at` is seconds since the epoch.

    `kind`, `actor`, `user_id` (0 for nobody) and `address` are those of the `Actor`; `subject` is a kind and a number
    or name, such as `recording 17`. `details` never holds a password or token.
    """

    number: int = 0
    at: float
    kind: Kind
    actor: str
    user_id: int = 0
    address: str = ""
    act: str
    subject: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries are wanted; all given conditions must hold, and texts are compared letter for letter.

    `since` and `until` are inclusive. A `subject` that ends in `*` stands for all that begin so. `before` is
    (at, number) of the last entry of the page before.
    """

    since: float | None = None
    until: float | None = None
    actor: str = ""
    act: str = ""
    subject: str = ""
    before: tuple[float, int] | None = None


class AuditLog(Protocol):
    """Where entries are kept. Every method raises `earshot.errors.StoreUnavailable`."""

    async def append(self, entries: Sequence[AuditEntry]) -> list[int]:
        """Add entries in one transaction and return their numbers; durable when this returns. Their own numbers are
        ignored."""
        ...

    def together(self) -> AbstractAsyncContextManager[object]:
        """What this task appends and changes inside is one transaction where both are kept in the same place; an
        exception inside undoes it."""
        ...

    async def entries(self, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        """Entries that match, newest first (at, then number, descending)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token of a program that acts for a user. Times are seconds since the epoch, 0 for never.

    `scopes` are names of permissions; None stands for everything the user may do.
    """

    number: int = 0
    name: str
    user_id: int
    scopes: frozenset[str] | None = frozenset()
    created_at: float = 0.0
    expires_at: float = 0.0
    used_at: float = 0.0
    revoked_at: float = 0.0

    def works_at(self, now: float) -> bool:
        """Whether the token opens anything at `now`."""
        return not self.revoked_at and not 0 < self.expires_at <= now


class TokenStore(Protocol):
    """Where tokens are kept, by their SHA-256. Every method raises `earshot.errors.StoreUnavailable`."""

    async def add(self, token: ApiToken, token_sha256: str) -> int:
        """Keep a token and return its number; the one of `token` is ignored. Raises NotFound for the user."""
        ...

    async def tokens(self, user_id: int | None = None) -> list[ApiToken]:
        """All tokens, or those of one user, revoked ones too, newest first."""
        ...

    async def bearer(self, token_sha256: str) -> tuple[ApiToken, User] | None:
        """The token and its user, as long as the user may log in; revoked and expired tokens too."""
        ...

    async def used(self, number: int, at: float) -> None:
        """Set when the token was last used. No error if there is none."""
        ...

    async def revoke(self, number: int, at: float, user_id: int | None = None) -> bool:
        """End a token for ever. False if there is none of that number (of that user, where one is given) that still
        stands."""
        ...
