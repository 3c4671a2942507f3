"""Killed between the bytes in an archive and the row that says so: a blackout or a deletion takes them all the same.

Nothing of Archiving goes on in between: what is searched is what a person would find who was told that it is gone.
"""

import errno
import hashlib
import os
import shutil
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.faults.test_retention_killed import HOUR_S, START, Killed, World

from earshot.core.elsewhere import Elsewhere
from earshot.core.resealing import Resealing, Rewritten
from earshot.engine.blackout_values import Removal
from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, SealedRecording
from earshot.ports.blackouts import Decided
from earshot.ports.retention import ArchiveAction, Cause
from earshot.storage.placed import PlacedStorage
from earshot.storage.places import MARKER
from earshot.store.sql import database_at
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.vault.keyring import Keyring

if TYPE_CHECKING:
    from tests.object_store import TestedBucket

RATE = 8000
SOUND = np.random.default_rng(7).integers(-20000, 20000, 2 * RATE, np.int16)
SECRET = SOUND[6000:6400].tobytes()
"""What is heard at 0.75 s."""
MOMENTS = [("move", "begun"), ("copy", "put"), ("move", "copied")]
NAME = "day/1.wav"


@dataclass
class Archive:
    """One recording that is due to be brought to an archive, a folder or in a bucket."""

    world: World
    destination: str
    bucket: "TestedBucket | None"

    async def due(self, kind: str) -> None:
        """Have it due."""
        world = self.world
        action = ArchiveAction(name="Attic", kind=kind, destination=self.destination)  # type: ignore[arg-type]
        await world.kept.add_action(action)
        source = world.root / "work" / "source"
        with wave.open(str(source), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(SOUND.tobytes())
        data = source.read_bytes()
        assert SECRET in data
        await world.main.put_file(NAME, source)
        sealed = SealedRecording(
            key="key",
            call_key="call",
            part=0,
            core=1,
            variables=CallVariables(device_id="200", archive_action=2),
            agent_id=None,
            recording_time=START - HOUR_S,
            duration_s=2.0,
            channels=1,
            sample_rate_hz=RATE,
            object_name=NAME,
            file_name="1.wav",
            media_type="audio/wav",
            audio_sha256=hashlib.sha256(data).hexdigest(),
            audio_size=len(data),
        )
        call = FinishedCall(
            key="call",
            core=1,
            variables=sealed.variables,
            agent_id=None,
            started_at=sealed.recording_time,
            stopped_at=sealed.recording_time + 2,
            verdict="recorded",
            reason="",
            recordings=(sealed,),
        )
        await world.store.save_calls([call])

    async def killed_at(self, step: str) -> None:
        """A process begins to bring it there, and ends at `step`."""
        process, reached = self.world.process(), self.world.reached

        def at(name: str) -> None:
            if name == step:
                raise Killed(name)

        process.archiving._reached = at
        with pytest.raises(Killed):
            await process.round()
        process.archiving._reached = reached

    async def storage(self) -> PlacedStorage:
        storage = PlacedStorage(self.world.main, self.world.places())
        storage.know({one.number: one.destination for one in await self.world.kept.actions() if one.destination})
        return storage

    async def resealing(self, store: SqlBlackouts | None = None) -> Resealing:
        world, storage = self.world, await self.storage()

        async def noted(rewritten: Rewritten) -> None:
            return None

        store = store or SqlBlackouts(world.database)
        work = world.root / "work"
        resealing = Resealing(store, storage, work, noted, world.keyring)
        elsewhere = Elsewhere(store, world.kept, storage, work, world.keyring)
        resealing.elsewhere, resealing.copies = elsewhere.renew, elsewhere.copies_of
        return resealing

    @property
    def removal(self) -> Removal:
        began_us = int((START - HOUR_S) * 1e6)
        span = {"from_us": began_us + 500_000, "until_us": began_us + 1_200_000}
        return Removal(number=1, calls=["call"], together=True, **span)  # type: ignore[arg-type]

    def lying_there(self) -> dict[str, bytes]:
        """Every object in the archive but its marker, and in a folder whatever else lies there."""
        if self.bucket is not None:
            found = {path.removeprefix("of/earshot/"): data for path, data in self.bucket.content().items()}
        else:
            root = Path(self.destination)
            files = [path for path in root.rglob("*") if path.is_file()]
            found = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
        return {name: data for name, data in found.items() if name != MARKER}

    async def assert_gone(self, *, there: bool) -> None:
        """The secret lies nowhere. In the archive there is what a row names, or nothing if it is not `there`."""
        files = [path for path in self.world.root.rglob("*") if path.is_file() and path.name != "earshot.db"]
        heard = [path for path in files if SECRET in path.read_bytes()]
        assert heard == [] and not any(SECRET in data for data in self.lying_there().values())
        assert set(self.lying_there()) == ({NAME} if there else set())
        storage, row = await self.storage(), await self.world.store.recording(1)
        for name in {"~2/" + NAME} if there else set():
            assert row is not None
            media = b"".join([chunk async for chunk in storage.read(name)])
            assert hashlib.sha256(media).hexdigest() == row.sealed.audio_sha256 and SECRET not in media


@pytest.fixture(params=["folder", "bucket", "encrypted folder", "encrypted bucket"])
async def archive(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Archive]:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    world = World(tmp_path, database, keyring=Keyring((b"m" * 32,)) if "encrypted" in request.param else None)
    bucket, destination = None, str(tmp_path / "attic")
    if request.param.endswith("bucket"):
        store = request.getfixturevalue("object_store")
        bucket, world.access = store.made(), store.access
        destination = bucket.destination
    await world.places().at(destination).prepare()
    yield Archive(world, destination, bucket)
    await database.close()


@pytest.mark.parametrize(("kind", "step"), MOMENTS)
async def test_a_blackout_takes_what_no_row_says_yet(archive: Archive, kind: str, step: str) -> None:
    await archive.due(kind)
    await archive.killed_at(step)
    assert bool(archive.lying_there()) == (step != "begun")
    assert await (await archive.resealing()).remove(archive.removal) == 1
    await archive.assert_gone(there=False)
    await archive.world.process().round()
    await archive.assert_gone(there=True)
    await archive.world.whole()


@pytest.mark.parametrize(("kind", "step"), MOMENTS)
async def test_a_deletion_takes_what_no_row_says_yet(archive: Archive, kind: str, step: str) -> None:
    await archive.due(kind)
    await archive.killed_at(step)
    process = archive.world.process()
    await process.know_places()
    doomed = await archive.world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), archive.world.clock.now())
    assert len(doomed.deletions) == 1
    await process.soon()
    await archive.assert_gone(there=False)
    await archive.world.whole()


