"""What is particular to the storage in a folder: durability, other file systems, what is left behind."""

import errno
import os
from pathlib import Path

import pytest

from earshot.storage.local import UNFINISHED, LocalStorage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "source.wav"
    path.parent.mkdir()
    path.write_bytes(b"sound" * 1000)
    return path


def apart(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let `folder` lie on a file system of its own: renaming out of it fails as the kernel would have it."""
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.is_relative_to(folder):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)


async def test_everything_is_synced_before_the_answer(
    root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recorded(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", recorded)
    inode = source.stat().st_ino
    await LocalStorage(root).put_file("day/device/a.wav", source)
    assert (root / "day/device/a.wav").stat().st_ino == inode
    made = [str(source), str(root.parent), str(root), str(root / "day"), str(root / "day/device"), str(source.parent)]
    assert synced == made


async def test_from_another_file_system(root: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart(monkeypatch, source.parent)
    storage = LocalStorage(root)
    await storage.put_file("day/a.wav", source)
    assert (root / "day/a.wav").read_bytes() == b"sound" * 1000
    assert not source.exists()
    assert [path.name for path in (root / "day").iterdir()] == ["a.wav"]


async def test_a_copy_that_fails_leaves_the_source_and_nothing_else(
    root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(monkeypatch, source.parent)
    fsync = os.fsync

    def full(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().name.endswith(UNFINISHED):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        await LocalStorage(root).put_file("day/a.wav", source)
    assert source.exists()
    assert list((root / "day").iterdir()) == []


async def test_unfinished_files_are_no_objects(root: Path) -> None:
    root.mkdir()
    (root / f"a{UNFINISHED}").write_bytes(b"half")
    (root / "link").symlink_to("/etc/hostname")
    storage = LocalStorage(root)
    assert [one async for one in storage.names()] == []
    with pytest.raises(ValueError, match="do not end"):
        await storage.exists(f"a{UNFINISHED}")


async def test_the_last_object_takes_its_folders_along(root: Path, source: Path, tmp_path: Path) -> None:
    storage = LocalStorage(root)
    await storage.put_file("day/device/a.wav", source)
    assert storage.local_path("day/device/a.wav") == root / "day/device/a.wav"
    await storage.delete("day/device/a.wav")
    assert root.is_dir()
    assert list(root.iterdir()) == []
    assert tmp_path.is_dir()
