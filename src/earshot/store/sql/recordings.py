"""Statements about recordings: lists by filter, single ones, changes of their call variables.

Every list is answered by one index in its order, so that it costs the same whether a value is on half of all rows or
on none; what somebody may see of them is in `sight`. The one rule: a name reaches a statement only through
`earshot.store.fields`.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.actor import Visibility
from earshot.ports import RecordingFilter, RecordingRow
from earshot.store.database import Database, Query, Row
from earshot.store.fields import (
    COLUMN_OF,
    NUMBERED_LOOKUPS,
    PEOPLE_LOOKUPS,
    TEXT_LOOKUPS,
    as_stored,
    changed_columns,
    checked_equals,
    checked_lookup,
)
from earshot.store.sql import sight
from earshot.store.sql.retention import restamp
from earshot.store.sql.rows import LIST_COLUMNS, WHOLE_COLUMNS, as_recording, as_whole_recording
from earshot.store.sql.sight import power_of_two, unindexed
from earshot.store.tables import PARTIAL, RECORDINGS, USERS, filled

OBJECTS_AT_ONCE = 1000
NOBODY = -1
AGENT = "agent_id"
SEEN = "seen"
"""What `driver` says when rows are found by those whose recordings are seen."""
FEW_SEEN = 8
"""So few agents, phones, groups and gates find a list better than a condition that many rows meet."""
FEW = 1000
"""A condition that fewer rows than this meet is good enough to find a list by."""
LOOKUPS = frozenset({"ident", "agent_id", "filename", "audio_hash"})
INDEXED = LOOKUPS | {"device_id", *(name for name, column in COLUMN_OF.items() if column in PARTIAL)}
"""The call variables and columns with an index of their own."""

R = RECORDINGS.c
IDENT, TIME = LIST_COLUMNS.index(R.ident), LIST_COLUMNS.index(R.recording_time)
NEWEST = (R.recording_time.desc(), R.ident.desc())
WITH_AGENT = RECORDINGS.outerjoin(USERS, USERS.c.ident == R.agent_id)

ONE = Query(sa.select(*WHOLE_COLUMNS).select_from(WITH_AGENT).where(R.ident == bindparam("ident")))
OBJECTS = Query(
    sa.select(R.ident, R.object_name, R.audio_hash, R.audio_size)
    .where(R.ident > bindparam("after"))
    .order_by(R.ident)
    .limit(bindparam("count"))
)


def _condition(name: str, blank: bool, *, by_index: bool = True) -> sa.ColumnElement[bool]:
    """`name` has the value bound to it. A value that is not blank says so, for the partial indexes."""
    column = R[COLUMN_OF.get(name, name)]
    if not by_index:
        return unindexed(column) == bindparam(f"is_{name}")
    same = column == bindparam(f"is_{name}")
    return sa.and_(same, filled(column)) if column.name in PARTIAL and not blank else same


def _range(since: bool, until: bool) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if since:
        conditions.append(R.recording_time >= bindparam("since"))
    if until:
        conditions.append(R.recording_time <= bindparam("until"))
    return conditions


@lru_cache(maxsize=1024)
def _list(
    equals: tuple[tuple[str, bool], ...],
    count: int,
    since: bool,
    until: bool,
    before: bool,
    driver: str = "",
    by: str = AGENT,
    looked: sight.Shape = (),
) -> Query:
    """The list by these conditions: (name, whether the value is blank), how many values of the column `by`, which times
    are given, and what is looked for in the rows (`sight.condition`).

    `driver` is the condition whose index finds the rows, where there are several; `AGENT` and `SEEN` are the one on
    `by`. With several values each one's newest are found by the index and then merged: ordering what IN finds would
    sort every recording of all of them.
    """
    conditions = [_condition(name, blank, by_index=driver in ("", name)) for name, blank in equals]
    conditions += _range(since, until)
    if before:
        last = sa.tuple_(bindparam("before_time"), bindparam("before_ident"))
        conditions.append(sa.tuple_(R.recording_time, R.ident) < last)
    if looked:
        conditions.append(sight.condition(looked))
    column = R[by]
    places: list[sa.BindParameter[Any]] = [bindparam(f"place{place}") for place in range(count)]
    if places and by in PARTIAL:
        conditions.append(filled(column))
    if places and driver not in ("", AGENT, SEEN):
        conditions.append(sa.or_(*(unindexed(column) == place for place in places)))
    elif count == 1:
        conditions.append(column == places[0])
    elif places:
        conditions = [sight.newest_of_each(RECORDINGS, column, places, conditions, NEWEST)]
    rows = sa.select(*LIST_COLUMNS).select_from(WITH_AGENT)
    return Query(rows.where(*conditions).order_by(*NEWEST).limit(bindparam("count")))


@lru_cache(maxsize=1024)
def _probe(names: tuple[str, ...], since: bool, until: bool) -> Query:
    """How many rows each of the conditions finds by its index, none counted beyond `FEW`."""
    counts = []
    for name in names:
        some: sa.Select[Any] = sa.select(sa.literal_column("1").label("one")).where(
            _condition(name, False), *_range(since, until)
        )
        counts.append(sa.select(sa.func.count()).select_from(some.limit(FEW).subquery()).scalar_subquery())
    return Query(sa.select(*counts))


@lru_cache(maxsize=4)
def _people(sys_user: bool, crm_user: bool) -> Query:
    conditions = []
    if sys_user:
        conditions.append(USERS.c.sys_user == bindparam("sys_user"))
    if crm_user:
        conditions.append(USERS.c.crm_user == bindparam("crm_user"))
    return Query(sa.select(USERS.c.ident).where(*conditions))


@lru_cache(maxsize=64)
def _newest_ident(names: tuple[tuple[str, bool], ...]) -> Query:
    conditions = [_condition(name, blank) for name, blank in names]
    return Query(sa.select(R.ident).where(*conditions).order_by(*NEWEST).limit(1))


def _places(by: str, some: sight.Values) -> tuple[int, dict[str, Any]]:
    """How many places a statement has for these values of column `by`, and what is bound to them."""
    if not some:
        return 0, {}
    places = power_of_two(len(some))
    filling = NOBODY if by == AGENT else some[-1]
    return places, dict(zip((f"place{place}" for place in range(places)), chain(some, repeat(filling)), strict=False))


class Recordings:
    """The part of the port that speaks of recordings."""

    _database: Database

    async def recordings(self, wanted: RecordingFilter, limit: int) -> list[RecordingRow]:
        """See `earshot.ports.Store.recordings`."""
        checked_equals(wanted.equals)
        if limit <= 0:
            return []
        named = {name: as_stored(name, value) for name, value in wanted.equals.items()}
        if None in named.values():
            return []
        return [as_recording(row) for row in await self._find(named, wanted, limit)]

    async def _find(self, named: dict[str, Any], wanted: RecordingFilter, limit: int) -> Sequence[Row]:
        """The newest rows with these values, call variables and columns by name, that `wanted` (but for its `equals`)
        does not leave out."""
        whole = wanted.seen_by is None or wanted.seen_by.everything
        seen = {} if wanted.seen_by is None or whole else sight.columns_of(wanted.seen_by)
        if not (whole or seen):
            return []
        values: dict[str, Any] = {"count": limit} | {f"is_{name}": value for name, value in named.items()}
        if wanted.since is not None:
            values["since"] = wanted.since
        if wanted.until is not None:
            values["until"] = wanted.until
        if wanted.before is not None:
            values["before_time"], values["before_ident"] = wanted.before
        equals = tuple((name, value == "") for name, value in sorted(named.items()))
        shape = (wanted.since is not None, wanted.until is not None, wanted.before is not None)
        of_people = bool(wanted.sys_user or wanted.crm_user)
        driver = await self._driver(equals, of_people, seen, shape, values)
        sought: Iterable[tuple[str, sight.Values]] = [(AGENT, ())]
        if of_people:
            sought = sight.seeks({AGENT: await self._agents(wanted.sys_user, wanted.crm_user)})
        elif driver == SEEN:
            sought, seen = list(sight.seeks(seen)), {}
        looked = list(sight.looks(seen))
        found: dict[int, Row] = {}
        for by, some in sought:
            places, bound = _places(by, some)
            for look in looked:
                query = _list(equals, places, *shape, driver, by, sight.shape_of(look))
                rows = await self._database.read(query, **values, **bound, **sight.bound(look))
                found |= {row[IDENT]: row for row in rows}
        return sorted(found.values(), key=lambda row: (row[TIME], row[IDENT]), reverse=True)[:limit]

    async def _driver(
        self,
        equals: tuple[tuple[str, bool], ...],
        of_people: bool,
        seen: dict[str, list[Any]],
        shape: tuple[bool, bool, bool],
        values: dict[str, Any],
    ) -> str:
        """The condition to find the rows by: the rarest of several, as far as that is quickly told; else nothing.

        SQLite would take any one of them, and read half of the table where another condition leaves one row.
        """
        names = tuple(name for name, blank in equals if name in INDEXED and not blank)
        others = of_people + bool(seen)
        if not names or len(names) + others < 2:
            return SEEN if seen and not of_people else ""
        probed = {f"is_{name}": values[f"is_{name}"] for name in names}
        times = {name: values[name] for name in ("since", "until") if name in values}
        (counts,) = await self._database.read(_probe(names, *shape[:2]), **probed, **times)
        count, rarest = min(zip(counts, names, strict=True))
        if count < FEW or not others:
            return rarest
        if of_people:
            return AGENT
        return SEEN if sum(map(len, seen.values())) <= FEW_SEEN else rarest

    async def _agents(self, sys_user: str, crm_user: str) -> list[int]:
        """The users of these names, deleted ones too: their recordings stay theirs."""
        names = {name: value for name, value in (("sys_user", sys_user), ("crm_user", crm_user)) if value}
        rows = await self._database.read(_people("sys_user" in names, "crm_user" in names), **names)
        return [ident for (ident,) in rows]

    async def recording(self, record_id: int) -> RecordingRow | None:
        """See `earshot.ports.Store.recording`."""
        for row in await self._database.read(ONE, ident=record_id):
            return as_whole_recording(row)
        return None

    async def newest_recording(self, field: str, value: str, seen_by: Visibility | None = None) -> RecordingRow | None:
        """See `earshot.ports.Store.newest_recording`."""
        checked_lookup(field)
        if field in PEOPLE_LOOKUPS:
            wanted = RecordingFilter(**{field: value}, seen_by=seen_by)  # type: ignore[arg-type]
            found = await self.recordings(wanted, 1) if value else []
            return await self.recording(found[0].record_id) if found else None
        stored = as_stored(field, value)
        if stored is None:
            return None
        name = NUMBERED_LOOKUPS.get(field) or TEXT_LOOKUPS.get(field) or field
        if seen_by is None or seen_by.everything:
            return await self._newest({name: stored})
        for row in await self._find({name: stored}, RecordingFilter(seen_by=seen_by), 1):
            return await self.recording(row[IDENT])
        return None

    async def _newest(self, named: dict[str, Any]) -> RecordingRow | None:
        ident = await self._newest_number(named)
        return None if ident is None else await self.recording(ident)

    async def _newest_number(self, named: dict[str, Any]) -> int | None:
        query = _newest_ident(tuple((name, value == "") for name, value in named.items()))
        for (ident,) in await self._database.read(query, **{f"is_{name}": value for name, value in named.items()}):
            return int(ident)
        return None

    async def last_recording_of_device(self, device_id: str, call_instance: str | None) -> int | None:
        """See `earshot.ports.Store.last_recording_of_device`."""
        instance = {} if call_instance is None else {"call_instance": call_instance}
        return await self._newest_number({"device_id": device_id} | instance)

    async def update_recording(self, record_id: int, changes: dict[str, Any]) -> bool:
        """See `earshot.ports.Store.update_recording`."""
        columns = changed_columns(changes)
        async with self._database.write() as connection:
            if not columns:
                statement = sa.select(R.ident).where(R.ident == record_id)
                return (await connection.execute(statement)).first() is not None
            changed = await connection.execute(sa.update(RECORDINGS).where(R.ident == record_id).values(columns))
            await restamp(connection, record_id, columns)
            return changed.rowcount > 0

    async def all_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """See `earshot.ports.Store.all_objects`."""
        after = 0
        while rows := await self._database.read(OBJECTS, after=after, count=OBJECTS_AT_ONCE):
            for ident, object_name, audio_sha256, audio_size in rows:
                after = ident
                yield object_name, audio_sha256, audio_size
