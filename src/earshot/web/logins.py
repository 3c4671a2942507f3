"""Logging in, staying logged in, and being slowed down after wrong guesses. No HTTP here.

The Store keeps only the SHA-256 of a session token. The one rule: every refused login counts, for the user at that
address and for the address, and after a few the password is not even looked at for a while.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from earshot.clock import Clock
from earshot.ports import Store, User
from earshot.web.passwords import LONGEST_PASSWORD, PasswordChecker

LOGIN_S: Final = 12 * 3600.0
TOKEN_BYTES: Final = 32
FREE_GUESSES: Final = 5
"""Wrong passwords of one user from one address before the first wait."""
FREE_GUESSES_OF_ADDRESS: Final = 20
FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 900.0
FORGOTTEN_AFTER_S: Final = 3_600.0
REMEMBERED: Final = 10_000
"""Users and addresses whose failures are remembered at once; the longest unseen are forgotten first."""


def new_token() -> str:
    """A session token: 256 bits from the operating system, as 43 URL-safe characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class WrongLogin(Exception):
    """User name and password do not fit, or the user may not use the console."""


class LockedOut(Exception):
    """Too many wrong guesses: try again in `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many wrong guesses; wait {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int = 0
    last_at: float = 0.0
    locked_until: float = 0.0


class Backoff:
    """Counts failures by key and says how long a key must wait: doubling from FIRST_WAIT_S to LONGEST_WAIT_S."""

    def __init__(self, clock: Clock, free: int) -> None:
        self._clock = clock
        self._free = free
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until the next guess of `key` is looked at; 0 for now."""
        known = self._failures.get(key)
        return max(0.0, known.locked_until - self._clock.monotonic()) if known else 0.0

    def failed(self, key: str) -> None:
        """Count a wrong guess."""
        now = self._clock.monotonic()
        known = self._failures.pop(key, _Failures())
        if known.count and now - known.last_at > FORGOTTEN_AFTER_S:
            known = _Failures()
        count = known.count + 1
        over = min(count - self._free, 30)
        wait = min(FIRST_WAIT_S * 2**over, LONGEST_WAIT_S) if over >= 0 else 0.0
        self._failures[key] = replace(known, count=count, last_at=now, locked_until=now + wait)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the wrong guesses of `key`."""
        self._failures.pop(key, None)


class Logins:
    """Who is logged in, by token. Administrators only, until there are roles: everybody else is refused as if the
    password were wrong."""

    def __init__(
        self, store: Store, clock: Clock, checker: PasswordChecker, token: Callable[[], str] = new_token
    ) -> None:
        self._token = token
        self._store = store
        self._clock = clock
        self._checker = checker
        self._of_user = Backoff(clock, FREE_GUESSES)
        self._of_address = Backoff(clock, FREE_GUESSES_OF_ADDRESS)

    async def sign_in(self, username: str, password: str, address: str) -> str:
        """A new session token, valid for LOGIN_S seconds.

        Raises WrongLogin, LockedOut, `TooBusy` or `StoreUnavailable`.
        """
        user_key = f"{username.casefold()[:200]}\x00{address}"
        wait_s = max(self._of_user.wait_s(user_key), self._of_address.wait_s(address))
        if wait_s > 0:
            raise LockedOut(wait_s)
        self._of_user.failed(user_key)
        self._of_address.failed(address)
        found = await self._store.password_hash(username) if 0 < len(username) <= 255 else None
        fits = len(password) <= LONGEST_PASSWORD and await self._checker.check(password, found[1] if found else None)
        if not (fits and found and found[0].is_admin and found[0].active and not found[0].deleted):
            raise WrongLogin
        self._of_user.succeeded(user_key)
        self._of_address.succeeded(address)
        token = self._token()
        await self._store.add_login(fingerprint(token), found[0].user_id, self._clock.now() + LOGIN_S)
        return token

    async def user_of(self, token: str) -> User | None:
        """The user behind a token that has not expired. Raises StoreUnavailable."""
        if not token or len(token) > 100:
            return None
        user = await self._store.login(fingerprint(token), self._clock.now())
        return user if user and user.is_admin and user.active and not user.deleted else None

    async def sign_out(self, token: str) -> None:
        """End the session of this token; no error if there is none."""
        if token:
            await self._store.end_login(fingerprint(token))


def fingerprint(token: str) -> str:
    """What the Store keeps of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
