"""Databases for tests: the migrations are run once in a test process, and what they lead to is put into each new
database. `tests/store` alone runs them each time."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from earshot.store.migrate import upgrade


@cache
def empty_database() -> bytes:
    """A database file with our tables and what the migrations put into them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "earshot.db"
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        return path.read_bytes()


@cache
def _statements() -> tuple[str, ...]:
    """The same as the statements that make it, without those of a transaction."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.deserialize(empty_database())
        dumped = tuple(made.iterdump())[1:-1]
    # By name, as they come, a row stands before the table that it refers to.
    return "PRAGMA defer_foreign_keys = ON", *sorted(dumped, key=lambda text: not text.startswith("CREATE TABLE"))


def upgrade_at_once(connection: sa.Connection) -> None:
    """`upgrade`, but a database without any table becomes what it would become, without the steps between."""
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").first() is None:
        for statement in _statements():
            connection.exec_driver_sql(statement)
    else:
        upgrade(connection)


def put_empty_database(data_dir: Path) -> None:
    """Let a server find its database made."""
    database = data_dir / "earshot.db"
    if not database.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        database.write_bytes(empty_database())
