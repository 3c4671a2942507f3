"""Statements about users and their phones.

The rules about a single user are in `earshot.store.people`. A phone that leaves its user leaves its QA groups, and a
deleted user the roles, in the same transaction. The one rule: what must be unique is looked for inside the
transaction that writes, so that the error can name it; the indexes of the tables stand behind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.clock import Clock
from earshot.ports import NotFound, NotUnique, User
from earshot.store import people
from earshot.store.access_tables import GROUP_PHONES, USER_ROLES
from earshot.store.database import Database, Query
from earshot.store.sql.rows import USER_COLUMNS, as_user, user_columns
from earshot.store.tables import LOGINS, PHONES, USERS

U = USERS.c
HERE = U.deleted == sa.false()

EVERYBODY = Query(sa.select(*USER_COLUMNS).order_by(U.ident))
STILL_HERE = Query(sa.select(*USER_COLUMNS).where(HERE).order_by(U.ident))
ALL_PHONES = Query(sa.select(PHONES.c.user_id, PHONES.c.phone).order_by(PHONES.c.ident))
PHONES_OF = Query(sa.select(PHONES.c.phone).where(PHONES.c.user_id == bindparam("ident")).order_by(PHONES.c.ident))
BY_USERNAME = Query(
    sa.select(*USER_COLUMNS, U.password_hash).where(
        U.username_key == bindparam("username_key"), U.username_key != sa.literal_column("''"), HERE
    )
)


async def _user(connection: AsyncConnection, user_id: int) -> User:
    """The user, not deleted, inside a transaction. Raises NotFound."""
    row = (await connection.execute(sa.select(*USER_COLUMNS).where(U.ident == user_id, HERE))).first()
    if row is None:
        raise NotFound(f"there is no user {user_id}")
    phones = sa.select(PHONES.c.phone).where(PHONES.c.user_id == user_id).order_by(PHONES.c.ident)
    return as_user(tuple(row), tuple((await connection.execute(phones)).scalars()))


async def _must_be_unique(connection: AsyncConnection, user: User) -> None:
    """Raises NotUnique if another user has the name or one of the phones of `user`."""
    others = sa.select(U.ident).where(U.ident != user.user_id, HERE).limit(1)
    key = people.username_key(user.username)
    if key and (await connection.execute(others.where(U.username_key == key))).first():
        raise NotUnique("username", user.username)
    if user.first_name and user.last_name:
        same = others.where(U.first_name == user.first_name, U.last_name == user.last_name)
        if (await connection.execute(same)).first():
            raise NotUnique("name", f"{user.first_name} {user.last_name}")
    if user.phones:
        taken = sa.select(PHONES.c.phone).where(PHONES.c.phone.in_(user.phones), PHONES.c.user_id != user.user_id)
        if row := (await connection.execute(taken.limit(1))).first():
            raise NotUnique("phone", row.phone)


async def _leave_groups(connection: AsyncConnection, phones: Iterable[str]) -> None:
    """Take phones that leave their user out of all QA groups."""
    for phone in phones:
        await connection.execute(sa.delete(GROUP_PHONES).where(GROUP_PHONES.c.phone == phone))


async def _replace_phones(connection: AsyncConnection, user: User, old: Sequence[str] = ()) -> None:
    await _leave_groups(connection, set(old) - set(user.phones))
    await connection.execute(sa.delete(PHONES).where(PHONES.c.user_id == user.user_id))
    if user.phones:
        rows = [{"phone": phone, "user_id": user.user_id} for phone in user.phones]
        await connection.execute(sa.insert(PHONES), rows)


class Users:
    """The part of the port that speaks of users and phones."""

    _database: Database
    _clock: Clock

    async def users(self, include_deleted: bool = False) -> list[User]:
        """See `earshot.ports.Store.users`."""
        phones: dict[int, list[str]] = {}
        for user_id, phone in await self._database.read(ALL_PHONES):
            phones.setdefault(user_id, []).append(phone)
        rows = await self._database.read(EVERYBODY if include_deleted else STILL_HERE)
        return [as_user(row, tuple(phones.get(row[0], ()))) for row in rows]

    async def add_user(self, user: User, password_hash: str | None = None) -> int:
        """See `earshot.ports.Store.add_user`."""
        new = people.added(user, 0, self._clock.now())
        async with self._database.write() as connection:
            await _must_be_unique(connection, new)
            columns = user_columns(new) | {"password_hash": password_hash}
            inserted = await connection.execute(sa.insert(USERS).values(columns).returning(U.ident))
            user_id = int(inserted.scalar_one())
            await _replace_phones(connection, replace(new, user_id=user_id))
        return user_id

    async def modify_user(self, user_id: int, changes: dict[str, Any], password_hash: str | None = None) -> None:
        """See `earshot.ports.Store.modify_user`."""
        async with self._database.write() as connection:
            old = await _user(connection, user_id)
            new = people.changed(old, changes, self._clock.now())
            await _must_be_unique(connection, new)
            columns = user_columns(new)
            if password_hash is not None:
                columns["password_hash"] = password_hash
                await connection.execute(sa.delete(LOGINS).where(LOGINS.c.user_id == user_id))
            await connection.execute(sa.update(USERS).where(U.ident == user_id).values(columns))
            if new.phones != old.phones:
                await _replace_phones(connection, new, old.phones)

    async def delete_user(self, user_id: int) -> None:
        """See `earshot.ports.Store.delete_user`."""
        async with self._database.write() as connection:
            user = await _user(connection, user_id)
            gone = {"deleted": True, "modified_at": self._clock.now()}
            await connection.execute(sa.update(USERS).where(U.ident == user_id).values(gone))
            await _leave_groups(connection, user.phones)
            for table in (PHONES, LOGINS, USER_ROLES):
                await connection.execute(sa.delete(table).where(table.c.user_id == user_id))

    async def assign_phone(self, phone: str, user_id: int) -> None:
        """See `earshot.ports.Store.assign_phone`."""
        async with self._database.write() as connection:
            old = await _user(connection, user_id)
            new = people.changed(old, {"phones": (*old.phones, phone)}, self._clock.now())
            if new.phones == old.phones:
                return
            await _must_be_unique(connection, new)
            await connection.execute(sa.update(USERS).where(U.ident == user_id).values(user_columns(new)))
            await connection.execute(sa.insert(PHONES).values(phone=new.phones[-1], user_id=user_id))

    async def free_phone(self, phone: str, user_id: int) -> bool:
        """See `earshot.ports.Store.free_phone`."""
        async with self._database.write() as connection:
            mine = sa.delete(PHONES).where(PHONES.c.phone == phone.strip(), PHONES.c.user_id == user_id)
            if (await connection.execute(mine)).rowcount == 0:
                return False
            await _leave_groups(connection, (phone.strip(),))
            now = {"modified_at": self._clock.now()}
            await connection.execute(sa.update(USERS).where(U.ident == user_id).values(now))
            return True

    async def password_hash(self, username: str) -> tuple[User, str] | None:
        """See `earshot.ports.Store.password_hash`."""
        for row in await self._database.read(BY_USERNAME, username_key=people.username_key(username)):
            phones = await self._database.read(PHONES_OF, ident=row[0])
            user = as_user(row, tuple(phone for (phone,) in phones))
            return (user, row[-1]) if row[-1] is not None and people.may_log_in(user) else None
        return None
