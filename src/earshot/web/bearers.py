"""Programs at the gate: an `Authorization: Bearer est_...` header becomes an actor, or is slowed down.

What a token may do is decided in `earshot.api.tokens`. The one rule: wrong tokens count against their address as wrong
passwords do; a token that was right a moment ago goes on working beside a neighbour that guesses.
"""

import base64
from collections import Counter, OrderedDict
from typing import Final

from earshot.actor import Actor
from earshot.api.audit import AuditTrail, NoTrail
from earshot.api.tokens import PREFIX, Tokens, token_sha256
from earshot.clock import Clock
from earshot.web.logins import FREE_GUESSES_OF_ADDRESS, REMEMBERED, Backoff, LockedOut

SCHEME: Final = "bearer "
BASIC: Final = "basic "


class WrongToken(Exception):
    """The token opens nothing."""


class Bearers:
    """Who asks with a token. `counters` counts refusals by name."""

    def __init__(
        self,
        tokens: Tokens,
        clock: Clock,
        audit: AuditTrail | None = None,
        *,
        counters: Counter[str] | None = None,
    ) -> None:
        self._tokens = tokens
        self._audit = audit or NoTrail()
        self._of_address = Backoff(clock, FREE_GUESSES_OF_ADDRESS)
        self._good: OrderedDict[str, None] = OrderedDict()
        self._counters: Counter[str] = Counter() if counters is None else counters

    async def actor_of(self, secret: str, address: str) -> Actor:
        """Who asks. Raises WrongToken, LockedOut and StoreUnavailable."""
        known = token_sha256(secret)
        wait_s = self._of_address.wait_s(address)
        if wait_s > 0 and known not in self._good:
            self._counters["web_locked_out"] += 1
            raise LockedOut(wait_s)
        actor = await self._tokens.actor_of(secret, address)
        if actor is None:
            self._good.pop(known, None)
            await self._count_failure(address)
            raise WrongToken
        self._good[known] = None
        self._good.move_to_end(known)
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)
        return actor

    async def _count_failure(self, address: str) -> None:
        self._counters["web_wrong_tokens"] += 1
        self._of_address.failed(address)
        stranger = Actor(kind="token", name="unknown", address=address)
        await self._audit.note(stranger, "failed token")
        wait_s = self._of_address.wait_s(address)
        if wait_s > 0:
            await self._audit.note(stranger, "locked out", seconds=f"{wait_s:.0f}")


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header that is one of ours; empty for every other header (RFC 6750 2.1)."""
    if authorization[: len(SCHEME)].lower() != SCHEME:
        return ""
    secret = authorization[len(SCHEME) :].strip()
    return secret if secret.startswith(PREFIX) else ""


def basic_token(authorization: str) -> str:
    """The token that is the password of a Basic login, whatever the name (RFC 7617); empty for every other header."""
    if authorization[: len(BASIC)].lower() != BASIC:
        return ""
    try:
        login = base64.b64decode(authorization[len(BASIC) :].strip(), validate=True).decode()
    except ValueError:
        return ""
    secret = login.partition(":")[2]
    return secret if secret.startswith(PREFIX) else ""
