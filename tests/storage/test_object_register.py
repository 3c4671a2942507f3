"""The register of encrypted objects: what was encrypted is never taken for plain, and counts are always at hand."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from earshot.core.rewrapping import MasterKeys
from earshot.ports import Storage
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.storage.object_keys import PLAIN, ObjectKeys
from earshot.storage.places import Places, prepare
from earshot.vault import Altered, VaultError
from earshot.vault.keyring import Keyring

FIRST, SECOND = Keyring((b"1" * 32,)), Keyring((b"2" * 32,))
BOTH = Keyring((*SECOND.keys, *FIRST.keys))
SOUND, FALSE = b"what was said" * 5000, b"what was never said" * 5000


async def put(storage: Storage, folder: Path, name: str, content: bytes = SOUND) -> None:
    source = folder / "source"
    source.write_bytes(content)
    await storage.put_file(name, source)


async def whole(storage: Storage, name: str) -> bytes:
    return b"".join([chunk async for chunk in storage.read(name)])


@pytest.fixture
def register(tmp_path: Path) -> ObjectKeys:
    return ObjectKeys(tmp_path / "keys" / "objects")


@pytest.fixture
def inner(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "media")


@pytest.fixture
def storage(inner: LocalStorage, register: ObjectKeys) -> EncryptedStorage:
    return EncryptedStorage(inner, FIRST, register)


async def test_a_plain_file_in_the_place_of_an_encrypted_one_is_refused(
    storage: EncryptedStorage, inner: LocalStorage, register: ObjectKeys, tmp_path: Path
) -> None:
    await put(storage, tmp_path, "a")
    await put(inner, tmp_path, "old", b"never encrypted")
    (tmp_path / "media" / "a").write_bytes(FALSE)
    for refused in (whole(storage, "a"), storage.size("a"), storage.wrapped_by("a"), storage.rewrap("a", tmp_path)):
        with pytest.raises(Altered, match="replaced by another file"):
            await refused
    assert (register.refused, register.last_refused) == (4, "a")
    assert await whole(storage, "old") == b"never encrypted"
    await put(storage, tmp_path, "a")
    assert await whole(storage, "a") == SOUND


async def test_it_is_refused_after_a_restart_and_where_it_was_put_once_only(
    storage: EncryptedStorage, register: ObjectKeys, tmp_path: Path
) -> None:
    await put(storage, tmp_path, "a")
    register.close()
    (tmp_path / "media" / "a").write_bytes(FALSE)
    again = ObjectKeys(tmp_path / "keys" / "objects")
    with pytest.raises(Altered):
        await whole(EncryptedStorage(storage.inner, FIRST, again), "a")
    assert await whole(EncryptedStorage(storage.inner, FIRST, again, "/elsewhere"), "a") == FALSE


async def test_an_object_is_entered_before_it_lies_there(register: ObjectKeys, tmp_path: Path) -> None:
    class KilledAfterwards(LocalStorage):
        async def put_file(self, name: str, source: Path) -> None:
            await super().put_file(name, source)
            raise OSError("killed")

    storage = EncryptedStorage(KilledAfterwards(tmp_path / "media"), FIRST, register)
    with pytest.raises(OSError, match="killed"):
        await put(storage, tmp_path, "a")
    assert register.was_encrypted("", "a")


async def test_a_put_that_fails_does_not_make_a_plain_object_unreadable(register: ObjectKeys, tmp_path: Path) -> None:
    class Full(LocalStorage):
        async def put_file(self, name: str, source: Path) -> None:
            raise OSError("full")

    await put(LocalStorage(tmp_path / "media"), tmp_path, "old", b"plain")
    storage = EncryptedStorage(Full(tmp_path / "media"), FIRST, register)
    with pytest.raises(OSError, match="full"):
        await put(storage, tmp_path, "old")
    assert await whole(storage, "old") == b"plain"


async def test_counts_follow_what_is_put_rewrapped_and_deleted(
    storage: EncryptedStorage, register: ObjectKeys, tmp_path: Path
) -> None:
    for name in "abc":
        await put(storage, tmp_path, name)
    assert register.counts() == {FIRST.current: 3}
    later = EncryptedStorage(storage.inner, BOTH, register)
    await put(later, tmp_path, "d")
    await put(later, tmp_path, "d")
    assert register.counts() == {FIRST.current: 3, SECOND.current: 1}
    assert await later.rewrap("a", tmp_path) and not await later.rewrap("a", tmp_path)
    assert register.counts() == {FIRST.current: 2, SECOND.current: 2}
    await later.delete("b")
    assert await later.delete_all(["a", "nothing"]) == {}
    assert register.counts() == {FIRST.current: 1, SECOND.current: 1}
    await put(storage.inner, tmp_path, "b", b"plain, and never encrypted under this name")
    assert await whole(later, "b") == b"plain, and never encrypted under this name"


async def test_a_look_at_everything_makes_up_for_what_is_missing(
    inner: LocalStorage, storage: EncryptedStorage, register: ObjectKeys, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    prepare(archive)
    old = EncryptedStorage(inner, FIRST)
    for name in "ab":
        await put(old, tmp_path, name)
    await put(inner, tmp_path, "plain", b"plain")
    await put(EncryptedStorage(LocalStorage(archive), FIRST), tmp_path, "a")
    assert not register.was_encrypted("", "a") and not register.is_looked_through("")
    folders = {"": tmp_path / "media", "archive 4": archive, "archive 5": tmp_path / "not mounted"}
    places = {called: Places().at(str(folder)) for called, folder in folders.items()}
    keys = MasterKeys(BOTH, tmp_path / "journal", places, tmp_path, register)
    found = await keys.look_at_objects()
    assert found.objects == {FIRST.current: 3} and found.plain == 1
    assert register.counts() == {FIRST.current: 3, PLAIN: 1}
    assert register.is_looked_through("") and register.is_looked_through(str(archive))
    assert not register.is_looked_through(str(tmp_path / "not mounted"))
    (tmp_path / "media" / "b").write_bytes(FALSE)
    (archive / "a").write_bytes(FALSE)
    found = await keys.look_at_objects()
    assert [problem.partition(":")[0] for problem in found.problems] == ["b", "archive 4, a", "archive 5"]
    assert register.counts() == {FIRST.current: 3, PLAIN: 1}, "a look does not make plain what was encrypted"
    assert (await keys.rotate()).objects == {SECOND.current: 1}
    await keys.encrypt_plain()
    assert PLAIN not in register.counts()


async def test_an_archive_that_goes_away_in_the_middle_was_not_looked_through(
    register: ObjectKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not there any more is not listed, and that is no error."""
    place = Places(FIRST, register).at(str(tmp_path / "cellar"))
    await place.prepare()
    await put(place.storage, tmp_path, "a")
    listed = LocalStorage.names

    async def unmounted(storage: LocalStorage) -> AsyncIterator[tuple[str, int]]:
        (tmp_path / "cellar").rename(tmp_path / "away")
        async for found in listed(storage):
            yield found

    monkeypatch.setattr(LocalStorage, "names", unmounted)
    keys = MasterKeys(FIRST, tmp_path / "journal", {"archive 2": place}, tmp_path, register)
    found = await keys.look_at_objects()
    assert len(found.problems) == 1 and "No such device" in found.problems[0]
    assert not register.is_looked_through(place.destination)
    monkeypatch.undo()
    (tmp_path / "away").rename(tmp_path / "cellar")
    assert (await keys.look_at_objects()).problems == []
    assert register.is_looked_through(place.destination)


