"""What every `Schedules` must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from earshot.clock import FakeClock
from earshot.engine.schedule_values import RECORD_EVERYTHING, Criterion, Schedule
from earshot.errors import StoreUnavailable
from earshot.ports.schedules import NoSchedule, Schedules
from earshot.store.memory_schedules import MemorySchedules
from earshot.store.sql import database_at
from earshot.store.sql.schedules import SqlSchedules

CLOCK = FakeClock(1000.5)


@pytest.fixture(params=["memory", "sqlite"])
async def schedules(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Schedules]:
    if request.param == "memory":
        yield MemorySchedules(CLOCK)
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield SqlSchedules(database, CLOCK)
    await database.close()


async def test_a_new_installation_has_one_that_records_everything(schedules: Schedules) -> None:
    (kept,) = await schedules.schedules()
    assert (kept.schedule, kept.changed_by) == (RECORD_EVERYTHING, "earshot")


async def test_what_is_kept_is_what_was_given_and_numbers_grow(schedules: Schedules) -> None:
    wanted = Schedule(
        name='Ü "quoted"',
        kind="set_number",
        count=3,
        criteria=(Criterion(field="ani", test="range", values=("1", "9"), negated=True),),
        days=("mon", "sun"),
        cores=(1, 2),
        starts_at=1.5,
    )
    before = await schedules.revision()
    assert (await schedules.add_schedule(wanted, "jdoe")).number == 2
    assert (await schedules.add_schedule(replace(wanted, number=77), "jdoe")).number == 3
    kept = (await schedules.schedules())[1]
    assert (kept.schedule, kept.changed_at, kept.changed_by) == (replace(wanted, number=2), 1000.5, "jdoe")
    assert await schedules.revision() == before + 2


async def test_a_change_gives_back_what_was_there_and_counts(schedules: Schedules) -> None:
    before = await schedules.revision()
    off = replace(RECORD_EVERYTHING, active=False)
    assert await schedules.change_schedule(off, "jdoe") == RECORD_EVERYTHING
    assert [one.schedule for one in await schedules.schedules()] == [off]
    assert await schedules.revision() == before + 1


async def test_one_that_is_not_there_is_not_changed(schedules: Schedules) -> None:
    before = await schedules.revision()
    with pytest.raises(NoSchedule):
        await schedules.change_schedule(replace(RECORD_EVERYTHING, number=9), "jdoe")
    assert await schedules.revision() == before


async def test_those_that_are_away_say_so(tmp_path: Path) -> None:
    memory = MemorySchedules(CLOCK)
    memory.unavailable = True
    closed = database_at(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")
    for schedules in (memory, SqlSchedules(closed, CLOCK)):
        with pytest.raises(StoreUnavailable):
            await schedules.revision()
        with pytest.raises(StoreUnavailable):
            await schedules.add_schedule(RECORD_EVERYTHING, "x")
