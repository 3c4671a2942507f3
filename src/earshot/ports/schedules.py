"""Where schedules are kept. What they mean is for `earshot.engine.schedules`.

Schedules are numbered in the order they were made, and never deleted: one that is not wanted is not active, so that
what it decided can be explained for ever. The one rule: each change is one transaction, and the revision grows with it.
Every method may raise `earshot.errors.StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from earshot.engine.schedule_values import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSchedule:
    """A schedule with who changed it last, when (seconds since the Unix epoch)."""

    schedule: Schedule
    changed_at: float
    changed_by: str


class NoSchedule(LookupError):
    """There is no schedule of that number."""


class Schedules(Protocol):
    """All schedules. A new installation has one, `earshot.engine.schedule_values.RECORD_EVERYTHING`."""

    async def schedules(self) -> Sequence[KeptSchedule]:
        """All of them, by number."""
        ...

    async def revision(self) -> int:
        """Grows with every change."""
        ...

    async def add_schedule(self, schedule: Schedule, by: str) -> Schedule:
        """Keep a new one; returns it with its number, which is higher than that of any before."""
        ...

    async def change_schedule(self, schedule: Schedule, by: str) -> Schedule:
        """Replace the one of that number; returns what was there. Raises NoSchedule."""
        ...
