"""The core decides: channels and priority, replay from the journal, and calls that a crash left undecided."""

from dataclasses import replace
from datetime import UTC
from typing import Any

import orjson
import pytest
from tests.faults.core_parts import Core, EventList

from earshot.clock import FakeClock
from earshot.core.recovery import restore
from earshot.core.scheduling import Scheduling, Surroundings
from earshot.core.verdicts import verdict_of
from earshot.engine.directory import Directory
from earshot.engine.inputs import CallRefused, SessionClosed, StartCall, StartRecording, StopCall, StopRecording
from earshot.engine.model import Call, State
from earshot.engine.schedule_values import RECORD_EVERYTHING, CallDecided, Criterion, DecideCall, Schedule
from earshot.errors import ConfigurationError
from earshot.services.boards import boards_of

HALF = Schedule(number=2, name="half", percent=50.0)


class Deciding(Core):
    """A core with schedules in force; `draws` are used up in turn."""

    def __init__(self, *schedules: Schedule, preempt: bool = False, state: State | None = None, **more: Any) -> None:
        super().__init__(state, **more)
        self.draws = [50.0]
        around = Surroundings(
            wall=self.clock.now,
            zone=UTC,
            draw=lambda: self.draws[0],
            directory=Directory,
            preempt=preempt,
        )
        self.scheduling = Scheduling(self.recorder, around)
        self.scheduling.use(schedules or [RECORD_EVERYTHING], 1)
        self.scheduling.start()

    def call(self, device: str) -> Call:
        return self.recorder.state.calls[self.recorder.state.devices[device].calls[-1]]

    def events(self) -> list[dict[str, Any]]:
        """The journal as it is read after a crash."""
        assert isinstance(self.recorder.journal, EventList)
        events = self.recorder.journal.events
        return [orjson.loads(orjson.dumps(one, option=orjson.OPT_NON_STR_KEYS)) for one in events]


def without_times(state: State) -> Any:
    return orjson.loads(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))


def test_a_replay_has_the_decisions_of_then_whatever_the_schedules_are_now() -> None:
    core = Deciding(HALF, Schedule(number=3, name="three", kind="set_number", count=3, keep_days=5))
    for number in range(6):
        core.draws[0] = 10.0 + number
        core.session(str(number))
    taken = [core.call(str(number)).wanted for number in range(6)]
    assert taken == [True, True, True, True, False, True]
    restored = restore(core.events(), core=1)
    assert restored.skipped == 0
    assert without_times(restored.state) == without_times(core.recorder.state)
    again = Deciding(replace(HALF, percent=0.0), state=restored.state)
    assert [again.call(str(number)).wanted for number in range(6)] == taken
    assert again.recorder.state.quotas == core.recorder.state.quotas, "what was counted counts on"


def test_a_checkpoint_holds_the_counts() -> None:
    core = Deciding(HALF)
    core.session("1")
    (state,) = core.recorder.checkpoint()
    restored = restore([orjson.loads(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))], core=1)
    assert restored.state.quotas == core.recorder.state.quotas != {}
    after = Deciding(HALF, state=restored.state)
    after.session("2")
    assert after.call("2").wanted, "the second of two"


def test_a_call_that_a_crash_left_undecided_is_decided_at_the_next_start() -> None:
    core = Deciding()
    core.session("1")
    cut_off = [one for one in core.events() if one["input"] not in ("CallDecided", "RecordingNamed")]
    restored = restore(cut_off, core=1)
    (call,) = restored.state.calls.values()
    assert call.decided is None and not call.wanted
    again = Deciding(state=restored.state)
    assert again.call("1").wanted and again.call("1").recordings[0].object_name


def test_without_schedules_in_force_everything_is_recorded_as_before() -> None:
    core = Core()
    assert core.session("1").wanted
    assert not any(one["input"] == "CallDecided" for one in core.recorder.journal.events)  # type: ignore[attr-defined]


def test_a_clock_that_is_set_does_not_undo_a_decision_or_a_count() -> None:
    core = Deciding(Schedule(number=2, name="one a day", kind="set_number", count=1))
    core.session("1")
    for jump in (-86_400 * 3, 86_400 * 3, 86_400 * 400, -86_400 * 400):
        core.clock.jump(jump)
        core.scheduling._decide(DecideCall(call=core.call("1").key, trigger="start"), 0)
        assert core.call("1").wanted
    core.session("2")
    assert not core.call("2").wanted, "the clock is back where it was, and the one of that day is taken"