async def test_a_register_that_is_damaged_is_made_again(
    storage: EncryptedStorage, register: ObjectKeys, tmp_path: Path
) -> None:
    await put(storage, tmp_path, "a")
    register.close()
    (tmp_path / "keys" / "objects").write_bytes(b"this is no database, however long it is" * 100)
    assert register.counts() == {}
    assert (tmp_path / "keys" / "objects.damaged").exists()
    await put(storage, tmp_path, "b")
    assert register.counts() == {FIRST.current: 1}


async def test_a_register_that_cannot_be_had_stops_no_recording_and_lets_nothing_plain_pass(
    inner: LocalStorage, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be")
    register = ObjectKeys(tmp_path / "keys" / "objects")
    storage = EncryptedStorage(inner, FIRST, register)
    await put(storage, tmp_path, "a")
    assert "cannot be kept up" in register.trouble
    assert await whole(storage, "a") == SOUND
    await put(inner, tmp_path, "old", b"plain")
    with pytest.raises(VaultError, match="register of encrypted objects"):
        await whole(storage, "old")
    (tmp_path / "keys").unlink()
    await put(storage, tmp_path, "b")
    assert register.trouble == "" and await whole(storage, "old") == b"plain"


async def test_threads_and_processes_share_it(register: ObjectKeys, tmp_path: Path) -> None:
    other = ObjectKeys(tmp_path / "keys" / "objects")

    def enter(one: ObjectKeys, first: int) -> None:
        for number in range(first, first + 20):
            one.enter("", [(str(number), FIRST.current)])

    await asyncio.gather(*(asyncio.to_thread(enter, one, at) for one, at in ((register, 0), (other, 10), (other, 30))))
    assert register.counts() == other.counts() == {FIRST.current: 50}
    other.close()
    register.close()
