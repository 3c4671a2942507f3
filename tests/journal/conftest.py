"""A journal in a temporary folder, and the plain way to fill it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.journal.journal_keys import RING, Wrap

from earshot.clock import FakeClock
from earshot.journal.recovery import Recovered, recover
from earshot.journal.timeline import JournalTime
from earshot.journal.writer import JournalSettings, JournalTrouble, JournalWriter
from earshot.tasks import Spawner

OpenJournal = Callable[..., AbstractAsyncContextManager[JournalWriter]]


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[None, RING], ids=["plain", "encrypted"])
def wrap(request: pytest.FixtureRequest) -> Wrap:
    """The master keys; None for a plain journal."""
    given: Wrap = request.param
    return given


@pytest.fixture
def open_journal(fake_clock: FakeClock, wrap: Wrap) -> OpenJournal:
    """A context manager that recovers what is in a folder and writes on."""

    @asynccontextmanager
    async def opened(
        directory: Path,
        settings: JournalSettings | None = None,
        checkpoint: Callable[[], Sequence[dict[str, Any] | bytes]] | None = None,
        on_trouble: Callable[[JournalTrouble], None] | None = None,
        recovered: Recovered | None = None,
    ) -> AsyncIterator[JournalWriter]:
        found = recovered or recover(directory, wrap=wrap)
        spawner = Spawner()
        writer = JournalWriter(
            directory,
            time=JournalTime(fake_clock, found.last_time_us),
            random_u32=lambda: 0x5EED,
            recovered=found,
            settings=settings or JournalSettings(flush_interval_s=0.005),
            checkpoint=checkpoint,
            on_trouble=on_trouble,
            wrap=wrap,
        )
        await writer.start(spawner)
        try:
            yield writer
        finally:
            await writer.close()
            await spawner.close()

    return opened
