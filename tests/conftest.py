"""What every test shares. Servers of tests live in tests/servers.py."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from tests.servers import LiveServer, Speaker, in_process, running

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

# Timing is measured by benchmarks, never by tests: a slow machine is no failure.
settings.register_profile("earshot", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("earshot")


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
