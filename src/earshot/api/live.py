"""What is going on right now, as values for whoever watches: devices, calls in progress, the sound of their legs.

Watchers get whole snapshots, the newest one each time. The one rule: a slow watcher never slows anything, because
nothing is queued for it: it misses the snapshots in between.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

CallState = Literal["recording", "waiting", "no_sound", "not_recorded"]
"""recording: sound arrives and is kept; waiting: announced, no sound yet; no_sound: sound was due and does not come;
not_recorded: no schedule wants it, or its recording ended before the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLeg:
    """One direction of sound. `side` is agent, other or mixed; `level` is 0.0 (silence) to 1.0 (full scale)."""

    side: str = ""
    codec: str = ""
    packets: int = 0
    lost: int = 0
    level: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """A call in progress. `key` is that of the coming `FinishedCall`; `started_at` is in seconds since the epoch.
    `blackout` says that one is open on it: its sound is thrown away, or hidden. `decision` is what the schedules
    decided, as a sentence."""

    key: str
    device_id: str
    started_at: float
    state: CallState
    device_alias: str = ""
    agent: str = ""
    ani: str = ""
    dnis: str = ""
    direction: str = ""
    blackout: bool = False
    legs: tuple[LiveLeg, ...] = ()
    warnings: tuple[str, ...] = ()
    agent_id: int | None = None
    group: str = ""
    gate: str = ""
    decision: str = ""


ScreenStateWord = Literal["capturing", "black", "not_captured"]
"""capturing: a desktop is being captured; black: it is, in a blackout; not_captured: there is no desktop to capture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveScreen:
    """A screen session in progress. `reason` says why it is not captured; `started_at` is in seconds since 1970."""

    key: str
    session_id: str
    started_at: float
    state: ScreenStateWord
    agent_id: int = 0
    agent: str = ""
    computer: str = ""
    device_alias: str = ""
    group: str = ""
    gate: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDevice:
    """A device that has been heard of, and who sits at it."""

    device_id: str
    device_alias: str = ""
    agent: str = ""
    agent_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSnapshot:
    """Everything at one moment; `at` is in seconds since the epoch. `notices` are sentences for operators, such as
    "The disk reserve is reached: new calls are refused."."""

    at: float = 0.0
    devices: tuple[LiveDevice, ...] = ()
    calls: tuple[LiveCall, ...] = ()
    screens: tuple[LiveScreen, ...] = ()
    notices: tuple[str, ...] = ()


class LiveSource(Protocol):
    """Where watchers look."""

    def snapshot(self) -> LiveSnapshot:
        """The situation now."""
        ...

    def subscribe(self) -> AsyncIterator[LiveSnapshot]:
        """Newer snapshots as they come, skipping those a slow reader missed."""
        ...
