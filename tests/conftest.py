"""What every test shares. Servers of tests live in tests/servers.py."""

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from tests.databases import upgrade_at_once
from tests.servers import LiveServer, Speaker, in_process, running

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

# Timing is measured by benchmarks, never by tests: a slow machine is no failure.
settings.register_profile("earshot", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("earshot")

LONGEST_FIRST = ("faults", "acceptance", "conformance", "interop", "rest", "web", "engine", "client")
"""Folders whose files take tens of seconds: begun last, one of them would keep one process busy and all others idle."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever else the order is, the long files come first; the many short ones fill up the end."""
    places = {folder: place for place, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))


def pytest_collection_finish() -> None:
    """What was imported and collected is no garbage: to look through it again and again takes a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def migrated_once() -> Iterator[None]:
    """New databases of this process are made at once: to migrate each takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earshot.store.sqlite.upgrade", upgrade_at_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def cheap_hashes() -> Iterator[None]:
    """Passwords of tests are no secret: hashed with care, each costs as much as a server's start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earshot.web.passwords._HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


@pytest.fixture(scope="session")
def object_store() -> Iterator["ObjectStore"]:
    """A server that speaks S3; it is slow to load, and only who asks for it does."""
    from tests.object_store import ObjectStore

    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
async def live_server(tmp_path: Path) -> AsyncIterator[Speaker]:
    """A server of its own for the test, inside the test's loop."""
    async with in_process(tmp_path / "data") as server:
        yield server


@pytest.fixture
async def server_process(tmp_path: Path) -> AsyncIterator[LiveServer]:
    """A server of its own for the test, as a process that may be killed."""
    async with running(tmp_path / "data") as server:
        yield server
