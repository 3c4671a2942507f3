"""What every `ScreenRetention` must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, SealedRecording, Store
from earshot.ports.retention import DAY_S, DECIDED, NOTED, Cause, Criteria, Defaults, Hold, RetentionStore
from earshot.ports.screen_retention import OWN_DAYS, SETTING, ScreenRetention
from earshot.ports.screens import Screens, ScreenSegment, ScreenSession
from earshot.store.memory import MemoryStore
from earshot.store.memory_retention import MemoryRetention
from earshot.store.memory_screen_retention import MemoryScreenRetention
from earshot.store.memory_screens import MemoryScreens
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screen_retention import SqlScreenRetention
from earshot.store.sql.screens import SqlScreens

AT = 1_000_000.0
TEN_DAYS = Defaults(keep_days=10)
FOR_EVER = Defaults()
PURGE = {1}


@dataclass
class Screening:
    """What keeps recordings, sessions and the retention of both."""

    store: Store
    retention: RetentionStore
    screens: Screens
    kept: ScreenRetention

    async def session(self, key: str, *, session_id: str = "", agent_id: int = 7, **variables: Any) -> int:
        """A session with two segments; its number."""
        segments = tuple(
            ScreenSegment(
                number=number,
                object_name=f"screens/{key}-{number}.mp4",
                media_type="video/mp4",
                sha256=f"{key}{number}",
                size=100 * number,
                began_at=AT,
                duration_s=5.0,
            )
            for number in (1, 2)
        )
        return await self.screens.save_screen(
            ScreenSession(
                key=key,
                core=1,
                session_id=session_id,
                agent_id=agent_id,
                started_at=AT,
                stopped_at=AT + 10,
                state="ended",
                verdict="captured",
                variables=CallVariables(**variables),
                segments=segments,
            )
        )

    async def recording(self, key: str, session_id: str, **variables: Any) -> int:
        """A recording of that SESSIONID; its RECORDID."""
        said = CallVariables(device_id="200", session_id=session_id, **variables)
        sealed = SealedRecording(
            key=key,
            call_key=key,
            part=0,
            core=1,
            variables=said,
            agent_id=7,
            recording_time=AT,
            duration_s=10.0,
            channels=1,
            sample_rate_hz=8000,
            object_name=f"{key}.wav",
            file_name=f"{key}.wav",
            media_type="audio/wav",
            audio_sha256=key,
            audio_size=100,
        )
        call = FinishedCall(
            key=key,
            core=1,
            variables=said,
            agent_id=7,
            started_at=AT,
            stopped_at=AT + 10,
            verdict="recorded",
            reason="",
            recordings=(sealed,),
        )
        ((number,),) = await self.store.save_calls([call])
        return number

    async def doomed(self, days: float, defaults: Defaults = FOR_EVER, limit: int = 10) -> list[int]:
        found = await self.kept.doom_due(AT + days * DAY_S, defaults, PURGE, limit)
        return [one.record_id for one in found]

    async def there(self) -> list[int]:
        return sorted(row.number for row in await self.screens.screens(100))


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Screening]:
    if request.param == "memory":
        store, screens = MemoryStore(FakeClock()), MemoryScreens()
        retention = MemoryRetention(store)
        yield Screening(store, retention, screens, MemoryScreenRetention(screens, store, retention))
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    sql = SqlStore(database, FakeClock())
    yield Screening(sql, SqlRetention(database), SqlScreens(database), SqlScreenRetention(database))
    await database.close()


async def test_a_session_goes_when_its_own_days_are_over(world: Screening) -> None:
    short, long = await world.session("a", keep_days=3), await world.session("b", keep_days=5)
    await world.session("c")
    assert await world.doomed(2.9) == []
    assert await world.doomed(3.0) == [short]
    assert await world.doomed(400) == [long]
    assert await world.there() == [3]


async def test_what_is_left_says_what_it_was_and_nothing_of_people(world: Screening) -> None:
    number = await world.session("a", keep_days=3, ani="5551234")
    (made,) = await world.kept.doom_due(AT + 3 * DAY_S, FOR_EVER, PURGE, 10)
    assert (made.record_id, made.key, made.recording_time, made.duration_s) == (number, "a", AT, 10.0)
    assert (made.audio_sha256, made.audio_size) == ("a1 a2", 300)
    assert (made.by, made.reason, made.step, made.finished_at) == ("earshot", OWN_DAYS, DECIDED, 0.0)
    assert await world.screens.screen(number) is None
    assert await world.kept.screen_deletions(10) == [made]
    assert [one async for one in world.screens.all_screen_objects()] == []


async def test_a_session_that_was_deleted_is_not_stored_again(world: Screening) -> None:
    number = await world.session("a", keep_days=0)
    await world.doomed(1)
    assert await world.session("a", keep_days=0) == number
    assert await world.there() == []
    assert await world.session("b") == number + 1


async def test_without_days_of_its_own_the_setting_counts_once_no_recording_is_left(world: Screening) -> None:
    alone, with_one = await world.session("a"), await world.session("b", session_id="7")
    record_id = await world.recording("r", "7")
    found = await world.kept.doom_due(AT + 10 * DAY_S, TEN_DAYS, PURGE, 10)
    assert [(one.record_id, one.reason) for one in found] == [(alone, SETTING)]
    await world.retention.doom([record_id], Cause(by="jane", reason="asked", rule="by a person"), AT)
    (one, _) = await world.kept.screen_deletions(10)
    assert (one.record_id, one.by, one.reason) == (with_one, "jane", "asked")
    assert await world.there() == []


async def test_the_last_recording_takes_the_session_with_it(world: Screening) -> None:
    number = await world.session("a", session_id="7")
    records = [await world.recording(key, "7") for key in ("r", "s")]
    why = Cause(by="jane", reason="asked", rule="by a person")
    await world.retention.doom(records[:1], why, AT)
    assert await world.there() == [number]
    await world.retention.doom(records[1:], why, AT)
    assert await world.there() == []
    assert [one.object_name for one in await world.kept.leftovers_of([number])] == [
        "screens/a-1.mp4",
        "screens/a-2.mp4",
    ]


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(equals={"ani": "555"}),
        Criteria(agent_id=7),
        Criteria(since=AT),
        Criteria(equals={"user3": "x"}, until=AT),
    ],
)
async def test_a_hold_whose_criteria_it_meets_keeps_it_until_it_is_lifted(world: Screening, criteria: Criteria) -> None:
    number = await world.session("a", keep_days=0, ani="555", users=("", "", "x", *("",) * 12))
    other = await world.session("b", keep_days=0, agent_id=8, ani="556")
    hold, _ = await world.retention.place(Hold(name="Case", criteria=criteria), [])
    assert number not in await world.doomed(1)
    await world.retention.lift(hold.number, "jane", "settled", AT)
    left = await world.doomed(1)
    assert number in left
    assert await world.there() == []
    assert other not in left or criteria.since is not None


async def test_a_hold_on_its_recording_keeps_it(world: Screening) -> None:
    number = await world.session("a", session_id="7", keep_days=0)
    record_id = await world.recording("r", "7")
    hold, _ = await world.retention.place(Hold(name="Case"), [record_id])
    assert await world.doomed(1) == []
    await world.retention.lift(hold.number, "jane", "settled", AT)
    assert await world.doomed(1) == [number]


async def test_a_hold_that_only_the_session_meets_keeps_it_when_its_recording_goes(world: Screening) -> None:
    number = await world.session("a", session_id="7", ani="555")
    record_id = await world.recording("r", "7", ani="556")
    await world.retention.place(Hold(name="Case", criteria=Criteria(equals={"ani": "555"})), [])
    await world.retention.doom([record_id], Cause(by="jane", reason="asked", rule="p"), AT)
    assert await world.there() == [number]
    assert await world.doomed(400, TEN_DAYS) == []


@pytest.mark.parametrize(("action", "goes"), [(-1, True), (1, True), (2, False)])
async def test_only_a_purge_removes_it(world: Screening, action: int, goes: bool) -> None:
    number = await world.session("a", keep_days=0, archive_action=action)
    assert await world.doomed(1) == ([number] if goes else [])
    assert await world.kept.doom_due(AT + DAY_S, FOR_EVER, (), 10) == ()


@pytest.mark.parametrize("days", [36501, 10**9])
async def test_what_is_kept_for_ever_is_never_due(world: Screening, days: int) -> None:
    await world.session("a", keep_days=days)
    await world.session("b")
    assert await world.doomed(1e9) == []


async def test_the_steps_are_kept(world: Screening) -> None:
    numbers = [await world.session(key, keep_days=0) for key in ("a", "b", "c")]
    assert await world.doomed(1, limit=2) == numbers[:2]
    assert await world.doomed(1) == numbers[2:]
    left = await world.kept.leftovers_of(numbers[:1])
    assert [one.object_name for one in left] == ["screens/a-1.mp4", "screens/a-2.mp4"]
    await world.kept.removed(left)
    assert await world.kept.leftovers_of(numbers[:1]) == []
    await world.kept.stepped(numbers[:2], NOTED)
    await world.kept.stepped(numbers[:1], "files", AT)
    assert [one.record_id for one in await world.kept.unfinished(10)] == numbers[1:]
    assert [one.record_id for one in await world.kept.unfinished(1, numbers[1])] == numbers[2:]
    assert await world.kept.leftovers(10) == []
    (last,) = await world.kept.screen_deletions(10, before=numbers[1])
    assert (last.step, last.finished_at) == ("files", AT)
