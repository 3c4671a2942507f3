"""What the core answers for: a blackout is in force when the command returns, or that is an error until it is."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from tests.faults.core_parts import Core

from earshot.core.blackouts import Blackouts, Removers
from earshot.core.recovery import restore
from earshot.engine.blackout_gaps import is_blacked_out, masks_of
from earshot.engine.blackout_values import (
    Removal,
    StartAgentBlackout,
    StartBlackout,
    StopAgentBlackout,
    StopBlackout,
)
from earshot.engine.inputs import LegFacts, SessionChanged, SessionClosed, SessionOpened, StartCall, StopCall
from earshot.engine.model import Call
from earshot.ports import CoreAway
from earshot.tasks import Spawner

SECOND = 1_000_000


class World:
    """A core with its blackouts; `gone` is what was removed of the journal, `broken` makes that fail."""

    def __init__(self, core: Core | None = None, patience_s: float = 5.0) -> None:
        self.core = core or Core()
        self.recorder = self.core.recorder
        self.spawner = Spawner()
        self.gone: list[tuple[int, int, int]] = []
        self.sealed: list[Removal] = []
        self.swept: list[tuple[int, int]] = []
        self.broken: OSError | None = None
        self.disk = asyncio.Event()
        self.disk.set()
        removers = Removers(
            journal=self._journal,
            released=self._released,
            synced=self._synced,
            stored=self._stored,
            sealed=self._sealed,
            patience_s=patience_s,
        )
        self.blackouts = Blackouts(self.recorder, removers, self.spawner)

    async def _journal(self, leg: int, from_us: int, to_us: int) -> int:
        if self.broken is not None:
            raise self.broken
        self.gone.append((leg, from_us, to_us))
        return 1

    async def _released(self, from_us: int, to_us: int) -> int:
        self.swept.append((from_us, to_us))
        return 0

    async def _synced(self) -> None:
        await self.disk.wait()

    async def _stored(self, call: str) -> None:
        return None

    async def _sealed(self, removal: Removal) -> int:
        self.sealed.append(removal)
        return 0

    def masked(self, call: Call) -> bool:
        """Whether all running legs of the call are masked; they must agree."""
        states = {one.facts.leg in self.core.sound.masked for one in call.attachments if one.until_us is None}
        (state,) = states
        assert state == is_blacked_out(call)
        return state


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    made.blackouts.close()
    await made.spawner.close()


async def test_a_blackout_masks_both_sides_and_ends_at_its_stop(world: World) -> None:
    call = world.core.session("200")
    await world.recorder.black_out(StartBlackout(device_id="200"))
    assert world.masked(call)
    world.core.clock.advance(3)
    await world.recorder.black_out(StopBlackout(device_id="200"))
    assert not world.masked(call) and not world.recorder.state.blackouts and world.gone == []
    ((begin, end),) = masks_of(call)
    assert abs(end - begin - 3 * SECOND) < SECOND // 10


async def test_what_lies_before_is_removed_before_the_answer(world: World) -> None:
    call = world.core.session("200")
    world.core.clock.advance(10)
    now_us = world.core.time.now_us()
    await world.recorder.black_out(StartBlackout(device_id="200", offset_us=-5 * SECOND))
    assert sorted(leg for leg, _, _ in world.gone) == sorted(one.facts.leg for one in call.attachments)
    assert all(abs(begin - (now_us - 5 * SECOND)) < 1000 and end >= now_us for _, begin, end in world.gone)
    assert not world.recorder.state.removals


async def test_a_leg_that_is_added_is_masked_before_it_is_kept(world: World) -> None:
    call = world.core.session("200")
    await world.recorder.black_out(StartBlackout(device_id="200"))
    legs = tuple(one.facts for one in call.attachments)
    added = LegFacts(leg=world.recorder.next_leg(), port=0, side="mixed")
    world.recorder.apply(SessionChanged(session="200", legs=(*legs, added)))
    assert world.masked(call) and added.leg in world.core.sound.masked


async def test_a_blackout_of_a_call_ends_with_it(world: World) -> None:
    """The session runs on, and its sound goes to the next call unmasked."""
    world.recorder.apply(StartCall(device_id="200"))
    first = world.core.session("200")
    await world.recorder.black_out(StartBlackout(device_id="200"))
    world.recorder.apply(StopCall(device_id="200"))
    assert not world.core.sound.masked and not world.recorder.state.blackouts
    world.recorder.apply(StartCall(device_id="200"))
    second = world.recorder.state.open_call("200", None)
    assert second is not None and second.key != first.key and not world.masked(second)


async def test_an_agents_blackout_covers_the_calls_that_follow_on_any_phone(world: World) -> None:
    first = world.core.session("200")
    told = StartAgentBlackout(agent="agent 7", devices=("200",), phones=("777",))
    await world.recorder.black_out(told)
    assert world.masked(first)
    world.core.close("200")
    assert first.gaps[-1].until_us is not None and "agent 7" in world.recorder.state.blackouts
    world.recorder.apply(StartCall(device_id="300", changes={"device_alias": "777"}))
    assert world.masked(world.core.session("300")), "the agent sits elsewhere now"
    world.recorder.apply(StartCall(device_id="200", changes={"device_alias": "888"}))
    assert not world.masked(world.core.session("200b", device="200")), "somebody else sits there now"
    await world.recorder.black_out(StopBlackout(device_id="300"))
    third = world.recorder.state.open_call("300", None)
    assert third is not None and world.masked(third), "a stop of the other kind ends nothing"
    await world.recorder.black_out(StopAgentBlackout(agent="agent 7"))
    assert not world.masked(third)


async def test_both_kinds_at_once_mask_until_both_have_ended(world: World) -> None:
    call = world.core.session("200")
    await world.recorder.black_out(StartBlackout(device_id="200"))
    await world.recorder.black_out(StartAgentBlackout(agent="device 200", devices=("200",)))
    await world.recorder.black_out(StopBlackout(device_id="200"))
    assert world.masked(call)
    await world.recorder.black_out(StopAgentBlackout(agent="device 200"))
    assert not world.masked(call)


@pytest.mark.parametrize("from_inputs", [True, False])
async def test_a_restart_goes_on_masking_and_removing(world: World, from_inputs: bool) -> None:
    """Killed when the disk did not take the removal: the next process does it, and masks before anything is kept."""
    call = world.core.session("200")
    world.broken = OSError(28, "No space left on device")
    with pytest.raises(CoreAway):
        await world.recorder.black_out(StartBlackout(device_id="200", offset_us=-SECOND, longest_us=60 * SECOND))
    events = world.recorder.journal.events if from_inputs else world.recorder.checkpoint()  # type: ignore[attr-defined]
    restored = restore([orjson.loads(orjson.dumps(event)) for event in events], 1)
    again = World(Core(restored.state, world.core.clock))
    for one in call.attachments:
        again.core.sound.open_leg(one.facts.leg)
        again.recorder.resume_leg(one.facts.leg, True)
    assert again.masked(again.recorder.state.calls[call.key])
    again.blackouts.resume()
    async with asyncio.timeout(5):
        while again.recorder.state.removals:
            await asyncio.sleep(0)
    assert len(again.gone) == 2
    again.blackouts.close()
    await again.spawner.close()


async def test_a_removal_that_fails_is_an_error_and_is_tried_again(world: World) -> None:
    world.core.session("200")
    world.broken = OSError(5, "Input/output error")
    with pytest.raises(CoreAway, match="Input/output"):
        await world.recorder.black_out(StartBlackout(device_id="200", offset_us=-SECOND))
    assert world.blackouts.failing and world.recorder.blackouts_failing
    world.broken = None
    async with asyncio.timeout(5):
        while world.recorder.state.removals:
            await asyncio.sleep(0.02)
    assert not world.blackouts.failing


async def test_a_journal_that_is_stuck_is_an_error() -> None:
    world = World(patience_s=0.05)
    call = world.core.session("200")
    world.disk.clear()
    with pytest.raises(CoreAway, match="took too long"):
        await world.recorder.black_out(StartBlackout(device_id="200"))
    assert world.masked(call), "masking does not wait for the disk"
    await world.spawner.close()


async def test_the_longest_length_ends_a_forgotten_one(world: World) -> None:
    call = world.core.session("200")
    await world.recorder.black_out(
        StartAgentBlackout(agent="device 200", devices=("200",), longest_us=int(0.05 * SECOND))
    )
    assert world.masked(call)
    world.core.clock.advance(1)
    async with asyncio.timeout(5):
        while world.recorder.state.blackouts:
            await asyncio.sleep(0.01)
    assert not world.masked(call)


async def test_an_alias_that_comes_late_covers_the_call_from_the_begin(world: World) -> None:
    """Nobody knew whose call it was; then a CALLSTART says so: what was written of it in the blackout goes."""
    await world.recorder.black_out(StartAgentBlackout(agent="agent 7", phones=("777",)))
    legs = tuple(LegFacts(leg=leg, port=0) for leg in (1, 2))
    world.recorder.apply(SessionOpened(session="s", device_id="200", legs=legs))
    (call,) = world.recorder.state.calls.values()
    assert not world.masked(call)
    world.core.clock.advance(2)
    world.recorder.apply(StartCall(device_id="200", changes={"device_alias": "777"}))
    assert world.masked(call)
    async with asyncio.timeout(5):
        while world.recorder.state.removals:
            await asyncio.sleep(0)
    assert sorted(leg for leg, _, _ in world.gone) == [1, 2]
    world.recorder.apply(SessionClosed(session="s", why="bye"))
    assert not world.core.sound.masked


async def test_the_last_call_is_reached_when_it_is_over(world: World) -> None:
    call = world.core.session("200")
    world.core.clock.advance(5)
    world.core.close("200")
    await world.recorder.black_out(StartBlackout(device_id="200", offset_us=-2 * SECOND))
    assert len(world.gone) == 2 and world.sealed[-1].calls == [call.key]
    assert masks_of(call) and not world.recorder.state.blackouts
    world.recorder.call_stored(call.key)
    await world.recorder.black_out(StartBlackout(device_id="200", offset_us=-2 * SECOND))
    assert world.sealed[-1].last_of == "200"
