"""The removal of screen sessions ended between any two steps, and disks that do not let go."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from earshot.clock import FakeClock
from earshot.core.removal import Removal
from earshot.core.screen_retention import ScreenPurge
from earshot.engine.variables import CallVariables
from earshot.ports.retention import Criteria, Defaults, Deletion, Hold
from earshot.ports.screens import ScreenSegment, ScreenSession
from earshot.storage.local import LocalStorage
from earshot.store.database import Database
from earshot.store.sql import database_at
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screen_retention import SqlScreenRetention
from earshot.store.sql.screens import SqlScreens

START = 1_700_000_000.0


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Screened:
    """Sessions in a database and on a disk; `process` makes what removes them, as a new process would."""

    root: Path
    database: Database
    noted: list[int] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    kill_at: int = -1

    def __post_init__(self) -> None:
        self.storage = LocalStorage(self.root / "recordings")
        self.screens = SqlScreens(self.database)
        self.kept = SqlScreenRetention(self.database)

    def reached(self, step: str) -> None:
        self.steps.append(step)
        if len(self.steps) == self.kill_at:
            raise Killed(step)

    def process(self) -> ScreenPurge:
        async def noting(deletions: Sequence[Deletion]) -> set[int]:
            self.noted += [one.record_id for one in deletions]
            return {one.record_id for one in deletions}

        clock = FakeClock(START)
        removal = Removal(self.kept, self.storage, clock, noting=noting, steps=(), reached=self.reached)
        return ScreenPurge(self.kept, clock, removal)

    async def purge(self) -> int:
        process = self.process()
        await process.removal.go_on()
        return await process.perform(Defaults(), [1], 200)

    async def make(self, number: int, keep_days: int, ani: str = "") -> None:
        name = f"screens/{number}.mp4"
        source = self.root / "work"
        source.write_bytes(b"picture" * number)
        await self.storage.put_file(name, source)
        segment = ScreenSegment(
            number=1,
            object_name=name,
            media_type="video/mp4",
            sha256=f"sha{number}",
            size=7 * number,
            began_at=START - 10,
            duration_s=5.0,
        )
        await self.screens.save_screen(
            ScreenSession(
                key=f"key{number}",
                core=1,
                session_id=f"{number}",
                agent_id=1,
                started_at=START - 10,
                stopped_at=START - 5,
                state="ended",
                verdict="captured",
                variables=CallVariables(keep_days=keep_days, ani=ani),
                segments=(segment,),
            )
        )

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.root / "recordings").rglob("*.mp4"))


@pytest.fixture
async def screened(tmp_path: Path) -> AsyncIterator[Screened]:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield Screened(tmp_path, database)
    await database.close()


@pytest.mark.parametrize("kill_at", range(1, 7))
async def test_killed_at_any_step_it_goes_on_and_takes_nothing_else(screened: Screened, kill_at: int) -> None:
    await screened.make(1, keep_days=0)
    await screened.make(2, keep_days=30)
    await screened.make(3, keep_days=0)
    screened.kill_at = kill_at
    with pytest.raises(Killed):
        await screened.purge()
    screened.kill_at = -1
    await screened.purge()
    assert screened.files() == ["2.mp4"]
    assert [row.number for row in await screened.screens.screens(10)] == [2]
    assert set(screened.noted) == {1, 3}
    assert await screened.kept.unfinished(10) == []
    assert await screened.kept.leftovers_of([1, 3]) == []


async def test_nothing_is_removed_before_it_is_noted(screened: Screened) -> None:
    await screened.make(1, keep_days=0)
    assert await screened.purge() == 1
    assert screened.steps == ["noted", "noted stored", "keys", "unlinked", "files", "files stored"]


async def test_a_hold_placed_before_the_decision_wins(screened: Screened) -> None:
    await screened.make(1, keep_days=0, ani="555")
    retention = SqlRetention(screened.database)
    hold, _ = await retention.place(Hold(name="Case", criteria=Criteria(equals={"ani": "555"})), [])
    assert await screened.purge() == 0
    assert screened.files() == ["1.mp4"]
    await retention.lift(hold.number, "jane", "settled", START)
    assert await screened.purge() == 1
    assert screened.files() == []


async def test_a_file_that_cannot_be_removed_keeps_the_deletion_open(screened: Screened) -> None:
    await screened.make(1, keep_days=0)
    folder = screened.root / "recordings" / "screens"
    folder.rename(folder.with_name("hidden"))
    folder.symlink_to(folder)  # a loop: the disk answers with an error
    process = screened.process()
    assert await process.perform(Defaults(), [1], 200) == 1
    assert process.removal.troubles
    assert [one.record_id for one in await screened.kept.unfinished(10)] == [1]
    folder.unlink()
    folder.with_name("hidden").rename(folder)
    assert await process.removal.go_on() == 1
    assert process.removal.troubles == {}
    assert screened.files() == []
