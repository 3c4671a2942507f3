"""Statements of screen sessions whose days are over: the decision, the tombstone, and what is still to be removed.

A session goes by its own days, or with the last recording of its SESSIONID. The one rule: the decision looks for holds
inside its own transaction, those of the session's recordings and those whose criteria the session itself meets.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.engine.variables import CallVariables
from earshot.ports.retention import DAY_S, DECIDED, LONGEST_DAYS, Cause, Criteria, Defaults, Deletion, Leftover
from earshot.ports.screen_retention import OWN_DAYS, SETTING
from earshot.store.database import Database, Query
from earshot.store.fields import COLUMN_OF
from earshot.store.screen_retention_tables import SCREEN_DELETIONS, SCREEN_LEFTOVERS
from earshot.store.screen_tables import SCREEN_SEGMENTS, SCREENS
from earshot.store.sql import holds
from earshot.store.sql.tombstones import as_deletion
from earshot.store.tables import RECORDINGS, filled

S, G, R, D, L = SCREENS.c, SCREEN_SEGMENTS.c, RECORDINGS.c, SCREEN_DELETIONS.c, SCREEN_LEFTOVERS.c
NAMES = [column.name for column in SCREEN_DELETIONS.columns]
AT_ONCE = 200
RECORDED = sa.exists(sa.select(R.ident).where(R.session_id == S.session_id, filled(R.session_id)))
"""The condition that a recording of the session is there."""

UNFINISHED = Query(
    sa.select(SCREEN_DELETIONS)
    .where(D.finished_at == 0.0, D.ident > bindparam("after"))
    .order_by(D.ident)
    .limit(bindparam("count"))
)
LIST = Query(
    sa.select(SCREEN_DELETIONS).where(D.ident < bindparam("before")).order_by(D.ident.desc()).limit(bindparam("count"))
)


def _met(criteria: Criteria) -> sa.ColumnElement[bool]:
    """The condition that a session meets the criteria of a hold. What a session cannot have is blank in it."""
    plain = CallVariables()
    conditions: list[sa.ColumnElement[bool]] = []
    for name, value in criteria.equals.items():
        column = S.get(COLUMN_OF.get(name, name))
        conditions.append(sa.literal(getattr(plain, name, "") == value) if column is None else column == value)
    if criteria.agent_id:
        conditions.append(S.agent_id == criteria.agent_id)
    if criteria.since is not None:
        conditions.append(S.started_at >= criteria.since)
    if criteria.until is not None:
        conditions.append(S.started_at <= criteria.until)
    return sa.and_(*conditions)


async def not_held(connection: AsyncConnection) -> list[sa.ColumnElement[bool]]:
    """The conditions that no standing hold covers the session or one of its recordings."""
    criteria = [one for one in (await holds.standing(connection)).values() if not one.is_empty]
    of_session = (R.session_id == S.session_id, filled(R.session_id))
    recording = sa.exists(sa.select(R.ident).where(*of_session, holds.held_now()))
    return [~recording, *(~_met(one) for one in criteria)]


async def standing_on_screens(connection: AsyncConnection, numbers: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
    """The numbers of the standing holds on each of these sessions that is held, or a recording of which is."""
    found: dict[int, set[int]] = {}
    for hold, criteria in (await holds.standing(connection)).items() if numbers else ():
        if not criteria.is_empty:
            met = await connection.execute(sa.select(S.ident).where(S.ident.in_(numbers), _met(criteria)))
            for number in met.scalars():
                found.setdefault(number, set()).add(hold)
    of_session = sa.and_(R.session_id == S.session_id, filled(R.session_id))
    pairs = sa.select(S.ident, R.ident).select_from(SCREENS.join(RECORDINGS, of_session)).where(S.ident.in_(numbers))
    recorded = [(number, record_id) for number, record_id in await connection.execute(pairs)]
    await holds.cover(connection, {record_id for _, record_id in recorded})
    held = await holds.standing_on(connection, [record_id for _, record_id in recorded])
    for number, record_id in recorded:
        if record_id in held:
            found.setdefault(number, set()).update(held[record_id])
    return {number: tuple(sorted(standing)) for number, standing in found.items()}


async def take_screens(connection: AsyncConnection, numbers: Sequence[int], cause: Cause, now: float) -> list[Deletion]:
    """Tombstones in place of these sessions, and their objects noted down as what is to be removed."""
    chosen = sa.select(S.ident, S.key, S.core, S.started_at, S.stopped_at).where(S.ident.in_(numbers)).order_by(S.ident)
    segments = sa.select(G.screen, G.sha256, G.size).where(G.screen.in_(numbers)).order_by(G.screen, G.number)
    hashes: dict[int, list[str]] = {}
    sizes: dict[int, int] = {}
    for screen, sha256, size in (await connection.execute(segments)).all():
        hashes.setdefault(screen, []).append(sha256)
        sizes[screen] = sizes.get(screen, 0) + size
    said = (now, cause.by, cause.reason, cause.rule, DECIDED, 0.0)
    rows = []
    for ident, key, core, began, ended in (await connection.execute(chosen)).all():
        media = (" ".join(hashes.get(ident, ())), sizes.get(ident, 0))
        rows.append((ident, key, core, began, max(ended - began, 0.0), *media, *said))
    if not rows:
        return []
    await connection.execute(sa.insert(SCREEN_DELETIONS), [dict(zip(NAMES, row, strict=True)) for row in rows])
    objects = sa.select(G.screen, G.object_name).where(G.screen.in_(numbers)).order_by(G.ident)
    await connection.execute(sa.insert(SCREEN_LEFTOVERS).from_select(["screen", "object_name"], objects))
    await connection.execute(sa.delete(SCREEN_SEGMENTS).where(G.screen.in_(numbers)))
    await connection.execute(sa.delete(SCREENS).where(S.ident.in_(numbers)))
    return [as_deletion(row) for row in rows]


async def take_screens_of(connection: AsyncConnection, sessions: Collection[str], cause: Cause, now: float) -> None:
    """The same for those of these SESSIONIDs that no recording is left of, and no hold covers."""
    chosen = sa.select(S.ident).where(S.session_id.in_(sessions), ~RECORDED, *await not_held(connection))
    numbers = [int(one) for one in (await connection.execute(chosen)).scalars()]
    if numbers:
        await take_screens(connection, numbers, cause, now)


def _over(days: Any, now: float) -> sa.ColumnElement[bool]:
    """The condition that so many days are over since the session began."""
    return sa.and_(days <= LONGEST_DAYS, S.started_at + days * DAY_S <= now)


class SqlScreenRetention:
    """The port `earshot.ports.screen_retention.ScreenRetention` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def doom_due(
        self, now: float, defaults: Defaults, purging: Collection[int], limit: int
    ) -> tuple[Deletion, ...]:
        """See `ScreenRetention.doom_due`."""
        own = S.keepdays >= 0
        due = [sa.and_(own, _over(S.keepdays, now))]
        if 0 <= defaults.keep_days <= LONGEST_DAYS:
            due.append(sa.and_(~own, ~RECORDED, S.started_at <= now - defaults.keep_days * DAY_S))
        action = sa.case((S.archive_action_id > 0, S.archive_action_id), else_=defaults.archive_action)
        made: list[Deletion] = []
        if not purging:
            return ()
        async with self._database.write() as connection:
            chosen = sa.select(S.ident, S.keepdays).where(
                sa.or_(*due), action.in_(purging), *await not_held(connection)
            )
            found = (await connection.execute(chosen.order_by(S.ident).limit(min(limit, AT_ONCE)))).all()
            for reason in (OWN_DAYS, SETTING):
                numbers = [row.ident for row in found if (row.keepdays >= 0) == (reason == OWN_DAYS)]
                made += await take_screens(
                    connection, numbers, Cause(by="earshot", reason=reason, rule="archive action: purge"), now
                )
        return tuple(made)

    async def unfinished(self, limit: int, after: int = 0) -> list[Deletion]:
        """See `RemovalStore.unfinished`."""
        return [as_deletion(row) for row in await self._database.read(UNFINISHED, count=limit, after=after)]

    async def leftovers(self, limit: int, after: int = 0) -> list[Leftover]:
        """See `RemovalStore.leftovers`: sessions are not moved."""
        return []

    async def leftovers_of(self, record_ids: Sequence[int]) -> list[Leftover]:
        """See `RemovalStore.leftovers_of`."""
        chosen = sa.select(L.ident, L.screen, L.object_name).where(L.screen.in_(record_ids)).order_by(L.ident)
        async with self._database.write() as connection:
            rows = (await connection.execute(chosen)).all()
        return [Leftover(number=number, record_id=screen, object_name=name) for number, screen, name in rows]

    async def removed(self, leftovers: Sequence[Leftover]) -> None:
        """See `RemovalStore.removed`."""
        if leftovers:
            async with self._database.write() as connection:
                gone = L.ident.in_([one.number for one in leftovers])
                await connection.execute(sa.delete(SCREEN_LEFTOVERS).where(gone))

    async def stepped(self, record_ids: Sequence[int], step: str, finished_at: float = 0.0) -> None:
        """See `RemovalStore.stepped`."""
        if record_ids:
            async with self._database.write() as connection:
                values = {"step": step, "finished_at": finished_at}
                await connection.execute(sa.update(SCREEN_DELETIONS).where(D.ident.in_(record_ids)).values(values))

    async def screen_deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """See `ScreenRetention.screen_deletions`."""
        rows = await self._database.read(LIST, count=limit, before=2**63 - 1 if before is None else before)
        return [as_deletion(row) for row in rows]
