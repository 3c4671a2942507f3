"""Roles and QA groups in memory: for tests, and for a server that need not remember.

Same contract as `sql.access.SqlAccess` (tests/contracts). The one rule: nothing gives way between looking and changing,
so that every change is one transaction here too.
"""

from dataclasses import replace
from typing import Any

from earshot.errors import StoreUnavailable
from earshot.ports import NotUnique, User
from earshot.ports.access import DEFAULT_ROLE, BuiltIn, Grants, Group, Link, NoGroup, NoRole, NoUser, Role
from earshot.store.memory import MemoryStore
from earshot.store.people import name_key

FIELDS: dict[Link, str] = {
    "permission": "permissions",
    "group": "groups",
    "acd_group": "acd_groups",
    "gate": "gates",
}
BUILT_IN = Role(
    role_id=1,
    name=DEFAULT_ROLE,
    description="What every agent may do.",
    built_in=True,
    permissions=frozenset({"HOMEPAGEWIDGETS", "PASSWORDCHANGES"}),
)
"""As the migration makes it."""


class MemoryAccess:
    """The port `earshot.ports.access.AccessStore` without a database, for the users of `store`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._groups: dict[int, Group] = {}
        self._roles: dict[int, Role] = {BUILT_IN.role_id: BUILT_IN}
        self._last_role = BUILT_IN.role_id

    def _answer(self) -> None:
        if self._store.unavailable:
            raise StoreUnavailable("the store in memory was told to be away")

    # --- looking ----------------------------------------------------------------------------------------------------

    def _group(self, group_id: int) -> Group:
        if group_id not in self._groups:
            raise NoGroup(f"there is no QA group {group_id}")
        return self._groups[group_id]

    def _active(self, group_id: int) -> Group:
        group = self._group(group_id)
        if not group.active:
            raise NoGroup(f"QA group {group_id} is not active")
        return group

    def _role(self, role_id: int) -> Role:
        if role_id not in self._roles:
            raise NoRole(f"there is no role {role_id}")
        return self._roles[role_id]

    async def _user(self, user_id: int) -> User:
        for user in await self._store.users():
            if user.user_id == user_id:
                return user
        raise NoUser(f"there is no user {user_id}")

    def _with_phones(self, group: Group) -> Group:
        return replace(group, phones=tuple(sorted(self._store.group_phones[group.group_id])))

    async def grants(self, user_id: int) -> Grants:
        """See `AccessStore.grants`."""
        self._answer()
        roles = [self._roles[role_id] for role_id in self._store.user_roles.get(user_id, ())]
        groups = {group_id for role in roles for group_id in role.groups if self._groups[group_id].active}
        return Grants(
            permissions=frozenset(permission for role in roles for permission in role.permissions),
            phones=frozenset(phone for group_id in groups for phone in self._store.group_phones[group_id]),
            acd_groups=frozenset(group for role in roles for group in role.acd_groups),
            gates=frozenset(gate for role in roles for gate in role.gates),
        )

    # --- groups -----------------------------------------------------------------------------------------------------

    async def groups(self) -> list[Group]:
        """See `AccessStore.groups`."""
        self._answer()
        return [self._with_phones(group) for group in self._groups.values()]

    async def add_group(self, name: str) -> tuple[Group, bool]:
        """See `AccessStore.add_group`."""
        self._answer()
        for group in self._groups.values():
            if name_key(group.name) == name_key(name):
                return self._with_phones(group), False
        new = Group(group_id=len(self._groups) + 1, name=name)
        self._groups[new.group_id] = new
        self._store.group_phones[new.group_id] = set()
        return new, True

    async def set_group_active(self, group_id: int, active: bool) -> bool:
        """See `AccessStore.set_group_active`."""
        self._answer()
        group = self._group(group_id)
        self._groups[group_id] = replace(group, active=active)
        return group.active is not active

    async def _members(self, group_id: int, phone: str, user_id: int) -> set[str]:
        """The phones of the group. Raises NoGroup and NoUser, as the port says."""
        user = next((user for user in await self._store.users() if user.user_id == user_id), User())
        self._active(group_id)
        if phone not in user.phones:
            raise NoUser(f"phone {phone} is none of user {user_id}")
        return self._store.group_phones[group_id]

    async def put_phone(self, group_id: int, phone: str, user_id: int) -> bool:
        """See `AccessStore.put_phone`."""
        members = await self._members(group_id, phone, user_id)
        new = phone not in members
        members.add(phone)
        return new

    async def take_phone(self, group_id: int, phone: str, user_id: int) -> bool:
        """See `AccessStore.take_phone`."""
        members = await self._members(group_id, phone, user_id)
        there = phone in members
        members.discard(phone)
        return there

    # --- roles ------------------------------------------------------------------------------------------------------

    async def roles(self) -> list[Role]:
        """See `AccessStore.roles`."""
        self._answer()
        members = self._store.user_roles
        return [
            replace(role, members=frozenset(who for who, has in members.items() if role.role_id in has))
            for role in self._roles.values()
        ]

    async def add_role(self, name: str, description: str = "") -> int:
        """See `AccessStore.add_role`."""
        self._answer()
        if any(name_key(role.name) == name_key(name) for role in self._roles.values()):
            raise NotUnique("role", name)
        self._last_role += 1
        self._roles[self._last_role] = Role(role_id=self._last_role, name=name, description=description)
        return self._last_role

    async def describe_role(self, role_id: int, description: str) -> None:
        """See `AccessStore.describe_role`."""
        self._answer()
        self._roles[role_id] = replace(self._role(role_id), description=description)

    async def delete_role(self, role_id: int) -> None:
        """See `AccessStore.delete_role`."""
        self._answer()
        if self._role(role_id).built_in:
            raise BuiltIn(f"role {role_id} is built in")
        del self._roles[role_id]
        for has in self._store.user_roles.values():
            has.discard(role_id)

    async def grant(self, role_id: int, link: Link, value: str | int) -> bool:
        """See `AccessStore.grant`."""
        self._answer()
        if not value:
            raise ValueError(f"a role cannot be given a blank {link}")
        return self._link(role_id, link, value, there=True)

    async def revoke(self, role_id: int, link: Link, value: str | int) -> bool:
        """See `AccessStore.revoke`."""
        self._answer()
        return self._link(role_id, link, value, there=False)

    def _link(self, role_id: int, link: Link, value: str | int, *, there: bool) -> bool:
        role = self._role(role_id)
        if link == "group":
            self._active(int(value))
        values: frozenset[Any] = getattr(role, FIELDS[link])
        if (value in values) is there:
            return False
        changed: Any = {FIELDS[link]: values | {value} if there else values - {value}}
        self._roles[role_id] = replace(role, **changed)
        return True

    async def give_role(self, role_id: int, user_id: int, *, only: bool = False) -> bool:
        """See `AccessStore.give_role`."""
        self._answer()
        self._role(role_id)
        await self._user(user_id)
        has = self._store.user_roles.setdefault(user_id, set())
        before = set(has)
        if only:
            has.clear()
        has.add(role_id)
        return has != before

    async def take_role(self, role_id: int, user_id: int) -> bool:
        """See `AccessStore.take_role`."""
        self._answer()
        self._role(role_id)
        await self._user(user_id)
        has = self._store.user_roles.setdefault(user_id, set())
        there = role_id in has
        has.discard(role_id)
        return there
