"""Time as a value. Nothing below the composition root asks the operating system what time it is.

Two readings, never mixed: `now()` is wall-clock time in seconds since the Unix epoch, for people and records;
`monotonic()` never jumps, for timers and durations.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Wall-clock seconds since the Unix epoch. May jump when somebody sets the clock."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start. Never jumps, never goes back."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that stands still until it is told to move: what state machines run under in tests."""

    def __init__(self, now: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both readings."""
        if seconds < 0:
            raise ValueError("time only moves forward; use jump() for a wall clock that is set back")
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock by `seconds`, forward or back, as an administrator or NTP would."""
        self._now += seconds
