"""Which schedule decides a call: criteria, times, counts, ranks; by index and one by one it is the same."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.engine.criteria import FIELDS, Facts, asked_for, facts_document
from earshot.engine.quotas import WINDOWS_KEPT, step_of, take_number, take_percentage, window_of
from earshot.engine.schedule_documents import document_of, schedule_of
from earshot.engine.schedule_values import RECORD_EVERYTHING, Criterion, Quota, Schedule
from earshot.engine.schedules import Decider, compile_schedules, explain
from earshot.engine.variables import CallVariables
from earshot.errors import BadInput

MONDAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC).timestamp()


def call(at: float = MONDAY, asked: frozenset[str] = frozenset(), agent: str = "", **known: Any) -> Facts:
    whose = (agent, "7") if agent else ()
    groups, core = known.pop("groups", ()), known.pop("core", 1)
    variables = CallVariables.of({"device_id": "555"}, known)
    return Facts(variables=variables, at=at, asked=asked, agent=whose, groups=groups, core=core)


def decider(*schedules: Schedule, core: int = 1) -> Decider:
    return compile_schedules(schedules, core=core, zone=UTC)


def numbers(decider: Decider, facts: Facts, draw: float = 50.0, quotas: Mapping[str, Quota] | None = None) -> list[int]:
    return [one.number for one in decider.decide(facts, quotas or {}, draw).matched]


@pytest.mark.parametrize(
    ("criterion", "matches"),
    [
        (Criterion(field="group", values=("sales",)), True),
        (Criterion(field="group", values=("Sale",)), False),
        (Criterion(field="group", test="begins_with", values=("SAL",)), True),
        (Criterion(field="group", test="one_of", values=("Support", "Sales")), True),
        (Criterion(field="group", values=("sales",), negated=True), False),
        (Criterion(field="group", values=("support",), negated=True), True),
        (Criterion(field="gate", values=("",)), True),
        (Criterion(field="ani", test="range", values=("+6145550000", "6145559999")), True),
        (Criterion(field="ani", test="range", values=("1", "9")), False),
        (Criterion(field="user1", test="range", values=("1", "9")), False),
        (Criterion(field="ani", test="pattern", values=("614555????",)), True),
        (Criterion(field="user1", test="pattern", values=("*gold*",)), True),
        (Criterion(field="gate", test="pattern", values=("*",)), False),
        (Criterion(field="device", values=("555",)), True),
        (Criterion(field="core", values=("1",)), True),
        (Criterion(field="agent", values=("JDoe",)), True),
        (Criterion(field="agent", values=("7",)), True),
        (Criterion(field="qa_group", test="one_of", values=("first", "second")), True),
    ],
)
def test_each_test_of_a_criterion(criterion: Criterion, matches: bool) -> None:
    facts = call(group="Sales", ani="6145551212", user1="Gold Level", agent="jdoe", groups=("Second", "Third"))
    schedule = replace(RECORD_EVERYTHING, criteria=(criterion,))
    decision = decider(schedule).decide(facts, {}, 50.0)
    assert (decision.winner is not None) is matches
    assert decision == decider(schedule).decide_slowly(facts, {}, 50.0)
    (explained,) = explain([schedule], facts, UTC)
    assert (explained.why == "") is matches


def test_two_schedules_that_disagree_are_settled_by_priority_and_then_by_age() -> None:
    """How it must fail: whichever was made first or last, the result is one, and the same each time."""
    old = Schedule(number=2, name="old", keep_days=10)
    young = Schedule(number=9, name="young", keep_days=99)
    urgent = Schedule(number=20, name="urgent", priority=1, keep_days=1)
    for order in ((old, young), (young, old)):
        decision = decider(*order).decide(call(), {}, 50.0)
        assert decision.winner is not None
        assert (decision.winner.name, decision.options.keep_days) == ("old", 10)
        assert [one.name for one in decision.matched] == ["old", "young"]
        assert decider(*order, urgent).decide(call(), {}, 50.0).options.keep_days == 1


def test_without_a_schedule_that_matches_nothing_is_recorded() -> None:
    assert decider().decide(call(), {}, 50.0).winner is None
    assert numbers(decider(replace(RECORD_EVERYTHING, active=False)), call()) == []


@pytest.mark.parametrize(
    ("times", "at", "matches"),
    [
        ({"from_time": "09:00", "until_time": "10:00"}, "2026-11-23T09:30+00:00", True),
        ({"from_time": "09:00", "until_time": "09:30"}, "2026-11-23T09:30+00:00", False),
        ({"from_time": "22:00", "until_time": "06:00", "days": ("sun",)}, "2026-11-23T02:00+00:00", True),
        ({"from_time": "22:00", "until_time": "06:00", "days": ("mon",)}, "2026-11-23T02:00+00:00", False),
        ({"from_time": "22:00", "until_time": "06:00", "days": ("mon",)}, "2026-11-23T23:00+00:00", True),
        ({"days": ("mon",)}, "2026-11-22T23:59+00:00", False),
        ({"days": ("mon",), "zone": "Asia/Tokyo"}, "2026-11-22T23:59+00:00", True),
        ({"starts_at": MONDAY + 1}, "2026-11-23T09:30+00:00", False),
        ({"ends_at": MONDAY}, "2026-11-23T09:30+00:00", False),
        ({"starts_at": MONDAY, "ends_at": MONDAY + 1}, "2026-11-23T09:30+00:00", True),
    ],
)
def test_days_and_times(times: dict[str, Any], at: str, matches: bool) -> None:
    schedule = schedule_of({"name": "timed", **times})
    assert (numbers(decider(schedule), call(datetime.fromisoformat(at).timestamp())) != []) is matches


def test_types_that_wait_to_be_asked() -> None:
    asked = Schedule(number=1, name="a", kind="on_demand")
    program = Schedule(number=2, name="b", kind="api_initiated")
    both = decider(asked, program)
    assert numbers(both, call()) == []
    assert numbers(both, call(asked=asked_for("recordstart", CallVariables()))) == [1, 2]
    assert numbers(both, call(asked=asked_for("start", CallVariables(agent_initiated="Y")))) == [1]
    assert numbers(both, call(asked=asked_for("recordstart", CallVariables(cti_initiated="y")))) == [2]
    assert numbers(decider(replace(asked, kind="desktop")), call(asked=frozenset({"on_demand"}))) == []


def test_a_core_uses_the_schedules_related_to_it_or_all() -> None:
    general, related = Schedule(number=1, name="a"), Schedule(number=2, name="b", cores=(2,))
    assert numbers(decider(general, related, core=2), call(core=2)) == [2]
    assert numbers(decider(general, related, core=1), call()) == [1, 2]


def test_random_probability_is_a_draw() -> None:
    half = decider(Schedule(number=1, name="a", random_percent=50.0))
    assert numbers(half, call(), draw=50.0) == [1] and numbers(half, call(), draw=50.01) == []
    assert numbers(decider(Schedule(number=1, name="a", random_percent=0.0)), call(), draw=0.01) == []
    missed = half.decide(call(), {}, 60.0).missed
    assert missed[0].why == "the draw was 60, its probability is 50"


# --- counts ---------------------------------------------------------------------------------------------------------


@given(st.floats(0, 100).map(lambda one: round(one, 2)), st.integers(0, 400))
def test_percentages_are_exact_at_every_moment(percent: float, calls: int) -> None:
    quota, taken = Quota(), 0
    for number in range(1, calls + 1):
        quota, took = take_percentage(quota, step_of(percent))
        taken += took
        assert taken == number * round(percent * 100) // 10_000


@given(st.lists(st.integers(0, 5), max_size=80), st.integers(1, 4))
def test_no_window_ever_gets_more_than_its_number(days: list[int], count: int) -> None:
    """A clock that is set, forward or back, jumps among a few windows: none is counted anew."""
    quota: Quota = Quota()
    taken: dict[str, int] = {}
    for day in (day % WINDOWS_KEPT for day in days):
        quota, took = take_number(quota, f"d{day}", count)
        taken[f"d{day}"] = taken.get(f"d{day}", 0) + took
    assert all(number <= count for number in taken.values())
    for window, number in taken.items():
        wanted = [f"d{day % WINDOWS_KEPT}" for day in days].count(window)
        assert number == min(wanted, count)


def test_a_clock_set_back_a_day_finds_its_count_and_one_set_forward_begins_a_new_window() -> None:
    five = decider(Schedule(number=1, name="two a day", kind="set_number", count=2))
    quotas: dict[str, Quota] = {}

    def taken(at: float) -> bool:
        decision = five.decide(call(at), quotas, 50.0)
        quotas.update(decision.quotas)
        return decision.winner is not None

    assert [taken(MONDAY) for _ in range(3)] == [True, True, False]
    assert [taken(MONDAY + 86_400 * 365) for _ in range(3)] == [True, True, False], "a year ahead by mistake"
    assert not taken(MONDAY), "and set right again"
    assert [taken(MONDAY - 86_400) for _ in range(3)] == [True, True, False]
    assert not taken(MONDAY)
    assert taken(MONDAY + 86_400)


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    local = [datetime.fromtimestamp(at, berlin) for at in (first, first + 3600)]
    assert local[0].hour == local[1].hour == 2
    assert window_of("hour", first, local[0]) != window_of("hour", first + 3600, local[1])
    assert window_of("day", first, local[0]) == window_of("day", first + 3600, local[1])
    assert window_of("week", first, local[0]) == "2026-w43" and window_of("ever", first, local[0]) == "ever"


def test_agent_percentage_counts_each_agent_alone_and_nobody_without_one() -> None:
    half = decider(Schedule(number=3, name="half", kind="agent_percentage", percent=50.0))
    quotas: dict[str, Quota] = {}
    taken = []
    for number in range(8):
        facts = call(agent="a" if number % 2 else "b")
        facts = replace(facts, agent=(facts.agent[0], facts.agent[0]))
        decision = half.decide(facts, quotas, 50.0)
        quotas.update(decision.quotas)
        taken.append(decision.winner is not None)
    assert taken == [False, False, True, True, False, False, True, True]
    nobody = half.decide(call(), quotas, 50.0)
    assert nobody.winner is None and nobody.missed[0].why == "no agent is known" and not nobody.quotas


def test_a_call_that_is_decided_again_is_not_counted_again() -> None:
    half = decider(Schedule(number=3, name="half", percent=50.0))
    first = half.decide(call(), {}, 50.0)
    assert first.winner is None and first.counted == {"3": False}
    again = half.decide(call(), first.quotas, 50.0, first.counted)
    assert again.winner is None and not again.quotas and again.counted == first.counted


# --- anything at all ------------------------------------------------------------------------------------------------

names = st.sampled_from(["sales", "Sales", "support", "555", "5551212", "55", "", "7"])
fields = st.sampled_from(["device", "group", "ani", "user1", "agent", "qa_group", "core", "direction"])
criteria = st.one_of(
    st.builds(Criterion, field=fields, values=st.tuples(names), negated=st.booleans()),
    st.builds(
        Criterion, field=fields, test=st.just("one_of"), values=st.lists(names, min_size=1, max_size=4).map(tuple)
    ),
    st.builds(
        Criterion,
        field=fields,
        test=st.sampled_from(["begins_with", "pattern"]),
        values=st.tuples(names.filter(bool)),
        negated=st.booleans(),
    ),
    st.just(Criterion(field="ani", test="range", values=("50", "600"))),
)
any_schedule = st.builds(
    Schedule,
    name=st.just("x"),
    kind=st.sampled_from(["percentage", "set_number", "on_demand", "api_initiated", "agent_percentage", "desktop"]),
    active=st.sampled_from([True, True, False]),
    priority=st.integers(-2, 2),
    criteria=st.lists(criteria, max_size=3).map(tuple),
    percent=st.sampled_from([100.0, 50.0, 0.0]),
    random_percent=st.sampled_from([100.0, 50.0]),
    count=st.integers(1, 3),
    per=st.sampled_from(["all", "agent", "device"]),
    days=st.sampled_from([("mon",), ("mon", "tue"), ("sun",)]),
    keep_days=st.integers(0, 9),
    agents=st.just((7,)),
)
any_call = st.builds(
    lambda at, asked, agent, group, ani, groups: call(at, asked, agent, group=group, ani=ani, groups=groups),
    st.sampled_from([MONDAY, MONDAY + 86_400]),
    st.sampled_from([frozenset(), frozenset({"on_demand"}), frozenset({"on_demand", "api_initiated"})]),
    st.sampled_from(["", "jdoe", "sales"]),
    names,
    names,
    st.sampled_from([(), ("Sales",), ("a", "support")]),
)


@given(st.lists(any_schedule, max_size=12), st.lists(any_call, max_size=6), st.sampled_from([10.0, 90.0]))
def test_the_winner_is_always_the_first_of_the_highest_priority_that_matches(
    made: list[Schedule], calls: list[Facts], draw: float
) -> None:
    schedules = [replace(one, number=number) for number, one in enumerate(made, 1)]
    by_number = {one.number: one for one in schedules}
    by = decider(*schedules)
    quotas: dict[str, Quota] = {}
    for facts in calls:
        decision = by.decide(facts, quotas, draw)
        assert decision == by.decide_slowly(facts, quotas, draw), "the index changes nothing"
        quotas.update(decision.quotas)
        ranks = [(-by_number[one.number].priority, one.number) for one in decision.matched]
        assert ranks == sorted(ranks)
        assert (decision.winner is None) == (not ranks)
        if decision.winner is not None:
            assert (-by_number[decision.winner.number].priority, decision.winner.number) == min(ranks)
            assert decision.options.keep_days == by_number[decision.winner.number].keep_days
        explained = {one.schedule.number for one in explain(schedules, facts, UTC) if not one.why}
        taken_or_missed = {one.number for one in (*decision.matched, *decision.missed)}
        assert {one.number for one in decision.matched} <= explained <= taken_or_missed


@given(any_schedule)
def test_a_schedule_survives_being_written_down(made: Schedule) -> None:
    schedule = replace(made, number=4)
    assert schedule_of(orjson.loads(orjson.dumps(document_of(schedule)))) == schedule


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "needs a name"),
        ({"name": "a", "prio": 1}, "did you mean 'priority'"),
        ({"name": "a", "percent": 101}, "0 to 100"),
        ({"name": "a", "kind": "sometimes"}, "kind"),
        ({"name": "a", "kind": "set_number"}, "count of 1"),
        ({"name": "a", "kind": "desktop"}, "needs agents"),
        ({"name": "a", "days": ["someday"]}, "mon, tue"),
        ({"name": "a", "from_time": "25:00"}, "25:00"),
        ({"name": "a", "from_time": "08:00", "until_time": "08:00"}, "the same"),
        ({"name": "a", "zone": "Mars/Base"}, "no time zone"),
        ({"name": "a", "starts_at": 2, "ends_at": 1}, "after"),
        ({"name": "a", "min_length_s": 9, "max_length_s": 3}, "nothing would ever"),
        ({"name": "a", "criteria": [{"field": "grup", "values": ["x"]}]}, "did you mean 'group'"),
        ({"name": "a", "criteria": [{"field": "group", "value": "x"}]}, "no 'value'"),
        ({"name": "a", "criteria": [{"field": "ani", "test": "range", "values": ["9", "1"]}]}, "lower one first"),
        ({"name": "a", "criteria": [{"field": "ani", "values": ["9", "1"]}]}, "one value"),
        ({"name": "a", "criteria": "all"}, "criteria"),
        ({"name": "a", "archive_action": -2}, "archive_action"),
    ],
)
def test_what_is_no_schedule_is_refused_with_a_sentence(document: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        schedule_of(document)


def test_every_call_variable_can_be_asked_for() -> None:
    known = {name for name in asdict(CallVariables()) if name not in ("users", "keep_days", "archive_action")}
    asked = {"device_id": "device", "device_alias": "alias"}
    of_the_recording = {"max_record_silence", "max_record_time", "agent_initiated", "cti_initiated"}
    assert {asked.get(name, name) for name in known - of_the_recording} <= set(FIELDS)
    document = facts_document(call(agent="jdoe", groups=("a", "b"), user15="last"))
    assert document == {"device": "555", "user15": "last", "agent": ["jdoe", "7"], "qa_group": ["a", "b"], "core": "1"}
