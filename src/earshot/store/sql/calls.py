"""Statements about finished calls: saving them with their recordings, lists, counts.

The one rule: saving is idempotent by key; what is stored already is left as it is.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.actor import Visibility
from earshot.ports import FinishedCall
from earshot.store.database import Database, Insert, Query
from earshot.store.retention_tables import DELETIONS
from earshot.store.sql import sight
from earshot.store.sql.recordings import WITH_AGENT
from earshot.store.sql.rows import (
    CALL_COLUMNS,
    WHOLE_COLUMNS,
    as_call,
    as_whole_recording,
    call_row,
    recording_row,
)
from earshot.store.sql.sight import unindexed
from earshot.store.tables import CALLS, PARTIAL, RECORDINGS, filled

KEYS_AT_ONCE = 256
"""How many keys one statement asks for."""

NEWEST = (CALLS.c.started_at.desc(), CALLS.c.ident.desc())
IDENT = CALL_COLUMNS.index(CALLS.c.ident)
NEW_CALLS, NEW_RECORDINGS = Insert(CALLS), Insert(RECORDINGS)
COUNTS = Query(sa.select(CALLS.c.verdict, CALLS.c.reason, sa.func.count()).group_by(CALLS.c.verdict, CALLS.c.reason))
WHOLE_CALL = (*CALL_COLUMNS, CALLS.c.metadata, CALLS.c.decision)
ONE_CALL = Query(sa.select(*WHOLE_CALL).where(CALLS.c.ident == bindparam("ident")))
CALL_NUMBER = Query(sa.select(CALLS.c.ident).where(CALLS.c.key == bindparam("key")))
RECORDINGS_OF_CALL = Query(
    sa.select(*WHOLE_COLUMNS)
    .select_from(WITH_AGENT)
    .where(RECORDINGS.c.call_key == bindparam("call_key"))
    .order_by(RECORDINGS.c.part, RECORDINGS.c.ident)
)


def _conditions(verdict: bool, before: bool, *, by_index: bool = True) -> list[sa.ColumnElement[bool]]:
    """What limits a list beside what may be seen; `by_index`: an index on the verdict may answer."""
    conditions: list[sa.ColumnElement[bool]] = []
    if verdict:
        column = CALLS.c.verdict if by_index else unindexed(CALLS.c.verdict)
        conditions.append(column == bindparam("verdict"))
    if before:
        last = sa.tuple_(bindparam("before_time"), bindparam("before_ident"))
        conditions.append(sa.tuple_(CALLS.c.started_at, CALLS.c.ident) < last)
    return conditions


@lru_cache(maxsize=4)
def _calls(verdict: bool, before: bool) -> Query:
    rows = sa.select(*CALL_COLUMNS).where(*_conditions(verdict, before))
    return Query(rows.order_by(*NEWEST).limit(bindparam("count")))


@lru_cache(maxsize=256)
def _seen_calls(by: str, places: int, verdict: bool, before: bool) -> Query:
    """The newest calls with one of so many values in the column `by`: each value's are found by its index."""
    column, conditions = CALLS.c[by], _conditions(verdict, before, by_index=False)
    if by in PARTIAL:
        conditions.append(filled(column))
    values: list[sa.BindParameter[Any]] = [bindparam(f"place{place}") for place in range(places)]
    found = sight.newest_of_each(CALLS, column, values, conditions, NEWEST)
    rows = sa.select(*CALL_COLUMNS).where(found)
    return Query(rows.order_by(*NEWEST).limit(bindparam("count")))


@lru_cache(maxsize=16)
def _known(places: int) -> Query:
    """The row numbers of recordings by so many keys, of those that are deleted, too."""
    keys: list[sa.BindParameter[str]] = [bindparam(f"place{place}") for place in range(places)]
    each = [sa.select(table.c.key, table.c.ident).where(table.c.key.in_(keys)) for table in (RECORDINGS, DELETIONS)]
    return Query(sa.union_all(*each))


class Calls:
    """The part of the port that speaks of finished calls."""

    _database: Database

    async def save_calls(self, calls: Sequence[FinishedCall]) -> list[tuple[int, ...]]:
        """See `earshot.ports.Store.save_calls`."""
        if not calls:
            return []
        sealed_here = {sealed.key: (sealed, call) for call in reversed(calls) for sealed in reversed(call.recordings)}
        async with self._database.write() as connection:
            await NEW_CALLS.run(connection, [call_row(call) for call in calls])
            numbers = await self._numbers(list(sealed_here))
            new = [
                recording_row(sealed, call.warnings)
                for key, (sealed, call) in reversed(sealed_here.items())
                if key not in numbers
            ]
            if new:
                await NEW_RECORDINGS.run(connection, new)
                numbers = await self._numbers(list(sealed_here))
        return [tuple(numbers[sealed.key] for sealed in call.recordings) for call in calls]

    async def _numbers(self, keys: Sequence[str]) -> dict[str, int]:
        """The row number of each of `keys` that is stored, or was and is deleted."""
        found: dict[str, int] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            bound = sight.placed(keys[start : start + KEYS_AT_ONCE])
            found.update((key, ident) for key, ident in await self._database.read(_known(len(bound)), **bound))
        return found

    async def calls(
        self,
        verdict: str | None,
        limit: int,
        before: tuple[float, int] | None = None,
        seen_by: Visibility | None = None,
    ) -> list[tuple[int, FinishedCall]]:
        """See `earshot.ports.Store.calls`."""
        if limit <= 0:
            return []
        values: dict[str, Any] = {"count": limit}
        if verdict is not None:
            values["verdict"] = verdict
        if before is not None:
            values["before_time"], values["before_ident"] = before
        if seen_by is None or seen_by.everything:
            rows = await self._database.read(_calls(verdict is not None, before is not None), **values)
            return [as_call(row) for row in rows]
        found: dict[int, tuple[int, FinishedCall]] = {}
        for by, some in sight.seeks(sight.columns_of(seen_by)):
            bound = sight.placed(some)
            query = _seen_calls(by, len(bound), verdict is not None, before is not None)
            found |= {row[IDENT]: as_call(row) for row in await self._database.read(query, **values, **bound)}
        return sorted(found.values(), key=lambda one: (one[1].started_at, one[0]), reverse=True)[:limit]

    async def call(self, number: int) -> FinishedCall | None:
        """See `earshot.ports.Store.call`."""
        for row in await self._database.read(ONE_CALL, ident=number):
            _, listed = as_call(row)
            sealed = await self._database.read(RECORDINGS_OF_CALL, call_key=listed.key)
            recordings = tuple(as_whole_recording(one).sealed for one in sealed)
            decision = orjson.loads(row[-1] or "{}")
            return as_call(row, metadata=tuple(orjson.loads(row[-2])), recordings=recordings, decision=decision)[1]
        return None

    async def call_number(self, key: str) -> int | None:
        """See `earshot.ports.Store.call_number`."""
        rows = await self._database.read(CALL_NUMBER, key=key)
        return int(rows[0][0]) if rows else None

    async def verdict_counts(self) -> dict[tuple[str, str], int]:
        """See `earshot.ports.Store.verdict_counts`."""
        return {(verdict, reason): count for verdict, reason, count in await self._database.read(COUNTS)}
