"""The rules about users that hold in every store: which fields may be changed, and what follows from phones.

No SQL and no uniqueness, which only a store can see. The one rule: who has a phone is an agent (reference.md 10).
"""

from dataclasses import fields, replace
from typing import Any

from earshot.ports import User

CHANGEABLE = frozenset(field.name for field in fields(User)) - {"user_id", "deleted", "added_at"}
"""The fields of `User` that `Store.modify_user` sets; deleting has a method of its own."""


def username_key(username: str) -> str:
    """What user names are compared by: letter case does not matter."""
    return username.casefold()


def name_key(name: str) -> str:
    """What the names of roles and QA groups are compared by: letter case does not matter."""
    return name.strip().casefold()


def settled(user: User) -> User:
    """`user` with its phones stripped, blanks and repetitions dropped, and the agent flag that follows from them."""
    phones = tuple(dict.fromkeys(phone.strip() for phone in user.phones if phone.strip()))
    return replace(user, phones=phones, is_agent=user.is_agent or bool(phones))


def changed(user: User, changes: dict[str, Any], now: float) -> User:
    """`user` with `changes` applied and the time of the change (seconds since the epoch) unless they name one.

    Raises ValueError for a field that is not `CHANGEABLE`.
    """
    unknown = changes.keys() - CHANGEABLE
    if unknown:
        raise ValueError(f"users have no field to change called {', '.join(sorted(unknown))}")
    return settled(replace(user, **({"modified_at": now} | changes)))


def added(user: User, user_id: int, now: float) -> User:
    """A new user as it is stored: not deleted, with the times it did not bring set to `now`."""
    added_at = user.added_at or now
    return settled(
        replace(user, user_id=user_id, deleted=False, added_at=added_at, modified_at=user.modified_at or added_at)
    )


def may_log_in(user: User) -> bool:
    """Whether a login of `user` counts."""
    return user.active and not user.deleted
