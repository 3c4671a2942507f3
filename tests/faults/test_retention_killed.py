"""Retention ended between any two steps, disks that are full or away, clocks that jump, holds placed meanwhile."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from earshot.clock import FakeClock
from earshot.core.archiving import Archiving
from earshot.core.plausible import PlausibleClock
from earshot.core.removal import Removal
from earshot.core.retention import Retention, RetentionSettings, trust_clock
from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, RecordingFilter, SealedRecording
from earshot.ports.retention import DAY_S, ArchiveAction, Cause, Defaults, Deletion, Hold
from earshot.premises import Folders, recordings_in
from earshot.storage.local import LocalStorage
from earshot.storage.objects import ObjectAccess
from earshot.storage.placed import PlacedStorage
from earshot.storage.places import Places, prepare
from earshot.store.database import Database
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.retention import SqlRetention
from earshot.vault.keyring import Keyring

HOUR_S = 3600.0
START = 1_700_000_000.0


class Killed(BaseException):
    """The process ends here."""


@dataclass
class World:
    """A store and a storage on a disk; `process` makes what works on them, as a new process would."""

    root: Path
    database: Database
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    noted: list[int] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    kill_at: int = -1
    seen: int = 0
    keyring: Keyring | None = None
    access: ObjectAccess | None = None

    def __post_init__(self) -> None:
        self.store = SqlStore(self.database, self.clock)
        self.kept = SqlRetention(self.database)
        self.main = recordings_in(Folders(self.root), self.keyring)
        (self.root / "work").mkdir(exist_ok=True)

    def places(self) -> Places:
        return Places(self.keyring, access=self.access, clock=self.clock)

    def reached(self, step: str) -> None:
        self.steps.append(step)
        self.seen += 1
        if self.seen == self.kill_at:
            raise Killed(step)

    def process(self, defaults: Defaults | None = None, **settings: float) -> Retention:
        storage = PlacedStorage(self.main, self.places())

        async def noting(deletions: Sequence[Deletion]) -> set[int]:
            self.noted += [one.record_id for one in deletions]
            return {one.record_id for one in deletions}

        async def last(deletions: Sequence[Deletion]) -> set[int]:
            return {one.record_id for one in deletions}

        async def newest() -> float | None:
            rows = await self.store.recordings(RecordingFilter(), 1)
            return rows[0].sealed.recording_time if rows else None

        return Retention(
            self.kept,
            self.clock,
            RetentionSettings(defaults=defaults or Defaults(keep_days=0), rest=0.0, **settings),  # type: ignore[arg-type]
            plausible=PlausibleClock(self.clock, 168 * HOUR_S),
            removal=Removal(
                self.kept, storage, self.clock, noting=noting, steps=(("last", last),), reached=self.reached
            ),
            archiving=Archiving(self.kept, storage, self.root / "work", self.clock, self.reached, self.keyring),
            newest=newest,
            free=lambda: self.free.pop(0) if self.free else 10**12,
            places=storage.know,
        )

    async def make(self, count: int, action: int = -1) -> None:
        """So many recordings, a minute apart, the first RECORDID the oldest."""
        for number in range(1, count + 1):
            sound = f"sound {number}".encode() * 100
            source = self.root / "work" / f"{number}"
            source.write_bytes(sound)
            await self.main.put_file(f"day/{number}.wav", source)
            said = CallVariables(device_id="200", archive_action=action)
            sealed = SealedRecording(
                key=f"key-{number}",
                call_key=f"call-{number}",
                part=0,
                core=1,
                variables=said,
                agent_id=None,
                recording_time=START - HOUR_S + 60 * number,
                duration_s=10.0,
                channels=1,
                sample_rate_hz=8000,
                object_name=f"day/{number}.wav",
                file_name=f"{number}.wav",
                media_type="audio/wav",
                audio_sha256=hashlib.sha256(sound).hexdigest(),
                audio_size=len(sound),
            )
            call = FinishedCall(
                key=f"call-{number}",
                core=1,
                variables=said,
                agent_id=None,
                started_at=sealed.recording_time,
                stopped_at=sealed.recording_time + 10,
                verdict="recorded",
                reason="",
                recordings=(sealed,),
            )
            await self.store.save_calls([call])

    def files(self, under: str = "recordings") -> list[str]:
        return sorted(path.name for path in (self.root / under).rglob("*.wav"))

    async def rows(self) -> list[int]:
        return sorted(row.record_id for row in await self.store.recordings(RecordingFilter(), 100))

    async def whole(self) -> None:
        """Every row has its media, wherever they lie, and every tombstone is finished."""
        storage = PlacedStorage(self.main, self.places())
        actions = await self.kept.actions()
        storage.know({one.number: one.destination for one in actions if one.destination})
        for row in await self.store.recordings(RecordingFilter(), 100):
            media = b"".join([chunk async for chunk in storage.read(row.sealed.object_name)])
            assert hashlib.sha256(media).hexdigest() == row.sealed.audio_sha256
        assert await self.kept.unfinished(10) == []
        assert await self.kept.leftovers(10) == []


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield World(tmp_path, database)
    await database.close()


@pytest.mark.parametrize("kill_at", range(1, 8))
async def test_killed_at_any_step_a_purge_goes_on_and_takes_nothing_else(world: World, kill_at: int) -> None:
    await world.make(4)
    await world.kept.place(Hold(name="Case"), [2])
    await world.store.update_recording(3, {"keep_days": 30})
    world.kill_at = kill_at
    with pytest.raises(Killed):
        await world.process().round()
    world.kill_at = -1
    assert (await world.process().round()).paused == ""
    assert await world.rows() == [2, 3]
    assert world.files() == ["2.wav", "3.wav"]
    assert set(world.noted) == {1, 4}
    assert all([(await world.kept.deletion(one)).finished_at for one in (1, 4)])  # type: ignore[union-attr]
    await world.whole()


async def test_nothing_is_removed_before_it_is_noted(world: World) -> None:
    await world.make(2)
    await world.process().round()
    assert world.steps.index("noted stored") < world.steps.index("unlinked")
    assert world.noted == [1, 2]


@pytest.mark.parametrize("kind", ["move", "copy"])
@pytest.mark.parametrize("kill_at", range(1, 10))
async def test_killed_at_any_step_an_archive_action_goes_on(world: World, kind: str, kill_at: int) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Cellar", kind=kind, destination=str(cellar)))  # type: ignore[arg-type]
    await world.make(2, action=2)
    world.kill_at = kill_at
    with pytest.raises(Killed):
        await world.process().round()
        await world.process().removal.sweep()  # a copy has fewer steps
        raise Killed
    world.kill_at = -1
    await world.process().round()
    assert await world.rows() == [1, 2]
    assert world.files("cellar") == ["1.wav", "2.wav"]
    assert world.files() == ([] if kind == "move" else ["1.wav", "2.wav"])
    assert world.files("work") == []
    await world.whole()
    for number in (1, 2):
        await world.kept.doom([number], Cause(by="jane", reason="r", rule="p"), world.clock.now())
    await world.process().round()
    assert world.files() == world.files("cellar") == []


async def test_a_hold_placed_during_a_purge_wins(world: World) -> None:
    await world.make(3)
    process = world.process(batch=1)
    found = process._store.due
    placed: list[int] = []

    async def due_then_held(now: float, limit: int) -> list[object]:
        due = await found(now, limit)
        if not placed and due:
            placed.append(due[0].kept.record_id)
            await world.kept.place(Hold(name="Late"), placed)
        return due  # type: ignore[return-value]

    process._store.due = due_then_held  # type: ignore[method-assign,assignment]
    done = await process.round()
    assert (done.held, done.decided) == (1, 2)
    assert await world.rows() == placed == [1]
    await world.whole()


async def test_a_hold_placed_after_the_decision_says_that_it_comes_too_late(world: World) -> None:
    await world.make(1)
    await world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), world.clock.now())
    hold, missing = await world.kept.place(Hold(name="Late"), [1])
    assert (hold.recordings, missing) == (0, [1])


async def test_disk_pressure_takes_the_oldest_that_is_not_held_and_only_if_told_to(world: World) -> None:
    await world.make(3)
    await world.kept.place(Hold(name="Case"), [1])
    for_ever = Defaults(keep_days=-1)
    await world.process(for_ever).round()
    assert await world.rows() == [1, 2, 3]
    world.free = [5, 500]
    await world.process(for_ever, free_bytes=100, batch=1).round()
    assert await world.rows() == [1, 3]
    found = await world.kept.deletion(2)
    assert found is not None
    assert found.reason == "disk pressure"
    world.free = [5] * 10
    await world.process(for_ever, free_bytes=100, batch=1).round()
    assert await world.rows() == [1]


async def test_an_archive_that_is_away_is_waited_for(world: World) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Cellar", kind="move", destination=str(cellar)))
    await world.make(1, action=2)
    (cellar / ".earshot-archive").rename(cellar / "hidden")  # an empty mount point looks like this
    process = world.process()
    assert (await process.round()).archived == 0
    assert process.troubles
    kept = await world.kept.kept(1)
    assert kept is not None
    assert kept.tries == 1
    assert "Cellar" in kept.trouble
    assert world.files() == ["1.wav"]
    (cellar / "hidden").rename(cellar / ".earshot-archive")
    assert (await process.round()).archived == 0  # not yet: it waits a minute
    world.clock.advance(61.0)
    assert (await process.round()).archived == 1
    assert process.troubles == []
    await world.whole()


async def test_an_archive_that_is_full_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Cellar", kind="move", destination=str(cellar)))
    await world.make(2, action=2)
    process = world.process()
    put = LocalStorage.put_file

    async def full(storage: LocalStorage, name: str, source: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    monkeypatch.setattr(LocalStorage, "put_file", full)
    assert (await process.round()).archived == 0
    assert "No space left" in process.troubles[0]
    assert world.files() == ["1.wav", "2.wav"]
    assert world.files("cellar") == world.files("work") == []
    monkeypatch.setattr(LocalStorage, "put_file", put)
    world.clock.advance(61.0)
    assert (await process.round()).archived == 2
    assert process.troubles == []
    await world.whole()


@pytest.mark.parametrize("kind", ["move", "copy"])
async def test_two_actions_with_one_destination_do_not_take_the_same_object_for_two(world: World, kind: str) -> None:
    """What one of them left there would be removed as what the other left behind."""
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Last", kind="move", destination=str(cellar)))
    first = ArchiveAction(name="First", kind=kind, destination=str(cellar), next_action=2, days=1)  # type: ignore[arg-type]
    await world.kept.add_action(first)
    await world.make(1, action=3)
    process = world.process()
    assert (await process.round()).archived == 1
    world.clock.advance(DAY_S)
    assert (await process.round()).archived == 0
    assert "lies in this archive already" in process.troubles[0]
    assert world.files("cellar") == ["1.wav"] and await world.rows() == [1]
    await world.whole()


async def test_a_copy_that_cannot_be_reached_keeps_its_deletion_open(world: World) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Cellar", kind="copy", destination=str(cellar)))
    await world.make(1, action=2)
    process = world.process()
    await process.round()
    (cellar / ".earshot-archive").rename(cellar / "hidden")
    await world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), world.clock.now())
    await process.round()
    assert process.removal.waiting == 1
    assert process.troubles
    assert world.files("cellar") == ["1.wav"]
    (cellar / "hidden").rename(cellar / ".earshot-archive")
    await process.round()
    assert process.removal.waiting == 0
    assert world.files("cellar") == []
    await world.whole()


async def test_media_that_are_not_what_the_row_says_are_not_moved(world: World) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Cellar", kind="move", destination=str(cellar)))
    await world.make(1, action=2)
    path = world.main.local_path("day/1.wav")
    assert path is not None
    path.write_bytes(b"altered")
    await world.process().round()
    assert world.files() == ["1.wav"]
    assert world.files("cellar") == []


async def test_a_chain_of_actions(world: World) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    cellar_action = ArchiveAction(name="Cellar", kind="move", destination=str(cellar), next_action=1, days=2)
    await world.kept.add_action(cellar_action)
    await world.make(1, action=2)
    process = world.process()
    await process.round()
    assert world.files("cellar") == ["1.wav"]
    world.clock.advance(DAY_S)
    await process.round()
    assert await world.rows() == [1]
    world.clock.advance(DAY_S)
    await process.round()
    assert await world.rows() == []
    assert world.files("cellar") == []


@pytest.mark.parametrize("action", [2, 9])
async def test_an_action_that_is_not_active_or_not_known_removes_nothing(world: World, action: int) -> None:
    await world.kept.add_action(ArchiveAction(name="Other purge", kind="purge"))
    await world.kept.set_action_active(2, False)
    await world.make(1, action=action)
    process = world.process()
    await process.round()
    assert await world.rows() == [1]
    assert "not" in process.troubles[0]


class TestClock:
    @pytest.mark.parametrize(
        ("jump_h", "paused"), [(1, False), (167, False), (170, True), (24 * 3650, True), (-3, True)]
    )
    async def test_a_clock_that_was_set_while_it_runs(self, world: World, jump_h: int, paused: bool) -> None:
        process = world.process(Defaults(keep_days=1))
        await process.round()
        await world.make(1)
        await process.round()
        world.clock.jump(jump_h * HOUR_S)
        assert bool((await process.round()).paused) == paused
        if paused:
            assert await world.rows() == [1]
            world.clock.jump(-jump_h * HOUR_S)
            assert (await process.round()).paused == ""

    async def test_a_clock_that_was_set_while_nothing_ran(self, world: World) -> None:
        await world.make(1)
        await world.process(Defaults(keep_days=10)).round()
        world.clock.jump(400 * DAY_S)
        process = world.process(Defaults(keep_days=10))
        assert "ahead" in (await process.round()).paused
        assert "ahead" in (await process.round()).paused
        assert await world.rows() == [1]
        await trust_clock(world.kept, world.clock, None)
        assert (await process.round()).paused == ""
        assert await world.rows() == []

    async def test_a_recording_of_the_future_stops_it_until_somebody_vouches(self, world: World) -> None:
        await world.make(1)
        world.clock.jump(-5 * DAY_S)
        process = world.process(Defaults(keep_days=0))
        assert "behind the newest" in (await process.round()).paused
        await trust_clock(world.kept, world.clock, START - HOUR_S + 60)
        assert (await process.round()).paused == ""

    async def test_time_that_passes_is_no_jump(self, world: World) -> None:
        process = world.process()
        await process.round()
        world.clock.advance(300 * DAY_S)
        assert (await process.round()).paused == ""


async def test_a_round_that_fails_in_an_unknown_way_is_said_and_tried_again(world: World) -> None:
    process = world.process()
    process._store.due, due = None, process._store.due  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(process.run())
    while not process.troubles:
        await asyncio.sleep(0)
    assert not running.done()
    assert "callable" in process.troubles[0]
    running.cancel()
    process._store.due = due  # type: ignore[method-assign]
    assert (await process.round()).paused == ""
