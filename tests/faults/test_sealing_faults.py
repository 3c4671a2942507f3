"""One call that cannot be sealed or stored must not stop the others, and is done as soon as it can be."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest
from tests.faults.core_parts import Core
from tests.faults.evidence import until

from earshot.clock import FakeClock
from earshot.core.recovery import restore
from earshot.core.seal_job import LegJob, Sealed, SealJob, seal
from earshot.core.sealing import Sealers, Sealing
from earshot.engine.inputs import CodecFacts, LegFacts
from earshot.journal.format import ChainPointer
from earshot.journal.recovery import recover
from earshot.journal.timeline import JournalTime
from earshot.journal.upkeep import Upkeep
from earshot.journal.writer import JournalSettings, JournalWriter
from earshot.media.render import Limits
from earshot.ports import FinishedCall
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore
from earshot.tasks import Spawner


class PickyStore(MemoryStore):
    """A store that cannot take the rows of one device, as when a value does not fit its column."""

    refused = ""

    async def save_calls(self, calls: Sequence[FinishedCall]) -> list[tuple[int, ...]]:
        if any(call.variables.device_id == self.refused for call in calls):
            raise OverflowError("a number too large for its column")
        return await super().save_calls(calls)


class Bench:
    """Sealing over the parts in memory; `failures` are raised, one after the other, instead of rendering."""

    def __init__(self, tmp_path: Path) -> None:
        self.core = Core()
        self.store = PickyStore(FakeClock())
        self.failures: list[Exception] = []
        self.spawner = Spawner()
        self.sealing = Sealing(
            self.core.recorder,
            Sealers(
                store=self.store,
                storage=MemoryStorage(),
                journal=tmp_path / "journal",
                work=tmp_path / "work",
                render=self._render,
                synced=self._at_once,
                settled=self._at_once,
                tail=lambda leg: ChainPointer(),
                agent_on=lambda device, alias: None,
                limits=Limits(),
            ),
            self.spawner,
        )
        self.core.recorder.seal = self.sealing.enqueue

    async def _at_once(self) -> None:
        pass

    async def _render(self, job: SealJob) -> Sealed:
        if self.failures:
            raise self.failures.pop(0)
        return seal(job)

    async def stored(self) -> list[tuple[str, str]]:
        return sorted((call.variables.device_id, call.reason) for _, call in await self.store.calls(None, 99))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    made.sealing.start()
    yield made
    await made.spawner.close()


def end_calls(bench: Bench, *devices: str) -> None:
    for device in devices:
        bench.core.session(device)
        bench.core.clock.advance(1.0)
        bench.core.close(device)


async def test_a_leg_that_the_journal_has_nothing_of(bench: Bench) -> None:
    end_calls(bench, "a")
    await asyncio.wait_for(bench.sealing.idle(), 10)
    assert await bench.stored() == [("a", "no_sound")]


async def test_a_process_that_died_costs_no_time(bench: Bench) -> None:
    bench.failures = [BrokenExecutor("killed")]
    end_calls(bench, "a")
    async with asyncio.timeout(0.9):
        await bench.sealing.idle()
    assert not bench.sealing.failing


async def test_what_fails_is_tried_again_and_others_go_on(bench: Bench) -> None:
    bench.failures = [AttributeError("nobody thought of this")]
    end_calls(bench, "a", "b")
    await until(lambda: bench.sealing.waiting == 1, "the other call")
    assert await bench.stored() == [("b", "no_sound")]
    assert len(bench.sealing.failing) == 1
    await asyncio.wait_for(bench.sealing.idle(), 10)
    assert not bench.sealing.failing


async def test_a_row_that_the_store_does_not_take_stops_no_other(bench: Bench) -> None:
    bench.store.refused = "b"
    end_calls(bench, "a", "b", "c")
    await until(lambda: bench.sealing.waiting == 1, "the other calls")
    assert await bench.stored() == [("a", "no_sound"), ("c", "no_sound")]
    bench.store.refused = ""
    await asyncio.wait_for(bench.sealing.idle(), 10)
    assert len(await bench.stored()) == 3


async def test_a_call_that_is_queued_twice_is_sealed_once(bench: Bench) -> None:
    told: list[str] = []
    bench.sealing.on_stored.append(lambda finished, _: told.append(finished.key))
    end_calls(bench, "a")
    (key,) = bench.core.recorder.state.calls
    bench.sealing.enqueue(key)
    await asyncio.wait_for(bench.sealing.idle(), 10)
    assert told == [key] and bench.sealing.waiting == 0


async def test_sound_that_was_carried_out_of_its_segments_is_sealed_after_a_restart(tmp_path: Path) -> None:
    clock, spawner = FakeClock(), Spawner()
    settings = JournalSettings(flush_interval_s=0.005, segment_seconds=1.0)
    time = JournalTime(clock)
    writer = JournalWriter(tmp_path, time=time, random_u32=lambda: 1, settings=settings, checkpoint=list)
    await writer.start(spawner)
    upkeep = Upkeep(writer, carry_after_s=60)
    start_us = time.now_us()
    times = [start_us + 20_000 * number for number in range(100)]
    writer.append_packets(1, times, [struct.pack(">BBHII", 0x80, 0, n, n * 160, 7) + bytes(160) for n in range(100)])
    await writer.sync()
    for _ in range(3):  # the call is on hold, others go on
        clock.advance(100)
        writer.append_packets(2, [time.now_us()], [bytes(12)])
        await writer.sync()
    await upkeep.round()
    await writer.close()
    upkeep.close()
    await spawner.close()
    leg = recover(tmp_path).legs[1]
    assert leg.tail.segment == 0, "its segment is gone"
    facts = LegFacts(leg=1, port=0, side="agent", codecs={0: CodecFacts(name="PCMU", clock_hz=8000)})
    until_us = start_us + 2_000_000
    job = SealJob(
        journal=tmp_path,
        out_path=tmp_path / "work" / "call.wav",
        start_us=start_us,
        stop_us=until_us,
        legs=(LegJob(facts=facts, tail=leg.tail, from_us=start_us, until_us=until_us),),
        limits=Limits(),
    )
    assert seal(job).packets == 100


def test_an_event_that_cannot_be_replayed_spoils_no_other() -> None:
    good = {"input": "StartCall", "at": 2, "body": {"device_id": "b"}}
    for bad in (
        {"input": "StartCall", "at": 1, "body": {"device_id": ["a"]}},
        {"input": "StartCall", "at": 1, "body": "x"},
        {"input": "NoSuchThing", "at": 1, "body": {}},
        {"input": "StartCall", "at": "soon", "body": None},
        {"nothing": "known"},
    ):
        restored = restore([bad, good], core=1)
        assert restored.skipped == 1
        assert list(restored.state.devices) == ["b"]
