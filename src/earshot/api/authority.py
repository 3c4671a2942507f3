"""Who somebody is to Earshot: from a user who logged in to an `Actor` that says what is allowed and who is seen.

The catalogue of permissions is in `earshot.api.permissions`; whether somebody is who they say is for the doors. The one
rule: in doubt nothing: an account that is locked or deleted, or a role without groups, shows no recording.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from earshot.actor import EVERYTHING, NOTHING, Actor, Visibility
from earshot.api.permissions import ALL_RECORDINGS, OWN_RECORDINGS
from earshot.clock import Clock
from earshot.ports import User
from earshot.ports.access import Grants

KEPT_S = 5.0
"""How long what a user may do is remembered: so long a change by another process goes unnoticed."""


class GrantSource(Protocol):
    """What `Authority` asks of `earshot.ports.access.AccessStore`."""

    async def grants(self, user_id: int) -> Grants:
        """See `earshot.ports.access.AccessStore.grants`."""
        ...


class NoGrants:
    """Grants nobody anything: until roles are known."""

    async def grants(self, user_id: int) -> Grants:
        """See `GrantSource.grants`."""
        return Grants()


class Authority:
    """Makes actors of users. Remembers what their roles add up to for `kept_s` seconds, and until `forget`."""

    def __init__(self, source: GrantSource, clock: Clock, *, kept_s: float = KEPT_S) -> None:
        self._source = source
        self._clock = clock
        self._kept_s = kept_s
        self._known: dict[int, tuple[float, Grants]] = {}
        self._changes = 0

    async def person(self, user: User, address: str) -> Actor:
        """The actor that `user` is, asking from `address`. Raises StoreUnavailable.

        An administrator (`is_admin`) may do everything. Everybody else may do what their roles allow, and sees the
        phones of the roles' QA groups, their ACD groups and gates, the own recordings and everybody's where a role
        has the permission for it. An account that is locked or deleted may do nothing.
        """
        name = user.username or f"user {user.user_id}"
        nobody = Actor(kind="person", name=name, user_id=user.user_id, address=address)
        if user.deleted or not user.active:
            return nobody
        if user.is_admin:
            return replace(nobody, permissions=None, sees=EVERYTHING)
        grants = await self._grants(user.user_id)
        return replace(nobody, permissions=grants.permissions, sees=sight(user.user_id, grants))

    async def _grants(self, user_id: int) -> Grants:
        now = self._clock.monotonic()
        until, known = self._known.get(user_id, (0.0, Grants()))
        if now < until:
            return known
        changes = self._changes
        found = await self._source.grants(user_id)
        if changes == self._changes:
            self._known = {who: entry for who, entry in self._known.items() if entry[0] > now}
            self._known[user_id] = (now + self._kept_s, found)
        return found

    def forget(self) -> None:
        """Look everything up anew: to be called after each change of roles, groups, phones and users."""
        self._changes += 1
        self._known.clear()


def sight(user_id: int, grants: Grants) -> Visibility:
    """Whose recordings a user with these grants sees."""
    if ALL_RECORDINGS in grants.permissions:
        return EVERYTHING
    own = frozenset({user_id}) if OWN_RECORDINGS in grants.permissions else NOTHING.agents
    return Visibility(agents=own, phones=grants.phones, groups=grants.acd_groups, gates=grants.gates)


def narrowed(actor: Actor, permissions: Iterable[str]) -> Actor:
    """`actor` with no more than `permissions` (names of the catalogue): what a token with scopes may do.

    Whose recordings it sees stays as it is: scopes limit acts. Nobody gains a permission by it.
    """
    scope = frozenset(permissions)
    return replace(actor, permissions=scope if actor.permissions is None else scope & actor.permissions)
