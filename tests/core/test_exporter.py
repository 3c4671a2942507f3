"""The exporter: one file for many waiters, fair turns, ranges of what is being made, failures, the cache."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.web.world import NOON

from earshot.api.export_queue import FairQueue, Work
from earshot.api.exporter import Exporter, ExportSettings
from earshot.api.exporting import ExportJob
from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import BadInput, EarshotError, OutOfDiskSpace
from earshot.media.export_task import ExportTask
from earshot.media.formats.cav.container import CavReader
from earshot.media.formats.wav import WavWriter
from earshot.ports import RecordingRow, SealedRecording, Storage
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.storage.memory import MemoryStorage
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring

KEYRING = Keyring((b"m" * 32,))


async def keep(storage: Storage, folder: Path, number: int, seconds: float = 0.5, **changes: object) -> RecordingRow:
    """A recording with a rising sound, kept in the storage."""
    frames = int(8000 * seconds)
    file = io.BytesIO()
    writer = WavWriter(file, 2, 8000, frames)
    sound = (np.arange(frames) * number % 20_000).astype(np.int16)
    writer.write([sound, sound // 2])
    writer.finish()
    (folder / "upload").write_bytes(file.getvalue())
    await storage.put_file(f"day/{number}.wav", folder / "upload")
    sealed = SealedRecording(
        key=str(number),
        call_key=str(number),
        part=0,
        core=1,
        variables=CallVariables(device_id="200"),
        agent_id=None,
        recording_time=NOON,
        duration_s=seconds,
        channels=2,
        sample_rate_hz=8000,
        object_name=f"day/{number}.wav",
        file_name="",
        media_type="audio/wav",
        audio_sha256=hashlib.sha256(file.getvalue()).hexdigest(),
        audio_size=len(file.getvalue()),
    )
    return RecordingRow(record_id=number, sealed=sealed)


class Bench:
    """An exporter, its storage, and the events it published."""

    def __init__(self, folder: Path, storage: Storage, keyring: Keyring | None = None, **settings: int) -> None:
        self.folder, self.storage = folder, storage
        self.events: list[tuple[str, dict[str, str]]] = []
        self.exporter = Exporter(
            storage,
            FakeClock(NOON),
            folder / "exports",
            ExportSettings(log2_n=4, **settings),  # type: ignore[arg-type]
            publish=lambda kind, fields: self.events.append((kind, dict(fields))),
            keyring=keyring,
        )

    async def keep(self, number: int, seconds: float = 0.5) -> RecordingRow:
        return await keep(self.storage, self.folder, number, seconds)

    def left(self) -> Sequence[Path]:
        return sorted((self.folder / "exports").iterdir())


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    spawner = Spawner()
    yield spawner
    await spawner.close()


@pytest.fixture(params=["local", "elsewhere", "encrypted local", "encrypted elsewhere"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path, spawner: Spawner) -> Bench:
    storage: Storage = LocalStorage(tmp_path / "store") if "local" in request.param else MemoryStorage()
    keyring = KEYRING if "encrypted" in request.param else None
    made = Bench(tmp_path, EncryptedStorage(storage, keyring) if keyring else storage, keyring)
    made.exporter.start(spawner)
    return made


def mp3(*rows: RecordingRow, owner: str = "") -> ExportJob:
    return ExportJob(rows=rows, kind="single" if len(rows) == 1 else "combined", format="MP3", owner=owner)


async def all_of(exporter: Exporter, job: ExportJob, start: int = 0) -> bytes:
    reply = await exporter.reply(job)
    assert reply.ranged is not None and reply.size is not None
    data = b"".join([chunk async for chunk in reply.ranged.read(start, reply.size)])
    reply.ranged.release()
    return data


async def test_one_file_for_many_who_wait_and_for_those_who_come_later(bench: Bench) -> None:
    row = await bench.keep(1, 2.0)
    many = await asyncio.gather(*(all_of(bench.exporter, mp3(row)) for _ in range(20)))
    assert len(set(many)) == 1
    assert await all_of(bench.exporter, mp3(row), start=100) == many[0][100:]
    assert [kind for kind, _ in bench.events] == ["EXPORTSTARTED", "EXPORTFINISHED"]
    job = bench.events[0][1]["JOB"]
    assert bench.events[1][1] == {"RECORDID": "1", "FORMAT": "MP3", "JOB": job, "STATE": "done"}
    assert len(bench.left()) == 1 and not bench.exporter.under_way()


async def test_a_file_stays_until_it_is_released(bench: Bench) -> None:
    row = await bench.keep(1)
    told: list[float] = []
    job = ExportJob(rows=(row,), kind="single", format="CAV", password="x")
    async with await bench.exporter.file(job, told.append) as made:
        with made.open() as file:
            assert len(file.read()) == made.size and made.file_name == "1.cav"
        assert told == sorted(told) and told[-1] == 1.0
    assert not made.path.exists(), "what is encrypted is never kept"
    plain = ExportJob(rows=(row,), kind="single", format="WAV")
    async with await bench.exporter.file(plain) as made:
        with made.open() as file:
            assert hashlib.sha256(file.read()).hexdigest() == row.sealed.audio_sha256
    assert bench.left() == []


async def test_what_was_blacked_out_is_forgotten(bench: Bench) -> None:
    row = await bench.keep(1)
    async with await bench.exporter.file(mp3(row)) as made:
        bench.exporter.forget(row.sealed.audio_sha256)
        assert not made.path.exists()
    assert bench.left() == []


async def test_the_cache_is_as_large_as_the_setting(tmp_path: Path, spawner: Spawner) -> None:
    bench = Bench(tmp_path, LocalStorage(tmp_path / "store"), cache_bytes=10_000)
    bench.exporter.start(spawner)
    for number in (1, 2, 3):
        await all_of(bench.exporter, mp3(await bench.keep(number, 1.0)))
    assert 0 < sum(path.stat().st_size for path in bench.left()) <= 10_000


async def test_no_export_takes_the_disk_of_recording(tmp_path: Path, spawner: Spawner) -> None:
    bench = Bench(tmp_path, LocalStorage(tmp_path / "store"), reserve_bytes=1 << 60)
    bench.exporter.start(spawner)
    with pytest.raises(OutOfDiskSpace):
        await bench.exporter.reply(mp3(await bench.keep(1)))
    assert not bench.exporter.under_way()


async def test_media_that_is_gone_or_no_wav(bench: Bench) -> None:
    row = await bench.keep(1)
    await bench.storage.delete("day/1.wav")
    for kind in ("WAV", "MP3", "CAV"):
        with pytest.raises(FileNotFoundError):
            await bench.exporter.reply(ExportJob(rows=(row,), kind="single", format=kind))
    other = await bench.keep(2)
    (bench.folder / "upload").write_bytes(b"no sound" * 10)
    await bench.storage.put_file("day/2.wav", bench.folder / "upload")
    with pytest.raises(BadInput):
        await bench.exporter.reply(mp3(other))
    assert bench.left() == []


@pytest.mark.parametrize(
    ("kind", "form", "count"), [("single", "OGG", 1), ("single", "MP3", 2), ("combined", "MP3", 0)]
)
async def test_what_cannot_be(bench: Bench, kind: str, form: str, count: int) -> None:
    rows = tuple([await bench.keep(number) for number in range(1, count + 1)])
    with pytest.raises(ValueError, match=r"format|exported"):
        await bench.exporter.file(ExportJob(rows=rows, kind=kind, format=form))  # type: ignore[arg-type]


async def test_altered_media_is_handed_out_but_not_kept(bench: Bench) -> None:
    row = await bench.keep(1)
    await bench.keep(1, 0.25)
    async with await bench.exporter.file(ExportJob(rows=(row,), kind="single", format="CAV")) as made:
        with made.open() as file:
            assert CavReader(file).problems()
    assert bench.left() == []


async def test_who_goes_away_while_it_waits_costs_nothing(bench: Bench) -> None:
    long, short = await bench.keep(1, 300.0), await bench.keep(2)
    first = await bench.exporter.reply(mp3(long, owner="a"))
    second = await bench.exporter.reply(mp3(short, owner="b"))
    assert second.ranged is not None and first.ranged is not None
    second.ranged.release()
    second.ranged.release()
    assert [view.records for view in bench.exporter.under_way()] == [(1,)]
    # A running one makes room for the next as soon as nobody wants it.
    third = asyncio.create_task(all_of(bench.exporter, mp3(short, owner="b")))
    reader = first.ranged.read(0, 10)
    assert len(await anext(reader)) == 10
    first.ranged.release()
    assert len(await third) > 100


async def test_a_process_that_dies_is_begun_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = await bench.keep(1)
    monkeypatch.setattr("earshot.api.export_processes.PROGRAM", ("false",))
    with pytest.raises(EarshotError, match="ended unexpectedly"):
        await all_of(bench.exporter, mp3(row))
    monkeypatch.undo()
    assert await all_of(bench.exporter, mp3(row))
    assert bench.events[1][1]["STATE"] == "failed"


async def test_owners_take_turns() -> None:
    queue = FairQueue()

    def work(owner: str, number: int) -> Work:
        task = ExportTask(out="", kind="single", format="MP3", created="", sources=())
        job = ExportJob(rows=(), kind="single", format="MP3", owner=owner)
        return Work(number=number, key="", job=job, task=task, size=1, begun_at=0.0, kept=True, sha256s=frozenset())

    works = [work("a", 1), work("a", 2), work("a", 3), work("b", 4), work("c", 5), work("b", 6)]
    for one in works:
        queue.put(one)
    assert queue.drop(works[4]) and not queue.drop(works[4])
    assert [(await queue.next()).number for _ in range(5)] == [1, 4, 2, 6, 3]
    assert len(queue) == 0


async def test_videos_that_are_encrypted_go_into_a_cav_as_they_were(tmp_path: Path, spawner: Spawner) -> None:
    storage = EncryptedStorage(LocalStorage(tmp_path / "store"), KEYRING)
    bench = Bench(tmp_path, storage, KEYRING)
    row, video = await bench.keep(1), os.urandom(200_000)
    (tmp_path / "video").write_bytes(video)
    await storage.put_file("screens/1.webm", tmp_path / "video")
    path = storage.local_path("screens/1.webm")
    assert path is not None

    async def attached(row: RecordingRow) -> Sequence[tuple[str, Path]]:
        return [("screen-1.webm", path)]

    bench.exporter.attached = attached
    bench.exporter.start(spawner)
    async with await bench.exporter.file(ExportJob(rows=(row,), kind="single", format="CAV")) as made:
        with made.open() as file:
            cav = CavReader(file)
            assert cav.problems() == [] and b"".join(cav.member("screen-1.webm")) == video
