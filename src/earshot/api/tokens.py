"""API tokens: making, withdrawing, and telling whose a token is. Shared by the pages, the command line and the doors.

Where they are kept is a port (`earshot.ports.audit.TokenStore`). The one rule: the token itself is in the hands of
whoever asked for it, once; here only its SHA-256 is compared.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.api.authority import narrowed
from earshot.api.permissions import permission_named
from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.ports import User
from earshot.ports.audit import ApiToken, TokenStore

PREFIX: Final = "est_"
"""What every token begins with, so that people and secret scanners know one when they see it."""
TOKEN_BYTES: Final = 32
LONGEST_NAME: Final = 80
USE_NOTED_EVERY_S: Final = 60.0
"""The time of the last use is written at most so often."""
ALL: Final = "all"
DAY_S: Final = 86_400.0
LONGEST_DAYS: Final = 3_650


def new_token() -> str:
    """A token: 256 bits from the operating system as URL-safe characters, after the prefix."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def token_sha256(token: str) -> str:
    """What is kept of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def scopes_named(names: list[str]) -> frozenset[str] | None:
    """The scopes that people name: permissions in any spelling of the catalogue, or `all` (None).

    Raises BadInput for an unknown name, and when nothing is named.
    """
    wanted = [name.strip() for name in names if name.strip()]
    if not wanted:
        raise BadInput("A token needs at least one permission, or all")
    if any(name.casefold() == ALL for name in wanted):
        return None
    return frozenset(permission_named(name).name for name in wanted)


class PersonMaker(Protocol):
    """What is asked of `earshot.api.authority.Authority`."""

    async def person(self, user: User, address: str) -> Actor:
        """The actor that `user` is."""
        ...


class Tokens:
    """The API tokens of the system. Every method raises `earshot.errors.StoreUnavailable`."""

    def __init__(
        self,
        kept: TokenStore,
        authority: PersonMaker,
        clock: Clock,
        audit: Callable[[], AuditTrail],
        token: Callable[[], str] = new_token,
    ) -> None:
        self._kept = kept
        self._authority = authority
        self._clock = clock
        self._audit = audit
        self._new = token

    async def create(
        self, actor: Actor, user_id: int, name: str, scopes: frozenset[str] | None, days: float
    ) -> tuple[ApiToken, str]:
        """Make a token for a user that ends after `days` (0: never); the second value is shown once and never again.

        Raises BadInput for a name or a number of days that will not do, NotFound for the user.
        """
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise BadInput(f"A token has a name of 1 to {LONGEST_NAME} characters")
        if not 0 <= days <= LONGEST_DAYS:
            raise BadInput(f"A token lasts 1 to {LONGEST_DAYS} days, or 0 for ever")
        now, secret = self._clock.now(), self._new()
        token = ApiToken(
            name=name, user_id=user_id, scopes=scopes, created_at=now, expires_at=now + days * DAY_S if days else 0.0
        )
        what = ALL if scopes is None else ",".join(sorted(scopes))
        detail = {"name": name, "of_user": str(user_id), "scopes": what, "days": f"{days:g}"}
        audit = self._audit()
        async with audit.together():
            number = await self._kept.add(token, token_sha256(secret))
            await audit.note(actor, "created token", f"token {number}", **detail)
        return replace(token, number=number), secret

    async def revoke(self, actor: Actor, number: int, user_id: int | None = None) -> bool:
        """End a token (of that user, where one is given) for ever; False if there is none that still stands."""
        audit = self._audit()
        async with audit.together():
            revoked = await self._kept.revoke(number, self._clock.now(), user_id)
            if revoked:
                await audit.note(actor, "revoked token", f"token {number}")
        return revoked

    async def listed(self, user_id: int | None = None) -> list[ApiToken]:
        """All tokens, or those of one user, newest first."""
        return await self._kept.tokens(user_id)

    async def actor_of(self, secret: str, address: str) -> Actor | None:
        """Who asks with this token; None when it opens nothing: unknown, revoked, expired, or its user may not log in.

        What it may do is what its scopes and its user's roles have in common now.
        """
        if not secret.startswith(PREFIX) or len(secret) > 200:
            return None
        found = await self._kept.bearer(token_sha256(secret))
        now = self._clock.now()
        if found is None or not found[0].works_at(now):
            return None
        token, user = found
        if now - token.used_at >= USE_NOTED_EVERY_S:
            await self._kept.used(token.number, now)
        person = await self._authority.person(user, address)
        allowed = person if token.scopes is None else narrowed(person, token.scopes)
        return replace(allowed, kind="token", name=f"{person.name}/{token.name}")
