"""No list shows more or less than somebody may see, whatever else it is limited by; run against each `Store`."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earshot.actor import EVERYTHING, NOTHING, Visibility
from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, RecordingFilter, SealedRecording, Store, User
from earshot.ports.access import shown
from earshot.store.memory import MemoryStore
from earshot.store.sql import SqlStore, database_at


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore(FakeClock())
    if request.param == "sqlite":
        made = SqlStore(database_at(f"sqlite:///{tmp_path / 'earshot.db'}"), FakeClock())
    await made.open()
    yield made
    await made.close()


def recording(number: int, at: float, agent_id: int | None, **variables: Any) -> SealedRecording:
    return SealedRecording(
        key=str(number),
        call_key=f"call-{number}",
        part=0,
        core=1,
        variables=CallVariables(**variables),
        agent_id=agent_id,
        recording_time=at,
        duration_s=1.0,
        channels=1,
        sample_rate_hz=8000,
        object_name=f"{number}.wav",
        file_name=f"{number % 50}.wav",
        media_type="audio/wav",
        audio_sha256=f"hash{number % 40}",
        audio_size=1,
    )


def various(dice: random.Random, count: int, agents: list[int]) -> list[SealedRecording]:
    """Recordings with few different values, blank ones among them, and moments that some share."""
    return [
        recording(
            number,
            float(dice.randrange(count)),
            dice.choice([None, *agents]),
            device_id=dice.choice(["", "100", "200", "300", "400"]),
            device_alias=dice.choice(["", "", "100", "500"]),
            group=dice.choice(["", "Sales", "sales", "Support"]),
            gate=dice.choice(["", "Gold Level", "Silver"]),
        )
        for number in range(count)
    ]


async def save(
    store: Store, recordings: list[SealedRecording], verdict: Callable[[], str] = lambda: "recorded"
) -> None:
    await store.save_calls(
        [
            FinishedCall(
                key=one.call_key,
                core=1,
                variables=one.variables,
                agent_id=one.agent_id,
                started_at=one.recording_time,
                stopped_at=one.recording_time + 1,
                verdict=verdict(),
                reason="bye",
                recordings=(one,),
            )
            for one in recordings
        ]
    )


def some_sight(dice: random.Random, agents: list[int]) -> Visibility:
    def some(values: list[Any]) -> frozenset[Any]:
        return frozenset(dice.sample(values, dice.choice([0, 0, 1, 2, len(values)])))

    return Visibility(
        agents=some([*agents, 999]),
        phones=some(["", "100", "200", "500", "777"]),
        groups=some(["", "Sales", "Nobody"]),
        gates=some(["", "Gold Level", "Nobody"]),
    )


class TestSeen:
    @pytest.mark.parametrize("seed", range(4))
    async def test_lists_show_exactly_what_may_be_seen(self, store: Store, seed: int) -> None:
        dice = random.Random(seed)
        agents = [await store.add_user(User(username=f"a{number}")) for number in range(3)]
        await store.modify_user(agents[0], {"sys_user": "win"})
        await store.modify_user(agents[1], {"sys_user": "win"})
        kept = various(dice, 120, agents)
        await save(store, kept)
        numbered = list(enumerate(kept, 1))
        numbered.sort(key=lambda row: (row[1].recording_time, row[0]), reverse=True)
        filters: list[dict[str, Any]] = [
            {},
            {"since": 20.0, "until": 90.0},
            {"equals": {"device_id": "100"}},
            {"equals": {"device_id": ""}},
            {"equals": {"group": "Sales", "gate": "Silver"}},
            {"equals": {"priority": ""}},
            {"sys_user": "win"},
            {"sys_user": "win", "equals": {"device_alias": "500"}},
            {"before": (60.0, 50)},
        ]
        for _ in range(12):
            sees = some_sight(dice, agents)
            for wanted in filters:
                everything = await store.recordings(RecordingFilter(**wanted), 1000)
                limit = dice.choice([1, 5, 1000])
                got = await store.recordings(RecordingFilter(**wanted, seen_by=sees), limit)
                assert [row.record_id for row in got] == [
                    row.record_id for row in everything if shown(row.sealed, sees)
                ][:limit]
            for field, value in (
                *(("device_id", "100"), ("device_alias", "500"), ("group", "Sales"), ("file_name", "7.wav")),
                *(("audio_sha256", "hash7"), ("record_id", "7"), ("agent_id", str(agents[2])), ("gate", "")),
            ):
                newest = await store.newest_recording(field, value, sees)
                matching = [
                    number for number, one in numbered if value == self.value(field, number, one) and shown(one, sees)
                ]
                assert (newest.record_id if newest else None) == next(iter(matching), None)
            newest = await store.newest_recording("sys_user", "win", sees)
            mine = [number for number, one in numbered if one.agent_id in agents[:2] and shown(one, sees)]
            assert (newest.record_id if newest else None) == next(iter(mine), None)

    @pytest.mark.parametrize("seed", range(2))
    async def test_calls_are_shown_like_recordings(self, store: Store, seed: int) -> None:
        dice = random.Random(seed)
        kept = various(dice, 120, [1, 2, 3])
        await save(store, kept, lambda: dice.choice(["recorded", "failed"]))
        everything = await store.calls(None, 1000)
        assert len(everything) == 120
        for _ in range(12):
            sees, limit = some_sight(dice, [1, 2, 3]), dice.choice([1, 5, 1000])
            for verdict in (None, "failed"):
                for before in (None, (60.0, 50)):
                    wanted = [
                        number
                        for number, call in everything
                        if shown(call, sees)
                        and verdict in (None, call.verdict)
                        and (before is None or (call.started_at, number) < before)
                    ]
                    got = await store.calls(verdict, limit, before, sees)
                    assert [number for number, _ in got] == wanted[:limit]
        assert await store.calls(None, 1000, seen_by=EVERYTHING) == everything
        assert await store.calls(None, 1000, seen_by=NOTHING) == []
        assert await store.calls(None, 0, seen_by=Visibility(agents=frozenset({1}))) == []

    @staticmethod
    def value(field: str, number: int, one: SealedRecording) -> str:
        if field == "record_id":
            return str(number)
        return str(getattr(one if hasattr(one, field) else one.variables, field))

    async def test_everything_and_nothing(self, store: Store) -> None:
        await save(store, various(random.Random(1), 20, [1]))
        assert len(await store.recordings(RecordingFilter(seen_by=EVERYTHING), 50)) == 20
        assert await store.recordings(RecordingFilter(seen_by=NOTHING), 50) == []
        assert await store.newest_recording("record_id", "1", NOTHING) is None
        assert await store.newest_recording("record_id", "1", EVERYTHING) is not None

    async def test_blank_values_show_nothing(self, store: Store) -> None:
        blank = frozenset({""})
        await save(store, [recording(1, 1.0, None, device_id="100"), recording(2, 2.0, None, device_id="")])
        sees = Visibility(groups=blank, gates=blank)
        assert await store.recordings(RecordingFilter(seen_by=sees), 50) == []

    async def test_many_phones(self, store: Store) -> None:
        """More values than one statement takes, on every way to find rows."""
        kept = [recording(number, float(number % 700), None, device_id=str(number % 5000)) for number in range(6000)]
        kept = [replace(one, variables=replace(one.variables, device_alias="desk")) for one in kept]
        await save(store, kept)
        sees = Visibility(phones=frozenset(map(str, range(0, 6000, 2))))
        expected = [
            number
            for _, number in sorted(((one.recording_time, number) for number, one in enumerate(kept, 1)), reverse=True)
            if shown(kept[number - 1], sees)
        ]
        for equals in ({}, {"device_alias": "desk"}, {"ani": ""}):
            rows = await store.recordings(RecordingFilter(seen_by=sees, equals=equals), 60)
            assert [row.record_id for row in rows] == expected[:60]
        newest = await store.newest_recording("device_alias", "desk", sees)
        assert newest is not None and newest.record_id == expected[0]
        assert await store.newest_recording("device_id", "77", sees) is None
