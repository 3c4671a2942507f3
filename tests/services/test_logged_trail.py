"""The tamper-evident log is woken when an entry is there to be read, not while it may still be undone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from earshot.actor import SYSTEM
from earshot.api.audit import NoTrail
from earshot.services.ledger import LoggedTrail


class Scene(NoTrail):
    """A trail and a log that say when each thing happened."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        yield
        self.seen.append("kept")

    def wake(self) -> None:
        self.seen.append("woken")


async def test_the_log_is_woken_behind_the_transaction() -> None:
    scene = Scene()
    trail = LoggedTrail(scene, scene)  # type: ignore[arg-type]
    async with trail.together():
        await trail.note(SYSTEM, "changed")
    assert scene.seen[-2:] == ["kept", "woken"]


async def test_what_is_undone_does_not_wake_it_afterwards() -> None:
    scene = Scene()
    trail = LoggedTrail(scene, scene)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        async with trail.together():
            raise LookupError
    assert scene.seen == []
