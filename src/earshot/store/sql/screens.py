"""Statements about finished screen sessions and their segments.

The one rule: saving is idempotent by key; what is stored already is left as it is.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.actor import Visibility
from earshot.engine.variables import CallVariables
from earshot.ports.screens import ScreenRow, ScreenSegment, ScreenSession, Whose
from earshot.store.database import Database, Query, Row
from earshot.store.fields import COLUMN_OF, USER_NAMES
from earshot.store.screen_retention_tables import SCREEN_DELETIONS
from earshot.store.screen_tables import SCREEN_SEGMENTS, SCREENS
from earshot.store.sql import sight
from earshot.store.tables import PARTIAL, USERS, filled

S, G = SCREENS.c, SCREEN_SEGMENTS.c
PLAIN = (
    *("key", "core", "session_id", "agent_id", "started_at", "stopped_at", "state", "verdict", "reason", "ended_by"),
    *("computer", "username"),
)
"""Fields of `ScreenSession` that are stored as they are, under their own names."""
VARIABLES = (
    *(
        "device_id",
        "device_alias",
        "call_id",
        "group",
        "gate",
        "ani",
        "dnis",
        "direction",
        "keep_days",
        "archive_action",
    ),
    *USER_NAMES,
)
"""The call variables that a screen session can have; SESSIONID is its own."""
SEGMENT = {
    "number": "number",
    "object_name": "object_name",
    "media_type": "media_type",
    "sha256": "sha256",
    "size": "size",
    "began_at": "began_at",
    "duration_s": "duration",
}
"""Fields of `ScreenSegment` and their columns."""

WITH_AGENT = SCREENS.outerjoin(USERS, USERS.c.ident == S.agent_id)
COLUMNS = (
    *(S[name] for name in PLAIN),
    *(S[COLUMN_OF[name]] for name in VARIABLES),
    *(S.warnings, S.black_spans, S.ident, USERS.c.first_name, USERS.c.last_name, USERS.c.username),
)
ONE = Query(sa.select(*COLUMNS).select_from(WITH_AGENT).where(S.ident == bindparam("ident")))
SEGMENT_COLUMNS = tuple(G[column] for column in SEGMENT.values())
SEGMENTS = Query(sa.select(*SEGMENT_COLUMNS).where(G.screen == bindparam("screen")).order_by(G.number))
OBJECTS = Query(
    sa.select(G.ident, G.object_name, G.sha256, G.size)
    .where(G.ident > bindparam("behind"))
    .order_by(G.ident)
    .limit(1_000)
)


LONGEST_S = 8 * 86_400.0
"""Sessions that began longer before a span than this are not looked at: none is that long."""
BETWEEN = Query(
    sa.select(S.ident, S.session_id, S.agent_id, S.device_id, S.device_alias, S.computer)
    .where(S.started_at > bindparam("first"), S.started_at < bindparam("until"), S.stopped_at > bindparam("since"))
    .order_by(S.ident)
)


NEWEST = (S.started_at.desc(), S.ident.desc())
TIME, IDENT = COLUMNS.index(S.started_at), COLUMNS.index(S.ident)


def _conditions(given: frozenset[str]) -> list[sa.ColumnElement[bool]]:
    """What limits a list beside what may be seen, by the names of its values."""
    last = sa.tuple_(bindparam("before_time"), bindparam("before_ident"))
    conditions = {
        "session_id": S.session_id == bindparam("session_id"),
        "device_id": S.device_id == bindparam("device_id"),
        "before_time": sa.tuple_(S.started_at, S.ident) < last,
    }
    return [condition for name, condition in conditions.items() if name in given]


@lru_cache(maxsize=64)
def screens_query(given: frozenset[str], looked: sight.Shape = ()) -> Query:
    """The newest sessions that the values `given` leave, and that have what is looked for in them."""
    conditions = [*_conditions(given), *([sight.condition(looked, SCREENS)] if looked else [])]
    rows = sa.select(*COLUMNS).select_from(WITH_AGENT).where(*conditions)
    return Query(rows.order_by(*NEWEST).limit(bindparam("count")))


@lru_cache(maxsize=64)
def seen_screens_query(by: str, places: int, given: frozenset[str]) -> Query:
    """The newest sessions with one of so many values in the column `by`: each value's are found by its index."""
    column, conditions = S[by], _conditions(given)
    if by in PARTIAL:
        conditions.append(filled(column))
    values: list[sa.BindParameter[Any]] = [bindparam(f"place{place}") for place in range(places)]
    found = sight.newest_of_each(SCREENS, column, values, conditions, NEWEST)
    rows = sa.select(*COLUMNS).select_from(WITH_AGENT).where(found)
    return Query(rows.order_by(*NEWEST).limit(bindparam("count")))


def _values(session: ScreenSession) -> dict[str, Any]:
    known = session.variables
    users = dict(zip(USER_NAMES, known.users, strict=True))
    return {
        **{name: getattr(session, name) for name in PLAIN},
        **{COLUMN_OF[name]: users[name] if name in users else getattr(known, name) for name in VARIABLES},
        "warnings": orjson.dumps(session.warnings).decode(),
        "black_spans": orjson.dumps(session.black_spans).decode(),
    }


