"""Statements about settings that are changed at run time.

The one rule: setting is one transaction, whether the setting was there before or not.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.clock import Clock
from earshot.ports.preferences import Preference
from earshot.store.database import Database, Query, Row
from earshot.store.preference_tables import PREFERENCES

P = PREFERENCES.c
COLUMNS = (P.name, P.value, P.changed_at, P.changed_by)
ONE = Query(sa.select(*COLUMNS).where(P.name == bindparam("name")))
ALL = Query(sa.select(*COLUMNS).order_by(P.name))


def _preference(row: Row) -> Preference:
    name, value, changed_at, changed_by = row
    return Preference(name=name, value=orjson.loads(value), changed_at=changed_at, changed_by=changed_by)


class SqlPreferences:
    """The port `earshot.ports.preferences.Preferences` over a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def preference(self, name: str) -> Preference | None:
        """See `Preferences.preference`."""
        rows = await self._database.read(ONE, name=name)
        return _preference(rows[0]) if rows else None

    async def set_preference(self, name: str, value: Any, by: str) -> Preference:
        """See `Preferences.set_preference`."""
        try:
            text = orjson.dumps(value).decode()
        except TypeError as why:
            raise ValueError(f"{name} cannot be kept: {why}") from None
        row: Row = (name, text, self._clock.now(), by)
        async with self._database.write() as connection:
            await connection.execute(sa.delete(PREFERENCES).where(P.name == name))
            named = dict(zip(("name", "value", "changed_at", "changed_by"), row, strict=True))
            await connection.execute(sa.insert(PREFERENCES).values(named))
        return _preference(row)

    async def preferences(self) -> Sequence[Preference]:
        """See `Preferences.preferences`."""
        return [_preference(row) for row in await self._database.read(ALL)]
