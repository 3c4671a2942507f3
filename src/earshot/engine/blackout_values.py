"""Blackouts as values: what the engine can be told of them, what it keeps, and what it wants done.

The rules are in `masking`, the arithmetic in `blackouts`; `inputs`, `effects` and `model` take these up beside those of
calls. The one rule: everything here becomes JSON and comes back the same, because the journal keeps it: a core that
was killed in mid-blackout masks from the first packet it hears. Times are journal time, microseconds.
"""

from dataclasses import dataclass, field
from typing import Any

from earshot.actor import Kind
from earshot.engine.blackouts import Span

# --- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBlackout:
    """BLACKOUTSTART, its device resolved. `instance` None means the last call on the device; `offset_us` is TIMEOFFSET;
    `longest_us` bounds it (0: does not); `hide` keeps the sound for those permitted (Standard mode)."""

    device_id: str
    instance: str | None = None
    offset_us: int = 0
    longest_us: int = 0
    hide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBlackout:
    """BLACKOUTSTOP, by the same names."""

    device_id: str
    instance: str | None = None
    offset_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAgentBlackout:
    """AGENTBLACKOUTSTART. `agent` is the key under which it is stopped: `agent USERID`, or `device DEVICEID` where no
    agent is known. `phones` are the agent's numbers; `devices` are where the agent is now. Else as `StartBlackout`."""

    agent: str
    devices: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    offset_us: int = 0
    longest_us: int = 0
    hide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAgentBlackout:
    """AGENTBLACKOUTSTOP."""

    agent: str
    offset_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asked when (seconds since the Unix epoch) for a span of a recording to be removed, and why: what the audit
    trail has of it once it is decided. `kind`, `name`, `user_id` and `address` are those of an `earshot.actor.Actor`;
    `span` is in seconds from the start."""

    record_id: int
    span: str
    reason: str
    at: float
    kind: Kind
    name: str
    user_id: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackOutSpan:
    """What the call of that key heard in [from_us, until_us) must go, whether the core still knows the call or not."""

    call: str
    from_us: int
    until_us: int
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackoutsDue:
    """The moment has come at which a blackout begins or ends by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRemoved:
    """The removal of that number is done, durably."""

    number: int


BlackoutInput = (
    StartBlackout | StopBlackout | StartAgentBlackout | StopAgentBlackout | BlackOutSpan | BlackoutsDue | SoundRemoved
)
BLACKOUT_INPUTS: tuple[type[Any], ...] = (
    StartBlackout,
    StopBlackout,
    StartAgentBlackout,
    StopAgentBlackout,
    BlackOutSpan,
    BlackoutsDue,
    SoundRemoved,
)

# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLeg:
    """From the next packet on, what this leg hears is counted and thrown away."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmaskLeg:
    """What this leg hears may be written again."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSound:
    """What was written already must be removed: see the removal of that number in the state."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeForBlackouts:
    """Something happens by itself to a blackout at that time: tell `BlackoutsDue` then."""

    at_us: int


BlackoutEffect = MaskLeg | UnmaskLeg | RemoveSound | WakeForBlackouts

# --- state ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Blackout:
    """What is open or still to come under one key: `call KEY`, `agent USERID` or `device DEVICEID`. Those of agents
    know the agent's `phones`, and the `devices` where the agent was with the alias each had then; one of a call covers
    that call alone."""

    key: str
    spans: list[Span] = field(default_factory=list)
    phones: tuple[str, ...] = ()
    devices: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Removal:
    """What was heard in [from_us, until_us) is to be removed from `legs` in the journal, from the sealed recordings of
    `calls`, and from those of the agent of that key, `phones` and `devices`. `last_of` is a device whose last call (of
    that `instance`) is meant, when the core has forgotten it already. With `hide` no sound goes: sealed recordings are
    marked instead. With `screens` the pictures of those people go as well. With `together` a legal hold on any of
    it refuses all; else what is held waits until it no longer is. `asked` is noted when that is decided."""

    number: int
    from_us: int
    until_us: int
    legs: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    agent: str = ""
    phones: tuple[str, ...] = ()
    devices: dict[str, str] = field(default_factory=dict)
    last_of: str = ""
    instance: str | None = None
    hide: bool = False
    screens: bool = False
    together: bool = False
    asked: Asked | None = None
