"""Statements about recordings: lists by filter, single ones, changes of their call variables.

Every list is answered by one index in its order, so that it costs the same whether a value is on half of all rows or
on none. The one rule: a name reaches a statement only through `earshot.store.fields`.
"""

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

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
from earshot.store.sql.rows import LIST_COLUMNS, WHOLE_COLUMNS, as_recording, as_whole_recording
from earshot.store.tables import PARTIAL, RECORDINGS, USERS, filled

AGENTS_AT_ONCE = 128
"""How many agents one statement looks through; SQLite joins at most 500 selects."""
OBJECTS_AT_ONCE = 1000
NOBODY = -1
AGENT = "agent_id"
FEW = 1000
"""A condition that fewer rows than this meet is good enough to find a list by."""
INDEXED = frozenset({"device_id", *(name for name, column in COLUMN_OF.items() if column in PARTIAL)})
"""The call variables with an index of their own."""

R = RECORDINGS.c
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
        return _unindexed(column) == bindparam(f"is_{name}")
    same = column == bindparam(f"is_{name}")
    return sa.and_(same, filled(column)) if column.name in PARTIAL and not blank else same


def _unindexed(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The value of `column`, written so that no index answers for it."""
    return column + sa.literal_column("0") if column.type.python_type is int else column.concat(sa.literal_column("''"))


def _range(since: bool, until: bool) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if since:
        conditions.append(R.recording_time >= bindparam("since"))
    if until:
        conditions.append(R.recording_time <= bindparam("until"))
    return conditions


@lru_cache(maxsize=1024)
def _list(
    equals: tuple[tuple[str, bool], ...], agents: int, since: bool, until: bool, before: bool, driver: str = ""
) -> Query:
    """The list by these conditions: (name, whether the value is blank), the number of agents, which times are given.

    `driver` is the condition whose index finds the rows, where there are several; `AGENT` is the one on agents. With
    several agents each one's newest are found by the index and then merged: ordering what IN finds would sort every
    recording of all of them.
    """
    conditions = [_condition(name, blank, by_index=driver in ("", name)) for name, blank in equals]
    conditions += _range(since, until)
    if before:
        last = sa.tuple_(bindparam("before_time"), bindparam("before_ident"))
        conditions.append(sa.tuple_(R.recording_time, R.ident) < last)
    places: list[sa.BindParameter[int]] = [bindparam(f"agent{place}") for place in range(agents)]
    if agents and driver not in ("", AGENT):
        conditions.append(sa.or_(*(_unindexed(R.agent_id) == place for place in places)))
    elif agents == 1:
        conditions.append(R.agent_id == places[0])
    elif agents:
        each = [
            sa.select(
                sa.select(R.ident)
                .where(R.agent_id == place, *conditions)
                .order_by(*NEWEST)
                .limit(bindparam("count"))
                .subquery()
            )
            for place in places
        ]
        conditions = [R.ident.in_(sa.union_all(*each))]
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


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()


class Recordings:
    """The part of the port that speaks of recordings."""

    _database: Database

    async def recordings(self, wanted: RecordingFilter, limit: int) -> list[RecordingRow]:
        """See `earshot.ports.Store.recordings`."""
        checked_equals(wanted.equals)
        if limit <= 0:
            return []
        values: dict[str, Any] = {"count": limit}
        for name, value in wanted.equals.items():
            stored = as_stored(name, value)
            if stored is None:
                return []
            values[f"is_{name}"] = stored
        if wanted.since is not None:
            values["since"] = wanted.since
        if wanted.until is not None:
            values["until"] = wanted.until
        if wanted.before is not None:
            values["before_time"], values["before_ident"] = wanted.before
        equals = tuple((name, value == "") for name, value in sorted(wanted.equals.items()))
        shape = (wanted.since is not None, wanted.until is not None, wanted.before is not None)
        of_people = bool(wanted.sys_user or wanted.crm_user)
        driver = await self._driver(equals, of_people, shape, values)
        if of_people:
            agents = await self._agents(wanted.sys_user, wanted.crm_user)
            rows = await self._of_agents(agents, equals, shape, values, driver)
        else:
            rows = await self._database.read(_list(equals, 0, *shape, driver), **values)
        return [as_recording(row) for row in rows]

    async def _driver(
        self,
        equals: tuple[tuple[str, bool], ...],
        of_people: bool,
        shape: tuple[bool, bool, bool],
        values: dict[str, Any],
    ) -> str:
        """The condition to find the rows by: the rarest of several, as far as that is quickly told; else nothing.

        SQLite would take any one of them, and read half of the table where another condition leaves one row.
        """
        names = tuple(name for name, blank in equals if name in INDEXED and not blank)
        if not names or len(names) + of_people < 2:
            return ""
        probed = {f"is_{name}": values[f"is_{name}"] for name in names}
        times = {name: values[name] for name in ("since", "until") if name in values}
        (counts,) = await self._database.read(_probe(names, *shape[:2]), **probed, **times)
        count, rarest = min(zip(counts, names, strict=True))
        return rarest if count < FEW or not of_people else AGENT

    async def _agents(self, sys_user: str, crm_user: str) -> list[int]:
        """The users of these names, deleted ones too: their recordings stay theirs."""
        names = {name: value for name, value in (("sys_user", sys_user), ("crm_user", crm_user)) if value}
        rows = await self._database.read(_people("sys_user" in names, "crm_user" in names), **names)
        return [ident for (ident,) in rows]

    async def _of_agents(
        self,
        agents: list[int],
        equals: tuple[tuple[str, bool], ...],
        shape: tuple[bool, bool, bool],
        values: dict[str, Any],
        driver: str,
    ) -> Sequence[Row]:
        found: list[Row] = []
        for start in range(0, len(agents), AGENTS_AT_ONCE):
            some = agents[start : start + AGENTS_AT_ONCE]
            places = _power_of_two(len(some))
            some += [NOBODY] * (places - len(some))
            bound = {f"agent{place}": agent for place, agent in enumerate(some)}
            found.extend(await self._database.read(_list(equals, places, *shape, driver), **values, **bound))
        if len(agents) > AGENTS_AT_ONCE:
            time, ident = LIST_COLUMNS.index(R.recording_time), LIST_COLUMNS.index(R.ident)
            found.sort(key=lambda row: (row[time], row[ident]), reverse=True)
        return found[: values["count"]]

    async def recording(self, record_id: int) -> RecordingRow | None:
        """See `earshot.ports.Store.recording`."""
        for row in await self._database.read(ONE, ident=record_id):
            return as_whole_recording(row)
        return None

    async def newest_recording(self, field: str, value: str) -> RecordingRow | None:
        """See `earshot.ports.Store.newest_recording`."""
        checked_lookup(field)
        if field in PEOPLE_LOOKUPS:
            found = await self.recordings(RecordingFilter(**{field: value}), 1) if value else []  # type: ignore[arg-type]
            return await self.recording(found[0].record_id) if found else None
        stored = as_stored(field, value)
        if stored is None:
            return None
        name = NUMBERED_LOOKUPS.get(field) or TEXT_LOOKUPS.get(field) or field
        return await self._newest({name: stored})

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
            return changed.rowcount > 0

    async def all_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """See `earshot.ports.Store.all_objects`."""
        after = 0
        while rows := await self._database.read(OBJECTS, after=after, count=OBJECTS_AT_ONCE):
            for ident, object_name, audio_sha256, audio_size in rows:
                after = ident
                yield object_name, audio_sha256, audio_size
