"""The rules of calls, told as short stories: inputs in, effects out, and what the state says afterwards."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from earshot.engine.effects import Announce, DropLeg, Effect, KeepLeg, NameRecording, SealCall
from earshot.engine.inputs import (
    INPUT_TYPES,
    CallRefused,
    CallStored,
    EndCall,
    Input,
    LegFacts,
    RecorderResumed,
    RecordingNamed,
    SessionChanged,
    SessionClosed,
    SessionOpened,
    StartCall,
    StartRecording,
    StopCall,
    StopRecording,
    UpdateCall,
    from_record,
)
from earshot.engine.model import Call, State
from earshot.engine.step import RULES, step

SECOND = 1_000_000


class Story:
    """A state, and a clock that moves one second with every input."""

    def __init__(self) -> None:
        self.state = State()
        self.now_us = 1_700_000_000 * SECOND

    def tell(self, told: Input) -> list[Effect]:
        self.now_us += SECOND
        return step(self.state, told, self.now_us)

    def only_call(self) -> Call:
        (call,) = self.state.calls.values()
        return call


def session(key: str, device: str, *legs: int, **more: Any) -> SessionOpened:
    sides = ("agent", "other")
    made = tuple(LegFacts(leg=leg, port=20000 + leg, side=sides[at % 2]) for at, leg in enumerate(legs))  # type: ignore[arg-type]
    return SessionOpened(session=key, device_id=device, legs=made, **more)


def kinds(effects: list[Effect]) -> list[str]:
    return [effect.event if isinstance(effect, Announce) else type(effect).__name__ for effect in effects]


def test_an_announced_call_gets_the_sound_that_comes_later() -> None:
    story = Story()
    assert kinds(story.tell(StartCall(device_id="555", changes={"ani": "614", "user1": "Gold Level"}))) == ["CALLSTART"]
    effects = story.tell(session("d1", "555", 1, 2, signalled={"ani": "anonymous", "dnis": "888"}))
    assert KeepLeg(leg=1) in effects and KeepLeg(leg=2) in effects
    call = story.only_call()
    assert call.announced_by == ["api", "siprec"]
    assert call.variables.ani == "614", "what the API says wins"
    assert call.variables.dnis == "888"
    assert call.variables.users[0] == "Gold Level"
    assert NameRecording(call=call.key, part=0) in effects


def test_a_signalled_call_is_adopted_by_the_api_that_speaks_later() -> None:
    story = Story()
    story.tell(session("d1", "555", 1, 2, signalled={"ani": "614"}))
    before = story.only_call().key
    story.tell(StartCall(device_id="555", instance="7", changes={"ani": "6145551212"}))
    call = story.only_call()
    assert (call.key, call.instance, call.variables.ani) == (before, "7", "6145551212")
    assert call.variables.call_instance == "7"


def test_the_best_matching_call_is_adopted() -> None:
    story = Story()
    story.tell(session("d1", "555", 1, 2, signalled={"ani": "100"}))
    story.tell(session("d2", "555", 3, 4, signalled={"ani": "200"}))
    story.tell(StartCall(device_id="555", instance="a", changes={"ani": "100"}))
    adopted = story.state.open_call("555", "a")
    assert adopted is not None and adopted.sessions == ["d1"]


def test_callstop_ends_the_call_and_the_session_waits_for_the_next_one() -> None:
    story = Story()
    story.tell(StartCall(device_id="555"))
    story.tell(session("d1", "555", 1, 2))
    first = story.only_call().key
    effects = story.tell(StopCall(device_id="555"))
    assert kinds(effects) == ["DropLeg", "DropLeg", "RECORDSTOP", "CALLSTOP", "SealCall"]
    assert story.state.calls[first].ended_by == "callstop"
    effects = story.tell(StartCall(device_id="555"))
    assert KeepLeg(leg=1) in effects, "the sound that still runs belongs to the new call"
    effects = story.tell(SessionClosed(session="d1", why="bye"))
    assert kinds(effects)[-1] == "SealCall"


def test_a_second_callstart_of_the_instance_restarts_it() -> None:
    story = Story()
    story.tell(StartCall(device_id="555", instance="1"))
    effects = story.tell(StartCall(device_id="555", instance="1"))
    assert kinds(effects) == ["CALLSTOP", "SealCall", "CALLSTART"]
    assert [call.ended_by for call in story.state.calls.values()] == ["restarted", ""]


def test_instances_on_one_device_are_calls_of_their_own() -> None:
    story = Story()
    story.tell(StartCall(device_id="555", instance="1"))
    story.tell(StartCall(device_id="555", instance="2"))
    story.tell(UpdateCall(device_id="555", changes={"user3": "last"}))
    story.tell(UpdateCall(device_id="555", instance="1", changes={"user3": "first"}))
    by_instance = {call.instance: call.variables.users[2] for call in story.state.calls.values()}
    assert by_instance == {"1": "first", "2": "last"}
    story.tell(StopCall(device_id="555"))
    assert story.state.open_call("555", "2") is None
    assert story.state.open_call("555", "1") is not None


@pytest.mark.parametrize(
    "told",
    [
        StopCall(device_id="9"),
        UpdateCall(device_id="9", changes={"ani": "1"}),
        StopRecording(device_id="9"),
        SessionClosed(session="none", why="bye"),
        SessionChanged(session="none"),
        CallStored(call="none"),
        EndCall(call="none", why="too_long"),
        RecordingNamed(call="none", part=0, object_name="x", file_name="y"),
    ],
)
def test_what_speaks_of_nothing_changes_nothing(told: Input) -> None:
    story = Story()
    before = copy.deepcopy(story.state)
    assert story.tell(told) == []
    assert story.state == before


def test_a_partial_recording_is_a_recording_of_its_own() -> None:
    story = Story()
    story.tell(session("d1", "555", 1, 2))
    effects = story.tell(StartRecording(device_id="555", changes={"user1": "card"}))
    assert NameRecording(call=story.only_call().key, part=1) in effects
    assert story.tell(StartRecording(device_id="555")) == [], "one at a time"
    story.tell(StopRecording(device_id="555", changes={"user2": "done"}))
    recording = story.only_call().recordings[1]
    assert recording.until_us == story.now_us
    assert recording.changes == {"user1": "card", "user2": "done"}
    assert story.only_call().variables.users[0] == "", "the call itself keeps its own fields"
    story.tell(SessionClosed(session="d1", why="bye"))
    assert all(recording.until_us for recording in story.only_call().recordings)


def test_recordstart_without_a_call_starts_one() -> None:
    story = Story()
    assert "CALLSTART" in kinds(story.tell(StartRecording(device_id="555", changes={"ani": "1"})))
    assert story.only_call().variables.ani == "1"


def test_two_dialogs_of_one_bridge_are_one_call_with_two_sides() -> None:
    story = Story()
    story.tell(session("near", "555", 1, link="refci-1"))
    effects = story.tell(session("far", "555", 2, link="refci-1"))
    assert KeepLeg(leg=2) in effects
    call = story.only_call()
    assert {one.facts.side for one in call.attachments} == {"agent", "other"}
    story.tell(SessionClosed(session="near", why="bye"))
    assert call.stopped_us is None
    story.tell(SessionClosed(session="far", why="bye"))
    assert call.stopped_us == story.now_us


def test_hold_and_resume_leave_a_gap() -> None:
    story = Story()
    story.tell(session("d1", "555", 1, 2))
    legs = story.state.sessions["d1"].legs
    held = tuple(LegFacts(leg=one.leg, port=one.port, side=one.side, held=True) for one in legs)
    story.tell(SessionChanged(session="d1", legs=held))
    start = story.now_us
    story.tell(SessionChanged(session="d1", legs=legs))
    assert [(gap.from_us, gap.until_us) for gap in story.only_call().gaps] == [(start, story.now_us)] * 2


def test_added_and_removed_streams() -> None:
    story = Story()
    story.tell(session("d1", "555", 1, 2))
    first = story.state.sessions["d1"].legs[0]
    effects = story.tell(SessionChanged(session="d1", legs=(first, LegFacts(leg=3, port=20003, side="other"))))
    assert [effect for effect in effects if not isinstance(effect, Announce)] == [DropLeg(leg=2), KeepLeg(leg=3)]


def test_an_ended_call_can_be_updated_until_it_is_stored() -> None:
    story = Story()
    story.tell(StartCall(device_id="555"))
    story.tell(StopCall(device_id="555"))
    assert story.tell(UpdateCall(device_id="555", changes={"user1": "no"})) == []
    story.tell(UpdateCall(device_id="555", changes={"user1": "late"}, ended_too=True))
    assert story.only_call().variables.users[0] == "late"
    story.tell(CallStored(call=story.only_call().key))
    assert story.state.calls == {}


@pytest.mark.parametrize("by", ["api", "siprec"])
def test_a_refused_call_begins_and_ends_at_once(by: Any) -> None:
    story = Story()
    told = CallRefused(device_id="555", why="out_of_disk_space", said={"ani": "614"}, by=by, instance="7")
    assert kinds(story.tell(told)) == ["CALLSTOP", "SealCall"]
    call = story.only_call()
    assert (call.announced_by, call.variables.ani, call.instance) == ([by], "614", "7")
    assert call.stopped_us == call.started_us and not call.attachments


def test_a_restart_marks_a_gap_in_open_calls_only() -> None:
    story = Story()
    story.tell(session("d1", "555", 1, 2))
    story.tell(session("d2", "556", 3, 4))
    story.tell(SessionClosed(session="d2", why="bye"))
    story.tell(RecorderResumed(down_since_us=story.now_us - 5 * SECOND))
    by_device = {call.device_id: [gap.why for gap in call.gaps] for call in story.state.calls.values()}
    assert by_device == {"555": ["restart"], "556": []}


def test_every_input_has_a_rule_and_a_record() -> None:
    assert set(INPUT_TYPES.values()) == set(RULES)


devices = st.sampled_from(["555", "556"])
instances = st.sampled_from(["", "1"])
legs = st.integers(1, 4)
told_inputs = st.one_of(
    st.builds(StartCall, device_id=devices, instance=instances, changes=st.just({"user1": "x"})),
    st.builds(StopCall, device_id=devices, instance=st.none() | instances),
    st.builds(UpdateCall, device_id=devices, changes=st.just({"gate": "80"}), ended_too=st.booleans()),
    st.builds(StartRecording, device_id=devices),
    st.builds(StopRecording, device_id=devices),
    st.builds(session, st.sampled_from(["d1", "d2"]), devices, legs, legs),
    st.builds(SessionClosed, session=st.sampled_from(["d1", "d2"]), why=st.just("bye")),
    st.builds(RecorderResumed, down_since_us=st.integers(1, 2)),
)


@given(st.lists(told_inputs, max_size=30))
def test_replaying_the_journal_gives_the_same_state(inputs: list[Input]) -> None:
    """Inputs survive their journal form, the state survives its checkpoint form, and every call ends exactly once."""
    story, replayed = Story(), Story()
    sealed: list[str] = []
    opened: set[str] = set()
    for told in inputs:
        if isinstance(told, SessionOpened) and told.session in story.state.sessions:
            continue
        effects = story.tell(told)
        sealed += [effect.call for effect in effects if isinstance(effect, SealCall)]
        opened |= set(story.state.calls)
        record = orjson.loads(orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS))
        replayed.tell(from_record(type(told).__name__, record))
        checkpoint = orjson.dumps(replayed.state, option=orjson.OPT_NON_STR_KEYS)
        replayed.state = TypeAdapter(State).validate_json(checkpoint)
    assert replayed.state == story.state
    assert len(sealed) == len(set(sealed))
    still_open = {key for key, call in story.state.calls.items() if call.phase == "open"}
    assert opened == still_open | set(sealed)
