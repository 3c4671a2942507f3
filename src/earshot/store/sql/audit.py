"""Statements of the audit trail: adding entries and finding them.

The one rule: nothing here changes or removes an entry.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.ports.audit import AuditEntry, AuditFilter
from earshot.store.audit_tables import AUDIT
from earshot.store.database import Database, Query, Row
from earshot.store.sql.rows import document

A = AUDIT.c
COLUMNS = (A.ident, A.at, A.kind, A.actor, A.user_id, A.address, A.act, A.subject, A.details)
INSERT = sa.insert(AUDIT)
BEHIND_ALL = "\U0010ffff"
"""Sorts behind every text that goes on with anything else."""


@lru_cache(maxsize=128)
def audit_query(given: frozenset[str]) -> Query:
    """The page of entries that the conditions `given` (names of values, see `_values`) leave, newest first."""
    conditions = {
        "since": A.at >= bindparam("since"),
        "until": A.at <= bindparam("until"),
        "actor": A.actor == bindparam("actor"),
        "act": A.act == bindparam("act"),
        "subject": A.subject == bindparam("subject"),
        "prefix": A.subject.between(bindparam("prefix"), bindparam("prefix_end")),
        "before_at": sa.tuple_(A.at, A.ident) < sa.tuple_(bindparam("before_at"), bindparam("before_ident")),
    }
    rows = sa.select(*COLUMNS).where(*(condition for name, condition in conditions.items() if name in given))
    return Query(rows.order_by(A.at.desc(), A.ident.desc()).limit(bindparam("count")))


def _values(wanted: AuditFilter) -> dict[str, Any]:
    values: dict[str, Any] = {"since": wanted.since, "until": wanted.until}
    values |= {"actor": wanted.actor or None, "act": wanted.act or None}
    if wanted.subject.endswith("*"):
        values["prefix"] = wanted.subject[:-1]
        values["prefix_end"] = wanted.subject[:-1] + BEHIND_ALL
    else:
        values["subject"] = wanted.subject or None
    if wanted.before is not None:
        values["before_at"], values["before_ident"] = wanted.before
    return {name: value for name, value in values.items() if value is not None}


def _columns(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "kind": entry.kind,
        "actor": entry.actor,
        "user_id": entry.user_id,
        "address": entry.address,
        "act": entry.act,
        "subject": entry.subject,
        "details": document(dict(entry.details)),
    }


def _entry(row: Row) -> AuditEntry:
    number, at, kind, actor, user_id, address, act, subject, details = row
    return AuditEntry(
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


class SqlAudit:
    """The port `earshot.ports.audit.AuditLog` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entries: Sequence[AuditEntry]) -> list[int]:
        """See `AuditLog.append`."""
        if not entries:
            return []
        async with self._database.write() as connection:
            if len(entries) == 1:
                inserted = await connection.execute(INSERT.returning(A.ident), _columns(entries[0]))
                return [int(inserted.scalar_one())]
            # Many at once give no numbers back; writes are serialised, so the newest rows are these, in their order.
            await connection.execute(INSERT, [_columns(entry) for entry in entries])
            newest = await connection.execute(sa.select(A.ident).order_by(A.ident.desc()).limit(len(entries)))
            return [int(number) for number in newest.scalars()][::-1]

    def together(self) -> AbstractAsyncContextManager[object]:
        """See `AuditLog.together`."""
        return self._database.write()

    async def entries(self, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        """See `AuditLog.entries`."""
        if limit <= 0:
            return []
        values = _values(wanted)
        rows = await self._database.read(audit_query(frozenset(values)), count=limit, **values)
        return [_entry(row) for row in rows]
