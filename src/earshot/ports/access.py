"""The port of roles and QA groups: who may do what, and whose recordings who sees.

Roles add up: a user may do what any of the user's roles allows, and nothing takes a permission away. A QA group is made
of phones, so that the phones of one agent may be in different groups. The one rule: each change is one transaction, and
what it speaks of is looked for inside it.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from earshot.actor import Visibility
from earshot.ports import FinishedCall, NotFound, SealedRecording

DEFAULT_ROLE = "DefaultAgent"
"""The one role that is built in: it can be changed, not deleted (reference.md 9)."""

Link = Literal["permission", "group", "acd_group", "gate"]
"""What a role is given: a permission by name, a QA group by number, an ACD group (GROUP) or a gate (GATE) by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A QA group and the phones in it. One that is not active shows nobody anything."""

    group_id: int
    name: str
    active: bool = True
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role: what it allows, whose recordings it shows, and who has it. `groups` are GROUPIDs, `members` USERIDs."""

    role_id: int
    name: str
    description: str = ""
    built_in: bool = False
    permissions: frozenset[str] = frozenset()
    groups: frozenset[int] = frozenset()
    acd_groups: frozenset[str] = frozenset()
    gates: frozenset[str] = frozenset()
    members: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What all roles of one user add up to. `phones` are those of the active QA groups."""

    permissions: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    acd_groups: frozenset[str] = frozenset()
    gates: frozenset[str] = frozenset()


def shown(what: SealedRecording | FinishedCall, sees: Visibility | None) -> bool:
    """Whether somebody who sees these may see `what`; None is nobody in particular, who sees everything."""
    known = what.variables
    return sees is None or sees.shows(
        agent_id=what.agent_id,
        device_id=known.device_id,
        device_alias=known.device_alias,
        group=known.group,
        gate=known.gate,
    )


class NoGroup(NotFound):
    """The QA group does not exist, or it is not active."""


class NoRole(NotFound):
    """The role does not exist."""


class NoUser(NotFound):
    """The user does not exist or was deleted, or the phone is none of the user's."""


class BuiltIn(Exception):
    """The role is built in and cannot be deleted."""


class AccessStore(Protocol):
    """Roles and QA groups. Every method may raise `earshot.errors.StoreUnavailable`.

    Names of groups and roles are unique whatever the letter case. Deleting a user takes the user's roles away, and a
    phone that leaves its user leaves its QA groups: `earshot.ports.Store` sees to both in its own transaction.
    """

    async def grants(self, user_id: int) -> Grants:
        """What the roles of the user add up to; nothing for a user who does not exist or was deleted."""
        ...

    async def groups(self) -> list[Group]:
        """All QA groups with their phones, by GROUPID."""
        ...

    async def add_group(self, name: str) -> tuple[Group, bool]:
        """The group of that name, and whether it is new: one that exists is left as it is (ADDGROUP)."""
        ...

    async def set_group_active(self, group_id: int, active: bool) -> bool:
        """False if it was so already. Raises NoGroup."""
        ...

    async def put_phone(self, group_id: int, phone: str, user_id: int) -> bool:
        """Put a phone of the user into an active group; False if it is there already. Raises NoGroup, NoUser."""
        ...

    async def take_phone(self, group_id: int, phone: str, user_id: int) -> bool:
        """Take a phone of the user out of an active group; False if it is not there. Raises NoGroup, NoUser."""
        ...

    async def roles(self) -> list[Role]:
        """All roles, complete, by ROLEID."""
        ...

    async def add_role(self, name: str, description: str = "") -> int:
        """Returns ROLEID. Raises NotUnique("role")."""
        ...

    async def describe_role(self, role_id: int, description: str) -> None:
        """Set what the role is for. Raises NoRole."""
        ...

    async def delete_role(self, role_id: int) -> None:
        """Delete the role and all that it is linked with. Raises NoRole, BuiltIn."""
        ...

    async def grant(self, role_id: int, link: Link, value: str | int) -> bool:
        """Give the role a permission, a QA group, an ACD group or a gate; False if it has it already.

        Raises NoRole, NoGroup, and ValueError for a blank value.
        """
        ...

    async def revoke(self, role_id: int, link: Link, value: str | int) -> bool:
        """Take it away; False if the role does not have it. Raises NoRole, NoGroup."""
        ...

    async def give_role(self, role_id: int, user_id: int, *, only: bool = False) -> bool:
        """Give the user the role, with `only` in place of all others; False if nothing changed.

        Raises NoRole, NoUser.
        """
        ...

    async def take_role(self, role_id: int, user_id: int) -> bool:
        """Take the role from the user; False if the user does not have it. Raises NoRole, NoUser."""
        ...
