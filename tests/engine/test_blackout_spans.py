"""The arithmetic of blackouts against the plainest model there is: one moment after the other."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.engine.blackouts import Span, is_empty, next_due, start, stop

LONGEST = 50


@dataclass(frozen=True)
class Told:
    """A command that arrives at `now` with an offset."""

    kind: str
    now: int
    offset: int


COMMANDS = st.lists(
    st.builds(
        Told,
        kind=st.sampled_from(["start", "stop"]),
        now=st.integers(min_value=0, max_value=200),
        offset=st.integers(min_value=-60, max_value=60),
    ),
    max_size=12,
).map(lambda told: sorted(told, key=lambda one: one.now))


def tell(spans: list[Span], one: Told) -> None:
    moment = one.now + one.offset
    if one.kind == "start":
        start(spans, moment, one.now, LONGEST)
    else:
        stop(spans, moment)


@given(COMMANDS)
def test_a_span_never_ends_before_it_begins(commands: list[Told]) -> None:
    spans: list[Span] = []
    for one in commands:
        tell(spans, one)
        assert all(span.end_us is not None and span.end_us >= span.from_us for span in spans)


@given(COMMANDS)
def test_the_moment_of_a_start_is_covered(commands: list[Told]) -> None:
    spans: list[Span] = []
    for one in commands:
        tell(spans, one)
        if one.kind == "start":
            assert any(span.covers(one.now + one.offset) for span in spans)


@given(COMMANDS)
def test_a_start_uncovers_nothing(commands: list[Told]) -> None:
    spans: list[Span] = []
    for one in commands:
        before = {moment for moment in range(-60, 320) if any(span.covers(moment) for span in spans)}
        tell(spans, one)
        after = {moment for moment in range(-60, 320) if any(span.covers(moment) for span in spans)}
        assert before <= after if one.kind == "start" else after <= before


@given(COMMANDS)
def test_what_is_due_next_is_a_begin_or_an_end(commands: list[Told]) -> None:
    spans: list[Span] = []
    for one in commands:
        tell(spans, one)
    due = next_due(spans)
    assert (due is None) == (not spans)
    assert due is None or all(due <= span.from_us for span in spans)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([Told("start", 100, 0), Told("stop", 110, 0)], [(100, 110)]),
        ([Told("start", 100, -5), Told("stop", 110, 0)], [(95, 110)]),
        ([Told("start", 100, 5), Told("stop", 110, 5)], [(105, 115)]),
        ([Told("start", 100, 0), Told("stop", 130, -60)], [(100, 100)]),
        ([Told("start", 100, 0), Told("start", 105, 0), Told("stop", 110, 0)], [(100, 110)]),
        ([Told("start", 100, 0), Told("start", 105, -20), Told("stop", 110, 0)], [(85, 110)]),
        ([Told("start", 100, 20), Told("stop", 105, 0)], [(120, 120)]),
        ([Told("start", 100, 0), Told("stop", 100, 30), Told("stop", 110, 0)], [(100, 110)]),
        ([Told("start", 100, 0), Told("stop", 110, 0), Told("stop", 120, 0)], [(100, 110)]),
        ([Told("start", 100, 0)], [(100, 150)]),
        ([Told("start", 100, -60)], [(40, 150)]),
        ([Told("stop", 100, 0)], []),
    ],
)
def test_examples(commands: list[Told], expected: list[tuple[int, int]]) -> None:
    spans: list[Span] = []
    for one in commands:
        tell(spans, one)
    assert [(span.from_us, span.end_us) for span in spans] == expected


def test_without_a_longest_length_it_runs_until_its_stop() -> None:
    spans: list[Span] = []
    made = start(spans, 10, 10, 0)
    assert made is not None and made.end_us is None and next_due(spans) == 10
    made.begun = True
    assert next_due(spans) is None
    assert stop(spans, 5) is made and is_empty(made)
