"""The decision: which schedules match a call, which of them wins, and why the others did not.

Pure. `compile_schedules` turns schedules into a `Decider` that looks only at those whose equality and prefix criteria
can match at all; `explain` goes through every one of them. The one rule: both ask the same `_why_not`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from operator import attrgetter, call, itemgetter
from zoneinfo import ZoneInfo

from earshot.engine.criteria import FIELDS, VARIABLES, Facts, Passes, Times, Values, local_time, test_of, words_of
from earshot.engine.quotas import step_of, take_number, take_percentage, window_of
from earshot.engine.schedule_values import Criterion, Decision, Named, Options, Quota, Schedule
from earshot.engine.variables import USER_INDEX

Tests = tuple[tuple[str, Passes, str], ...]
"""Field, test and words of each criterion that is still to be looked at."""

folded = str.casefold
NOTHING_COUNTED: Mapping[str, bool] = {}
NO_QUOTA = Quota()
NO_OPTIONS = Options()
ASKED_FOR = {"on_demand": "nobody asked for it", "api_initiated": "no program asked for it"}
"""The types that wait to be asked for, and what is said of them when nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A schedule made ready. `rank` sorts the winner first: priority, then age. `counts` says that not each call which
    matches is taken, `asked` what must have been asked for, `bounded` that it begins or ends some day.

    For counting: `ident` is the number as text, `counter` the name of the one counter for all calls (empty where each
    agent or device has its own), `step` what a percentage owes of a call, `left_out` what is said of one that it
    leaves out.
    """

    schedule: Schedule
    rank: tuple[int, int]
    tests: Tests
    when: "When | None"
    zone: tzinfo
    named: Named
    options: Options
    counts: bool
    asked: str
    bounded: bool
    ident: str
    counter: str
    step: int
    left_out: Named


class When:
    """Days and times in a zone: one object for all schedules with the same, so that each call asks it once."""

    __slots__ = ("times", "zone")

    def __init__(self, times: Times, zone: tzinfo) -> None:
        self.times = times
        self.zone = zone


class _Known:
    """The facts, each looked up and folded once per decision."""

    __slots__ = ("_values", "facts", "held")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.held: dict[When, bool] = {}
        self._values: dict[str, Values] = {}

    def values(self, field: str) -> Values:
        found = self._values.get(field)
        if found is None:
            told = FIELDS[field](self.facts)
            found = (told[0].casefold(),) if len(told) == 1 else tuple([value.casefold() for value in told])
            self._values[field] = found
        return found

    def local(self, zone: tzinfo) -> datetime:
        return local_time(self.facts.at, zone)

    def holds(self, when: When) -> bool:
        """Whether it is such a time; kept in `held`."""
        local = self.local(when.zone)
        held = self.held[when] = when.times.hold(local.hour * 60 + local.minute, local.weekday())
        return held


@lru_cache(maxsize=4096)
def _when(times: Times, zone: tzinfo) -> When:
    return When(times, zone)


def _rule(schedule: Schedule, zone: tzinfo) -> Rule:
    times, where = Times.of(schedule), ZoneInfo(schedule.zone) if schedule.zone else zone
    number, kind, name = schedule.number, schedule.kind, schedule.name
    return Rule(
        schedule=schedule,
        rank=(-schedule.priority, schedule.number),
        tests=tuple((one.field, test_of(one), words_of(one)) for one in schedule.criteria),
        when=None if times.always else _when(times, where),
        zone=where,
        named=Named(number=number, name=name),
        options=Options(
            kind=schedule.kind,
            priority=schedule.priority,
            min_length_s=schedule.min_length_s,
            max_length_s=schedule.max_length_s,
            silence_limit_s=schedule.silence_limit_s,
            keep_days=schedule.keep_days,
            archive_action=schedule.archive_action,
            screen=schedule.screen,
        ),
        counts=kind not in ASKED_FOR and not (kind == "percentage" and schedule.percent >= 100),
        asked=kind if kind in ASKED_FOR else "",
        bounded=schedule.starts_at is not None or schedule.ends_at is not None,
        ident=str(number),
        counter=str(number) if _per(schedule) == "all" else "",
        step=step_of(schedule.percent),
        left_out=Named(number=number, name=name, why=f"{schedule.percent:g} % leave it out"),
    )


def _why_not(rule: Rule, tests: Tests, known: _Known) -> str:
    """The first thing of the schedule that the call does not meet; empty when it meets everything but counts."""
    if rule.asked and rule.asked not in known.facts.asked:
        return ASKED_FOR[rule.asked]
    for field, passes, words in tests:
        if not passes(known.values(field)):
            return words
    if rule.bounded:
        schedule, at = rule.schedule, known.facts.at
        if schedule.starts_at is not None and at < schedule.starts_at:
            return "has not begun"
        if schedule.ends_at is not None and at >= schedule.ends_at:
            return "is over"
    when = rule.when
    if when is None:
        return ""
    held = known.held.get(when)
    return "" if (known.holds(when) if held is None else held) else "not at this time"


def _per(schedule: Schedule) -> str:
    """For whom it counts: all, each agent or each device."""
    return "agent" if schedule.kind == "agent_percentage" else schedule.per if schedule.kind == "set_number" else "all"


def _counter(schedule: Schedule, facts: Facts) -> str | None:
    """The name of the counter that this call goes to; None when there is nobody to count it for."""
    per = _per(schedule)
    if per == "all":
        return str(schedule.number)
    whose = facts.agent[-1] if per == "agent" and facts.agent else facts.variables.device_id if per == "device" else ""
    return f"{schedule.number}/{whose}" if whose else None


Outcome = tuple[Named | None, str, Quota]
"""How the call is not taken (None if it is), the counter and its new value; no name if nothing was counted."""

TAKEN: Outcome = (None, "", NO_QUOTA)


def _left(rule: Rule, why: str) -> Outcome:
    return Named(number=rule.schedule.number, name=rule.schedule.name, why=why), "", NO_QUOTA


def _counts(rule: Rule, known: _Known, quotas: Mapping[str, Quota], draw: float) -> Outcome:
    schedule = rule.schedule
    if draw > schedule.random_percent:
        return _left(rule, f"the draw was {draw:g}, its probability is {schedule.random_percent:g}")
    if not rule.counts:
        return TAKEN
    name = rule.counter or _counter(schedule, known.facts)
    if name is None:
        return _left(rule, f"no {_per(schedule)} is known")
    quota = quotas.get(name, NO_QUOTA)
    if schedule.kind != "set_number":
        after, taken = take_percentage(quota, rule.step)
        return None if taken else rule.left_out, name, after
    window = window_of(schedule.window, known.facts.at, known.local(rule.zone))
    after, taken = take_number(quota, window, schedule.count)
    if taken:
        return None, name, after
    return _left(rule, f"{schedule.count} a {schedule.window} are recorded already")[0], name, after


def _decision(
    rules: Iterable[tuple[Rule, Tests]],
    known: _Known,
    quotas: Mapping[str, Quota],
    counted: Mapping[str, bool],
    draw: float,
) -> Decision:
    """What `rules` (in order of rank) make of the call. Each counts for itself, whichever wins."""
    matched: list[Named] = []
    missed: list[Named] = []
    changed: dict[str, Quota] = {}
    newly: dict[str, bool] = {}
    options: Options | None = None
    for rule, tests in rules:
        if _why_not(rule, tests, known):
            continue
        before = counted.get(rule.ident) if counted else None
        if before is None:
            left, name, after = _counts(rule, known, quotas, draw)
            if name:
                newly[rule.ident] = left is None
                if after is not quotas.get(name):
                    changed[name] = after
        else:
            left = None if before else _left(rule, "its quota left this call out before")[0]
        if left is not None:
            missed.append(left)
        else:
            matched.append(rule.named)
            options = options or rule.options
    return Decision(
        winner=matched[0] if matched else None,
        options=options or NO_OPTIONS,
        matched=tuple(matched),
        missed=tuple(missed),
        quotas=changed,
        counted={**counted, **newly} if counted else newly,
        draw=draw,
    )


# --- the fast way ---------------------------------------------------------------------------------------------------

Starts = dict[int, dict[str, list[int]]]
"""Of one field: places of rules by how many characters are compared (0 for all of them), and by these characters."""


def in_force(schedules: Iterable[Schedule], core: int) -> list[Schedule]:
    """The active schedules of calls that a core uses: those related to it, or all where none is (reference.md 6.3)."""
    active = [one for one in schedules if one.active and one.kind != "desktop"]
    return [one for one in active if core in one.cores] or active


class Decider:
    """Decides calls by one set of schedules. `revision` says which."""

    def __init__(self, rules: Sequence[Rule], revision: int = 0) -> None:
        self.revision = revision
        self.rules = sorted(rules, key=lambda rule: rule.rank)
        self._always: list[int] = []
        self._rest: list[tuple[Rule, Tests]] = [(rule, rule.tests) for rule in self.rules]
        starts: dict[str, Starts] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        self._index(starts)
        single = [field for field in VARIABLES if field in starts or field in ("device", "group")]
        users = [field for field in USER_INDEX if field in starts]
        self._read = attrgetter(*[VARIABLES[field] for field in single])  # of two or more, which makes it a tuple
        self._read_users = itemgetter(*[USER_INDEX[field] for field in users], 0, 0)
        order = [*single, *users]
        self._exact = [dict(starts[field].pop(0, {})).get for field in order]
        self._begin = [
            (at, length, dict(known).get) for at, field in enumerate(order) for length, known in starts[field].items()
        ]
        self._several = [
            (field, [(length, dict(places).get) for length, places in starts[field].items()])
            for field in starts
            if field not in order
        ]

    def _index(self, starts: dict[str, Starts]) -> None:
        """Put each rule under the values of its most telling criterion: of the field that has the most values. What was
        found there is not tested again."""
        variety: dict[str, set[str]] = defaultdict(set)
        for rule in self.rules:
            for one in filter(_is_indexed, rule.schedule.criteria):
                variety[one.field].update(one.values)
        for place, rule in enumerate(self.rules):
            indexed = [one for one in rule.schedule.criteria if _is_indexed(one)]
            if not indexed:
                self._always.append(place)
                continue
            best = max(indexed, key=lambda one: (one.test != "begins_with", len(variety[one.field]) / len(one.values)))
            at = rule.schedule.criteria.index(best)
            self._rest[place] = rule, rule.tests[:at] + rule.tests[at + 1 :]
            for value in {value.casefold() for value in best.values}:
                length = len(value) if best.test == "begins_with" else 0
                starts[best.field][length][value].append(place)

    def _candidates(self, known: _Known) -> Iterable[tuple[Rule, Tests]]:
        """The rules that may match, in order of rank, with what of each is still to be tested."""
        places = self._always.copy()
        variables = known.facts.variables
        values = list(map(folded, (*self._read(variables), *self._read_users(variables.users))))
        for found in filter(None, map(call, self._exact, values)):
            places += found
        for at, length, find in self._begin:
            beginning = find(values[at][:length])
            if beginning is not None:
                places += beginning
        for field, by_length in self._several:
            hits = 0
            for value in known.values(field):
                for length, find in by_length:
                    hit = find(value[:length] if length else value)
                    if hit is not None:
                        places += hit
                        hits += 1
            if hits > 1:
                places = list(set(places))
        places.sort()
        return map(self._rest.__getitem__, places)

    def decide(
        self,
        facts: Facts,
        quotas: Mapping[str, Quota],
        draw: float,
        counted: Mapping[str, bool] = NOTHING_COUNTED,
    ) -> Decision:
        """What is decided. `draw` is above 0 and at most 100; `counted` is what this call was counted for before."""
        known = _Known(facts)
        return _decision(self._candidates(known), known, quotas, counted, draw)

    def decide_slowly(
        self,
        facts: Facts,
        quotas: Mapping[str, Quota],
        draw: float,
        counted: Mapping[str, bool] = NOTHING_COUNTED,
    ) -> Decision:
        """The same by looking at every schedule: what tests and the benchmark compare `decide` with."""
        return _decision([(rule, rule.tests) for rule in self.rules], _Known(facts), quotas, counted, draw)


def _is_indexed(criterion: Criterion) -> bool:
    return criterion.test in ("is", "one_of", "begins_with") and not criterion.negated and bool(criterion.values)


def compile_schedules(schedules: Iterable[Schedule], *, core: int, zone: tzinfo, revision: int = 0) -> Decider:
    """What decides the calls of `core`; `zone` is that of schedules which name none. They must have been checked."""
    return Decider([_rule(one, zone) for one in in_force(schedules, core)], revision)


# --- the slow way ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A schedule and a call: `why` it does not match (empty if it does), and the `share` of such calls that it takes
    (empty for all of them)."""

    schedule: Schedule
    why: str = ""
    share: str = ""


