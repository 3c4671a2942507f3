"""Statements about roles and QA groups: who has which, and what they add up to.

What follows for them when a user is deleted or a phone is freed is in `users`. The one rule: what a change speaks of is
looked for inside the transaction that writes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.ports import NotUnique
from earshot.ports.access import BuiltIn, Grants, Group, Link, NoGroup, NoRole, NoUser, Role
from earshot.store.access_tables import (
    GROUP_PHONES,
    QA_GROUPS,
    ROLE_ACD_GROUPS,
    ROLE_GATES,
    ROLE_GROUPS,
    ROLE_PERMISSIONS,
    ROLES,
    USER_ROLES,
)
from earshot.store.database import Database, Query
from earshot.store.people import name_key
from earshot.store.tables import PHONES, USERS

LINKS: Mapping[Link, tuple[sa.Table, sa.Column[Any]]] = MappingProxyType(
    {
        "permission": (ROLE_PERMISSIONS, ROLE_PERMISSIONS.c.permission),
        "group": (ROLE_GROUPS, ROLE_GROUPS.c.group_id),
        "acd_group": (ROLE_ACD_GROUPS, ROLE_ACD_GROUPS.c.sgroup),
        "gate": (ROLE_GATES, ROLE_GATES.c.gate),
    }
)
"""Where each link of a role is kept: the table, and the column of its value."""

G, R = QA_GROUPS.c, ROLES.c
ALL_GROUPS = Query(sa.select(G.ident, G.name, G.active).order_by(G.ident))
ALL_GROUP_PHONES = Query(
    sa.select(GROUP_PHONES.c.group_id, GROUP_PHONES.c.phone).order_by(GROUP_PHONES.c.group_id, GROUP_PHONES.c.phone)
)
ALL_ROLES = Query(sa.select(R.ident, R.name, R.description, R.built_in).order_by(R.ident))


def _labelled(link: str, role: sa.ColumnElement[int], value: sa.ColumnElement[Any]) -> sa.Select[Any]:
    columns: tuple[sa.ColumnElement[Any], ...] = (sa.literal_column(f"'{link}'"), role, sa.cast(value, sa.Text))
    return sa.select(*columns)


LINKED = Query(
    sa.union_all(
        *(_labelled(link, table.c.role_id, value) for link, (table, value) in LINKS.items()),
        _labelled("member", USER_ROLES.c.role_id, USER_ROLES.c.user_id),
    )
)


def _granted(link: str, table: sa.Table, value: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """The values of the roles of one user who was not deleted."""
    return (
        _labelled(link, table.c.role_id, value)
        .select_from(table)
        .join(USER_ROLES, USER_ROLES.c.role_id == table.c.role_id)
        .join(USERS, USERS.c.ident == USER_ROLES.c.user_id)
        .where(USER_ROLES.c.user_id == bindparam("user_id"), USERS.c.deleted == sa.false())
    )


GRANTED = Query(
    sa.union_all(
        *(_granted(link, table, value) for link, (table, value) in LINKS.items() if link != "group"),
        _granted("phone", ROLE_GROUPS, GROUP_PHONES.c.phone)
        .join(QA_GROUPS, G.ident == ROLE_GROUPS.c.group_id)
        .join(GROUP_PHONES, GROUP_PHONES.c.group_id == G.ident)
        .where(G.active == sa.true()),
    )
)


async def _group(connection: AsyncConnection, group_id: int) -> Group:
    """The group, without its phones, inside a transaction. Raises NoGroup."""
    row = (await connection.execute(sa.select(G.name, G.active).where(G.ident == group_id))).first()
    if row is None:
        raise NoGroup(f"there is no QA group {group_id}")
    return Group(group_id=group_id, name=row.name, active=row.active)


async def _role(connection: AsyncConnection, role_id: int) -> bool:
    """Whether the role is built in. Raises NoRole."""
    row = (await connection.execute(sa.select(R.built_in).where(R.ident == role_id))).first()
    if row is None:
        raise NoRole(f"there is no role {role_id}")
    return bool(row.built_in)


async def _user(connection: AsyncConnection, user_id: int) -> None:
    user = sa.select(USERS.c.ident).where(USERS.c.ident == user_id, USERS.c.deleted == sa.false())
    if (await connection.execute(user)).first() is None:
        raise NoUser(f"there is no user {user_id}")


async def _phone_in_group(connection: AsyncConnection, group_id: int, phone: str, user_id: int) -> bool:
    """Whether the phone is in the group. Raises NoGroup and NoUser, as the port says."""
    if not (await _group(connection, group_id)).active:
        raise NoGroup(f"QA group {group_id} is not active")
    mine = sa.select(PHONES.c.ident).where(PHONES.c.phone == phone, PHONES.c.user_id == user_id)
    if (await connection.execute(mine)).first() is None:
        raise NoUser(f"phone {phone} is none of user {user_id}")
    return await _there(connection, GROUP_PHONES, group_id=group_id, phone=phone)


async def _there(connection: AsyncConnection, table: sa.Table, **row: Any) -> bool:
    same = [table.c[name] == value for name, value in row.items()]
    return (await connection.execute(sa.select(sa.literal_column("1")).where(*same))).first() is not None


class SqlAccess:
    """The port `earshot.ports.access.AccessStore` over a database, which `earshot.ports.Store` opens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def grants(self, user_id: int) -> Grants:
        """See `AccessStore.grants`."""
        found: dict[str, set[str]] = {}
        for link, _, value in await self._database.read(GRANTED, user_id=user_id):
            found.setdefault(link, set()).add(value)
        return Grants(
            permissions=frozenset(found.get("permission", ())),
            phones=frozenset(found.get("phone", ())),
            acd_groups=frozenset(found.get("acd_group", ())),
            gates=frozenset(found.get("gate", ())),
        )

    # --- groups -----------------------------------------------------------------------------------------------------

    async def groups(self) -> list[Group]:
        """See `AccessStore.groups`."""
        phones: dict[int, list[str]] = {}
        for group_id, phone in await self._database.read(ALL_GROUP_PHONES):
            phones.setdefault(group_id, []).append(phone)
        return [
            Group(group_id=ident, name=name, active=bool(active), phones=tuple(phones.get(ident, ())))
            for ident, name, active in await self._database.read(ALL_GROUPS)
        ]

    async def add_group(self, name: str) -> tuple[Group, bool]:
        """See `AccessStore.add_group`."""
        async with self._database.write() as connection:
            known = sa.select(G.ident, G.name, G.active).where(G.name_key == name_key(name))
            if row := (await connection.execute(known)).first():
                of_it = sa.select(GROUP_PHONES.c.phone).where(GROUP_PHONES.c.group_id == row.ident)
                phones = tuple(sorted((await connection.execute(of_it)).scalars()))
                return Group(group_id=row.ident, name=row.name, active=row.active, phones=phones), False
            columns = {"name": name, "name_key": name_key(name), "active": True}
            inserted = await connection.execute(sa.insert(QA_GROUPS).values(columns).returning(G.ident))
            return Group(group_id=int(inserted.scalar_one()), name=name), True

    async def set_group_active(self, group_id: int, active: bool) -> bool:
        """See `AccessStore.set_group_active`."""
        async with self._database.write() as connection:
            group = await _group(connection, group_id)
            await connection.execute(sa.update(QA_GROUPS).where(G.ident == group_id).values(active=active))
            return group.active is not active

    async def put_phone(self, group_id: int, phone: str, user_id: int) -> bool:
        """See `AccessStore.put_phone`."""
        async with self._database.write() as connection:
            if await _phone_in_group(connection, group_id, phone, user_id):
                return False
            await connection.execute(sa.insert(GROUP_PHONES).values(group_id=group_id, phone=phone))
            return True

    async def take_phone(self, group_id: int, phone: str, user_id: int) -> bool:
        """See `AccessStore.take_phone`."""
        async with self._database.write() as connection:
            if not await _phone_in_group(connection, group_id, phone, user_id):
                return False
            mine = (GROUP_PHONES.c.group_id == group_id, GROUP_PHONES.c.phone == phone)
            await connection.execute(sa.delete(GROUP_PHONES).where(*mine))
            return True

    # --- roles ------------------------------------------------------------------------------------------------------

    async def roles(self) -> list[Role]:
        """See `AccessStore.roles`."""
        found: dict[tuple[int, str], set[str]] = {}
        for link, role_id, value in await self._database.read(LINKED):
            found.setdefault((role_id, link), set()).add(value)
        return [
            Role(
                role_id=ident,
                name=name,
                description=description,
                built_in=bool(built_in),
                permissions=frozenset(found.get((ident, "permission"), ())),
                groups=frozenset(map(int, found.get((ident, "group"), ()))),
                acd_groups=frozenset(found.get((ident, "acd_group"), ())),
                gates=frozenset(found.get((ident, "gate"), ())),
                members=frozenset(map(int, found.get((ident, "member"), ()))),
            )
            for ident, name, description, built_in in await self._database.read(ALL_ROLES)
        ]

    async def add_role(self, name: str, description: str = "") -> int:
        """See `AccessStore.add_role`."""
        async with self._database.write() as connection:
            if await _there(connection, ROLES, name_key=name_key(name)):
                raise NotUnique("role", name)
            columns = {"name": name, "name_key": name_key(name), "description": description, "built_in": False}
            inserted = await connection.execute(sa.insert(ROLES).values(columns).returning(R.ident))
            return int(inserted.scalar_one())

    async def describe_role(self, role_id: int, description: str) -> None:
        """See `AccessStore.describe_role`."""
        async with self._database.write() as connection:
            await _role(connection, role_id)
            await connection.execute(sa.update(ROLES).where(R.ident == role_id).values(description=description))

    async def delete_role(self, role_id: int) -> None:
        """See `AccessStore.delete_role`."""
        async with self._database.write() as connection:
            if await _role(connection, role_id):
                raise BuiltIn(f"role {role_id} is built in")
            for table in (*(table for table, _ in LINKS.values()), USER_ROLES):
                await connection.execute(sa.delete(table).where(table.c.role_id == role_id))
            await connection.execute(sa.delete(ROLES).where(R.ident == role_id))

    async def grant(self, role_id: int, link: Link, value: str | int) -> bool:
        """See `AccessStore.grant`."""
        if not value:
            raise ValueError(f"a role cannot be given a blank {link}")
        return await self._link(role_id, link, value, there=True)

    async def revoke(self, role_id: int, link: Link, value: str | int) -> bool:
        """See `AccessStore.revoke`."""
        return await self._link(role_id, link, value, there=False)

    async def _link(self, role_id: int, link: Link, value: str | int, *, there: bool) -> bool:
        table, column = LINKS[link]
        row = {"role_id": role_id, column.name: value}
        async with self._database.write() as connection:
            await _role(connection, role_id)
            if link == "group" and not (await _group(connection, int(value))).active:
                raise NoGroup(f"QA group {value} is not active")
            if await _there(connection, table, **row) is there:
                return False
            if there:
                await connection.execute(sa.insert(table).values(row))
            else:
                await connection.execute(sa.delete(table).where(table.c.role_id == role_id, column == value))
            return True

    async def give_role(self, role_id: int, user_id: int, *, only: bool = False) -> bool:
        """See `AccessStore.give_role`."""
        async with self._database.write() as connection:
            await _role(connection, role_id)
            await _user(connection, user_id)
            lost = 0
            if only:
                others = sa.delete(USER_ROLES).where(USER_ROLES.c.user_id == user_id, USER_ROLES.c.role_id != role_id)
                lost = (await connection.execute(others)).rowcount
            if await _there(connection, USER_ROLES, user_id=user_id, role_id=role_id):
                return lost > 0
            await connection.execute(sa.insert(USER_ROLES).values(user_id=user_id, role_id=role_id))
            return True

    async def take_role(self, role_id: int, user_id: int) -> bool:
        """See `AccessStore.take_role`."""
        async with self._database.write() as connection:
            await _role(connection, role_id)
            await _user(connection, user_id)
            mine = sa.delete(USER_ROLES).where(USER_ROLES.c.user_id == user_id, USER_ROLES.c.role_id == role_id)
            return (await connection.execute(mine)).rowcount > 0
