"""Statements about API tokens.

The one rule: a token itself never comes here, only its SHA-256.
"""

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.ports import NotFound, User
from earshot.ports.audit import ApiToken
from earshot.store import people
from earshot.store.audit_tables import API_TOKENS
from earshot.store.database import Database, Query, Row
from earshot.store.sql.rows import USER_COLUMNS, as_user, document
from earshot.store.sql.users import PHONES_OF
from earshot.store.tables import USERS

T = API_TOKENS.c
COLUMNS = (T.ident, T.name, T.user_id, T.scopes, T.created_at, T.expires_at, T.used_at, T.revoked_at)
NEWEST_FIRST = sa.select(*COLUMNS).order_by(T.ident.desc())
ALL = Query(NEWEST_FIRST)
OF_USER = Query(NEWEST_FIRST.where(T.user_id == bindparam("user_id")))
BEARER = Query(
    sa.select(*COLUMNS, *USER_COLUMNS)
    .join_from(API_TOKENS, USERS, T.user_id == USERS.c.ident)
    .where(T.token_sha256 == bindparam("token"))
)


def _token(row: Row) -> ApiToken:
    number, name, user_id, scopes, created_at, expires_at, used_at, revoked_at = row
    return ApiToken(
        number=number,
        name=name,
        user_id=user_id,
        scopes=None if scopes is None else frozenset(orjson.loads(scopes)),
        created_at=created_at,
        expires_at=expires_at,
        used_at=used_at,
        revoked_at=revoked_at,
    )


class SqlTokens:
    """The port `earshot.ports.audit.TokenStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: ApiToken, token_sha256: str) -> int:
        """See `TokenStore.add`."""
        columns: dict[str, Any] = {
            "token_sha256": token_sha256,
            "name": token.name,
            "user_id": token.user_id,
            "scopes": None if token.scopes is None else document(sorted(token.scopes)),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "used_at": token.used_at,
            "revoked_at": token.revoked_at,
        }
        user = sa.select(USERS.c.ident).where(USERS.c.ident == token.user_id, USERS.c.deleted == sa.false())
        async with self._database.write() as connection:
            if (await connection.execute(user)).first() is None:
                raise NotFound(f"there is no user {token.user_id}")
            inserted = await connection.execute(sa.insert(API_TOKENS).values(columns).returning(T.ident))
            return int(inserted.scalar_one())

    async def tokens(self, user_id: int | None = None) -> list[ApiToken]:
        """See `TokenStore.tokens`."""
        if user_id is None:
            rows = await self._database.read(ALL)
        else:
            rows = await self._database.read(OF_USER, user_id=user_id)
        return [_token(row) for row in rows]

    async def bearer(self, token_sha256: str) -> tuple[ApiToken, User] | None:
        """See `TokenStore.bearer`."""
        for row in await self._database.read(BEARER, token=token_sha256):
            mine, person = row[: len(COLUMNS)], row[len(COLUMNS) :]
            phones = await self._database.read(PHONES_OF, ident=person[0])
            user = as_user(person, tuple(phone for (phone,) in phones))
            return (_token(mine), user) if people.may_log_in(user) else None
        return None

    async def used(self, number: int, at: float) -> None:
        """See `TokenStore.used`."""
        async with self._database.write() as connection:
            await connection.execute(sa.update(API_TOKENS).where(T.ident == number).values(used_at=at))

    async def revoke(self, number: int, at: float, user_id: int | None = None) -> bool:
        """See `TokenStore.revoke`."""
        standing = sa.update(API_TOKENS).where(T.ident == number, T.revoked_at == 0)
        if user_id is not None:
            standing = standing.where(T.user_id == user_id)
        async with self._database.write() as connection:
            return bool((await connection.execute(standing.values(revoked_at=at))).rowcount)
