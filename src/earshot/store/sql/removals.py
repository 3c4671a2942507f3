"""Statements of deletions: the decision, the tombstone, and what is still to be removed.

The one rule: the decision looks for holds inside its own transaction, and takes the row, its peaks, what its call says
of people and the screen sessions that belong to nothing else with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.engine.variables import CallVariables
from earshot.ports.retention import DECIDED, NOTED, Cause, Deletion, Doomed, Leftover
from earshot.store.database import Database, Query, Row
from earshot.store.fields import COLUMN_OF, SCALARS, USER_NAMES
from earshot.store.retention_tables import COPIES, DELETIONS, HELD, LEFTOVERS, RETENTION
from earshot.store.sql import holds
from earshot.store.sql.screen_retention import take_screens_of
from earshot.store.sql.tombstones import as_deletion
from earshot.store.tables import CALLS, RECORDINGS

R, D = RECORDINGS.c, DELETIONS.c
COLUMNS = (
    *(D.ident, D.key, D.core, D.recording_time, D.duration, D.audio_hash, D.audio_size),
    *(D.decided_at, D.decided_by, D.reason, D.rule, D.step, D.finished_at),
)
LEFT = (R.ident, R.key, R.core, R.recording_time, R.duration, R.audio_hash, R.audio_size)
"""What is left of a recording: the columns of its row that are the first of its tombstone."""
DOOMED = (*LEFT, R.session_id, R.call_key)
NOBODY: dict[str, Any] = {
    **{COLUMN_OF[name]: getattr(CallVariables(), name) for name in SCALARS},
    **dict.fromkeys(USER_NAMES, ""),
    "agent_id": None,
    "participants": "[]",
    "metadata": "[]",
}
"""What is left in the row of a call whose recordings are all deleted, beside its times and its verdict."""

UNFINISHED = Query(
    sa.select(*COLUMNS)
    .where(D.finished_at == 0.0, D.ident > bindparam("after"))
    .order_by(D.ident)
    .limit(bindparam("count"))
)
LIST = Query(
    sa.select(*COLUMNS).where(D.ident < bindparam("before")).order_by(D.ident.desc()).limit(bindparam("count"))
)
BETWEEN = Query(sa.select(D.ident).where(D.ident.between(bindparam("first"), bindparam("last"))).order_by(D.ident))
ONE = Query(sa.select(*COLUMNS).where(D.ident == bindparam("ident")))
LYING_COLUMNS = (LEFTOVERS.c.ident, LEFTOVERS.c.recording, LEFTOVERS.c.object_name)
LYING = Query(
    sa.select(*LYING_COLUMNS)
    .where(
        LEFTOVERS.c.ident > bindparam("after"), ~sa.exists(sa.select(D.ident).where(D.ident == LEFTOVERS.c.recording))
    )
    .order_by(LEFTOVERS.c.ident)
    .limit(bindparam("count"))
)


def _leftover(row: Row) -> Leftover:
    return Leftover(number=row[0], record_id=row[1], object_name=row[2])


def _said(cause: Cause, now: float) -> Row:
    """What a tombstone says of the decision: the last of its columns."""
    return (now, cause.by, cause.reason, cause.rule, DECIDED, 0.0)


async def _lie(connection: AsyncConnection, objects: Iterable[tuple[int, str]]) -> None:
    rows = [{"recording": recording, "object_name": name} for recording, name in objects]
    if rows:
        await connection.execute(sa.insert(LEFTOVERS), rows)


class Removals:
    """The part of the port that speaks of deletions."""

    _database: Database

    async def doom(self, record_ids: Sequence[int], cause: Cause, now: float, *, due_by: float | None = None) -> Doomed:
        """See `RetentionStore.doom`."""
        async with self._database.write() as connection:
            chosen = sa.select(*DOOMED).where(R.ident.in_(record_ids)).order_by(R.ident)
            if due_by is not None:
                due = sa.select(RETENTION.c.recording).where(
                    RETENTION.c.recording.in_(record_ids), RETENTION.c.act_at <= due_by
                )
                chosen = chosen.where(R.ident.in_(due))
            rows = (await connection.execute(chosen)).all()
            found = [row.ident for row in rows]
            await holds.cover(connection, found)
            held = await holds.standing_on(connection, found)
            gone = [row for row in rows if row.ident not in held]
            if gone:
                await self._take(connection, gone, cause, now)
        said = _said(cause, now)
        return Doomed(deletions=tuple(as_deletion((*row[: len(LEFT)], *said)) for row in gone), held=held)

    async def _take(self, connection: AsyncConnection, gone: Sequence[Any], cause: Cause, now: float) -> None:
        """Tombstones in place of these rows, and all that is to be removed noted down."""
        said = _said(cause, now)
        numbers = [row.ident for row in gone]
        decided = [sa.literal(value, column.type) for column, value in zip(COLUMNS[len(LEFT) :], said, strict=True)]
        dying = sa.select(*LEFT, *decided).where(R.ident.in_(numbers))
        await connection.execute(sa.insert(DELETIONS).from_select([column.name for column in COLUMNS], dying))
        copied = COPIES.c.recording.in_(numbers)
        for objects in (
            sa.select(R.ident, R.object_name).where(R.ident.in_(numbers)).order_by(R.ident),
            sa.select(COPIES.c.recording, COPIES.c.object_name).where(copied).order_by(COPIES.c.ident),
        ):
            await connection.execute(sa.insert(LEFTOVERS).from_select(["recording", "object_name"], objects))
        await connection.execute(sa.delete(COPIES).where(copied))
        await connection.execute(sa.delete(RETENTION).where(RETENTION.c.recording.in_(numbers)))
        await connection.execute(sa.delete(HELD).where(HELD.c.recording.in_(numbers)))
        await connection.execute(sa.delete(RECORDINGS).where(R.ident.in_(numbers)))
        sessions = {row.session_id for row in gone if row.session_id}
        if sessions:
            await take_screens_of(connection, sessions, cause, now)
        left = sa.exists(sa.select(R.ident).where(R.call_key == CALLS.c.key))
        keys = {row.call_key for row in gone}
        await connection.execute(sa.update(CALLS).where(CALLS.c.key.in_(keys), ~left).values(NOBODY))

    async def unfinished(self, limit: int, after: int = 0) -> list[Deletion]:
        """See `RetentionStore.unfinished`."""
        return [as_deletion(row) for row in await self._database.read(UNFINISHED, count=limit, after=after)]

    async def leftovers(self, limit: int, after: int = 0) -> list[Leftover]:
        """See `RetentionStore.leftovers`."""
        rows = await self._database.read(LYING, count=limit, after=after)
        return [_leftover(row) for row in rows]

    async def leftovers_of(self, record_ids: Sequence[int]) -> list[Leftover]:
        """See `RetentionStore.leftovers_of`."""
        chosen = sa.select(*LYING_COLUMNS).where(LEFTOVERS.c.recording.in_(record_ids)).order_by(LEFTOVERS.c.ident)
        async with self._database.write() as connection:
            return [_leftover(tuple(row)) for row in (await connection.execute(chosen)).all()]

    async def removed(self, leftovers: Sequence[Leftover]) -> None:
        """See `RetentionStore.removed`."""
        if leftovers:
            numbers = [one.number for one in leftovers]
            async with self._database.write() as connection:
                await connection.execute(sa.delete(LEFTOVERS).where(LEFTOVERS.c.ident.in_(numbers)))

    async def stepped(self, record_ids: Sequence[int], step: str, finished_at: float = 0.0) -> None:
        """See `RetentionStore.stepped`."""
        if record_ids:
            async with self._database.write() as connection:
                await connection.execute(
                    sa.update(DELETIONS).where(D.ident.in_(record_ids)).values(step=step, finished_at=finished_at)
                )

    async def reappeared(self, objects: Mapping[int, str]) -> list[int]:
        """See `RetentionStore.reappeared`."""
        between = await self._database.read(BETWEEN, first=min(objects), last=max(objects)) if objects else []
        found = [number for (number,) in between if number in objects]
        if found:
            async with self._database.write() as connection:
                await _lie(connection, [(number, objects[number]) for number in found])
                again = sa.update(DELETIONS).where(D.ident.in_(found), D.step != DECIDED)
                await connection.execute(again.values(step=NOTED, finished_at=0.0))
        return found

    async def deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """See `RetentionStore.deletions`."""
        rows = await self._database.read(LIST, count=limit, before=2**63 - 1 if before is None else before)
        return [as_deletion(row) for row in rows]

    async def deletion(self, record_id: int) -> Deletion | None:
        """See `RetentionStore.deletion`."""
        for row in await self._database.read(ONE, ident=record_id):
            return as_deletion(row)
        return None
