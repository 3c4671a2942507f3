"""Whether the wall clock can be believed when it says that days are over.

A clock that was set forward would remove everything at once. The one rule: doubt removes nothing, and only a clock that
is plausible again, or a person, ends it.
"""

from dataclasses import dataclass

from earshot.clock import Clock

BACK_S = 300.0
"""A clock may be this much behind what was seen before: that is what corrections are made of."""
HOUR_S = 3600.0


@dataclass(slots=True)
class _Seen:
    at: float
    monotonic: float | None


class PlausibleClock:
    """Compares a clock with the last time it was believed, and with the newest recording.

    `most_ahead_s` is how far the wall clock may run ahead of that: while the process runs beside its monotonic clock,
    over a restart from the last time it was believed, so that a machine may stand still for as long.
    """

    def __init__(self, clock: Clock, most_ahead_s: float) -> None:
        self._clock = clock
        self._most_ahead_s = most_ahead_s
        self._seen: _Seen | None = None

    @property
    def seen_at(self) -> float:
        """The time it was believed last; 0 if it never was."""
        return 0.0 if self._seen is None else self._seen.at

    def remember(self, at: float | None) -> None:
        """What an earlier process believed last, if there was one."""
        self._seen = None if at is None else _Seen(at, None)

    def believe(self) -> float:
        """The clock is right, says a person or the check; gives the time it shows."""
        now = self._clock.now()
        self._seen = _Seen(now, self._clock.monotonic())
        return now

    def doubt(self, newest: float | None = None) -> str:
        """Why the clock is not believed now; empty if it is, and then that is remembered. `newest` is the time of the
        newest recording. A clock nobody has seen before is believed when it is not behind that or far ahead of it."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if newest is not None and now < newest - BACK_S:
            return f"the clock is {_span(newest - now)} behind the newest recording"
        seen = self._seen
        if seen is None and newest is not None:
            seen = _Seen(newest, None)
        if seen is not None:
            passed = 0.0 if seen.monotonic is None else monotonic - seen.monotonic
            ahead = now - seen.at - passed
            if ahead < -BACK_S:
                return f"the clock is {_span(-ahead)} behind what it was"
            if ahead > self._most_ahead_s:
                return f"the clock is {_span(ahead)} ahead of what it was"
        self.believe()
        return ""


def _span(seconds: float) -> str:
    return f"{seconds / HOUR_S:.1f} hours" if seconds >= HOUR_S else f"{seconds / 60:.0f} minutes"
