"""A write inside a write of the same task is a part of it: all is kept, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from earshot.clock import FakeClock
from earshot.errors import StoreUnavailable
from earshot.ports import NotUnique, User
from earshot.store.database import Database
from earshot.store.sql import SqlStore, database_at


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = database_at(f"sqlite:///{tmp_path / 'earshot.db'}", patience_s=5.0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database, FakeClock())


async def names(store: SqlStore) -> list[str]:
    return [user.username for user in await store.users()]


async def test_all_parts_are_kept_together_and_read_where_they_are_written(database: Database, store: SqlStore) -> None:
    async with database.write():
        await store.add_user(User(username="a"))
        await store.add_user(User(username="b", phones=("200",)))
        assert await names(store) == ["a", "b"]
        assert [user.phones for user in await store.users()] == [(), ("200",)]
        assert await asyncio.create_task(names(store)) == [], "nobody else sees it yet"
    assert await names(store) == ["a", "b"]


async def test_what_fails_behind_a_part_undoes_it(database: Database, store: SqlStore) -> None:
    with pytest.raises(LookupError):
        async with database.write():
            await store.add_user(User(username="a"))
            raise LookupError
    assert await names(store) == []
    assert await store.add_user(User(username="a")) == 1


async def test_a_part_that_fails_undoes_the_others(database: Database, store: SqlStore) -> None:
    with pytest.raises(NotUnique):
        async with database.write():
            await store.add_user(User(username="a"))
            await store.add_user(User(username="A"))
    assert await names(store) == []


async def test_a_part_that_fails_undoes_the_others_even_if_it_is_caught(database: Database, store: SqlStore) -> None:
    with pytest.raises(StoreUnavailable, match="nothing of it was kept"):
        async with database.write():
            await store.add_user(User(username="a"))
            with pytest.raises(NotUnique):
                await store.add_user(User(username="A"))
    assert await names(store) == []
    assert await store.add_user(User(username="a")) == 1, "and it serves again"


async def test_another_task_is_no_part_of_it(database: Database, store: SqlStore) -> None:
    with pytest.raises(LookupError):
        async with database.write():
            await store.add_user(User(username="a"))
            other = asyncio.create_task(store.add_user(User(username="b")))
            await asyncio.wait([other], timeout=0.05)
            assert not other.done(), "it waits for the end"
            raise LookupError
    assert await other == 1
    assert await names(store) == ["b"]


async def test_a_part_that_is_cancelled_undoes_the_whole(database: Database, store: SqlStore) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with database.write():
            await store.add_user(User(username="a"))
            async with database.write():
                begun.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(store) == []
    assert await store.add_user(User(username="b")) == 1
