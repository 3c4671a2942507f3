"""Statements about schedules.

The one rule: a revision is given out inside the transaction that it marks.
"""

from collections.abc import Sequence
from dataclasses import replace

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.clock import Clock
from earshot.engine.schedule_documents import document_of, schedule_of
from earshot.engine.schedule_values import Schedule
from earshot.ports.schedules import KeptSchedule, NoSchedule
from earshot.store.database import Database, Query, Row
from earshot.store.schedule_tables import SCHEDULES

S = SCHEDULES.c
ALL = Query(sa.select(S.ident, S.document, S.changed_at, S.changed_by).order_by(S.ident))
ONE = sa.select(S.document).where(S.ident == bindparam("number"))
REVISION = Query(sa.select(sa.func.max(S.revision)))


def _schedule(number: int, text: str) -> Schedule:
    return schedule_of({**orjson.loads(text), "number": number})


def _kept(row: Row) -> KeptSchedule:
    number, text, changed_at, changed_by = row
    return KeptSchedule(schedule=_schedule(number, text), changed_at=changed_at, changed_by=changed_by)


class SqlSchedules:
    """The port `earshot.ports.schedules.Schedules` over a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def schedules(self) -> Sequence[KeptSchedule]:
        """See `Schedules.schedules`."""
        return [_kept(row) for row in await self._database.read(ALL)]

    async def revision(self) -> int:
        """See `Schedules.revision`."""
        rows = await self._database.read(REVISION)
        return int(rows[0][0] or 0)

    async def _values(self, connection: AsyncConnection, schedule: Schedule, by: str) -> dict[str, object]:
        newest = (await connection.execute(sa.select(sa.func.max(S.revision)))).scalar() or 0
        return {
            "document": orjson.dumps(document_of(schedule)).decode(),
            "revision": newest + 1,
            "changed_at": self._clock.now(),
            "changed_by": by,
        }

    async def add_schedule(self, schedule: Schedule, by: str) -> Schedule:
        """See `Schedules.add_schedule`."""
        async with self._database.write() as connection:
            values = await self._values(connection, schedule, by)
            done = await connection.execute(sa.insert(SCHEDULES).values(values))
            assert done.inserted_primary_key is not None
            number = int(done.inserted_primary_key[0])
        return replace(schedule, number=number)

    async def change_schedule(self, schedule: Schedule, by: str) -> Schedule:
        """See `Schedules.change_schedule`."""
        async with self._database.write() as connection:
            before = (await connection.execute(ONE, {"number": schedule.number})).scalar()
            if before is None:
                raise NoSchedule(f"There is no schedule {schedule.number}")
            values = await self._values(connection, schedule, by)
            await connection.execute(sa.update(SCHEDULES).where(S.ident == schedule.number).values(values))
        return _schedule(schedule.number, before)
