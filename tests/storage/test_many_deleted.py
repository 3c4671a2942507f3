"""Many objects deleted in one go: each folder brought to the disk once, and what cannot be removed is said."""

import os
from pathlib import Path

import pytest

from earshot.storage.local import LocalStorage
from earshot.storage.placed import PlacedStorage
from earshot.storage.places import prepare


async def put(storage: LocalStorage | PlacedStorage, work: Path, name: str) -> None:
    work.write_bytes(b"1")
    await storage.put_file(name, work)


async def test_a_folder_is_synced_once_and_goes_when_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "media")
    names = [f"day/device/{number}" for number in range(50)]
    for name in [*names, "day/kept"]:
        await put(storage, tmp_path / "work", name)
    synced: list[int] = []
    fsync = os.fsync

    def counted(handle: int) -> None:
        synced.append(handle)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", counted)
    assert await storage.delete_all(names) == {}
    assert len(synced) == 2  # of day/device, and of day, from which it went
    assert sorted(path.name for path in (tmp_path / "media" / "day").iterdir()) == ["kept"]


async def test_one_that_cannot_be_removed_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "media")
    for name in ("a/1", "a/2", "b/3"):
        await put(storage, tmp_path / "work", name)
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.name == "2":
            raise PermissionError("no")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    assert await storage.delete_all(["a/1", "a/2", "b/3"]) == {"a/2": "no"}
    assert [name async for name, _ in storage.names()] == ["a/2"]


async def test_a_place_that_is_away_keeps_only_its_own(tmp_path: Path) -> None:
    storage = PlacedStorage(LocalStorage(tmp_path / "media"))
    for place in (2, 3):
        prepare(tmp_path / f"{place}")
    storage.know({place: str(tmp_path / f"{place}") for place in (2, 3)})
    names = ["day/1", "~2/day/2", "~3/day/3"]
    for name in names:
        await put(storage, tmp_path / "work", name)
    (tmp_path / "3" / ".earshot-archive").unlink()
    assert list(await storage.delete_all(names)) == ["~3/day/3"]
    assert [await storage.exists(name) for name in names[:2]] == [False, False]
    (tmp_path / "3" / ".earshot-archive").touch()
    assert await storage.delete_all(names) == {}
    assert not await storage.exists("~3/day/3")
