"""How the database on SQLite fails: locked, removed, replaced, damaged, too new; and that it comes back."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import ConfigurationError, StoreUnavailable
from earshot.ports import FinishedCall, NotFound, NotUnique, RecordingFilter, Station, User
from earshot.store.database import Query
from earshot.store.errors import DatabaseDamaged, SchemaTooNew
from earshot.store.sql import SqlStore, database_at
from earshot.store.sqlite import READERS, SqliteDatabase
from earshot.store.tables import LOGINS, PHONES, USERS

BUSY_S = 0.2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data 100% #1?"
    folder.mkdir()
    return folder / "earshot.db"


def store_at(path: Path, *, busy_s: float = BUSY_S, patience_s: float = 20.0) -> SqlStore:
    return SqlStore(database_at(f"sqlite:///{path}", busy_s=busy_s, patience_s=patience_s), FakeClock())


async def migrated(path: Path) -> None:
    """Leave a database with all tables, so that opening it once more takes no time."""
    store = store_at(path)
    await store.open()
    await store.close()


def call(key: str) -> FinishedCall:
    return FinishedCall(
        key=key,
        core=1,
        variables=CallVariables(device_id="7008"),
        agent_id=None,
        started_at=1.0,
        stopped_at=2.0,
        verdict="failed",
        reason="no sound",
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database for itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


async def test_a_locked_database_is_unavailable_for_writes_and_still_read(path: Path) -> None:
    store = store_at(path)
    await store.open()
    await store.save_calls([call("a")])
    with locked(path):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.save_calls([call("b")])
        assert BUSY_S * 0.9 < time.monotonic() - began < 5
        with pytest.raises(StoreUnavailable):
            await store.add_user(User(username="a"))
        assert len(await store.calls(None, 10)) == 1
    assert await store.save_calls([call("b")]) == [()]
    assert len(await store.calls(None, 10)) == 2
    await store.close()


async def test_a_locked_database_cannot_be_opened_until_it_is_free(path: Path) -> None:
    first = store_at(path)
    await first.open()
    await first.close()
    store = store_at(path)
    with locked(path), pytest.raises(StoreUnavailable):
        await store.open()
    await store.open()
    assert await store.verdict_counts() == {}
    await store.close()


async def test_a_lock_that_goes_away_in_time_is_waited_for(path: Path) -> None:
    store = store_at(path, busy_s=30.0, patience_s=60.0)
    await store.open()
    with locked(path):
        saving = asyncio.ensure_future(store.save_calls([call("a")]))
        done, _ = await asyncio.wait([saving], timeout=0.1)
        assert not done
    assert await saving == [()]
    await store.close()


async def test_nothing_waits_longer_than_its_patience(path: Path) -> None:
    await migrated(path)
    store = store_at(path, busy_s=60.0, patience_s=1.0)
    await store.open()
    with locked(path):
        began = time.monotonic()
        saving = [asyncio.ensure_future(store.save_calls([call(str(number))])) for number in range(6)]
        await asyncio.wait(saving)
        assert time.monotonic() - began < 10
    assert {type(one.exception()) for one in saving} == {StoreUnavailable}
    assert await store.save_calls([call("a")]) == [()]
    await store.close()


async def test_an_endless_query_is_cut_off_and_its_connection_serves_again(path: Path) -> None:
    await migrated(path)
    database = SqliteDatabase(path, patience_s=1.0)
    await database.open()
    number = sa.select(sa.literal_column("1").label("n")).cte("numbers", recursive=True)
    endless = number.union_all(sa.select(number.c.n + 1))
    query = Query(sa.select(sa.func.count()).select_from(endless))
    answers = await asyncio.gather(*(database.read(query) for _ in range(READERS)), return_exceptions=True)
    assert ["did not answer" in str(answer) for answer in answers] == [True] * READERS
    assert list(await database.read(Query(sa.select(sa.literal_column("1"))))) == [(1,)]
    await database.close()


async def test_a_write_that_is_cancelled_leaves_nothing_behind(path: Path) -> None:
    store = store_at(path)
    await store.open()
    for delay_turns in range(0, 60, 3):
        saving = asyncio.ensure_future(store.save_calls([call(f"x{delay_turns}"), call(f"y{delay_turns}")]))
        for _ in range(delay_turns):
            await asyncio.sleep(0)
        saving.cancel()
        await asyncio.wait([saving])
    await store.save_calls([call("last")])
    kept = {one.key for _, one in await store.calls(None, 1000)}
    assert "last" in kept
    for turns in range(0, 60, 3):
        assert (f"x{turns}" in kept) == (f"y{turns}" in kept)
    await store.close()


async def test_a_removed_folder_is_noticed_before_rows_are_lost_in_it(path: Path) -> None:
    store = store_at(path)
    await store.open()
    await store.save_calls([call("a")])
    aside = path.parent.with_name("aside")
    path.parent.rename(aside)
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.save_calls([call("b")])
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.calls(None, 1)
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await store_at(path).open()
    assert not path.parent.exists()
    aside.rename(path.parent)
    await store.save_calls([call("b")])
    assert len(await store.calls(None, 10)) == 2
    await store.close()


async def test_a_replaced_file_is_noticed(path: Path) -> None:
    store = store_at(path)
    await store.open()
    path.rename(path.with_suffix(".old"))
    path.write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="replaced"):
        await store.save_calls([call("a")])
    await store.close()


async def test_a_folder_in_place_of_the_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await store_at(path).open()


async def test_no_rights_to_the_file(path: Path) -> None:
    store = store_at(path)
    await store.open()
    await store.close()
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        with pytest.raises(StoreUnavailable):
            await store.open()
    else:
        await store.open()
        await store.close()


@pytest.mark.parametrize("junk", [b"this is no database at all" * 400, b"SQLite format 3\0" + b"\xff" * 8192])
async def test_a_file_that_is_no_database(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    with pytest.raises(DatabaseDamaged, match="damaged or is no SQLite database"):
        await store_at(path).open()
    assert path.read_bytes() == junk


async def test_a_database_damaged_inside(path: Path) -> None:
    store = store_at(path)
    await store.open()
    await store.save_calls([call(str(number)) for number in range(2000)])
    await store.close()
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(DatabaseDamaged):
        await store.open()


async def test_a_database_without_our_tables(path: Path) -> None:
    store = store_at(path)
    await store.open()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE recordings")
    with pytest.raises(DatabaseDamaged, match="lacks tables"):
        await store.recordings(RecordingFilter(), 1)
    await store.close()


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    store = store_at(path)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()
    with pytest.raises(SchemaTooNew, match=r"9999.*newer Earshot"):
        await store.open()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


async def test_opening_at_once_migrates_once(path: Path) -> None:
    stores = [store_at(path, busy_s=20.0, patience_s=60.0) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    for place, store in enumerate(stores):
        await store.save_calls([call(str(place))])
    assert len(await stores[0].calls(None, 10)) == 4
    for store in stores:
        await store.close()


async def test_two_processes_write_side_by_side(path: Path) -> None:
    one, two = (store_at(path, busy_s=20.0, patience_s=60.0) for _ in range(2))
    await one.open()
    await two.open()
    await asyncio.gather(*(store.save_calls([call(f"{n}")]) for n in range(20) for store in (one, two)))
    assert await one.verdict_counts() == {("failed", "no sound"): 20}
    await one.close()
    await two.close()


async def test_numbers_are_never_used_again(path: Path) -> None:
    store = store_at(path)
    await store.open()
    await store.save_calls([call("a"), call("b")])
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM calls")
        other.commit()
    await store.save_calls([call("c")])
    assert [number for number, _ in await store.calls(None, 5)] == [3]
    await store.close()


async def test_a_closed_store_says_so_and_opens_again(path: Path) -> None:
    store = store_at(path)
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.users()
    await store.open()
    await store.open()
    await store.map_station(Station(station="PC", device_id="1"))
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.save_calls([call("a")])
    await store.open()
    assert len(await store.stations()) == 1
    await store.close()


async def test_the_tables_themselves_keep_what_must_be_unique(path: Path) -> None:
    database = SqliteDatabase(path)
    store = SqlStore(database, FakeClock())
    await store.open()
    await store.add_user(User(username="sally", first_name="Sally", last_name="Smith", phones=("1",)))
    await store.add_login("token", 1, 9e9)
    row: dict[str, Any] = {column.name: "" for column in USERS.columns if column.name != "ident"}
    row |= dict.fromkeys(("is_agent", "active", "deleted", "is_admin"), False) | {"added_at": 0.0, "modified_at": 0.0}
    named = {"first_name": "Sally", "last_name": "Smith"}
    inserts = {
        "username": sa.insert(USERS).values(row | {"username_key": "sally"}),
        "name": sa.insert(USERS).values(row | named),
        "phone": sa.insert(PHONES).values(phone="1", user_id=1),
        "login": sa.insert(LOGINS).values(token_sha256="token", user_id=1, expires_at=0.0),
    }
    for field, insert in inserts.items():
        with pytest.raises(NotUnique) as caught:
            async with database.write() as connection:
                await connection.execute(insert)
        assert caught.value.field == field
    with pytest.raises(NotFound):
        async with database.write() as connection:
            await connection.execute(sa.insert(PHONES).values(phone="2", user_id=77))
    await store.close()


@pytest.mark.parametrize("url", ["postgresql://x/y", "", "sqlite://", "sqlite:///", "earshot.db"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///PATH"):
        database_at(url)


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
async def test_the_settings_of_a_connection(path: Path, durable: bool, level: int) -> None:
    database = SqliteDatabase(path, durable=durable)
    await database.open()
    async with database.write() as connection:
        found = {}
        for name in ("journal_mode", "synchronous", "foreign_keys"):
            found[name] = (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
    assert found == {"journal_mode": "wal", "synchronous": level, "foreign_keys": 1}
    await database.close()
