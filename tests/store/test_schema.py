"""The schema: migrations lead to the tables, columns are explained, and every list is answered by an index."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from earshot.store.fields import COLUMN_OF, USER_NAMES
from earshot.store.migrate import revisions, settings, upgrade
from earshot.store.schema import METADATA
from earshot.store.sql.calls import COUNTS, _calls
from earshot.store.sql.recordings import _list, _newest_ident
from earshot.store.sqlite import named_dialect
from earshot.store.tables import RECORDINGS

FILTERS = ("device_id", "device_alias", "group", "gate", "ani", "dnis", *USER_NAMES)


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        upgrade(connection)
        yield connection
    engine.dispose()


def objects(connection: sa.Connection) -> dict[str, str]:
    """What SQLite keeps of the schema, name by name, in one spelling."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows if not name.startswith(("alembic", "sqlite"))}


def test_the_migrations_lead_to_the_tables(migrated: sa.Connection) -> None:
    assert compare_metadata(MigrationContext.configure(migrated), METADATA) == []
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        METADATA.create_all(connection)
        assert objects(connection) == objects(migrated)
    engine.dispose()


def test_the_files_of_the_migrations_say_what_alembic_knows() -> None:
    assert revisions() == [one.revision for one in ScriptDirectory.from_config(settings()).walk_revisions()]


def test_upgrading_twice_is_upgrading_once(migrated: sa.Connection) -> None:
    before = objects(migrated)
    upgrade(migrated)
    assert objects(migrated) == before


def test_the_way_back(migrated: sa.Connection) -> None:
    command.downgrade(settings(migrated), "base")
    assert objects(migrated) == {}


def test_every_column_is_explained() -> None:
    silent = [str(column) for table in METADATA.tables.values() for column in table.columns if not column.comment]
    assert silent == []


def test_the_recordings_have_the_column_names_of_the_reference() -> None:
    named = "agent_id ani archive_action_id audio_hash audio_size calldirection callid device_alias device_id dnis"
    named += " duration filename gate ident keepdays priority recording_time sgroup " + " ".join(USER_NAMES)
    assert set(named.split()) <= set(RECORDINGS.columns.keys())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("plans") / "a.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        yield connection


class TestPlans:
    """What `EXPLAIN QUERY PLAN` says: no sorting, no reading of everything."""

    def plan(self, database: sqlite3.Connection, query: object) -> str:
        text, values = query.compiled(named_dialect())  # type: ignore[attr-defined]
        statement = sa.text(text)
        bound = dict.fromkeys(statement._bindparams, 1) | values
        return "; ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", bound))

    @pytest.mark.parametrize("name", FILTERS)
    @pytest.mark.parametrize("before", [False, True])
    def test_single_filters(self, database: sqlite3.Connection, name: str, before: bool) -> None:
        plan = self.plan(database, _list(((name, False),), 0, before, False, before))
        assert f"ix_recordings_{COLUMN_OF[name]} (" in plan
        assert "TEMP B-TREE" not in plan

    def test_one_agent(self, database: sqlite3.Connection) -> None:
        plan = self.plan(database, _list((), 1, False, False, True))
        assert "ix_recordings_agent_id (agent_id=? AND" in plan
        assert "TEMP B-TREE" not in plan

    def test_several_agents_sort_only_what_each_index_gave(self, database: sqlite3.Connection) -> None:
        plan = self.plan(database, _list((), 4, False, False, False))
        assert plan.count("ix_recordings_agent_id (agent_id=?)") == 4
        assert "SCAN recordings" not in plan

    @pytest.mark.parametrize("driver", ["device_id", "group", "user3"])
    def test_several_filters_are_answered_by_the_one_that_is_chosen(
        self, database: sqlite3.Connection, driver: str
    ) -> None:
        equals = (("device_id", False), ("group", False), ("user3", False))
        for agents in (0, 1, 4):
            plan = self.plan(database, _list(equals, agents, True, True, False, driver))
            assert f"ix_recordings_{COLUMN_OF[driver]} (" in plan
            assert "TEMP B-TREE" not in plan
        assert "ix_recordings_agent_id (agent_id=?" in self.plan(
            database, _list(equals, 1, False, False, False, "agent_id")
        )

    @pytest.mark.parametrize("times", [(False, False, False), (True, True, False), (True, True, True)])
    def test_times(self, database: sqlite3.Connection, times: tuple[bool, bool, bool]) -> None:
        plan = self.plan(database, _list((), 0, *times))
        assert "ix_recordings_time" in plan
        assert "TEMP B-TREE" not in plan

    @pytest.mark.parametrize("name", ["filename", "audio_hash", "call_id", "session_id"])
    def test_lookups(self, database: sqlite3.Connection, name: str) -> None:
        assert "SCAN" not in self.plan(database, _newest_ident(((name, False),)))

    def test_the_last_of_a_device(self, database: sqlite3.Connection) -> None:
        plan = self.plan(database, _newest_ident((("device_id", False), ("call_instance", False))))
        assert "ix_recordings_instance (device_id=? AND callinstance=?)" in plan
        assert "TEMP B-TREE" not in plan

    @pytest.mark.parametrize("verdict", [False, True])
    def test_calls(self, database: sqlite3.Connection, verdict: bool) -> None:
        plan = self.plan(database, _calls(verdict, True))
        assert ("ix_calls_verdict" if verdict else "ix_calls_time") in plan
        assert "TEMP B-TREE" not in plan

    def test_counts(self, database: sqlite3.Connection) -> None:
        assert "COVERING INDEX ix_calls_reason" in self.plan(database, COUNTS)