async def test_a_purge_takes_what_no_row_says_yet(archive: Archive) -> None:
    """The recording is purged by its days, by another action than the one that was interrupted."""
    await archive.due("move")
    await archive.killed_at("put")
    await archive.world.store.update_recording(1, {"keep_days": 0, "archive_action": 1})
    process = archive.world.process()
    process.removal.sweep = _nothing  # type: ignore[method-assign]  # what a round sees to besides
    done = await process.round()
    assert (done.decided, done.archived) == (1, 0)
    await process.soon()
    await archive.assert_gone(there=False)


async def _nothing() -> None:
    return None


@pytest.mark.parametrize("archive", ["folder", "bucket"], indirect=True)
async def test_an_archive_that_is_away_keeps_the_removal_open(archive: Archive) -> None:
    """What may lie there is not taken for gone, by neither."""
    await archive.due("copy")
    await archive.killed_at("put")
    marker = b""
    if archive.bucket is not None:
        marker = archive.bucket.content()[f"of/earshot/{MARKER}"]
        archive.bucket.raw.delete(f"of/earshot/{MARKER}")
    else:
        Path(archive.destination, MARKER).unlink()
    resealing = await archive.resealing()
    with pytest.raises(OSError, match=r"earshot-archive|No such device"):
        await resealing.remove(archive.removal)
    if archive.bucket is not None:
        archive.bucket.raw.put(f"of/earshot/{MARKER}", marker)
        archive.world.clock.advance(6.0)
    else:
        Path(archive.destination, MARKER).touch()
    assert await resealing.remove(archive.removal) == 1
    await archive.assert_gone(there=False)


@pytest.mark.parametrize("archive", ["folder", "bucket"], indirect=True)
async def test_where_nothing_was_begun_a_blackout_waits_for_no_archive(archive: Archive) -> None:
    """The archive was away already when the recording was due: there is nothing in it."""
    if archive.bucket is not None:
        archive.bucket.raw.delete(f"of/earshot/{MARKER}")
    else:
        Path(archive.destination, MARKER).unlink()
    await archive.due("copy")
    process = archive.world.process()
    assert (await process.round()).archived == 0 and process.troubles
    assert await archive.world.kept.leftovers(10) == []
    assert await (await archive.resealing()).remove(archive.removal) == 1
    await archive.assert_gone(there=False)


@pytest.mark.parametrize("archive", ["folder", "encrypted folder"], indirect=True)
@pytest.mark.parametrize("then", ["blackout", "deletion", "round"])
async def test_killed_while_a_file_is_copied_to_another_disk(
    archive: Archive, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it lies there under another name."""
    await archive.due("move")
    replaced, copied = Path.replace, shutil.copyfile

    def other_disk(path: Path, target: Path) -> Path:
        if Path(archive.destination) in Path(target).parents and path.parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replaced(path, target)

    def killed(source: Path, target: Path) -> None:
        copied(source, target)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", other_disk)
        patch.setattr(shutil, "copyfile", killed)
        with pytest.raises(Killed):
            await archive.world.process().round()
    (half,) = archive.lying_there()
    assert half == f"{NAME}.unfinished"
    if then == "blackout":
        with Path(archive.destination, half).open("rb") as lay_there:
            assert await (await archive.resealing()).remove(archive.removal) == 1
            lay_there.seek(512)
            assert archive.world.keyring is None or not any(lay_there.read(1024)), "and its key is destroyed"
        await archive.assert_gone(there=False)
    elif then == "deletion":
        process = archive.world.process()
        await process.know_places()
        await archive.world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), archive.world.clock.now())
        await process.soon()
        await archive.assert_gone(there=False)
    else:
        await archive.world.process().round()
        assert set(archive.lying_there()) == {NAME}
        await archive.world.whole()


@pytest.mark.parametrize("archive", ["folder"], indirect=True)
async def test_what_was_moved_after_a_blackout_found_it_is_rewritten_where_it_lies(archive: Archive) -> None:
    """And the old object is gone already when the blackout comes to it."""
    await archive.due("move")

    class Moved(SqlBlackouts):
        async def decide(self, *what: Any, **more: Any) -> Decided:
            assert (await archive.world.process().round()).archived == 1
            return await super().decide(*what, **more)

    resealing = await archive.resealing(Moved(archive.world.database))
    assert await resealing.remove(archive.removal) == 1
    await archive.assert_gone(there=True)


@pytest.mark.parametrize("archive", ["folder"], indirect=True)
async def test_media_that_are_lost_leave_nothing_in_an_archive(archive: Archive) -> None:
    await archive.due("copy")
    await archive.killed_at("put")
    await archive.world.main.delete(NAME)
    assert await (await archive.resealing()).remove(archive.removal) == 0
    await archive.assert_gone(there=False)
