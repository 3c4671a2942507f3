"""The storage in a folder of this machine.

Every call that touches the disk runs in a thread. Objects are plain files, so that they can be found without Earshot.
The one rule: when `put_file` returns, the object and every folder above it survive the loss of power.
"""

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path

from earshot.storage.names import checked

CHUNK_BYTES = 256 * 1024
ATTEMPTS = 5
UNFINISHED = ".unfinished"
"""The ending of a file that is being copied in; such files are no objects."""


def unfinished(path: Path) -> Path:
    """What a file is called beside `path` while it is copied in from another disk."""
    return path.with_name(path.name + UNFINISHED)


class LocalStorage:
    """The port `earshot.ports.Storage` over the folder `root`, which is made when the first object comes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put_file(self, name: str, source: Path) -> None:
        """See `earshot.ports.Storage.put_file`. Raises FileNotFoundError for `source`, OSError of the disk."""
        await asyncio.to_thread(_take_over, self._path(name), source)

    async def exists(self, name: str) -> bool:
        """See `earshot.ports.Storage.exists`."""
        return await asyncio.to_thread(self._path(name).is_file)

    async def size(self, name: str) -> int:
        """See `earshot.ports.Storage.size`."""
        return await asyncio.to_thread(_size, self._path(name))

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `earshot.ports.Storage.read`. What is replaced or deleted meanwhile is still read to its end."""
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("a range of bytes begins and ends at 0 or later")
        path = self._path(name)
        with await asyncio.to_thread(_open, path) as opened:
            at = start
            while stop is None or at < stop:
                wanted = CHUNK_BYTES if stop is None else min(CHUNK_BYTES, stop - at)
                chunk = await asyncio.to_thread(os.pread, opened.fileno(), wanted, at)
                if not chunk:
                    break
                at += len(chunk)
                yield chunk

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`; says nothing about whether the object exists."""
        return self._path(name)

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.destroy_keys`: objects are kept as they come, this knows of no keys."""
        return {}

    async def delete(self, name: str) -> None:
        """See `earshot.ports.Storage.delete`. Folders that become empty go as well."""
        for why in (await asyncio.to_thread(_delete_all, self._root, [self._path(name)])).values():
            raise why

    async def delete_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.delete_all`. Each folder is brought to the disk once."""
        paths: dict[Path, str] = {}
        wrong: dict[str, str] = {}
        for name in names:
            try:
                paths[self._path(name)] = name
            except ValueError as why:
                wrong[name] = str(why)
        kept = await asyncio.to_thread(_delete_all, self._root, list(paths))
        return wrong | {paths[path]: str(why) for path, why in kept.items()}

    async def names(self) -> AsyncIterator[tuple[str, int]]:
        """See `earshot.ports.Storage.names`, in no order. Objects that come or go meanwhile may be missed."""
        folders = [self._root]
        while folders:
            folder = folders.pop()
            inside, objects = await asyncio.to_thread(_list, folder)
            folders.extend(inside)
            for path, size in objects:
                yield path.relative_to(self._root).as_posix(), size

    def _path(self, name: str) -> Path:
        if name.endswith(UNFINISHED):
            raise ValueError(f"object names do not end in {UNFINISHED}")
        return self._root / checked(name)


def _missing(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _open(path: Path) -> FileIO:
    try:
        opened = FileIO(path)
    except (NotADirectoryError, IsADirectoryError) as why:
        raise _missing(path) from why
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        opened.close()
        raise _missing(path)
    return opened


def _size(path: Path) -> int:
    with _open(path) as opened:
        return os.fstat(opened.fileno()).st_size


def _list(folder: Path) -> tuple[list[Path], list[tuple[Path, int]]]:
    """The folders and the objects with their sizes that lie in `folder`; nothing if it is gone."""
    inside: list[Path] = []
    objects: list[tuple[Path, int]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inside.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(UNFINISHED):
                    try:
                        objects.append((Path(entry.path), entry.stat(follow_symlinks=False).st_size))
                    except FileNotFoundError:
                        continue
    except FileNotFoundError:
        pass
    return inside, objects


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, each durably entered in its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    _sync(folder.parent)


def _take_over(path: Path, source: Path) -> None:
    """Move `source` to `path`, durably. A folder that `_delete` takes away meanwhile is made again."""
    if not source.is_file():
        raise _missing(source)
    _sync(source)
    for attempt in range(ATTEMPTS):
        try:
            _make_folder(path.parent)
            _move(source, path)
            _sync(path.parent)
            break
        except FileNotFoundError:
            if attempt == ATTEMPTS - 1 or path.is_file():
                raise
    _sync(source.parent)


def _move(source: Path, path: Path) -> None:
    try:
        source.replace(path)
        return
    except OSError as why:
        if why.errno != errno.EXDEV:
            raise
    half = unfinished(path)
    try:
        shutil.copyfile(source, half)
        _sync(half)
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    _sync(path.parent)
    source.unlink()


def _delete(root: Path, folder: Path, paths: Iterable[Path]) -> dict[Path, OSError]:
    """Remove objects of one folder, and the folders that become empty, durably; gives what may still be there."""
    kept: dict[Path, OSError] = {}
    for path in paths:
        try:
            for one in (path, unfinished(path)):  # killed while it was copied in, a process leaves the other
                if one.is_file():
                    one.unlink(missing_ok=True)
        except OSError as why:
            kept[path] = why
    try:
        while True:
            _sync(folder)
            if folder == root:
                break
            folder.rmdir()
            folder = folder.parent
    except OSError as why:
        if why.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR):
            return dict.fromkeys(paths, why)
    return kept


def _delete_all(root: Path, paths: Iterable[Path]) -> dict[Path, OSError]:
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    kept: dict[Path, OSError] = {}
    for folder, inside in folders.items():
        kept |= _delete(root, folder, inside)
    return kept
