"""Statements of retention: archive actions, until when each recording stays, what is due, moves and copies.

`SqlRetention` is put together from here, `holds` and `removals`. The one rule: what a recording is kept by is stamped
once, by RECORDID; after that only KEEPDAYS or ARCHIVEACTION of a CALLUPDATE changes it, in the same transaction.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.ports import NotFound, NotUnique
from earshot.ports.retention import PURGE, ArchiveAction, Copy, Defaults, Due, Kept, due_after, first_kept
from earshot.store.database import Database, Query, Row
from earshot.store.retention_tables import ACTIONS, COPIES, LEFTOVERS, MARKS, RETENTION
from earshot.store.sql import holds
from earshot.store.sql.holds import Holds, held_now
from earshot.store.sql.removals import Removals
from earshot.store.tables import RECORDINGS

R, K, A = RECORDINGS.c, RETENTION.c, ACTIONS.c
STAMPED = "stamped"
"""The mark of the last RECORDID that was stamped."""

KEPT = (K.recording, K.action, K.due_at, K.rule, K.done, K.trouble, K.tries)
MEDIA = (R.call_key, R.object_name, R.audio_hash, R.audio_size)
ACTION_COLUMNS = (A.ident, A.name, A.kind, A.destination, A.next_action, A.days, A.active)
KEPT_MEDIA = RETENTION.join(RECORDINGS, R.ident == K.recording)

ONE = Query(sa.select(*KEPT).where(K.recording == bindparam("ident")))
DUE = Query(
    sa.select(*KEPT, *MEDIA)
    .select_from(KEPT_MEDIA)
    .where(K.act_at <= bindparam("now"), ~held_now())
    .order_by(K.act_at, K.recording)
    .limit(bindparam("count"))
)
OLDEST = Query(
    sa.select(R.ident)
    .where(~held_now(), R.object_name.not_like("~%"))
    .order_by(R.recording_time, R.ident)
    .limit(bindparam("count"))
)
COPIES_AT_ONCE = 1000
ALL_COPIES = Query(
    sa.select(COPIES.c.ident, R.ident, COPIES.c.object_name, COPIES.c.audio_hash, R.audio_hash, R.audio_size)
    .select_from(COPIES.join(RECORDINGS, R.ident == COPIES.c.recording))
    .where(COPIES.c.ident > bindparam("after"))
    .order_by(COPIES.c.ident)
    .limit(bindparam("count"))
)
MARK = Query(sa.select(MARKS.c.value).where(MARKS.c.name == bindparam("name")))


def _kept(row: Row) -> Kept:
    return Kept(
        record_id=row[0],
        action=row[1],
        due_at=row[2],
        rule=row[3],
        done=row[4],
        trouble=row[5],
        tries=row[6],
    )


def _due(row: Row) -> Due:
    return Due(kept=_kept(row[:7]), call_key=row[7], object_name=row[8], audio_sha256=row[9], audio_size=row[10])


def _action(row: Row) -> ArchiveAction:
    return ArchiveAction(
        number=row[0],
        name=row[1],
        kind=row[2],
        destination=row[3],
        next_action=row[4],
        days=row[5],
        active=bool(row[6]),
    )


def _stamped(row: Row, defaults: Defaults) -> dict[str, Any]:
    """The columns of what a recording is kept by at first."""
    kept = first_kept(row[0], row[1], defaults, keep_days=row[2], archive_action=row[3])
    return {
        "recording": kept.record_id,
        "action": kept.action,
        "due_at": kept.due_at,
        "act_at": kept.due_at,
        "rule": kept.rule,
        "done": 0,
        "trouble": "",
        "tries": 0,
    }


async def restamp(connection: AsyncConnection, record_id: int, columns: Mapping[str, Any]) -> None:
    """Bring the stamp of a recording up to new `keepdays` and `archive_action_id` among `columns`, as long as none of
    its actions was performed."""
    values: dict[str, Any] = {}
    if "keepdays" in columns and columns["keepdays"] >= 0:
        chosen = sa.select(R.recording_time).where(R.ident == record_id)
        for (recording_time,) in (await connection.execute(chosen)).all():
            due_at = due_after(recording_time, columns["keepdays"])
            values |= {"due_at": due_at, "act_at": due_at, "rule": "KEEPDAYS of an update"}
    if columns.get("archive_action_id", 0) > 0:
        values["action"] = columns["archive_action_id"]
    if values:
        await connection.execute(sa.update(RETENTION).where(K.recording == record_id, K.done == 0).values(values))


async def _is_same(connection: AsyncConnection, due: Due) -> bool:
    """Whether the recording is still what was due: its media neither gone nor moved nor changed."""
    same = sa.select(R.ident).where(
        R.ident == due.kept.record_id, R.object_name == due.object_name, R.audio_hash == due.audio_sha256
    )
    return (await connection.execute(same)).first() is not None


async def _counts(connection: AsyncConnection, due: Due, object_name: str) -> None:
    """What lies there of the recording is no leftover."""
    lying = LEFTOVERS.c.recording == due.kept.record_id, LEFTOVERS.c.object_name == object_name
    await connection.execute(sa.delete(LEFTOVERS).where(*lying))


async def _mark(connection: AsyncConnection, name: str, value: float) -> None:
    changed = await connection.execute(sa.update(MARKS).where(MARKS.c.name == name).values(value=value))
    if not changed.rowcount:
        await connection.execute(sa.insert(MARKS).values(name=name, value=value))


class SqlRetention(Holds, Removals):
    """The port `earshot.ports.retention.RetentionStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def actions(self) -> list[ArchiveAction]:
        """See `RetentionStore.actions`."""
        return [_action(row) for row in await self._database.read(Query(sa.select(*ACTION_COLUMNS).order_by(A.ident)))]

    async def add_action(self, action: ArchiveAction) -> int:
        """See `RetentionStore.add_action`."""
        key = action.name.strip().casefold()
        columns = {
            "name": action.name.strip(),
            "name_key": key,
            "kind": action.kind,
            "destination": action.destination,
            "next_action": action.next_action,
            "days": action.days,
            "active": action.active,
        }
        async with self._database.write() as connection:
            if (await connection.execute(sa.select(A.ident).where(A.name_key == key))).first():
                raise NotUnique("name", action.name)
            follows = sa.select(A.ident).where(A.ident == action.next_action)
            if action.next_action and not (await connection.execute(follows)).first():
                raise NotFound(f"there is no archive action {action.next_action}")
            return int((await connection.execute(sa.insert(ACTIONS).values(columns).returning(A.ident))).scalar_one())

    async def set_action_active(self, number: int, active: bool) -> bool:
        """See `RetentionStore.set_action_active`."""
        if number == PURGE:
            raise ValueError("Purge is always active")
        async with self._database.write() as connection:
            if not (await connection.execute(sa.select(A.ident).where(A.ident == number))).first():
                raise NotFound(f"there is no archive action {number}")
            other = A.active != (sa.true() if active else sa.false())
            changed = await connection.execute(sa.update(ACTIONS).where(A.ident == number, other).values(active=active))
            return changed.rowcount > 0

    async def stamp(self, defaults: Defaults, limit: int) -> int:
        """See `RetentionStore.stamp`."""
        async with self._database.write() as connection:
            chosen = sa.select(MARKS.c.value).where(MARKS.c.name == STAMPED)
            last = int((await connection.execute(chosen)).scalar() or 0)
            said = sa.select(R.ident, R.recording_time, R.keepdays, R.archive_action_id)
            rows = (await connection.execute(said.where(R.ident > last).order_by(R.ident).limit(limit))).all()
            if rows:
                await connection.execute(sa.insert(RETENTION), [_stamped(tuple(row), defaults) for row in rows])
                await holds.cover(connection, [row.ident for row in rows])
                await _mark(connection, STAMPED, rows[-1].ident)
        return len(rows)

    async def kept(self, record_id: int) -> Kept | None:
        """See `RetentionStore.kept`."""
        for row in await self._database.read(ONE, ident=record_id):
            return _kept(row)
        return None

    async def due(self, now: float, limit: int) -> list[Due]:
        """See `RetentionStore.due`."""
        return [_due(row) for row in await self._database.read(DUE, now=now, count=limit)]

    async def oldest(self, limit: int) -> list[int]:
        """See `RetentionStore.oldest`."""
        return [row[0] for row in await self._database.read(OLDEST, count=limit)]

    async def postpone(self, record_id: int, until: float, trouble: str) -> None:
        """See `RetentionStore.postpone`."""
        values = {"act_at": until, "trouble": trouble, "tries": K.tries + 1}
        async with self._database.write() as connection:
            await connection.execute(sa.update(RETENTION).where(K.recording == record_id).values(values))

    async def begun(self, due: Due, object_name: str) -> bool:
        """See `RetentionStore.begun`."""
        async with self._database.write() as connection:
            if not await _is_same(connection, due):
                return False
            await _counts(connection, due, object_name)
            lying = {"recording": due.kept.record_id, "object_name": object_name}
            await connection.execute(sa.insert(LEFTOVERS).values(lying))
        return True

    async def _performed(self, connection: AsyncConnection, due: Due, object_name: str, then: Kept) -> bool:
        if not await _is_same(connection, due):
            return False
        await _counts(connection, due, object_name)
        values = {
            "action": then.action,
            "due_at": then.due_at,
            "act_at": then.due_at,
            "done": then.done,
            "trouble": "",
            "tries": 0,
        }
        await connection.execute(sa.update(RETENTION).where(K.recording == due.kept.record_id).values(values))
        return True

    async def moved(self, due: Due, object_name: str, then: Kept) -> bool:
        """See `RetentionStore.moved`."""
        number = due.kept.record_id
        async with self._database.write() as connection:
            if not await self._performed(connection, due, object_name, then):
                return False
            await connection.execute(sa.update(RECORDINGS).where(R.ident == number).values(object_name=object_name))
            if object_name != due.object_name:
                await connection.execute(sa.insert(LEFTOVERS).values(recording=number, object_name=due.object_name))
        return True

    async def copied(self, due: Due, object_name: str, then: Kept) -> bool:
        """See `RetentionStore.copied`."""
        columns = {"recording": due.kept.record_id, "object_name": object_name, "audio_hash": due.audio_sha256}
        async with self._database.write() as connection:
            if not await self._performed(connection, due, object_name, then):
                return False
            await connection.execute(sa.insert(COPIES).values(columns))
        return True

    async def copy_renewed(self, copy: Copy, audio_sha256: str) -> None:
        """See `RetentionStore.copy_renewed`."""
        this = sa.and_(COPIES.c.recording == copy.record_id, COPIES.c.object_name == copy.object_name)
        async with self._database.write() as connection:
            await connection.execute(sa.update(COPIES).where(this).values(audio_hash=audio_sha256))

    async def copies(self, record_id: int) -> list[Copy]:
        """See `RetentionStore.copies`."""
        C = COPIES.c
        chosen = sa.select(C.recording, C.object_name, C.audio_hash).where(C.recording == record_id).order_by(C.ident)
        rows = await self._database.read(Query(chosen))
        return [Copy(record_id=row[0], object_name=row[1], audio_sha256=row[2]) for row in rows]

    async def all_copies(self) -> AsyncIterator[tuple[Copy, str, int]]:
        """See `RetentionStore.all_copies`."""
        after = 0
        while rows := await self._database.read(ALL_COPIES, after=after, count=COPIES_AT_ONCE):
            for ident, record_id, object_name, made_of, audio_sha256, audio_size in rows:
                after = ident
                yield Copy(record_id=record_id, object_name=object_name, audio_sha256=made_of), audio_sha256, audio_size

    async def mark(self, name: str) -> float | None:
        """See `RetentionStore.mark`."""
        for (value,) in await self._database.read(MARK, name=name):
            return float(value)
        return None

    async def set_mark(self, name: str, value: float) -> None:
        """See `RetentionStore.set_mark`."""
        async with self._database.write() as connection:
            await _mark(connection, name, value)
