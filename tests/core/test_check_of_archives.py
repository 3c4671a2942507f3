"""`earshot check` of archives: an altered byte of a copy is named, and what is away is never taken for fine."""

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.faults.test_retention_killed import World

from earshot.core.check import check
from earshot.core.media_check import MediaCheck
from earshot.core.retention_check import RetentionEvidence
from earshot.ports.blackouts import Renewed
from earshot.ports.retention import ArchiveAction, Cause, Copy
from earshot.storage.memory import MemoryStorage
from earshot.storage.placed import PlacedStorage
from earshot.storage.places import MARKER, Places
from earshot.store.sql import database_at
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.store.sql.retention import SqlRetention
from earshot.vault.keyring import Keyring

if TYPE_CHECKING:
    from tests.object_store import ObjectStore, TestedBucket


@dataclass
class Archive:
    """An archive of copies, a folder or in a bucket; its objects as they lie there, without the marker."""

    world: World
    destination: str
    bucket: "TestedBucket | None"

    def objects(self) -> dict[str, bytes]:
        if self.bucket is not None:
            found = {path.removeprefix("of/earshot/"): data for path, data in self.bucket.content().items()}
        else:
            root = Path(self.destination)
            files = [path for path in root.rglob("*") if path.is_file()]
            found = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
        return {name: data for name, data in found.items() if name != MARKER}

    def put(self, name: str, data: bytes) -> None:
        if self.bucket is not None:
            self.bucket.raw.put(f"of/earshot/{name}", data)
        else:
            Path(self.destination, name).write_bytes(data)

    def remove(self, name: str) -> None:
        if self.bucket is not None:
            self.bucket.raw.delete(f"of/earshot/{name}")
        else:
            Path(self.destination, name).unlink()

    async def storage(self) -> PlacedStorage:
        storage = PlacedStorage(self.world.main, self.world.places())
        storage.know({one.number: one.destination for one in await self.world.kept.actions() if one.destination})
        return storage

    async def problems(self, kept: SqlRetention | None = None) -> list[str]:
        """Beside a server, if `kept` is given."""
        world, running = self.world, kept is not None
        evidence = RetentionEvidence(kept=kept or world.kept, audit=SqlAudit(world.database))
        found = check(world.root / "journal", world.store, await self.storage(), running=running, retention=evidence)
        return [problem async for problem in found]


@pytest.fixture(params=["folder", "bucket", "encrypted folder", "encrypted bucket"])
async def archive(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Archive]:
    """Three recordings that were copied."""
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    world = World(tmp_path, database, keyring=Keyring((b"m" * 32,)) if "encrypted" in request.param else None)
    bucket, destination = None, str(tmp_path / "attic")
    if request.param.endswith("bucket"):
        store: ObjectStore = request.getfixturevalue("object_store")
        bucket, world.access = store.made(), store.access
        destination = bucket.destination
    await world.places().at(destination).prepare()
    await world.kept.add_action(ArchiveAction(name="Attic", kind="copy", destination=destination))
    await world.make(3, action=2)
    assert (await world.process().round()).archived == 3
    yield Archive(world, destination, bucket)
    await database.close()


async def test_an_altered_byte_of_a_copy_is_found_and_named(archive: Archive) -> None:
    assert await archive.problems() == []
    name = "day/2.wav"
    data = archive.objects()[name]
    for at in (0, len(data) - 1):
        archive.put(name, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        (problem,) = await archive.problems()
        assert problem.startswith("copy ~2/day/2.wav of recording 2 "), problem
    archive.put(name, data[:-1])
    (problem,) = await archive.problems()
    assert problem.startswith("copy ~2/day/2.wav of recording 2 "), problem
    archive.remove(name)
    assert await archive.problems() == ["copy ~2/day/2.wav of recording 2 is missing"]
    other = archive.objects()["day/1.wav"]
    archive.put(name, other)
    (problem,) = await archive.problems()
    assert problem.startswith("copy ~2/day/2.wav of recording 2 "), "nor may one lie in the place of another"
    archive.put(name, data)
    assert await archive.problems() == []


async def test_an_archive_that_is_away_was_not_looked_at(archive: Archive) -> None:
    """It is said once, with how much lies there, and not of each of its objects."""
    data = archive.objects()["day/1.wav"]
    archive.put("day/1.wav", b"x" + data[1:])
    archive.remove(MARKER)
    (problem,) = await archive.problems()
    assert problem.startswith("archive 2 was not looked at, with 0 recordings and 3 copies: "), problem
    assert archive.destination in problem
    archive.put(MARKER, b"")
    (problem,) = await archive.problems()
    assert problem.startswith("copy ~2/day/1.wav of recording 1 ")


async def test_a_copy_that_a_blackout_did_not_reach_is_named(archive: Archive) -> None:
    """Not while the blackout is still to be brought to its end."""
    world, silence = archive.world, b"silence"
    source = world.root / "work" / "silent"
    source.write_bytes(silence)
    await world.main.put_file("day/3.wav", source)
    sha256 = hashlib.sha256(silence).hexdigest()
    renewed = Renewed(audio_sha256=sha256, audio_size=len(silence), peaks=b"", peaks_per_second=20, gaps=())
    assert await SqlBlackouts(world.database).renew(3, renewed)
    said = "copy ~2/day/3.wav of recording 3 is what the recording was before a blackout: it has what was removed"
    assert await archive.problems() == [said]
    ((copy, now, size),) = [one async for one in world.kept.all_copies() if one[0].record_id == 3]
    checking = MediaCheck(await archive.storage(), is_rewriting=True)
    assert await checking.copy_problem(copy, now, size) == ""
    archive.put("day/3.wav", b"x" + archive.objects()["day/3.wav"][1:])
    assert await checking.copy_problem(copy, now, size) != "", "altered is altered"


@pytest.mark.parametrize("archive", ["folder"], indirect=True)
async def test_what_a_server_changes_meanwhile_is_no_problem(archive: Archive) -> None:
    """A list of copies is long, and what stands in it may be out of date when its turn comes."""
    world = archive.world

    class Listed(SqlRetention):
        async def all_copies(self) -> AsyncIterator[tuple[Copy, str, int]]:
            found = [one async for one in super().all_copies()]
            process = world.process()
            await process.know_places()
            await world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), world.clock.now())
            await process.soon()
            for copy, sha256, size in found:
                yield copy, sha256 if copy.record_id != 2 else "of what it was before it was rewritten", size

    data = archive.objects()["day/3.wav"]
    archive.put("day/3.wav", data[:-1])
    found = [one for one in await archive.problems(Listed(world.database)) if one.startswith("copy")]
    assert len(found) == 1 and found[0].startswith("copy ~2/day/3.wav of recording 3 "), found


async def test_a_copy_is_read_in_pieces(tmp_path: Path) -> None:
    """The memory that it takes does not grow with what is read."""
    keyring, sound = Keyring((b"m" * 32,)), bytes(range(256)) * 4096 * 24
    place = Places(keyring).at(str(tmp_path / "attic"))
    await place.prepare()
    (tmp_path / "source").write_bytes(sound)
    await place.storage.put_file("a.wav", tmp_path / "source")
    storage = PlacedStorage(MemoryStorage(), Places(keyring))
    storage.know({2: place.destination})
    copy = Copy(record_id=1, object_name="~2/a.wav", audio_sha256=hashlib.sha256(sound).hexdigest())
    tracemalloc.start()
    try:
        assert await MediaCheck(storage).copy_problem(copy, copy.audio_sha256, len(sound)) == ""
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(sound) // 6
