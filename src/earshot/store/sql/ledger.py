"""Statements of the tamper-evident log: the rows that become leaves, and the checkpoint that the database keeps too.

The one rule: nothing here changes a row but the checkpoint.
"""

from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.clock import Clock
from earshot.ledger.leaves import AUDIT as AUDIT_KIND
from earshot.ledger.leaves import SCREEN, SEALED, Leaf
from earshot.ports.audit import AuditEntry
from earshot.store.audit_tables import AUDIT
from earshot.store.database import Database, Query, Row
from earshot.store.ledger_leaves import audit_leaf, recording_leaf, screen_leaf
from earshot.store.screen_tables import SCREEN_SEGMENTS, SCREENS
from earshot.store.sql.preferences import SqlPreferences
from earshot.store.tables import RECORDINGS
from earshot.tasks import in_pieces

CHECKPOINT: Final = "ledger_checkpoint"
BY: Final = "earshot"

A, G, R, S = AUDIT.c, SCREEN_SEGMENTS.c, RECORDINGS.c, SCREENS.c
_RECORDING = (*(R.ident, R.key, R.call_key, R.audio_hash, R.audio_size, R.recording_time, R.duration, R.media_type),)
_ENTRY = (A.ident, A.at, A.kind, A.actor, A.user_id, A.address, A.act, A.subject, A.details)


def _after(*columns: sa.Column[Any]) -> Query:
    number = columns[0]
    return Query(sa.select(*columns).where(number > bindparam("row")).order_by(number).limit(bindparam("count")))


AFTER: Final = {
    SEALED: _after(*_RECORDING),
    SCREEN: _after(S.ident, S.key, S.session_id),
    AUDIT_KIND: _after(*_ENTRY),
}
LAST: Final = {
    kind: Query(sa.select(sa.func.max(number)))
    for kind, number in ((SEALED, R.ident), (SCREEN, S.ident), (AUDIT_KIND, A.ident))
}
SEGMENTS: Final = Query(sa.select(G.number, G.sha256, G.size).where(G.screen == bindparam("screen")).order_by(G.number))


class SqlLedgerRows:
    """The port `earshot.ports.ledger.LedgerRows` over a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._preferences = SqlPreferences(database, clock)

    async def after(self, kind: str, row: int, limit: int) -> list[Leaf]:
        """See `LedgerRows.after`."""
        query = AFTER.get(kind)
        if query is None:
            raise ValueError(f"no rows are {kind}")
        found = await self._database.read(query, row=row, count=limit)
        if kind == SCREEN:
            return [await self._screen(one) for one in found]
        make, leaves = _recording if kind == SEALED else _entry, list[Leaf]()
        async for some in in_pieces(found):
            leaves += [make(one) for one in some]
        return leaves

    async def _screen(self, row: Row) -> Leaf:
        number, key, session_id = row
        segments = await self._database.read(SEGMENTS, screen=number)
        return screen_leaf(
            number, key=key, session_id=session_id, segments=[(n, sha, size) for n, sha, size in segments]
        )

    async def last_row(self, kind: str) -> int:
        """See `LedgerRows.last_row`."""
        query = LAST.get(kind)
        if query is None:
            raise ValueError(f"no rows are {kind}")
        for (number,) in await self._database.read(query):
            return int(number or 0)
        return 0

    async def checkpoint(self) -> str:
        """See `LedgerRows.checkpoint`."""
        found = await self._preferences.preference(CHECKPOINT)
        return found.value if found is not None and isinstance(found.value, str) else ""

    async def keep_checkpoint(self, note: str) -> None:
        """See `LedgerRows.keep_checkpoint`."""
        await self._preferences.set_preference(CHECKPOINT, note, BY)


def _recording(row: Row) -> Leaf:
    ident, key, call_key, sha, size, recorded_at, duration_s, media_type = row
    return recording_leaf(
        ident,
        key=key,
        call_key=call_key,
        sha=sha,
        size=size,
        recorded_at=recorded_at,
        duration_s=duration_s,
        media_type=media_type,
    )


def _entry(row: Row) -> Leaf:
    number, at, kind, actor, user_id, address, act, subject, details = row
    entry = AuditEntry(
        number=number,
        at=at,
        kind=kind,
        actor=actor,
        user_id=user_id,
        address=address,
        act=act,
        subject=subject,
        details=orjson.loads(details),
    )
    return audit_leaf(entry)