def _row(row: Row, segments: Sequence[ScreenSegment]) -> ScreenRow:
    plain = dict(zip(PLAIN, row, strict=False))
    said = dict(zip(VARIABLES, row[len(PLAIN) :], strict=False))
    warnings, black_spans, number, first_name, last_name, username = row[len(PLAIN) + len(VARIABLES) :]
    session = ScreenSession(
        **plain,
        variables=CallVariables.of({**said, "session_id": plain["session_id"]}),
        warnings=tuple(orjson.loads(warnings)),
        black_spans=tuple((start, end) for start, end in orjson.loads(black_spans)),
        segments=tuple(segments),
    )
    return ScreenRow(
        number=number,
        session=session,
        agent_first_name=first_name or "",
        agent_last_name=last_name or "",
        agent_username=username or "",
    )


def _queries(given: frozenset[str], seen_by: Visibility | None) -> Iterator[tuple[Query, dict[str, Any]]]:
    """The statements whose rows together are the list, with the values of what may be seen. A SESSIONID or a DEVICEID
    leaves few rows, which are looked through; else they are found by what may be seen."""
    if seen_by is None or seen_by.everything:
        yield screens_query(given), {}
        return
    columns = sight.columns_of(seen_by)
    if {"session_id", "device_id"} & given:
        for look in sight.looks(columns) if columns else ():
            yield screens_query(given, sight.shape_of(look)), sight.bound(look)
        return
    for by, some in sight.seeks(columns):
        bound = sight.placed(some)
        yield seen_screens_query(by, len(bound), given), bound


class SqlScreens:
    """The port `earshot.ports.screens.Screens` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_screen(self, session: ScreenSession) -> int:
        """See `Screens.save_screen`."""
        async with self._database.write() as connection:
            same = await connection.execute(sa.select(S.ident).where(S.key == session.key))
            known = same.scalar()
            if known is None:
                gone = await connection.execute(
                    sa.select(SCREEN_DELETIONS.c.ident).where(SCREEN_DELETIONS.c.key == session.key)
                )
                known = gone.scalar()
            if known is not None:
                return int(known)
            inserted = await connection.execute(sa.insert(SCREENS).values(_values(session)).returning(S.ident))
            number = int(inserted.scalar_one())
            rows = [
                {"screen": number, **{column: getattr(one, name) for name, column in SEGMENT.items()}}
                for one in session.segments
            ]
            if rows:
                await connection.execute(sa.insert(SCREEN_SEGMENTS), rows)
        return number

    async def screens(
        self,
        limit: int,
        before: tuple[float, int] | None = None,
        session_id: str = "",
        device_id: str = "",
        seen_by: Visibility | None = None,
    ) -> Sequence[ScreenRow]:
        """See `Screens.screens`."""
        if limit <= 0:
            return []
        values: dict[str, Any] = {"count": limit}
        if before is not None:
            values["before_time"], values["before_ident"] = before
        if session_id:
            values["session_id"] = session_id
        if device_id:
            values["device_id"] = device_id
        found: dict[int, Row] = {}
        for query, bound in _queries(frozenset(values), seen_by):
            found |= {row[IDENT]: row for row in await self._database.read(query, **values, **bound)}
        newest = sorted(found.values(), key=lambda row: (row[TIME], row[IDENT]), reverse=True)
        return [await self._whole(row) for row in newest[:limit]]

    async def screens_of(self, whose: Whose, since: float, until: float) -> Sequence[ScreenRow]:
        """See `Screens.screens_of`."""
        rows = await self._database.read(BETWEEN, first=since - LONGEST_S, since=since, until=until)
        theirs = [
            number
            for number, session_id, agent_id, device_id, alias, computer in rows
            if whose.show(session_id, agent_id, CallVariables(device_id=device_id, device_alias=alias), computer)
        ]
        found = [await self.screen(number) for number in theirs]
        return [row for row in found if row is not None]

    async def renew_screen(
        self, number: int, files: Mapping[int, tuple[str, int]], black_spans: tuple[tuple[float, float], ...]
    ) -> bool:
        """See `Screens.renew_screen`."""
        spans = orjson.dumps(black_spans).decode()
        async with self._database.write() as connection:
            changed = await connection.execute(sa.update(SCREENS).where(S.ident == number).values(black_spans=spans))
            for segment, (sha256, size) in files.items():
                same = (G.screen == number, G.number == segment)
                renewed = sa.update(SCREEN_SEGMENTS).where(*same).values(sha256=sha256, size=size)
                await connection.execute(renewed)
            return changed.rowcount > 0

    async def screen(self, number: int) -> ScreenRow | None:
        """See `Screens.screen`."""
        rows = await self._database.read(ONE, ident=number)
        return await self._whole(rows[0]) if rows else None

    async def _whole(self, row: Row) -> ScreenRow:
        segments = await self._database.read(SEGMENTS, screen=row[len(PLAIN) + len(VARIABLES) + 2])
        return _row(row, [ScreenSegment(**dict(zip(SEGMENT, one, strict=True))) for one in segments])

    async def all_screen_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """See `Screens.all_screen_objects`."""
        behind = 0
        while rows := await self._database.read(OBJECTS, behind=behind):
            for ident, object_name, sha256, size in rows:
                behind = ident
                yield object_name, sha256, size
