"""Encrypted objects in an object store, where nothing is changed in place: keys are changed by putting them anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.object_store import ObjectStore, TestedBucket

from earshot.core.rewrapping import MasterKeys
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.object_keys import PLAIN, ObjectKeys
from earshot.storage.objects import ObjectStorage
from earshot.storage.places import Place, Places
from earshot.vault.keyring import Keyring
from earshot.vault.sealed_file import MAGIC

OLD = Keyring((b"1" * 32,))
NEW = Keyring((b"2" * 32, b"1" * 32))
ONLY_NEW = Keyring((b"2" * 32,))
CONTENT = b"what was said" * 20_000


@pytest.fixture
def bucket(object_store: ObjectStore) -> TestedBucket:
    return object_store.made()


@pytest.fixture
def register(tmp_path: Path) -> Iterator[ObjectKeys]:
    made = ObjectKeys(tmp_path / "keys" / "objects")
    yield made
    made.close()


def place_of(bucket: TestedBucket, keyring: Keyring | None, register: ObjectKeys | None = None) -> Place:
    return Places(keyring, register, bucket.store.access).at(bucket.destination)


async def put(place: Place, work: Path, name: str) -> None:
    (work / "source").write_bytes(CONTENT)
    await place.storage.put_file(name, work / "source")


async def whole(place: Place, name: str) -> bytes:
    return b"".join([chunk async for chunk in place.storage.read(name)])


async def test_the_master_key_is_changed_beside_readers(
    bucket: TestedBucket, register: ObjectKeys, tmp_path: Path
) -> None:
    old = place_of(bucket, OLD, register)
    await old.prepare()
    for name in ("day/a", "day/b", "day/c"):
        await put(old, tmp_path, name)
    await put(place_of(bucket, None), tmp_path, "day/plain")
    before = bucket.content()
    (tmp_path / "work").mkdir()
    keys = MasterKeys(NEW, tmp_path / "journal", {"archive 2": old}, tmp_path / "work", register)
    found = await keys.look()
    assert (found.objects, found.plain, found.problems) == ({OLD.current: 3}, 1, [])
    reading = old.storage.read("day/a")
    first = await anext(reading)
    found = await keys.rotate()
    assert (found.objects, found.plain, found.problems) == ({NEW.current: 3}, 1, [])
    assert first + b"".join([chunk async for chunk in reading]) == CONTENT
    for name in ("day/a", "day/b", "day/c"):
        assert await whole(place_of(bucket, ONLY_NEW), name) == CONTENT
        now, then = (one[f"of/earshot/{name}"] for one in (bucket.content(), before))
        assert now != then and now[1536:] == then[1536:], "no sound is encrypted anew"
    found = await keys.encrypt_plain()
    assert (found.objects, found.plain) == ({NEW.current: 4}, 0)
    assert bucket.content()["of/earshot/day/plain"].startswith(MAGIC)
    assert register.counts() == {NEW.current: 4} and register.is_looked_through(bucket.destination)
    assert PLAIN not in register.counts() and list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("replaced", [False, True])
async def test_what_went_while_its_key_was_changed_does_not_come_back(
    bucket: TestedBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """It is deleted, or a blackout puts something else, after it was read to be put with another key."""
    old = place_of(bucket, OLD)
    await put(old, tmp_path, "a")
    put_instead = ObjectStorage.put_instead

    async def later(storage: ObjectStorage, name: str, source: Path, version: str) -> bool:
        if replaced:
            await storage.write(name, b"silence")
        else:
            await storage.delete(name)
        return await put_instead(storage, name, source, version)

    monkeypatch.setattr(ObjectStorage, "put_instead", later)
    assert not await EncryptedStorage(old.plain, NEW).rewrap("a", tmp_path)
    assert bucket.content() == ({"of/earshot/a": b"silence"} if replaced else {})


async def test_an_archive_that_is_away_keeps_the_old_key_needed(bucket: TestedBucket, tmp_path: Path) -> None:
    keys = MasterKeys(NEW, tmp_path / "journal", {"archive 2": place_of(bucket, OLD)}, tmp_path)
    (problem,) = (await keys.rotate()).problems
    assert problem.startswith(f"archive 2: {bucket.destination} has no .earshot-archive")


async def test_a_plain_object_in_the_place_of_an_encrypted_one_is_refused(
    bucket: TestedBucket, register: ObjectKeys, tmp_path: Path
) -> None:
    place = place_of(bucket, OLD, register)
    await put(place, tmp_path, "a")
    bucket.raw.put("of/earshot/a", b"RIFF and so on")
    with pytest.raises(OSError, match="replaced by another file"):
        await whole(place, "a")
    assert register.refused == 1
