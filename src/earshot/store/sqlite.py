"""SQLite: connections, transactions, and what its errors mean. The only place that speaks its dialect.

Writes go through SQLAlchemy on one connection, begun IMMEDIATE. Reads go to a few connections of their own, each read
in one hop to its thread: a driver call by call, as the pool does it, costs several times what the query does. The one
rule: nothing waits longer than `patience_s`.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from earshot.errors import StoreUnavailable
from earshot.ports import NotFound, NotUnique
from earshot.store.database import Query, Row
from earshot.store.errors import DatabaseDamaged
from earshot.store.migrate import upgrade

READERS = 3
WAL_BYTES_KEPT = 64 * 1024 * 1024
INTERRUPTS = 20
INTERRUPT_EVERY_S = 0.1
WAL_AGAIN_S = 0.02
CACHE_KIB = 32 * 1024

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
}
UNIQUE_FIELDS = {
    "users.username_key": "username",
    "users.first_name": "name",
    "phones.phone": "phone",
    "logins.token_sha256": "login",
    "stations.": "station",
}
"""How SQLite names what a unique constraint failed on, and the field `NotUnique` tells."""


def named_dialect() -> sa.Dialect:
    """The dialect of the texts that reads are made of: parameters by name."""
    return SQLiteDialect_pysqlite(paramstyle="named")


class SqliteDatabase:
    """A database file. `patience_s` bounds every read and write, `busy_s` the wait for another process's lock, which is
    at most half of that: a thread that waits inside SQLite cannot be called back.

    With `durable` a write survives the loss of power, at one fsync each (synchronous=FULL); without it only the end of
    the process, however it ends.
    """

    def __init__(self, path: Path, *, busy_s: float = 5.0, patience_s: float = 20.0, durable: bool = False) -> None:
        self.path = path
        self._busy_s = min(busy_s, patience_s / 2)
        self._patience_s = patience_s
        self._durable = durable
        self._dialect = named_dialect()
        self._identity: tuple[int, int] | None = None
        self._readers: list[aiosqlite.Connection] = []
        self._free: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._writing: tuple[asyncio.Task[Any] | None, AsyncConnection] | None = None
        self._engine = self._make_engine()

    # --- opening and closing --------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See `Database.open`. Makes the file, not its folder. May be called again after it failed."""
        self._identity = None
        with self._told():
            await self._disconnect()
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._begin()
            except BaseException:
                await self._disconnect()
                raise
        self._identity = self._seen()

    async def _begin(self) -> None:
        connection = await self._connect("rwc")
        try:
            await _write_ahead(connection)
        finally:
            await connection.close()
        async with self._engine.begin() as migrating:
            await migrating.run_sync(upgrade)
        self._free = asyncio.LifoQueue()
        for _ in range(READERS):
            reader = await self._connect("rw", "PRAGMA query_only = ON")
            self._readers.append(reader)
            self._free.put_nowait(reader)

    async def close(self) -> None:
        """See `Database.close`."""
        self._identity = None
        with self._told():
            await self._disconnect()

    async def _disconnect(self) -> None:
        readers, self._readers = self._readers, []
        for reader in readers:
            await reader.close()
        await self._engine.dispose()

    def _make_engine(self) -> AsyncEngine:
        engine = create_async_engine(
            "sqlite+aiosqlite://",
            async_creator=lambda: self._connect("rw"),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=self._patience_s,
        )

        @sa.event.listens_for(engine.sync_engine, "begin")
        def begin_immediate(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    async def _connect(self, mode: str, *pragmas: str) -> aiosqlite.Connection:
        """A connection that leaves transactions to us; with mode "rw" it never makes an empty file."""
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        connecting = aiosqlite.connect(uri, uri=True, timeout=self._busy_s, isolation_level=None)
        connecting._thread.daemon = True
        try:
            connection = await connecting
        except BaseException:
            await asyncio.shield(asyncio.to_thread(connecting._thread.join))
            raise
        try:
            for pragma in (
                f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}",
                "PRAGMA foreign_keys = ON",
                f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}",
                f"PRAGMA cache_size = -{CACHE_KIB}",
                *pragmas,
            ):
                await connection.execute_fetchall(pragma)
        except BaseException:
            await connection.close()
            raise
        return connection

    def _seen(self) -> tuple[int, int]:
        found = os.stat(self.path)  # noqa: PTH116
        return found.st_dev, found.st_ino

    def _must_be_there(self) -> None:
        """SQLite writes on into a file that was removed, and nobody would ever see those rows again."""
        if self._identity is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        try:
            there = self._seen() == self._identity
        except OSError as why:
            raise StoreUnavailable(f"the database {self.path} is gone: {why.strerror}") from why
        if not there:
            raise StoreUnavailable(f"the database {self.path} was replaced by another file while it was open")

    # --- reading and writing --------------------------------------------------------------------------------------

    async def read(self, query: Query, **values: Any) -> Sequence[Row]:
        """See `Database.read`."""
        self._must_be_there()
        text, written = query.compiled(self._dialect)
        mine = self._mine()
        with self._told():
            if mine is not None:
                return [tuple(row) for row in await mine.exec_driver_sql(text, written | values)]
            async with asyncio.timeout(self._patience_s):
                reader = await self._free.get()
                try:
                    return await reader.execute_fetchall(text, written | values if written else values)  # type: ignore[return-value]
                except asyncio.CancelledError:
                    await _stop(reader)
                    raise
                finally:
                    self._free.put_nowait(reader)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """See `Database.write`."""
        mine = self._mine()
        if mine is not None:
            try:
                with self._told():
                    yield mine
            except BaseException:
                await mine.rollback()
                raise
            return
        self._must_be_there()
        with self._told():
            async with asyncio.timeout(self._patience_s), self._engine.begin() as connection:
                self._writing = asyncio.current_task(), connection
                try:
                    yield connection
                    if not connection.in_transaction():
                        raise StoreUnavailable("a part of a transaction failed, and nothing of it was kept")
                finally:
                    self._writing = None

    def _mine(self) -> AsyncConnection | None:
        """The connection of the transaction that this task is in."""
        if self._writing is not None and self._writing[0] is asyncio.current_task():
            return self._writing[1]
        return None

    # --- errors ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the driver, the pool and the clock raise into our errors."""
        try:
            yield
        except sa.exc.DBAPIError as why:
            raise self._meaning(why.orig) from why
        except sqlite3.Error as why:
            raise self._meaning(why) from why
        except (TimeoutError, sa.exc.TimeoutError) as why:
            raise StoreUnavailable(f"the database {self.path} did not answer in {self._patience_s:g} s") from why

    def _meaning(self, error: BaseException | None) -> Exception:
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if isinstance(code, int) else None
        if primary in DAMAGED:
            return DatabaseDamaged(
                f"the database {self.path} is damaged or is no SQLite database ({error}): "
                "put a backup in its place, or move it away to begin with an empty one"
            )
        if primary == sqlite3.SQLITE_CONSTRAINT:
            return _constraint(str(error))
        if primary == sqlite3.SQLITE_ERROR and "no such" in str(error):
            return DatabaseDamaged(f"the database {self.path} lacks tables of ours: {error}")
        if primary in AWAY or primary is None:
            return StoreUnavailable(f"the database {self.path} cannot be used now: {error}")
        assert isinstance(error, Exception)
        return error


async def _write_ahead(connection: aiosqlite.Connection) -> None:
    """Change the file to WAL. SQLite does not wait for others who open the file anew at this moment: its busy time-out
    does not count where two want the exclusive lock. The caller's time-out ends the waiting.
    """
    while True:
        try:
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as why:
            if why.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            await asyncio.sleep(WAL_AGAIN_S)


async def _stop(reader: aiosqlite.Connection) -> None:
    """End what `reader` is doing. An interrupt that comes before the query has begun is lost, hence the repetition."""
    for _ in range(INTERRUPTS):
        await reader.interrupt()
        try:
            async with asyncio.timeout(INTERRUPT_EVERY_S):
                await reader.execute_fetchall("SELECT 1")
            return
        except TimeoutError:
            continue
        except sqlite3.OperationalError:
            return


def _constraint(message: str) -> Exception:
    for words, field in UNIQUE_FIELDS.items():
        if words in message:
            return NotUnique(field, "")
    if "FOREIGN KEY" in message:
        return NotFound("the row that is referred to does not exist")
    return sqlite3.IntegrityError(message)