# --- channels -------------------------------------------------------------------------------------------------------


def test_priority_takes_a_channel_away_where_the_setting_says_so() -> None:
    low = Schedule(number=2, name="low", priority=1)
    high = Schedule(number=3, name="high", priority=5, criteria=(Criterion(field="device", values=("9",)),))
    core = Deciding(low, high, preempt=True, channels=2)
    core.session("1")
    core.clock.advance(1)
    core.session("2")
    assert not core.scheduling.finds_channel("3", {}), "nobody is less important"
    assert core.scheduling.finds_channel("9", {})
    core.session("9")
    assert [core.call(device).wanted for device in ("1", "2", "9")] == [True, False, True], "the newest of the low"
    loser = core.call("2")
    assert (loser.phase, loser.cut, loser.recording_now()) == ("open", "preempted", None)
    core.close("2")
    assert verdict_of(loser, 10, ()).reason == "preempted"
    busy = {channel.device_id for channel in core.recorder.busy.all if channel.state == "Recording"}
    assert busy == {"1", "9"}


def test_priority_of_the_api_counts_for_channels() -> None:
    core = Deciding(preempt=True, channels=1)
    core.recorder.apply(StartCall(device_id="1", changes={"priority": "7"}))
    core.session("1")
    assert not core.scheduling.finds_channel("2", {})
    core.recorder.apply(StartCall(device_id="2", changes={"priority": "8"}))
    assert core.scheduling.finds_channel("2", {})
    core.session("2")
    assert (core.call("1").cut, core.call("2").wanted) == ("preempted", True)


def test_without_the_setting_the_call_that_comes_last_is_not_recorded() -> None:
    core = Deciding(Schedule(number=2, name="x", priority=9), channels=1)
    core.session("1")
    assert not core.scheduling.finds_channel("2", {"priority": "100"})
    core.session("2")
    call = core.call("2")
    assert not call.wanted and call.decided is not None and call.decided.refused == "no_free_channel"
    core.close("2")
    assert (verdict_of(call, 0, ()).verdict, verdict_of(call, 0, ()).reason) == ("failed", "no_free_channel")


def test_a_call_that_no_schedule_wants_needs_no_channel() -> None:
    core = Deciding(Schedule(number=2, name="x", criteria=(Criterion(field="device", values=("1",)),)), channels=1)
    core.session("1")
    assert core.scheduling.finds_channel("2", {})
    core.session("2")
    assert core.recorder.busy.busy == 1


def test_boards_keep_channels_for_a_device_or_a_kind_of_recording() -> None:
    on_demand = Schedule(number=2, name="asked", kind="on_demand")
    core = Deciding(RECORD_EVERYTHING, on_demand)
    core.recorder.lay_out(boards_of(["Desk:1:device=555", "Asked:1:kind=on_demand", "SIPREC:1"]))
    core.session("1")
    assert not core.scheduling.finds_channel("2", {})
    assert core.scheduling.finds_channel("555", {})
    core.session("555")
    states = [(one.board, one.state, one.device_id) for one in core.recorder.busy.all]
    assert states == [("Desk", "Recording", "555"), ("Asked", "Idle", ""), ("SIPREC", "Recording", "1")]
    core.close("1")
    assert [one.state for one in core.recorder.busy.all] == ["Recording", "Idle", "Idle"]


@pytest.mark.parametrize("text", ["SIPREC", "SIPREC:0", ":3", "A:2:device", "A:2:kind=sometimes", "A:2:floor=3"])
def test_a_board_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigurationError, match="boards"):
        boards_of([text])


def test_channels_are_taken_again_after_a_restart_by_what_is_recorded_only() -> None:
    core = Deciding(Schedule(number=2, name="x", criteria=(Criterion(field="device", values=("1",)),)))
    core.session("1")
    core.session("2")
    again = Deciding(state=restore(core.events(), core=1).state)
    assert [one.device_id for one in again.recorder.busy.all if one.state == "Recording"] == ["1"]


# --- one call through its decisions ---------------------------------------------------------------------------------


