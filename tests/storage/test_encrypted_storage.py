"""Encryption around a storage: ranges, damage, swaps, old plain objects, keys that go with their objects."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.ports import Storage
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.storage.memory import MemoryStorage
from earshot.storage.placed import PlacedStorage, placed_name
from earshot.storage.places import Places, prepare
from earshot.vault import Altered, KeyDestroyed, WrongKey
from earshot.vault.files import create
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import REPLACED, header_of
from earshot.vault.sealed_file import CHUNK_BYTES, HEADER_BYTES, OVERHEAD_BYTES, SLOTS

FIRST, SECOND = Keyring((b"1" * 32,)), Keyring((b"2" * 32,))
BOTH = Keyring((*SECOND.keys, *FIRST.keys))
NAME = "20260101/DESK1/DESK1-10-00-00.wav"


async def put(storage: Storage, folder: Path, name: str, content: bytes) -> None:
    source = folder / "source"
    source.write_bytes(content)
    await storage.put_file(name, source)


async def whole(storage: Storage, name: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in storage.read(name, start, stop)])


@pytest.fixture
def inner(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "media")


@pytest.fixture
def storage(inner: LocalStorage) -> EncryptedStorage:
    return EncryptedStorage(inner, FIRST)


@settings(max_examples=30)
@given(st.data())
def test_any_range_is_that_of_the_plain_bytes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([0, 1, CHUNK_BYTES, 6 * CHUNK_BYTES - 1, 9 * CHUNK_BYTES + 5]))
    content = os.urandom(size)
    start, stop = data.draw(st.integers(0, size + 9)), data.draw(st.none() | st.integers(0, size + CHUNK_BYTES))

    async def compare() -> None:
        for inner in (MemoryStorage(), LocalStorage(folder / "media")):
            storage = EncryptedStorage(inner, FIRST)
            await put(storage, folder, "a", content)
            assert await whole(storage, "a", start, stop) == content[start:stop]
            assert await storage.size("a") == size

    folder = tmp_path_factory.mktemp("ranges")
    asyncio.run(compare())


async def test_nothing_plain_is_in_the_inner_storage(storage: EncryptedStorage, tmp_path: Path) -> None:
    await put(storage, tmp_path, NAME, b"a secret" * 20_000)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "media" / NAME]
    assert b"a secret" not in files[0].read_bytes()


async def test_a_file_that_is_encrypted_already_is_taken_as_it_is(storage: EncryptedStorage, tmp_path: Path) -> None:
    with create(tmp_path / "sealed", FIRST, NAME) as file:
        file.write(b"sound")
    data = (tmp_path / "sealed").read_bytes()
    await storage.put_file(NAME, tmp_path / "sealed")
    assert (tmp_path / "media" / NAME).read_bytes() == data
    assert await whole(storage, NAME) == b"sound"


async def test_one_for_another_name_or_that_only_looks_like_one_is_a_plain_source(
    storage: EncryptedStorage, tmp_path: Path
) -> None:
    with create(tmp_path / "sealed", FIRST, "other") as file:
        file.write(b"sound")
    data = (tmp_path / "sealed").read_bytes()
    await storage.put_file(NAME, tmp_path / "sealed")
    assert await whole(storage, NAME) == data
    await put(storage, tmp_path, "b", b"EARSHOTE is how this text begins")
    assert await whole(storage, "b") == b"EARSHOTE is how this text begins"


async def test_plain_objects_of_an_older_archive_are_read(
    inner: LocalStorage, storage: EncryptedStorage, tmp_path: Path
) -> None:
    await put(inner, tmp_path, "old", b"plain" * 100_000)
    await put(storage, tmp_path, "new", b"secret")
    assert await whole(storage, "old", 3, 9) == b"inplai"
    assert await storage.size("old") == 500_000
    assert sorted([one async for one in storage.names()]) == [("new", 6), ("old", 500_000)]
    assert (await storage.wrapped_by("old"), await storage.wrapped_by("new")) == ("", FIRST.current)
    await put(storage, tmp_path, "old", b"encrypted now")
    assert await whole(storage, "old") == b"encrypted now"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[: HEADER_BYTES + CHUNK_BYTES + OVERHEAD_BYTES],
        lambda data: data + b"more",
        lambda data: data[:HEADER_BYTES],
        lambda data: data[:100],
        lambda data: data[:-5] + bytes(5),
        lambda data: data[:20] + b"\x07" + data[21:],
    ],
)
async def test_damage_is_an_error_and_no_sound(
    storage: EncryptedStorage, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    await put(storage, tmp_path, "a", bytes(2 * CHUNK_BYTES))
    path = tmp_path / "media" / "a"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(Altered):
        await whole(storage, "a")
    if path.stat().st_size != HEADER_BYTES + 2 * (CHUNK_BYTES + OVERHEAD_BYTES):
        for ask in (storage.size("a"), whole(storage, "a", 0, 10)):
            with pytest.raises(Altered):
                await ask


async def test_two_objects_that_changed_places_are_found(storage: EncryptedStorage, tmp_path: Path) -> None:
    await put(storage, tmp_path, "a", b"one call")
    await put(storage, tmp_path, "b", b"another!")
    media = tmp_path / "media"
    shutil.move(media / "a", media / "c")
    shutil.move(media / "b", media / "a")
    for ask in (whole(storage, "a", 0, 1), storage.size("a")):
        with pytest.raises(Altered, match="another recording"):
            await ask


async def test_places_hold_encrypted_objects_under_the_same_name(storage: EncryptedStorage, tmp_path: Path) -> None:
    prepare(tmp_path / "cellar")
    placed = PlacedStorage(storage, Places(FIRST))
    placed.know({4: str(tmp_path / "cellar")})
    name = placed_name(4, NAME)
    await put(placed, tmp_path, NAME, b"sound")
    await put(placed, tmp_path, name, b"sound")
    assert await whole(placed, name) == b"sound"
    lies_at = placed.local_path(name)
    assert lies_at == tmp_path / "cellar" / NAME and header_of(lies_at) is not None
    shutil.copyfile(tmp_path / "media" / NAME, lies_at)  # as an administrator would who knows the folders
    assert await whole(placed, name) == b"sound"
    assert await placed.destroy_keys([NAME, name, "~9/gone"]) == {"~9/gone": "the place of ~9/gone is not known"}
    with pytest.raises(KeyDestroyed):
        await whole(placed, name)


async def test_what_is_replaced_or_deleted_loses_its_key(storage: EncryptedStorage, tmp_path: Path) -> None:
    path = tmp_path / "media" / "a"
    await put(storage, tmp_path, "a", b"first")
    first = path.open("rb")
    await put(storage, tmp_path, "a", b"second")
    second = path.open("rb")
    await storage.delete("a")
    for file in (first, second):
        with file:
            assert not any(file.read(HEADER_BYTES)[SLOTS[0] :])
    assert list((tmp_path / "media").iterdir()) == []


async def test_a_key_is_destroyed_where_the_object_stays(storage: EncryptedStorage, tmp_path: Path) -> None:
    await put(storage, tmp_path, "a", b"secret")
    for _ in range(2):
        assert await storage.destroy_keys(["a", "not there", "../wrong"]) == {
            "../wrong": "object name '../wrong' is not a plain relative path"
        }
    assert await storage.exists("a")
    with pytest.raises(KeyDestroyed):
        await whole(storage, "a")
    assert await storage.delete_all(["a", "b"]) == {}
    assert not await storage.exists("a")


@pytest.mark.parametrize("replaced", [False, True])
async def test_killed_while_it_replaces_the_next_time_destroys_the_key(
    storage: EncryptedStorage, tmp_path: Path, replaced: bool
) -> None:
    path = tmp_path / "media" / "a"
    await put(storage, tmp_path, "a", b"first")
    aside = path.with_name(path.name + REPLACED)
    os.link(path, aside)
    left = aside.open("rb")
    if replaced:
        other = tmp_path / "new"
        with create(other, FIRST, "a") as file:
            file.write(b"second")
        other.replace(path)
    assert [name async for name, _ in storage.names()] == ["a"]
    assert await whole(storage, "a") == (b"second" if replaced else b"first")
    await put(storage, tmp_path, "a", b"third")
    assert await whole(storage, "a") == b"third"
    with left:
        assert not any(left.read(HEADER_BYTES)[SLOTS[0] :])
    assert not aside.exists()


async def test_what_was_copied_and_not_moved_keeps_no_key(tmp_path: Path) -> None:
    """As onto another file system, or into a store that has no files."""
    storage = EncryptedStorage(MemoryStorage(), FIRST)
    with create(tmp_path / "sealed", FIRST, "a") as file:
        file.write(b"sound")
    with (tmp_path / "sealed").open("rb") as source:
        await storage.put_file("a", tmp_path / "sealed")
        assert not any(source.read(HEADER_BYTES)[SLOTS[0] :])
    assert await whole(storage, "a") == b"sound"


async def test_a_put_that_fails_leaves_what_was_there(storage: EncryptedStorage, tmp_path: Path) -> None:
    await put(storage, tmp_path, "a", b"first")
    with pytest.raises(FileNotFoundError):
        await storage.put_file("a", tmp_path / "nothing")
    assert await whole(storage, "a") == b"first"
    assert [path.name for path in (tmp_path / "media").iterdir()] == ["a"]


@pytest.mark.parametrize("kind", ["local", "memory"])
async def test_the_key_is_wrapped_anew_and_the_sound_is_not_touched(
    inner: LocalStorage, tmp_path: Path, kind: str
) -> None:
    under: Storage = inner if kind == "local" else MemoryStorage()
    await put(EncryptedStorage(under, FIRST), tmp_path, "a", b"secret" * 30_000)
    before = await whole(under, "a")
    changed = EncryptedStorage(under, BOTH)
    assert await changed.rewrap("a", tmp_path) is True
    assert await changed.rewrap("a", tmp_path) is False
    assert (await whole(under, "a"))[HEADER_BYTES:] == before[HEADER_BYTES:]
    assert await whole(EncryptedStorage(under, SECOND), "a") == b"secret" * 30_000
    with pytest.raises(WrongKey, match=SECOND.current):
        await whole(EncryptedStorage(under, FIRST), "a")


@pytest.mark.parametrize("state", ["both", "torn new", "torn old"])
async def test_rewrapping_that_was_cut_short_goes_on(storage: EncryptedStorage, tmp_path: Path, state: str) -> None:
    """As a power failure leaves it: the new slot is written and the old one not blanked, or half of one is there."""
    await put(storage, tmp_path, "a", b"secret")
    path = tmp_path / "media" / "a"
    data = bytearray(path.read_bytes())
    key = FIRST.unwrap(bytes(data[SLOTS[0] : SLOTS[1]]))
    wrapped = BOTH.wrap(key)
    data[SLOTS[1] : SLOTS[1] + len(wrapped)] = wrapped
    if state == "torn new":
        data[SLOTS[1] + 40 : SLOTS[1] + len(wrapped)] = bytes(len(wrapped) - 40)
    elif state == "torn old":
        data[SLOTS[0] : SLOTS[0] + 40] = bytes(40)
    path.write_bytes(data)
    after = EncryptedStorage(storage.inner, BOTH)
    assert await whole(after, "a") == b"secret"
    assert bool(await after.key_problem("a")) is (state != "both")
    assert await after.rewrap("a", tmp_path) is True
    assert await after.key_problem("a") == ""
    assert await whole(EncryptedStorage(storage.inner, SECOND), "a") == b"secret"


async def test_a_destroyed_key_does_not_come_back(storage: EncryptedStorage, tmp_path: Path) -> None:
    await put(storage, tmp_path, "a", b"secret")
    await storage.destroy_keys(["a"])
    with pytest.raises(KeyDestroyed):
        await EncryptedStorage(storage.inner, BOTH).rewrap("a", tmp_path)
    with pytest.raises(KeyDestroyed):
        await whole(storage, "a")
