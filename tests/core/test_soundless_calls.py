"""Calls that no sound ever reached get their rows together, and wait behind no call that must be rendered."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.core_parts import Core

from earshot.clock import FakeClock
from earshot.core.seal_job import Sealed, SealJob
from earshot.core.sealing import Sealers, Sealing
from earshot.engine.inputs import StartCall, StopCall
from earshot.journal.format import ChainPointer
from earshot.media.render import Limits
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore
from earshot.tasks import Spawner


class Bench:
    """Sealing over the parts in memory. Rendering waits for `rendered`, the journal for `durable`; both are counted."""

    def __init__(self, tmp_path: Path) -> None:
        self.core = Core()
        self.store = MemoryStore(FakeClock())
        self.spawner = Spawner()
        self.rendered, self.durable = asyncio.Event(), asyncio.Event()
        self.settled = 0
        self.sealing = Sealing(
            self.core.recorder,
            Sealers(
                store=self.store,
                storage=MemoryStorage(),
                journal=tmp_path / "journal",
                work=tmp_path / "work",
                render=self._render,
                synced=self._synced,
                settled=self._settled,
                tail=lambda leg: ChainPointer(),
                agent_on=lambda device, alias: None,
                limits=Limits(),
            ),
            self.spawner,
        )
        self.core.recorder.seal = self.sealing.enqueue

    async def _render(self, job: SealJob) -> Sealed:
        await self.rendered.wait()
        return Sealed(packets=0, rendered=None)

    async def _synced(self) -> None:
        pass

    async def _settled(self) -> None:
        await self.durable.wait()
        self.settled += 1

    async def stored(self) -> set[str]:
        """The devices whose calls have a row."""
        return {call.variables.device_id for _, call in await self.store.calls(None, 99)}

    async def until_waiting(self, count: int) -> None:
        """Until no more than `count` calls are without a row."""
        async with asyncio.timeout(10):
            while self.sealing.waiting > count:
                await asyncio.sleep(0)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    made.sealing.start()
    yield made
    await made.spawner.close()


def announce_and_end(bench: Bench, device: str) -> None:
    bench.core.recorder.apply(StartCall(device_id=device, changes={"user1": "gold"}))
    bench.core.recorder.apply(StopCall(device_id=device))


async def test_one_wait_for_the_journal_is_enough_for_many(bench: Bench) -> None:
    devices = {str(number) for number in range(50)}
    for device in devices:
        announce_and_end(bench, device)
    await asyncio.sleep(0)
    assert await bench.stored() == set()
    bench.durable.set()
    await asyncio.wait_for(bench.sealing.idle(), 10)
    assert await bench.stored() == devices
    assert bench.settled == 1
    assert bench.core.recorder.state.calls == {}


async def test_they_do_not_wait_behind_a_call_with_sound(bench: Bench) -> None:
    bench.core.session("heard")
    bench.core.close("heard")
    bench.durable.set()
    announce_and_end(bench, "announced")
    await bench.until_waiting(1)
    assert await bench.stored() == {"announced"}
    bench.rendered.set()
    await asyncio.wait_for(bench.sealing.idle(), 10)
    assert await bench.stored() == {"announced", "heard"}
