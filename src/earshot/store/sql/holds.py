"""Statements of legal holds: placing, lifting, and which of them stand on a recording.

A hold's criteria are looked at when it is placed, when a recording is stamped and when a removal is decided; what they
covered once stays covered, whatever its call variables become. The one rule: a hold is never changed, only lifted.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.ports.retention import Criteria, Hold
from earshot.store.database import Database, Query
from earshot.store.fields import COLUMN_OF
from earshot.store.retention_tables import DELETIONS, HELD, HOLDS
from earshot.store.sql.rows import document
from earshot.store.tables import RECORDINGS

R, H = RECORDINGS.c, HOLDS.c
AT_ONCE = 500
COUNT = sa.select(sa.func.count()).where(HELD.c.hold == H.ident).scalar_subquery()
COLUMNS = (
    *(H.ident, H.name, H.matter, H.criteria, H.placed_by, H.placed_at, H.lifted_by, H.lifted_at, H.lift_reason),
    COUNT,
)
STANDING = H.lifted_at == 0.0


def written(criteria: Criteria) -> str:
    """Criteria as the JSON of their column."""
    return document(
        {
            "equals": dict(criteria.equals),
            "agent_id": criteria.agent_id,
            "since": criteria.since,
            "until": criteria.until,
        }
    )


def _hold(row: Sequence[Any]) -> Hold:
    ident, name, matter, criteria, placed_by, placed_at, lifted_by, lifted_at, lift_reason, count = row
    return Hold(
        number=ident,
        name=name,
        matter=matter,
        criteria=Criteria(**orjson.loads(criteria)),
        placed_by=placed_by,
        placed_at=placed_at,
        lifted_by=lifted_by,
        lifted_at=lifted_at,
        lift_reason=lift_reason,
        recordings=count,
    )


def _where(criteria: Criteria) -> list[sa.ColumnElement[bool]]:
    conditions = [R[COLUMN_OF[name]] == value for name, value in criteria.equals.items()]
    if criteria.agent_id:
        conditions.append(R.agent_id == criteria.agent_id)
    if criteria.since is not None:
        conditions.append(R.recording_time >= criteria.since)
    if criteria.until is not None:
        conditions.append(R.recording_time <= criteria.until)
    return conditions


def held_now() -> sa.ColumnElement[bool]:
    """The condition, beside `recordings` in a statement, that a standing hold is known to cover the recording."""
    return sa.exists(sa.select(HELD.c.hold).join(HOLDS).where(HELD.c.recording == R.ident, STANDING))


async def standing(connection: AsyncConnection) -> Mapping[int, Criteria]:
    """The criteria of all holds that stand, by their numbers."""
    rows = await connection.execute(sa.select(H.ident, H.criteria).where(STANDING).order_by(H.ident))
    return {hold: Criteria(**orjson.loads(text)) for hold, text in rows.all()}


async def cover(connection: AsyncConnection, record_ids: Collection[int]) -> None:
    """Put those of these recordings under the standing holds whose criteria cover them."""
    for hold, criteria in (await standing(connection)).items():
        if not criteria.is_empty:
            await _add(connection, hold, [*_where(criteria), R.ident.in_(record_ids)])


async def _add(connection: AsyncConnection, hold: int, chosen: Sequence[sa.ColumnElement[bool]]) -> None:
    """Put the recordings that are `chosen` under a hold, those that are not yet."""
    known = sa.exists(sa.select(HELD.c.hold).where(HELD.c.hold == hold, HELD.c.recording == R.ident))
    covered = sa.select(sa.literal(hold), R.ident).where(*chosen, ~known)
    await connection.execute(sa.insert(HELD).from_select(["hold", "recording"], covered))


async def standing_on(connection: AsyncConnection, record_ids: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
    """The numbers of the standing holds on each of these recordings that is held."""
    found: dict[int, tuple[int, ...]] = {}
    chosen = sa.select(HELD.c.recording, HELD.c.hold).join(HOLDS).where(STANDING, HELD.c.recording.in_(record_ids))
    for recording, hold in (await connection.execute(chosen.order_by(HELD.c.hold))).all():
        found[recording] = (*found.get(recording, ()), hold)
    return found


class Holds:
    """The part of the port that speaks of holds."""

    _database: Database

    async def place(self, hold: Hold, recordings: Sequence[int]) -> tuple[Hold, list[int]]:
        """See `RetentionStore.place`."""
        columns = {
            "name": hold.name,
            "matter": hold.matter,
            "criteria": written(hold.criteria),
            "placed_by": hold.placed_by,
            "placed_at": hold.placed_at,
            "lifted_by": "",
            "lifted_at": 0.0,
            "lift_reason": "",
        }
        async with self._database.write() as connection:
            number = int((await connection.execute(sa.insert(HOLDS).values(columns).returning(H.ident))).scalar_one())
            there: list[int] = []
            for start in range(0, len(recordings), AT_ONCE):
                some = R.ident.in_(recordings[start : start + AT_ONCE])
                there += (await connection.execute(sa.select(R.ident).where(some))).scalars()
                await _add(connection, number, [some])
            if not hold.criteria.is_empty:
                await _add(connection, number, _where(hold.criteria))
            row = (await connection.execute(sa.select(*COLUMNS).where(H.ident == number))).one()
        known = set(there)
        return _hold(row), [one for one in recordings if one not in known]

    async def lift(self, number: int, by: str, reason: str, at: float) -> bool:
        """See `RetentionStore.lift`."""
        values = {"lifted_by": by, "lift_reason": reason, "lifted_at": at}
        async with self._database.write() as connection:
            changed = await connection.execute(sa.update(HOLDS).where(H.ident == number, STANDING).values(values))
            return changed.rowcount > 0

    async def holds(self, *, standing: bool = False) -> list[Hold]:
        """See `RetentionStore.holds`."""
        chosen = sa.select(*COLUMNS).order_by(H.ident.desc())
        rows = await self._database.read(Query(chosen.where(STANDING) if standing else chosen))
        return [_hold(row) for row in rows]

    async def holds_of(self, record_id: int) -> list[Hold]:
        """See `RetentionStore.holds_of`."""
        on_it = sa.exists(sa.select(HELD.c.hold).where(HELD.c.hold == H.ident, HELD.c.recording == record_id))
        rows = await self._database.read(Query(sa.select(*COLUMNS).where(STANDING, on_it).order_by(H.ident)))
        return [_hold(row) for row in rows]

    async def gaps(self) -> list[tuple[int, int]]:
        """See `RetentionStore.gaps`."""
        known = sa.union_all(sa.select(R.ident.label("ident")), sa.select(DELETIONS.c.ident)).subquery()
        one = known.c.ident
        before = sa.func.lag(one, 1, 0).over(order_by=one).label("before")
        spans = sa.select(one.label("ident"), before).subquery()
        rows = await self._database.read(
            Query(sa.select(spans.c.before, spans.c.ident).where(spans.c.ident > spans.c.before + 1))
        )
        return [(before + 1, ident - 1) for before, ident in rows]
