"""Standard mode in the core: a blackout that hides masks nothing and removes nothing, and says where it was."""

from collections.abc import AsyncIterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_blackouts_in_force import World
from tests.faults.core_parts import Core

from earshot.core.recovery import restore
from earshot.engine.blackout_gaps import hidden_of, is_blacked_out, is_masked, masks_of
from earshot.engine.blackout_values import (
    BlackOutSpan,
    StartAgentBlackout,
    StartBlackout,
    StopAgentBlackout,
    StopBlackout,
)
from earshot.engine.blackouts import Span, start, stop
from earshot.engine.model import Call

SECOND = 1_000_000


@pytest.fixture
async def hiding() -> AsyncIterator[World]:
    made = World()
    yield made
    made.blackouts.close()
    await made.spawner.close()


def is_kept(world: World, call: Call) -> bool:
    """Whether every packet of the call is written."""
    return not any(one.facts.leg in world.core.sound.masked for one in call.attachments)


async def test_it_is_open_and_masks_nothing(hiding: World) -> None:
    call = hiding.core.session("200")
    await hiding.recorder.black_out(StartBlackout(device_id="200", hide=True))
    assert is_blacked_out(call) and is_kept(hiding, call)
    hiding.core.clock.advance(3)
    await hiding.recorder.black_out(StopBlackout(device_id="200"))
    ((begin, end),) = hidden_of(call)
    assert abs(end - begin - 3 * SECOND) < SECOND // 10
    assert masks_of(call) == () and not is_blacked_out(call) and not hiding.recorder.state.blackouts


async def test_what_lies_before_is_marked_and_not_removed(hiding: World) -> None:
    """Of a call that runs, the journal keeps it; of those that are sealed, the rows are to say so."""
    call = hiding.core.session("200")
    hiding.core.clock.advance(10)
    told = StartAgentBlackout(agent="agent 7", phones=("200",), offset_us=-5 * SECOND, hide=True)
    await hiding.recorder.black_out(told)
    assert hiding.gone == [] and [removal.hide for removal in hiding.sealed] == [True]
    await hiding.recorder.black_out(StopAgentBlackout(agent="agent 7"))
    ((begin, end),) = hidden_of(call)
    assert end - begin >= 5 * SECOND and masks_of(call) == ()


async def test_an_agents_blackout_goes_on_in_the_next_call(hiding: World) -> None:
    await hiding.recorder.black_out(StartAgentBlackout(agent="agent 7", phones=("200",), hide=True))
    call = hiding.core.session("200")
    assert is_blacked_out(call) and is_kept(hiding, call)


async def test_a_restart_keeps_what_was_begun(hiding: World) -> None:
    """Also when the setting was changed in between: the mode is that of the start."""
    hiding.core.session("200")
    await hiding.recorder.black_out(StartBlackout(device_id="200", hide=True))
    events = [orjson.loads(orjson.dumps(event)) for event in hiding.recorder.checkpoint()]
    (call,) = restore(events, 1).state.calls.values()
    assert is_blacked_out(call) and not is_masked(call)
    again = World(Core(restore(events, 1).state, hiding.core.clock))
    again.blackouts.resume()
    await again.recorder.black_out(StopBlackout(device_id="200"))
    (call,) = again.recorder.state.calls.values()
    assert len(hidden_of(call)) == 1 and not masks_of(call)
    again.blackouts.close()
    await again.spawner.close()


async def test_a_removing_one_within_it_removes_and_one_stop_ends_both(hiding: World) -> None:
    call = hiding.core.session("200")
    await hiding.recorder.black_out(StartBlackout(device_id="200", hide=True))
    hiding.core.clock.advance(1)
    await hiding.recorder.black_out(StartBlackout(device_id="200"))
    assert is_masked(call) and not is_kept(hiding, call)
    await hiding.recorder.black_out(StartBlackout(device_id="200", hide=True))
    assert is_masked(call), "one that hides takes nothing back"
    hiding.core.clock.advance(1)
    await hiding.recorder.black_out(StopBlackout(device_id="200"))
    assert is_kept(hiding, call) and not is_blacked_out(call)
    assert len(hidden_of(call)) == len(masks_of(call)) == 1


async def test_after_the_fact_it_is_removed_whatever_the_mode(hiding: World) -> None:
    call = hiding.core.session("200")
    began_us = hiding.recorder.now_us()
    hiding.core.clock.advance(5.0)
    await hiding.recorder.black_out(StartBlackout(device_id="200", offset_us=-SECOND, hide=True))
    hiding.core.close("200")
    span = BlackOutSpan(call=call.key, from_us=began_us + SECOND, until_us=began_us + 2 * SECOND)
    await hiding.recorder.black_out(span)
    assert masks_of(call) == ((span.from_us, span.until_us),) and len(hiding.gone) > 0


@given(st.lists(st.tuples(st.sampled_from(["hide", "remove", "stop"]), st.integers(-9, 9)), max_size=10))
def test_a_removing_start_always_removes(commands: list[tuple[str, int]]) -> None:
    """Whatever came before, the moment of a start that removes is covered by a span that does."""
    spans: list[Span] = []
    for number, (kind, offset) in enumerate(commands):
        moment = 10 * number + offset
        if kind == "stop":
            stop(spans, moment)
            continue
        start(spans, moment, 10 * number, 50, hide=kind == "hide")
        assert any(span.covers(moment) and (kind == "hide" or not span.hide) for span in spans)
