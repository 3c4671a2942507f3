"""Schedules in memory: for tests, and until the database is hung in. Same contract as `sql.schedules`.

The one rule: nothing is awaited between looking and changing.
"""

from collections.abc import Sequence
from dataclasses import replace

from earshot.clock import Clock
from earshot.engine.schedule_values import RECORD_EVERYTHING, Schedule
from earshot.errors import StoreUnavailable
from earshot.ports.schedules import KeptSchedule, NoSchedule


class MemorySchedules:
    """The port `earshot.ports.schedules.Schedules` without a database. `unavailable` makes every method fail."""

    def __init__(self, clock: Clock) -> None:
        self.unavailable = False
        self._clock = clock
        self._revision = 1
        self._kept = {1: KeptSchedule(schedule=RECORD_EVERYTHING, changed_at=0.0, changed_by="earshot")}

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the schedules in memory were told to be away")

    async def schedules(self) -> Sequence[KeptSchedule]:
        """See `Schedules.schedules`."""
        self._answer()
        return [self._kept[number] for number in sorted(self._kept)]

    async def revision(self) -> int:
        """See `Schedules.revision`."""
        self._answer()
        return self._revision

    async def add_schedule(self, schedule: Schedule, by: str) -> Schedule:
        """See `Schedules.add_schedule`."""
        self._answer()
        return self._put(replace(schedule, number=max(self._kept) + 1), by)

    async def change_schedule(self, schedule: Schedule, by: str) -> Schedule:
        """See `Schedules.change_schedule`."""
        self._answer()
        if schedule.number not in self._kept:
            raise NoSchedule(f"There is no schedule {schedule.number}")
        before = self._kept[schedule.number].schedule
        self._put(schedule, by)
        return before

    def _put(self, schedule: Schedule, by: str) -> Schedule:
        self._revision += 1
        self._kept[schedule.number] = KeptSchedule(schedule=schedule, changed_at=self._clock.now(), changed_by=by)
        return schedule
