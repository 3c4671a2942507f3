"""The store in a database: `SqlStore`, put together from one module a concern.

`rows` turns rows into values and back; the others hold the statements. The one rule: every statement is portable SQL.
"""

from pathlib import Path

from earshot.clock import Clock
from earshot.errors import ConfigurationError
from earshot.store.database import Database
from earshot.store.sql.calls import Calls
from earshot.store.sql.logins import Logins
from earshot.store.sql.recordings import Recordings
from earshot.store.sql.stations import Stations
from earshot.store.sql.users import Users
from earshot.store.sqlite import SqliteDatabase

SQLITE = "sqlite:///"

__all__ = ["SqlStore", "database_at"]


def database_at(url: str, *, busy_s: float = 5.0, patience_s: float = 20.0, durable: bool = False) -> Database:
    """The database of `url` (`sqlite:///relative.db`, `sqlite:////absolute.db`), not opened.

    `busy_s` is how long another process's lock is waited for, `patience_s` bounds everything; `durable` makes a write
    survive the loss of power at one fsync each. Raises ConfigurationError for a kind of database that is not known.
    """
    if not url.startswith(SQLITE) or not url.removeprefix(SQLITE):
        raise ConfigurationError(f"the database {url!r} is not of a kind that is known here: use {SQLITE}PATH")
    return SqliteDatabase(Path(url.removeprefix(SQLITE)), busy_s=busy_s, patience_s=patience_s, durable=durable)


class SqlStore(Recordings, Calls, Users, Stations, Logins):
    """The port `earshot.ports.Store` over a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open(self) -> None:
        """Connect and bring the schema up to date.

        Raises StoreUnavailable (try again later), DatabaseDamaged (do not), SchemaTooNew.
        """
        await self._database.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()
