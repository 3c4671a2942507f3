"""What is known of a call when it is decided, and the tests of one criterion and of days and times.

Pure. Which schedule wins is for `schedules`. The one rule: what is not known is the empty text, and no test but a
negated one is passed by it, save `is` with an empty value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from fnmatch import translate
from itertools import chain
from operator import attrgetter
from typing import Any

from earshot.engine.schedule_values import DAYS, Criterion, Schedule
from earshot.engine.variables import USER_INDEX, CallVariables

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision is made from. `agent` is (user name, USERID) or nothing, `groups` the QA groups of the phones,
    `at` the wall clock in seconds since the epoch, `asked` which of on_demand and api_initiated was asked for."""

    variables: CallVariables
    at: float
    agent: Values = ()
    groups: Values = ()
    core: int = 1
    asked: frozenset[str] = frozenset()


VARIABLES = {
    "device": "device_id",
    "alias": "device_alias",
    "station": "station",
    "group": "group",
    "gate": "gate",
    "ani": "ani",
    "dnis": "dnis",
    "direction": "direction",
    "call_id": "call_id",
    "call_instance": "call_instance",
    "session_id": "session_id",
    "is_trunk": "is_trunk",
    "priority": "priority",
}
"""Fields that are one attribute of `CallVariables`."""


def _variable(name: str) -> Callable[[Facts], Values]:
    read = attrgetter(name)
    return lambda facts: (read(facts.variables),)


def _user(place: int) -> Callable[[Facts], Values]:
    return lambda facts: (facts.variables.users[place],)


FIELDS: dict[str, Callable[[Facts], Values]] = {
    **{field: _variable(name) for field, name in VARIABLES.items()},
    **{name: _user(place) for name, place in USER_INDEX.items()},
    "agent": lambda facts: facts.agent or ("",),
    "qa_group": lambda facts: facts.groups or ("",),
    "core": lambda facts: (str(facts.core),),
}
"""Everything that a criterion may ask, and where it is found. Of several values, one must pass."""

_read_variables = attrgetter(*VARIABLES.values())
_OF_THE_CORE = [field for field in FIELDS if field not in VARIABLES and field not in USER_INDEX]


def asked_for(trigger: str, variables: CallVariables) -> frozenset[str]:
    """Which types that wait to be asked for this event asks for (our decision; reference.md 6.3 has none).

    AGENTINITIATED=Y asks for on_demand, CTIINITIATED=Y for api_initiated, RECORDSTART with neither for both.
    """
    asked = {
        kind
        for kind, said in (("on_demand", variables.agent_initiated), ("api_initiated", variables.cti_initiated))
        if said.upper() == "Y"
    }
    if trigger == "recordstart" and not asked:
        asked = {"on_demand", "api_initiated"}
    return frozenset(asked)


def facts_document(facts: Facts) -> dict[str, Any]:
    """What is known, without what is not: for the journal and for people."""
    variables = facts.variables
    said = zip(VARIABLES, _read_variables(variables), strict=True)
    users = zip(USER_INDEX, variables.users, strict=True)
    known: dict[str, Any] = {field: value for field, value in chain(said, users) if value}
    for field in _OF_THE_CORE:
        values = [value for value in FIELDS[field](facts) if value]
        if values:
            known[field] = values[0] if len(values) == 1 else values
    if facts.asked:
        known["asked"] = sorted(facts.asked)
    return known


# --- one criterion --------------------------------------------------------------------------------------------------

Passes = Callable[[Values], bool]


def number_in(text: str) -> int | None:
    """The number that a phone number or a plain number is; None for anything else."""
    digits = text.strip().removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 40 else None


def _is(wanted: Values) -> Passes:
    one_of = frozenset(wanted)
    return lambda values: values[0] in one_of if len(values) == 1 else not one_of.isdisjoint(values)


def _begins(wanted: Values) -> Passes:
    return lambda values: any(value.startswith(wanted) for value in values)


def _range(wanted: Values) -> Passes:
    first, last = (number_in(one) for one in wanted)
    assert first is not None and last is not None

    def passes(values: Values) -> bool:
        return any((number := number_in(value)) is not None and first <= number <= last for value in values)

    return passes


def _pattern(wanted: Values) -> Passes:
    matches = [re.compile(translate(one)).match for one in wanted]
    return lambda values: any(match(value) for match in matches for value in values if value)


_TESTS: dict[str, Callable[[Values], Passes]] = {
    "is": _is,
    "one_of": _is,
    "begins_with": _begins,
    "range": _range,
    "pattern": _pattern,
}


def test_of(criterion: Criterion) -> Passes:
    """Whether values (letter case folded) pass the criterion."""
    passes = _TESTS[criterion.test](tuple(value.casefold() for value in criterion.values))
    return (lambda values: not passes(values)) if criterion.negated else passes


def words_of(criterion: Criterion) -> str:
    """The criterion in words, such as: group is Sales."""
    words = {"is": "is", "begins_with": "begins with", "one_of": "is one of", "range": "is in", "pattern": "is like"}
    joined = ("–" if criterion.test == "range" else ", ").join(criterion.values) or "blank"
    return f"{criterion.field} {'not: ' if criterion.negated else ''}{words[criterion.test]} {joined}"


# --- days and times -------------------------------------------------------------------------------------------------


def minutes_of(text: str) -> int:
    """Minutes since midnight of HH:MM. Raises ValueError."""
    hours, colon, minutes = text.partition(":")
    if not colon or not (hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and len(hours) <= 2):
        raise ValueError(f"{text!r} is not a time of day such as 08:30")
    if int(hours) * 60 + int(minutes) > 24 * 60 or int(minutes) > 59:
        raise ValueError(f"{text!r} is not a time of day")
    return int(hours) * 60 + int(minutes)


@dataclass(frozen=True, slots=True)
class Times:
    """The days (0 is Monday) and minutes of the day at which a schedule holds."""

    days: frozenset[int]
    first: int
    last: int

    @classmethod
    def of(cls, schedule: Schedule) -> "Times":
        """Those of a schedule that was checked."""
        days = frozenset(DAYS.index(day) for day in schedule.days)
        first = minutes_of(schedule.from_time) if schedule.from_time else 0
        return cls(days, first, minutes_of(schedule.until_time) if schedule.until_time else 24 * 60)

    @property
    def always(self) -> bool:
        """Whether there is nothing to look at."""
        return len(self.days) == len(DAYS) and (self.first, self.last) == (0, 24 * 60)

    def hold(self, minute: int, day: int) -> bool:
        """Whether the minute of that day lies in them. What ends after midnight belongs to the day it began on."""
        if self.first < self.last:
            return self.first <= minute < self.last and day in self.days
        return (minute >= self.first and day in self.days) or (minute < self.last and (day - 1) % 7 in self.days)


def local_time(at: float, zone: tzinfo) -> datetime:
    """The moment on the wall of that zone."""
    return datetime.fromtimestamp(at, zone)
