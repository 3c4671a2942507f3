"""What somebody sees is found by indexes: no reading of all recordings, no sorting of more than was found."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from earshot.store.database import Query
from earshot.store.migrate import upgrade
from earshot.store.sql.access import GRANTED, LINKED
from earshot.store.sql.calls import _seen_calls
from earshot.store.sql.recordings import SEEN, _list
from earshot.store.sql.screens import screens_query, seen_screens_query
from earshot.store.sqlite import named_dialect

COLUMNS = ("agent_id", "device_id", "device_alias", "sgroup", "gate")
ALL_OF_THEM = tuple((column, 4) for column in COLUMNS)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("plans") / "a.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def plan(database: sqlite3.Connection, query: Query) -> str:
    text, values = query.compiled(named_dialect())
    bound = dict.fromkeys(sa.text(text)._bindparams, 1) | values
    return "; ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", bound))


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("times", [(False, False, False), (True, True, True)])
def test_one_value_is_found_in_order(database: sqlite3.Connection, column: str, times: tuple[bool, bool, bool]) -> None:
    found = plan(database, _list((), 1, *times, SEEN, column))
    assert f"ix_recordings_{column} ({column}=?" in found
    assert "TEMP B-TREE" not in found and "SCAN recordings" not in found


@pytest.mark.parametrize("column", COLUMNS)
def test_several_values_are_found_one_by_one(database: sqlite3.Connection, column: str) -> None:
    found = plan(database, _list((("group", False), ("ani", True)), 4, True, False, True, SEEN, column))
    assert found.count(f"ix_recordings_{column} ({column}=?") == 4
    assert "SCAN recordings" not in found


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("limits", [(False, False), (True, True)])
def test_calls_of_several_values_are_found_one_by_one(
    database: sqlite3.Connection, column: str, limits: tuple[bool, bool]
) -> None:
    found = plan(database, _seen_calls(column, 4, *limits))
    assert found.count(f"ix_calls_{column} ({column}=?") == 4
    assert "SCAN calls" not in found and "ix_calls_verdict" not in found


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("given", [frozenset(), frozenset({"before_time"})])
def test_screens_of_several_values_are_found_one_by_one(
    database: sqlite3.Connection, column: str, given: frozenset[str]
) -> None:
    found = plan(database, seen_screens_query(column, 4, given))
    assert found.count(f"ix_screens_{column} ({column}=?") == 4
    assert "SCAN screens" not in found


@pytest.mark.parametrize("name", ["session_id", "device_id"])
def test_screens_found_otherwise_are_looked_through(database: sqlite3.Connection, name: str) -> None:
    found = plan(database, screens_query(frozenset({name}), ALL_OF_THEM))
    assert f"({name}=?" in found and "SCAN screens" not in found
    assert "OR" not in found.split() and "TEMP B-TREE" not in found


@pytest.mark.parametrize("name", ["device_id", "group", "user3", "ident", "filename", "audio_hash"])
def test_what_is_found_otherwise_is_looked_through(database: sqlite3.Connection, name: str) -> None:
    found = plan(database, _list(((name, False),), 0, False, False, False, name, looked=ALL_OF_THEM))
    assert "SCAN recordings" not in found and "OR" not in found.split()
    assert "INDEX ix_recordings" in found or "INTEGER PRIMARY KEY" in found


def test_people_are_looked_through(database: sqlite3.Connection) -> None:
    found = plan(database, _list((), 4, False, False, False, "", looked=ALL_OF_THEM))
    assert found.count("ix_recordings_agent_id (agent_id=?") == 4
    assert "SCAN recordings" not in found


def test_grants_are_found_by_keys(database: sqlite3.Connection) -> None:
    assert "SCAN" not in plan(database, GRANTED)


def test_all_links_are_read_in_one_statement(database: sqlite3.Connection) -> None:
    assert plan(database, LINKED).count("SCAN") == 5
