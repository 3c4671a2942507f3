"""Schedules as values: what decides whether a call is recorded, what was decided, and what the engine is told of it.

No rules here: `schedules` decides, `scheduling` says what follows for a call. The one rule: everything here becomes
JSON and comes back the same, because decisions are journalled.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["percentage", "set_number", "api_initiated", "on_demand", "agent_percentage", "desktop"]
"""The types of reference.md 6.3; `desktop` is the timed desktop-only schedule, which never matches a call."""
Test = Literal["is", "begins_with", "one_of", "range", "pattern"]
Window = Literal["hour", "day", "week", "month", "ever"]
Counted = Literal["all", "agent", "device"]
Trigger = Literal["start", "session", "recordstart", "end"]
"""What had a call decided: its first SIPREC session or a CALLSTART for it, a session of a call that was announced
before, RECORDSTART, or its end, when there had been nothing to decide of."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One condition: `field` is a name of `criteria.FIELDS`. Letter case does not matter.

    `is` and `begins_with` take one value, `range` two (numbers, both included), `one_of` any number, `pattern` one with
    `*` for anything and `?` for one character. `negated` turns it round.
    """

    field: str
    test: Test = "is"
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule. `number` grows with each that is made: of equal priorities, the lowest (oldest) wins.

    `percent` is that of percentage and agent_percentage, `count` in each `window`, for `per`, that of set_number.
    `random_percent` is the random probability, on all types. `days` are those on which `from_time` (HH:MM) lies; an
    `until_time` before it is on the next day; blank times are the whole day, in `zone` (blank: the installation's).
    `starts_at` and `ends_at` are seconds since the epoch, None for no limit (Never Expire). Lengths are seconds, 0 for
    none; -1 leaves `keep_days` and `archive_action` to the installation. `cores` relates it to cores by number.
    `agents` (USERIDs) and `every_minutes` are those of desktop.
    """

    number: int = 0
    name: str
    description: str = ""
    owner: str = "Administrator"
    kind: Kind = "percentage"
    active: bool = True
    priority: int = 0
    criteria: tuple[Criterion, ...] = ()
    days: tuple[str, ...] = DAYS
    from_time: str = ""
    until_time: str = ""
    zone: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    random_percent: float = 100.0
    percent: float = 100.0
    count: int = 0
    window: Window = "day"
    per: Counted = "all"
    min_length_s: int = 0
    max_length_s: int = 0
    silence_limit_s: int = 0
    keep_days: int = -1
    archive_action: int = -1
    screen: bool = False
    cores: tuple[int, ...] = ()
    agents: tuple[int, ...] = ()
    every_minutes: int = 0


RECORD_EVERYTHING = Schedule(
    number=1, name="Record everything", description="Every call is recorded, as long as this schedule is active."
)
"""The one schedule of a new installation."""


@dataclass(slots=True, kw_only=True)
class Quota:
    """What was counted for one schedule (and agent or device). `carry` is the part of a call that a percentage owes, in
    hundredths of a percent; `taken` the calls taken in each of the last windows, the one used last at the end.

    Nobody changes one, as of `Decision`; neither is declared frozen, which makes them five times as slow to make.
    """

    carry: int = 0
    taken: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the winner says of the recording; fields as in `Schedule`."""

    kind: str = ""
    priority: int = 0
    min_length_s: int = 0
    max_length_s: int = 0
    silence_limit_s: int = 0
    keep_days: int = -1
    archive_action: int = -1
    screen: bool = False

    @property
    def stamped(self) -> dict[str, Any]:
        """The call variables that a recording gets of these, unless the API says otherwise."""
        said = {"keep_days": self.keep_days, "archive_action": self.archive_action}
        known: dict[str, Any] = {name: value for name, value in said.items() if value != -1}
        return known | ({"priority": str(self.priority)} if self.priority else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A schedule by number and name, and why it did not record, where it did not."""

    number: int
    name: str
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Decision:
    """What was decided of a call. `winner` is None when it is not to be recorded; `matched` is in order of rank.

    `missed` are schedules whose criteria matched and whose probability or quota did not take the call. `quotas` are the
    counters that changed, as they are from now on, `counted` whether each quota took this call (by number, as text):
    a call is counted once, however often it is decided. `draw` is above 0 and at most 100.
    """

    winner: Named | None = None
    options: Options = Options()
    matched: tuple[Named, ...] = ()
    missed: tuple[Named, ...] = ()
    quotas: dict[str, Quota] = field(default_factory=dict)
    counted: dict[str, bool] = field(default_factory=dict)
    draw: float = 100.0
    refused: str = ""


@dataclass(slots=True, kw_only=True)
class Decided:
    """What a call remembers of its decision: when (wall clock, seconds since the epoch), what was known (`facts`), what
    came out. `draw` and `counted` hold for every decision of this call."""

    at: float = 0.0
    trigger: Trigger = "start"
    revision: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    winner: Named | None = None
    options: Options = Options()
    matched: tuple[Named, ...] = ()
    missed: tuple[Named, ...] = ()
    draw: float = 0.0
    counted: dict[str, bool] = field(default_factory=dict)
    refused: str = ""


# --- what the engine is told ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesInForce:
    """From now on schedules decide what is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDecided:
    """It was decided whether the call is recorded. Journalled with draw and counters, so that a replay decides nothing.

    `changes` are the call variables that RECORDSTART brought.
    """

    call: str
    trigger: Trigger
    at: float
    revision: int
    decision: Decision
    facts: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRecording:
    """Stop recording a call that goes on: `why` is max_length, silence_limit or preempted."""

    call: str
    why: str


SCHEDULE_INPUTS: tuple[type[Any], ...] = (SchedulesInForce, CallDecided, CutRecording)
ScheduleInput = SchedulesInForce | CallDecided | CutRecording


# --- what it wants --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideCall:
    """The call must be decided: tell the engine `CallDecided`."""

    call: str
    trigger: Trigger
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeChannel:
    """The call is not being recorded any more: its channel may have another."""

    call: str


ScheduleEffect = DecideCall | FreeChannel