def test_on_demand_can_be_asked_for_twice_in_one_call() -> None:
    core = Deciding(Schedule(number=2, name="asked", kind="on_demand"))
    core.session("1")
    for user in ("a", "b"):
        core.clock.advance(5)
        core.recorder.apply(StartRecording(device_id="1", changes={"user1": user}))
        core.recorder.apply(StartRecording(device_id="1", changes={"user1": "while it runs"}))
        core.clock.advance(5)
        core.recorder.apply(StopRecording(device_id="1"))
    call = core.call("1")
    assert [(one.part, one.changes["user1"], one.asked) for one in call.recordings] == [(0, "a", True), (1, "b", True)]
    assert all(one.until_us is not None and one.object_name for one in call.recordings)
    core.recorder.apply(SessionClosed(session="1", why="bye"))
    kept = [one for one in call.attachments if one.kept]
    assert len(kept) == 4 and all(one.until_us is not None and one.until_us - one.from_us < 6_000_000 for one in kept)


def test_a_later_decision_never_ends_a_recording() -> None:
    core = Deciding()
    core.session("1")
    core.scheduling.use([replace(RECORD_EVERYTHING, active=False)], 2)
    core.recorder.apply(StartCall(device_id="1", changes={"group": "Sales"}))
    call = core.call("1")
    assert call.wanted and call.decided is not None and call.decided.winner is not None
    core.session("2")
    assert not core.call("2").wanted


def test_a_decision_of_a_call_that_is_gone_changes_only_the_counts() -> None:
    core = Deciding(HALF)
    core.session("1")
    told = next(one for one in core.events() if one["input"] == "CallDecided")
    assert told["body"]["decision"]["draw"] == 50.0 and told["body"]["decision"]["quotas"]
    core.close("1")
    core.recorder.call_stored(next(iter(core.recorder.state.calls)))
    core.scheduling._decide(DecideCall(call="gone", trigger="start"), 0)
    known = core.recorder.state.devices["1"].last
    assert known is not None
    decision = core.scheduling._decider.decide(core.scheduling.facts(known, "start"), {}, 1.0)
    core.recorder.apply(CallDecided(call="gone", trigger="start", at=0.0, revision=1, decision=decision))
    assert core.recorder.state.calls == {}


def test_clocks_are_those_of_the_wall() -> None:
    clock = FakeClock(1_795_426_200.0)  # Monday, 09:30
    office = Schedule(number=2, name="office", from_time="09:00", until_time="10:00", days=("mon",))
    core = Deciding(office, clock=clock)
    core.session("1")
    clock.jump(3600)
    core.session("2")
    assert [core.call(device).wanted for device in ("1", "2")] == [True, False]


def test_an_announced_call_is_decided_when_its_sound_comes_and_takes_no_quota_before() -> None:
    core = Deciding(Schedule(number=2, name="one a day", kind="set_number", count=1))
    core.recorder.apply(StartCall(device_id="1", changes={"group": "Sales"}))
    core.recorder.apply(StartCall(device_id="2"))
    assert core.call("1").decided is None and core.recorder.state.quotas == {}
    core.session("2")
    core.session("1")
    assert (core.call("1").wanted, core.call("2").wanted) == (False, True), "the sound that comes first has the place"
    decided = core.call("1").decided
    assert decided is not None and decided.facts["group"] == "Sales" and decided.trigger == "session"


def test_an_announced_call_without_sound_is_judged_at_its_end_and_counts_for_nothing() -> None:
    sales = Criterion(field="group", values=("Sales",))
    core = Deciding(Schedule(number=2, name="one", kind="set_number", count=1, criteria=(sales,)))
    reasons = {}
    for device, group in (("1", "Sales"), ("2", "Service")):
        core.recorder.apply(StartCall(device_id=device, changes={"group": group}))
        call = core.call(device)
        core.recorder.apply(StopCall(device_id=device))
        call.decided = core.scheduling.judge(call)
        reasons[group] = verdict_of(call, 0, ()).reason
    assert reasons == {"Sales": "no_session", "Service": "schedule"}
    assert core.recorder.state.quotas == {}
    core.recorder.apply(CallRefused(device_id="3", why="draining"))
    (refused,) = (call for call in core.recorder.state.calls.values() if call.device_id == "3")
    assert core.scheduling.judge(refused) is None
    assert verdict_of(refused, 0, ()).reason == "draining"
