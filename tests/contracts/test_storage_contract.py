"""What every `Storage` must do, run against each of them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from earshot.ports import Storage
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.storage.memory import MemoryStorage
from earshot.storage.objects import Bucket, ObjectStorage
from earshot.vault.keyring import Keyring

WRONG = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a\\b",
    "a\0b",
    "x" * 256,
    "y/" * 600 + "y",
    "\ud800",
]


def in_memory(request: pytest.FixtureRequest) -> Storage:
    return MemoryStorage()


def in_a_folder(request: pytest.FixtureRequest) -> Storage:
    return LocalStorage(request.getfixturevalue("tmp_path") / "media")


def in_a_bucket(request: pytest.FixtureRequest) -> Storage:
    store = request.getfixturevalue("object_store")
    return ObjectStorage(Bucket(store.shared().name, f"of/{uuid4()}"), store.access)


KINDS: dict[str, Callable[[pytest.FixtureRequest], Storage]] = {
    "memory": in_memory,
    "local": in_a_folder,
    "objects": in_a_bucket,
}


@pytest.fixture(params=[*KINDS, *(f"encrypted {kind}" for kind in KINDS)])
def storage(request: pytest.FixtureRequest) -> Storage:
    plain = KINDS[request.param.split()[-1]](request)
    return EncryptedStorage(plain, Keyring((b"m" * 32,))) if "encrypted" in request.param else plain


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source.wav"


async def put(storage: Storage, source: Path, name: str, content: bytes) -> None:
    source.write_bytes(content)
    await storage.put_file(name, source)


async def whole(storage: Storage, name: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in storage.read(name, start, stop)])


async def test_an_object_is_taken_over(storage: Storage, source: Path) -> None:
    name = "20110131/DESK1/DESK1-17-03-14.wav"
    assert not await storage.exists(name)
    await put(storage, source, name, b"sound")
    assert not source.exists()
    assert await storage.exists(name)
    assert await storage.size(name) == 5
    assert await whole(storage, name) == b"sound"
    assert [one async for one in storage.names()] == [(name, 5)]


async def test_an_object_is_replaced_as_a_whole(storage: Storage, source: Path) -> None:
    await put(storage, source, "a", b"a long first version")
    await put(storage, source, "a", b"second")
    assert await whole(storage, "a") == b"second"
    assert [one async for one in storage.names()] == [("a", 6)]


async def test_a_reader_keeps_the_version_it_began_with(storage: Storage, source: Path) -> None:
    old, new = b"1" * 1_000_000, b"2" * 1_000_000
    await put(storage, source, "a", old)
    reading = storage.read("a")
    chunks = [await anext(reading)]
    await put(storage, source, "a", new)
    chunks += [chunk async for chunk in reading]
    assert b"".join(chunks) == old
    assert len(chunks) > 1


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 1), (5, 5), (7, 3), (1, None), (299_999, 300_001), (600_000, None), (9, 700_000)]
)
async def test_ranges(storage: Storage, source: Path, start: int, stop: int | None) -> None:
    content = bytes(range(250)) * 2400
    await put(storage, source, "a", content)
    assert await whole(storage, "a", start, stop) == content[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1)])
async def test_ranges_from_the_end_are_refused(storage: Storage, source: Path, start: int, stop: int | None) -> None:
    await put(storage, source, "a", b"abc")
    with pytest.raises(ValueError, match="range"):
        await whole(storage, "a", start, stop)


async def test_an_empty_object(storage: Storage, source: Path) -> None:
    await put(storage, source, "empty", b"")
    assert await storage.exists("empty")
    assert await storage.size("empty") == 0
    assert await whole(storage, "empty") == b""


async def test_what_is_not_there(storage: Storage, source: Path) -> None:
    await put(storage, source, "folder/a", b"abc")
    for name in ("b", "folder", "folder/b", "folder/a/b"):
        assert not await storage.exists(name)
        with pytest.raises(FileNotFoundError):
            await storage.size(name)
        with pytest.raises(FileNotFoundError):
            await whole(storage, name)
        await storage.delete(name)
    assert await whole(storage, "folder/a") == b"abc"
    with pytest.raises(FileNotFoundError):
        await storage.put_file("c", source)


async def test_delete(storage: Storage, source: Path) -> None:
    await put(storage, source, "day/x/a", b"1")
    await put(storage, source, "day/y/b", b"2")
    await storage.delete("day/x/a")
    await storage.delete("day/x/a")
    assert not await storage.exists("day/x/a")
    assert [one async for one in storage.names()] == [("day/y/b", 1)]
    await put(storage, source, "day/x/a", b"33")
    assert sorted([one async for one in storage.names()]) == [("day/x/a", 2), ("day/y/b", 1)]


async def test_delete_all(storage: Storage, source: Path) -> None:
    for name in ("day/x/a", "day/x/b", "day/y/c", "other"):
        await put(storage, source, name, b"1")
    assert await storage.delete_all(["day/x/a", "day/x/b", "day/y/c", "day/z/none"]) == {}
    assert [one async for one in storage.names()] == [("other", 1)]
    assert await storage.delete_all([]) == {}
    kept = await storage.delete_all(["other", "../wrong"])
    assert list(kept) == ["../wrong"]
    assert [one async for one in storage.names()] == []


async def test_an_empty_storage(storage: Storage) -> None:
    assert [one async for one in storage.names()] == []


async def test_names_of_all_scripts(storage: Storage, source: Path) -> None:
    await put(storage, source, "день/Zoë 電話.wav", b"1")
    assert [name async for name, _ in storage.names()] == ["день/Zoë 電話.wav"]


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_names_are_refused_everywhere(storage: Storage, source: Path, name: str) -> None:
    source.write_bytes(b"abc")
    for work in (storage.put_file(name, source), storage.exists(name), storage.size(name), storage.delete(name)):
        with pytest.raises(ValueError, match=r"object|name|text"):
            await work
    with pytest.raises(ValueError, match=r"object|name|text"):
        await whole(storage, name)
    with pytest.raises(ValueError, match=r"object|name|text"):
        storage.local_path(name)
    assert source.read_bytes() == b"abc"


async def test_many_at_once(storage: Storage, tmp_path: Path) -> None:
    async def one(number: int) -> None:
        source = tmp_path / f"{number}.wav"
        name = f"{number % 3}/{number}"
        await put(storage, source, name, b"x" * number)
        if number % 2:
            await storage.delete(name)

    await asyncio.gather(*(one(number) for number in range(40)))
    assert sorted([size async for _, size in storage.names()]) == list(range(0, 40, 2))
