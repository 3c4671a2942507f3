"""Passwords: argon2id hashes made and checked. No sessions here.

The one rule: a check costs the same for a user who exists and for one who does not, and never blocks the loop.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST_PASSWORD: Final = 1_024
"""Characters; anything longer is refused without being hashed."""

NOBODYS_HASH: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$4A8as8OaLnPx/gH1ZXnhFA$Q6vhC/JJaAYh4rzA4toGgrT7tD6YE7ybxWeB9kSX2Ms"
)
"""The hash of 32 random bytes that nobody kept: what the password of an unknown user is checked against."""

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """The argon2id hash of `password` (RFC 9106, second recommended option) for the Store. Takes about 0.2 s of CPU.

    Raises ValueError for an empty password and one over LONGEST_PASSWORD characters.
    """
    if not 0 < len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has 1 to {LONGEST_PASSWORD} characters")
    return _HASHER.hash(password)


def is_password(password: str, hashed: str) -> bool:
    """Whether `password` is what `hashed` was made of. Blocks for about 0.2 s."""
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


class TooBusy(Exception):
    """So many logins are being checked that this one must be tried again later."""


class PasswordChecker:
    """Checks passwords in threads, at most `at_once` together and `waiting` in line."""

    def __init__(self, at_once: int = 2, waiting: int = 32) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="passwords")
        self._room = at_once + waiting

    async def check(self, password: str, hashed: str | None) -> bool:
        """Whether the password fits; `hashed` None (no such user) takes as long and is False. Raises TooBusy."""
        if self._room <= 0:
            raise TooBusy
        self._room -= 1
        try:
            fits = await asyncio.get_running_loop().run_in_executor(
                self._threads, is_password, password, hashed or NOBODYS_HASH
            )
        finally:
            self._room += 1
        return fits and hashed is not None

    async def hash(self, password: str) -> str:
        """`hash_password` in one of the threads. Raises ValueError and TooBusy."""
        if self._room <= 0:
            raise TooBusy
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, hash_password, password)
        finally:
            self._room += 1

    def close(self) -> None:
        """End the threads; running checks finish first."""
        self._threads.shutdown(wait=True, cancel_futures=True)
