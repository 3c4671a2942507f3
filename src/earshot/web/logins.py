"""Logging in, staying logged in, and being slowed down after wrong guesses. No HTTP here.

The Store keeps only the SHA-256 of a session token. The one rule: every refused login counts, for the user at that
address and for the address, and after a few the password is not even looked at for a while.
"""

import contextlib
import hashlib
import math
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from earshot.actor import Actor
from earshot.api.audit import AuditTrail, NoTrail
from earshot.clock import Clock
from earshot.errors import StoreUnavailable
from earshot.ports import Store, User
from earshot.web.passwords import LONGEST_PASSWORD, PasswordChecker

LOGIN_S: Final = 12 * 3600.0
TOKEN_BYTES: Final = 32
SHORTEST_PASSWORD: Final = 10
"""Characters of a password that somebody chooses on the page."""
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
    """User name and password do not fit, or the user is not active."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """How long a login lasts, seconds: at most `longest_s`, and no longer than `idle_s` without being used.

    A login that is used is renewed in the Store every `renew_s` at the most.
    """

    longest_s: float = LOGIN_S
    idle_s: float = LOGIN_S
    renew_s: float = 60.0


class Logins:
    """Who is logged in, by token: every user who is active, whatever the user may do then."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        checker: PasswordChecker,
        token: Callable[[], str] = new_token,
        *,
        audit: AuditTrail | None = None,
        settings: LoginSettings | None = None,
        counters: Counter[str] | None = None,
    ) -> None:
        self._token = token
        self._store = store
        self._clock = clock
        self._checker = checker
        self._audit = audit or NoTrail()
        self._settings = settings or LoginSettings()
        self._of_user = Backoff(clock, FREE_GUESSES)
        self._of_address = Backoff(clock, FREE_GUESSES_OF_ADDRESS)
        self._renewed: OrderedDict[str, float] = OrderedDict()
        self._counters: Counter[str] = Counter() if counters is None else counters

    async def sign_in(self, username: str, password: str, address: str) -> str:
        """A new session token.

        Raises WrongLogin, LockedOut, `TooBusy` or `StoreUnavailable`. Both outcomes are in the audit trail.
        """
        user = await self._checked(username, password, address, "log in")
        actor = _actor(user.username, address, user.user_id)
        async with self._audit.together():
            token = await self._begin(user)
            await self._audit.note(actor, "logged in", f"user {user.username}")
        self._counters["web_logins"] += 1
        return token

    async def change_password(self, user: User, old: str, new: str, address: str) -> str:
        """Give `user` the password `new`, end every login of the user, and return the token of a new one.

        Raises ValueError with a sentence when `new` is not good enough, else as `sign_in`; a wrong `old` counts as a
        wrong password at the login does.
        """
        why = weakness(new, user.username)
        if why:
            raise ValueError(why)
        await self._checked(user.username, old, address, "change the password")
        hashed = await self._checker.hash(new)
        actor = _actor(user.username, address, user.user_id)
        async with self._audit.together():
            await self._store.modify_user(user.user_id, {}, hashed)
            await self._audit.note(actor, "changed password", f"user {user.username}")
            return await self._begin(user)

    async def _checked(self, username: str, password: str, address: str, to: str) -> User:
        """The user whose password that is. The guess counts before it is looked at, so that many at once do too."""
        user_key = f"{username.casefold()[:200]}\x00{address}"
        wait_s = max(self._of_user.wait_s(user_key), self._of_address.wait_s(address))
        if wait_s > 0:
            self._counters["web_locked_out"] += 1
            raise LockedOut(wait_s)
        self._of_user.failed(user_key)
        self._of_address.failed(address)
        found = await self._store.password_hash(username) if 0 < len(username) <= 255 else None
        fits = len(password) <= LONGEST_PASSWORD and await self._checker.check(password, found[1] if found else None)
        if not (fits and found and found[0].active and not found[0].deleted):
            self._counters["web_wrong_passwords"] += 1
            await self._note_failure(found[0] if found else None, user_key, address, to)
            raise WrongLogin
        self._of_user.succeeded(user_key)
        self._of_address.succeeded(address)
        return found[0]

    async def _note_failure(self, user: User | None, user_key: str, address: str, to: str) -> None:
        """What was typed as the name of nobody is not written down: it may be a password."""
        name = user.username if user else "unknown"
        actor = _actor(name, address, user.user_id if user else 0)
        subject = f"user {name}" if user else ""
        await self._audit.note(actor, "failed login", subject, tried_to=to)
        wait_s = max(self._of_user.wait_s(user_key), self._of_address.wait_s(address))
        if wait_s > 0:
            await self._audit.note(actor, "locked out", subject, seconds=f"{wait_s:.0f}")

    async def _begin(self, user: User) -> str:
        now = self._clock.now()
        token = f"{self._token()}.{int(now):x}"
        ends = now + min(self._settings.idle_s, self._settings.longest_s)
        await self._store.add_login(fingerprint(token), user.user_id, ends)
        return token

    async def user_of(self, token: str) -> User | None:
        """The user behind a token that has not expired; the login lasts on from now. Raises StoreUnavailable."""
        if not token or len(token) > 100:
            return None
        known = fingerprint(token)
        user = await self._store.login(known, self._clock.now())
        if user is None or not user.active or user.deleted:
            return None
        await self._renew(token, known)
        return user

    async def _renew(self, token: str, known: str) -> None:
        began = began_at(token)
        moment = self._clock.monotonic()
        if began is None or moment - self._renewed.get(known, -math.inf) < self._settings.renew_s:
            return
        self._renewed[known] = moment
        self._renewed.move_to_end(known)
        while len(self._renewed) > REMEMBERED:
            self._renewed.popitem(last=False)
        ends = min(self._clock.now() + self._settings.idle_s, began + self._settings.longest_s)
        with contextlib.suppress(StoreUnavailable):  # it lasts until then as it is
            await self._store.extend_login(known, ends)

    async def sign_out(self, token: str, address: str = "") -> None:
        """End the session of this token; no error if there is none."""
        if not token or len(token) > 100:
            return
        known = fingerprint(token)
        async with self._audit.together():
            user = await self._store.login(known, self._clock.now())
            await self._store.end_login(known)
            if user is not None:
                actor = _actor(user.username, address, user.user_id)
                await self._audit.note(actor, "logged out", f"user {user.username}")


def _actor(name: str, address: str, user_id: int) -> Actor:
    return Actor(kind="person", name=name, user_id=user_id, address=address)


def began_at(token: str) -> float | None:
    """When the login of this token began, seconds since the epoch. The Store keeps the hash of the whole token, so
    that nobody can change this part of it. None for a token that does not say."""
    _, dot, moment = token.rpartition(".")
    try:
        return float(int(moment, 16)) if dot else None
    except ValueError:
        return None


def weakness(password: str, username: str) -> str:
    """What speaks against this password, as a sentence; empty for none (NIST SP 800-63B 5.1.1.2: length counts)."""
    if len(password) < SHORTEST_PASSWORD:
        return f"A password has at least {SHORTEST_PASSWORD} characters."
    if len(password) > LONGEST_PASSWORD:
        return f"A password has at most {LONGEST_PASSWORD} characters."
    if len(set(password)) < 4 or password.casefold() == username.casefold():
        return "This password is too easy to guess."
    return ""


def fingerprint(token: str) -> str:
    """What the Store keeps of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
