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
from earshot.ports import RecordingRow
from earshot.ports.retention import DECIDED, NOTED, Cause, Deletion, Doomed, Leftover, tombstone
from earshot.store.database import Database, Query, Row
from earshot.store.fields import COLUMN_OF, SCALARS, USER_NAMES
from earshot.store.retention_tables import COPIES, DELETIONS, HELD, LEFTOVERS, RETENTION
from earshot.store.screen_tables import SCREEN_SEGMENTS, SCREENS
from earshot.store.sql import holds
from earshot.store.sql.rows import LIST_COLUMNS, as_recording
from earshot.store.tables import CALLS, RECORDINGS, USERS, filled

R, D = RECORDINGS.c, DELETIONS.c
COLUMNS = (
    *(D.ident, D.key, D.core, D.recording_time, D.duration, D.audio_hash, D.audio_size),
    *(D.decided_at, D.decided_by, D.reason, D.rule, D.step, D.finished_at),
)
WITH_AGENT = RECORDINGS.outerjoin(USERS, USERS.c.ident == R.agent_id)
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


def _deletion(row: Row) -> Deletion:
    return Deletion(
        record_id=row[0],
        key=row[1],
        core=row[2],
        recording_time=row[3],
        duration_s=row[4],
        audio_sha256=row[5],
        audio_size=row[6],
        decided_at=row[7],
        by=row[8],
        reason=row[9],
        rule=row[10],
        step=row[11],
        finished_at=row[12],
    )


def _leftover(row: Row) -> Leftover:
    return Leftover(number=row[0], record_id=row[1], object_name=row[2])


def _columns(one: Deletion) -> dict[str, Any]:
    return {
        "ident": one.record_id,
        "key": one.key,
        "core": one.core,
        "recording_time": one.recording_time,
        "duration": one.duration_s,
        "audio_hash": one.audio_sha256,
        "audio_size": one.audio_size,
        "decided_at": one.decided_at,
        "decided_by": one.by,
        "reason": one.reason,
        "rule": one.rule,
        "step": one.step,
        "finished_at": one.finished_at,
    }


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
            chosen = sa.select(*LIST_COLUMNS).select_from(WITH_AGENT).where(R.ident.in_(record_ids)).order_by(R.ident)
            if due_by is not None:
                due = sa.select(RETENTION.c.recording).where(
                    RETENTION.c.recording.in_(record_ids), RETENTION.c.act_at <= due_by
                )
                chosen = chosen.where(R.ident.in_(due))
            rows = [as_recording(tuple(row)) for row in (await connection.execute(chosen)).all()]
            await holds.cover(connection, rows)
            held = await holds.standing_on(connection, [row.record_id for row in rows])
            gone = [row for row in rows if row.record_id not in held]
            if gone:
                await self._take(connection, gone, cause, now)
        return Doomed(deletions=tuple(tombstone(row, cause, now) for row in gone), held=held)

    async def _take(self, connection: AsyncConnection, gone: Sequence[RecordingRow], cause: Cause, now: float) -> None:
        """Tombstones in place of these rows, and all that is to be removed noted down."""
        numbers = [row.record_id for row in gone]
        await connection.execute(sa.insert(DELETIONS), [_columns(tombstone(row, cause, now)) for row in gone])
        copies = sa.select(COPIES.c.recording, COPIES.c.object_name).where(COPIES.c.recording.in_(numbers))
        objects = [(row.record_id, row.sealed.object_name) for row in gone]
        objects += [(one.recording, one.object_name) for one in (await connection.execute(copies)).all()]
        await connection.execute(sa.delete(COPIES).where(COPIES.c.recording.in_(numbers)))
        await connection.execute(sa.delete(RETENTION).where(RETENTION.c.recording.in_(numbers)))
        await connection.execute(sa.delete(HELD).where(HELD.c.recording.in_(numbers)))
        await connection.execute(sa.delete(RECORDINGS).where(R.ident.in_(numbers)))
        sessions = {row.sealed.variables.session_id: row.record_id for row in gone if row.sealed.variables.session_id}
        if sessions:
            objects += await self._take_screens(connection, sessions)
        await _lie(connection, objects)
        left = sa.exists(sa.select(R.ident).where(R.call_key == CALLS.c.key))
        keys = {row.sealed.call_key for row in gone}
        await connection.execute(sa.update(CALLS).where(CALLS.c.key.in_(keys), ~left).values(NOBODY))

    async def _take_screens(self, connection: AsyncConnection, sessions: Mapping[str, int]) -> list[tuple[int, str]]:
        """The screen sessions that no recording is left of go as well; gives their objects."""
        left = sa.exists(sa.select(R.ident).where(R.session_id == SCREENS.c.session_id, filled(R.session_id)))
        chosen = sa.select(SCREENS.c.ident, SCREENS.c.session_id).where(SCREENS.c.session_id.in_(sessions), ~left)
        of = {row.ident: sessions[row.session_id] for row in (await connection.execute(chosen)).all()}
        if not of:
            return []
        S = SCREEN_SEGMENTS.c
        segments = (await connection.execute(sa.select(S.screen, S.object_name).where(S.screen.in_(of)))).all()
        await connection.execute(sa.delete(SCREEN_SEGMENTS).where(S.screen.in_(of)))
        await connection.execute(sa.delete(SCREENS).where(SCREENS.c.ident.in_(of)))
        return [(of[screen], name) for screen, name in segments]

    async def unfinished(self, limit: int, after: int = 0) -> list[Deletion]:
        """See `RetentionStore.unfinished`."""
        return [_deletion(row) for row in await self._database.read(UNFINISHED, count=limit, after=after)]

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
        async with self._database.write() as connection:
            found = list((await connection.execute(sa.select(D.ident).where(D.ident.in_(objects)))).scalars())
            if found:
                await _lie(connection, [(number, objects[number]) for number in found])
                again = sa.update(DELETIONS).where(D.ident.in_(found), D.step != DECIDED)
                await connection.execute(again.values(step=NOTED, finished_at=0.0))
        return found

    async def deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """See `RetentionStore.deletions`."""
        rows = await self._database.read(LIST, count=limit, before=2**63 - 1 if before is None else before)
        return [_deletion(row) for row in rows]

    async def deletion(self, record_id: int) -> Deletion | None:
        """See `RetentionStore.deletion`."""
        for row in await self._database.read(ONE, ident=record_id):
            return _deletion(row)
        return None