def explain(schedules: Iterable[Schedule], facts: Facts, zone: tzinfo) -> list[Explained]:
    """Every schedule in order of rank: of those that match, the first which takes the call supplies the options."""
    schedules = list(schedules)
    used = {one.number for one in in_force(schedules, facts.core)}
    known = _Known(facts)
    explained = []
    for schedule in sorted(schedules, key=lambda one: (-one.priority, one.number)):
        rule = _rule(schedule, zone)
        why = _unused(schedule, used) or _why_not(rule, rule.tests, known)
        if not why and _counts_for_nobody(schedule, facts):
            why = f"no {'agent' if schedule.kind == 'agent_percentage' else schedule.per} is known"
        explained.append(Explained(schedule=schedule, why=why, share="" if why else share_of(schedule)))
    return explained


def _counts_for_nobody(schedule: Schedule, facts: Facts) -> bool:
    return schedule.kind in ("agent_percentage", "set_number") and _counter(schedule, facts) is None


def share_of(schedule: Schedule) -> str:
    """Which part of the calls that match it takes, in words; empty for all of them."""
    parts = []
    if schedule.kind == "percentage" and schedule.percent < 100:
        parts.append(f"{schedule.percent:g} % of them")
    if schedule.kind == "agent_percentage":
        parts.append(f"{schedule.percent:g} % of each agent's")
    if schedule.kind == "set_number":
        whose = "" if schedule.per == "all" else f" for each {schedule.per}"
        parts.append(f"the first {schedule.count} a {schedule.window}{whose}".replace("a ever", "ever"))
    if schedule.random_percent < 100:
        parts.append(f"with a probability of {schedule.random_percent:g} %")
    return ", ".join(parts)


def _unused(schedule: Schedule, used: set[int]) -> str:
    if not schedule.active:
        return "is not active"
    if schedule.kind == "desktop":
        return "is for screens only"
    return "" if schedule.number in used else "is for other cores"
