"""The hub alone: numbers, batches, what is kept for those who come back, and what costs nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from earshot.actor import EVERYTHING, Visibility
from earshot.api.events import SAFETY_US, Event, Hub
from earshot.protocol.events import EVENT_TYPES

SOURCES = Path(__file__).resolve().parents[2] / "src" / "earshot"


class World:
    """A clock that is set by hand, and a loop that remembers what is due."""

    def __init__(self) -> None:
        self.now_us = 5_000_000
        self.due: list[tuple[float, Callable[[], None]]] = []

    def hub(self, kept: int = 100, not_before_us: int = 0) -> Hub:
        return Hub(
            lambda: self.now_us,
            lambda delay, work: self.due.append((delay, work)),
            kept=kept,
            not_before_us=not_before_us,
            pace_s=0.05,
        )

    def run(self) -> float:
        """Do the one thing that is due; returns how long it was to wait."""
        ((delay, work),) = self.due
        self.due.clear()
        work()
        return delay


@pytest.fixture
def world() -> World:
    return World()


def numbers(events: list[Event]) -> list[int]:
    return [event.number for event in events]


def test_numbers_grow_within_one_microsecond_and_over_a_restart_with_the_clock_set_back(world: World) -> None:
    hub = world.hub()
    heard: list[Event] = []
    hub.listen(heard.extend)
    for _ in range(3):
        hub.publish("CALLSTART", [])
    world.run()
    assert numbers(heard) == [5_000_001, 5_000_002, 5_000_003]
    world.now_us = 1_000_000
    again = world.hub(not_before_us=5_000_000)
    again.publish("CALLSTART", [])
    assert again.last_number > 5_000_000 + SAFETY_US


def test_a_batch_goes_out_at_once_after_a_pause_and_then_at_the_pace(world: World) -> None:
    hub = world.hub()
    heard: list[list[Event]] = []
    hub.listen(heard.append)
    hub.publish("CALLSTART", [])
    hub.publish("CALLSTOP", [])
    assert world.run() == 0.0
    world.now_us += 10_000
    hub.publish("CALLSTART", [])
    assert world.run() == pytest.approx(0.04)
    assert [[event.type for event in batch] for batch in heard] == [["CALLSTART", "CALLSTOP"], ["CALLSTART"]]


def test_nothing_is_written_or_scheduled_when_nobody_listens(world: World) -> None:
    hub = world.hub()
    made: list[str] = []

    def fields() -> list[tuple[str, str]]:
        made.append("made")
        return [("DEVICEID", "555")]

    start = hub.last_number
    hub.tell("CALLSTART", fields)
    assert world.due == [] and made == []
    (event,) = hub.since(start).events
    assert event.xml.count(b"<DEVICEID>555</DEVICEID>") == 1 and b"555" in event.json
    assert event.xml is event.xml and event.json is event.json and made == ["made"]


def test_who_listens_late_gets_nothing_of_before(world: World) -> None:
    hub = world.hub()
    early: list[Event] = []
    late: list[Event] = []
    hub.listen(early.extend)
    hub.publish("CALLSTART", [])
    end = hub.listen(late.extend)
    assert len(early) == 1 and late == []
    hub.publish("CALLSTOP", [])
    hub.flush()
    assert [event.type for event in late] == ["CALLSTOP"]
    end()
    end()
    hub.publish("CALLSTART", [])
    hub.flush()
    assert len(late) == 1 and len(early) == 3


def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(world: World) -> None:
    hub = world.hub()
    heard: list[Event] = []

    def fails(events: list[Event]) -> None:
        raise ValueError("a fault of its own")

    hub.listen(fails)
    hub.listen(heard.extend)
    hub.publish("CALLSTART", [])
    hub.flush()
    assert len(heard) == 1


def test_what_was_missed_is_told_exactly_or_not_at_all(world: World) -> None:
    hub = world.hub(kept=3)
    began = hub.last_number
    told = []
    for _ in range(5):
        hub.publish("CALLSTART", [])
        told.append(hub.last_number)
    assert not hub.since(began).complete
    assert not hub.since(told[0]).complete
    for place in (1, 2, 3, 4):
        assert hub.since(told[place]).complete
        assert numbers(hub.since(told[place]).events) == told[place + 1 :]
    assert not hub.since(told[-1] + 1).complete


def test_what_an_event_says(world: World) -> None:
    hub = world.hub()
    start = hub.last_number
    hub.publish("BLACKOUTSTART", [("DEVICEID", "555"), ("GROUP", 'Sales & <"Marketing">\r\n\x00')])
    (event,) = hub.since(start).events
    assert event.xml == (
        b"<EVENT><TYPE>BLACKOUTSTART</TYPE><EVENTTIME>1/1/1970 12:00:05 AM</EVENTTIME><EVENTID>5000001</EVENTID>"
        b'<DEVICEID>555</DEVICEID><GROUP>Sales &amp; &lt;"Marketing"&gt;&#13;&#10;</GROUP></EVENT>\r\n'
    )
    assert orjson.loads(event.json) == {
        "id": 5_000_001,
        "type": "BLACKOUTSTART",
        "time": "1970-01-01T00:00:05.000Z",
        "fields": {"DEVICEID": "555", "GROUP": 'Sales & <"Marketing">\r\n\x00'},
    }


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"DEVICEID": "200"}, True),
        ({"DEVICEALIAS": "200"}, True),
        ({"AGENTID": "7"}, True),
        ({"GROUP": "Sales"}, True),
        ({"GATE": "Gold"}, True),
        ({"DEVICEID": "201", "AGENTID": "8", "GROUP": "Gold", "GATE": "Sales"}, False),
        ({"AGENTID": "x"}, False),
        ({"TO": "somebody@example.org"}, False),
        ({}, False),
    ],
)
def test_who_may_hear_of_it(world: World, fields: dict[str, str], shown: bool) -> None:
    hub = world.hub()
    start = hub.last_number
    hub.publish("CALLSTART", list(fields.items()))
    (event,) = hub.since(start).events
    sees = Visibility(
        agents=frozenset({7}), phones=frozenset({"200"}), groups=frozenset({"Sales"}), gates=frozenset({"Gold"})
    )
    assert event.is_shown_to(sees) is shown
    assert event.is_shown_to(EVERYTHING)
    assert not event.is_shown_to(Visibility())


def test_every_type_that_is_published_has_a_row() -> None:
    told = re.compile(r'(?:publish|tell|announce)\(\s*"([A-Z]+)"')
    found = {kind for path in SOURCES.rglob("*.py") for kind in told.findall(path.read_text())}
    assert {"CALLSTART", "CALLSTOP", "CALLUPDATE", "RECORDSTART", "RECORDSTOP", "RECORDINGSAVED"} <= found
    assert found <= EVENT_TYPES.keys()
