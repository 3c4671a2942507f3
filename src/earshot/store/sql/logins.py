"""Statements about logins: session tokens, kept as hashes only.

The one rule: a token itself never comes here.
"""

import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.clock import Clock
from earshot.ports import NotFound, User
from earshot.store import people
from earshot.store.database import Database, Query
from earshot.store.sql.rows import USER_COLUMNS, as_user
from earshot.store.sql.users import PHONES_OF
from earshot.store.tables import LOGINS, USERS

L = LOGINS.c
WHOSE = Query(
    sa.select(*USER_COLUMNS)
    .join(LOGINS, L.user_id == USERS.c.ident)
    .where(L.token_sha256 == bindparam("token"), L.expires_at > bindparam("now"))
)


class Logins:
    """The part of the port that speaks of logins."""

    _database: Database
    _clock: Clock

    async def add_login(self, token_sha256: str, user_id: int, expires_at: float) -> None:
        """See `earshot.ports.Store.add_login`."""
        columns = {"token_sha256": token_sha256, "user_id": user_id, "expires_at": expires_at}
        async with self._database.write() as connection:
            user = sa.select(USERS.c.ident).where(USERS.c.ident == user_id, USERS.c.deleted == sa.false())
            if (await connection.execute(user)).first() is None:
                raise NotFound(f"there is no user {user_id}")
            await connection.execute(sa.delete(LOGINS).where(L.expires_at <= self._clock.now()))
            await connection.execute(sa.insert(LOGINS).values(columns))

    async def login(self, token_sha256: str, now: float) -> User | None:
        """See `earshot.ports.Store.login`."""
        for row in await self._database.read(WHOSE, token=token_sha256, now=now):
            phones = await self._database.read(PHONES_OF, ident=row[0])
            user = as_user(row, tuple(phone for (phone,) in phones))
            return user if people.may_log_in(user) else None
        return None

    async def extend_login(self, token_sha256: str, expires_at: float) -> None:
        """See `earshot.ports.Store.extend_login`."""
        mine = sa.update(LOGINS).where(L.token_sha256 == token_sha256)
        async with self._database.write() as connection:
            await connection.execute(mine.values(expires_at=expires_at))

    async def end_login(self, token_sha256: str) -> None:
        """See `earshot.ports.Store.end_login`."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(LOGINS).where(L.token_sha256 == token_sha256))
