"""The register of objects: which of them were encrypted, and which master key each one's key is wrapped by.

A SQLite file of its own in the folder of keys, kept up by whoever puts, deletes or rewraps. It answers two questions
without a look at the media: whether a file without our header may be one, and how many objects each master key wraps.
It may be deleted: it is made again from the objects. The one rule: what was encrypted once is never taken for plain.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import structlog

from earshot.vault import VaultError

log = structlog.get_logger(__name__)

FILE: Final = "objects"
PLAIN: Final = ""
"""What stands for the master key of an object that is not encrypted."""
BUSY_S: Final = 10.0
DIGEST_BYTES: Final = 16
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS objects (object BLOB PRIMARY KEY, master_key TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counts (master_key TEXT PRIMARY KEY, objects INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS places (place TEXT PRIMARY KEY)",
    "CREATE TRIGGER IF NOT EXISTS came AFTER INSERT ON objects BEGIN"
    " INSERT INTO counts VALUES (new.master_key, 1) ON CONFLICT DO UPDATE SET objects = objects + 1; END",
    "CREATE TRIGGER IF NOT EXISTS went AFTER DELETE ON objects BEGIN"
    " UPDATE counts SET objects = objects - 1 WHERE master_key = old.master_key; END",
    "CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE ON objects WHEN old.master_key <> new.master_key BEGIN"
    " UPDATE counts SET objects = objects - 1 WHERE master_key = old.master_key;"
    " INSERT INTO counts VALUES (new.master_key, 1) ON CONFLICT DO UPDATE SET objects = objects + 1; END",
)
ENTER: Final = (
    "INSERT INTO objects VALUES (?, ?) ON CONFLICT DO UPDATE SET master_key = excluded.master_key"
    " WHERE excluded.master_key <> '' AND excluded.master_key <> objects.master_key"
)

Found = TypeVar("Found")


class ObjectKeys:
    """The register in the file `path`, which is made when it is first used. A place is where objects have their names:
    empty for the main storage, the folder of an archive. Any thread, and several processes, may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self.refused = 0
        """How often a plain file was not taken for the object that it lies in the place of."""
        self.last_refused = ""
        self.trouble = ""
        """Why the register could not be kept up last time; empty if it was."""

    def close(self) -> None:
        """The next use would open it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # --- entries ------------------------------------------------------------------------------------------------------

    def enter(self, place: str, objects: Iterable[tuple[str, str]]) -> None:
        """These objects of a place, each with the fingerprint of its master key or PLAIN; durable when it returns.

        It does not fail: media are worth more than their entry, which the next look at everything makes up for.
        """
        rows = [(_digest(place, name), master_key) for name, master_key in objects]
        self._keep_up(lambda connection: connection.executemany(ENTER, rows))

    def forget(self, place: str, names: Iterable[str]) -> None:
        """These objects were deleted. It does not fail."""
        rows = [(_digest(place, name),) for name in names]
        self._keep_up(lambda connection: connection.executemany("DELETE FROM objects WHERE object = ?", rows))

    def looked_through(self, place: str) -> None:
        """Every object of the place was entered, of those that were there before it was kept up. It does not fail."""
        self._keep_up(lambda connection: connection.execute("INSERT OR IGNORE INTO places VALUES (?)", (place,)))

    def refuse(self, name: str) -> None:
        """Count a plain file that was found where `name` was encrypted, and say so."""
        self.refused += 1
        self.last_refused = name
        log.error("encrypted_object_replaced", object=name, what="it lies there plain: it is not read")

    # --- questions ----------------------------------------------------------------------------------------------------

    def was_encrypted(self, place: str, name: str) -> bool:
        """Whether the object was put encrypted. Raises VaultError when the register cannot be read."""
        statement = "SELECT 1 FROM objects WHERE object = ? AND master_key <> ''"
        return bool(self._asked(statement, _digest(place, name)))

    def counts(self) -> Mapping[str, int]:
        """How many objects there are by the fingerprint of their master key, PLAIN for those that are not encrypted.
        Raises VaultError."""
        return {key: int(count) for key, count in self._asked("SELECT master_key, objects FROM counts") if count > 0}

    def is_looked_through(self, place: str) -> bool:
        """Whether all objects of the place were entered once. Raises VaultError."""
        return bool(self._asked("SELECT 1 FROM places WHERE place = ?", place))

    # --- the file -----------------------------------------------------------------------------------------------------

    def _asked(self, statement: str, *values: object) -> Sequence[tuple[str, int]]:
        try:
            return self._locked(lambda connection: connection.execute(statement, values).fetchall())
        except (sqlite3.Error, OSError) as why:
            raise VaultError(f"the register of encrypted objects {self._path} cannot be read: {why}") from None

    def _keep_up(self, work: Callable[[sqlite3.Connection], object]) -> None:
        def whole(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                work(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

        try:
            self._locked(whole)
            self.trouble = ""
        except (sqlite3.Error, OSError) as why:
            self.trouble = f"the register of encrypted objects {self._path} cannot be kept up: {why}"
            log.error("register_of_objects_not_kept_up", why=str(why))

    def _locked(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        with self._lock:
            if self._connection is None:
                self._connection = self._opened()
            return work(self._connection)

    def _opened(self) -> sqlite3.Connection:
        """Open it; a file that is damaged is put aside, and made again."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return self._connected()
        except sqlite3.OperationalError:
            raise  # away, locked, or no room: nothing is wrong with the file
        except sqlite3.DatabaseError as why:
            log.error("register_of_objects_damaged", why=str(why), what="it is made again from the objects")
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
            for leftover in self._path.parent.glob(f"{self._path.name}-*"):
                leftover.unlink()
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


def _digest(place: str, name: str) -> bytes:
    return hashlib.sha256(f"{place}\0{name}".encode(errors="surrogateescape")).digest()[:DIGEST_BYTES]
