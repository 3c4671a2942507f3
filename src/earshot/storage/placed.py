"""Several storages as one: the main one, and folders that recordings were moved or copied to.

An object elsewhere has a name that begins with its place, `~4/20260101/DESK1/DESK1-10-00-00.wav` for archive action 4,
so that whoever reads by name reads it wherever it lies. A place bears a marker: a folder without it is a disk that is
not mounted. The one rule: in a place that is away nothing is taken for put, and nothing for removed.
"""

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from earshot.ports import Storage
from earshot.storage.local import LocalStorage

MARK = "~"
MARKER = ".earshot-archive"
"""The file that says that a folder is a place of ours."""


def prepare(root: Path) -> None:
    """Make `root` a place: its folder and the marker in it. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).touch()


def placed_name(place: int, name: str) -> str:
    """The name of object `name`, of any place, in `place`."""
    return f"{MARK}{place}/{name.split('/', 1)[1] if name.startswith(MARK) else name}"


def name_at_place(name: str) -> str:
    """The name that object `name`, of any place, has within its place: what an encrypted file is bound to."""
    return name.partition("/")[2] if name.startswith(MARK) else name


class PlaceAway(OSError):
    """A place that cannot be reached now. Everything else of it is that of an OSError."""


class PlacedStorage:
    """The port `earshot.ports.Storage` over `main` and places by number, whose folder `place` makes a storage of.
    `names` are those of `main` alone."""

    def __init__(self, main: Storage, place: Callable[[Path], Storage] = LocalStorage) -> None:
        self.main = main
        self._place = place
        self._roots: dict[int, Path] = {}

    def know(self, roots: Mapping[int, Path]) -> None:
        """From now on these are the places."""
        self._roots = dict(roots)

    def _at(self, name: str) -> tuple[Storage, str]:
        if not name.startswith(MARK):
            return self.main, name
        place, _, rest = name[len(MARK) :].partition("/")
        root = self._roots.get(int(place)) if place.isdecimal() else None
        if root is None:
            raise PlaceAway(errno.ENODEV, f"the place of {name} is not known")
        if not (root / MARKER).is_file():
            raise PlaceAway(errno.ENODEV, os.strerror(errno.ENODEV), str(root))
        return self._place(root), rest

    async def put_file(self, name: str, source: Path) -> None:
        """See `earshot.ports.Storage.put_file`. Raises PlaceAway, and OSError of the disk."""
        storage, rest = self._at(name)
        await storage.put_file(rest, source)

    async def exists(self, name: str) -> bool:
        """See `earshot.ports.Storage.exists`. What lies in a place that is away does not exist now."""
        try:
            storage, rest = self._at(name)
        except PlaceAway:
            return False
        return await storage.exists(rest)

    async def size(self, name: str) -> int:
        """See `earshot.ports.Storage.size`."""
        storage, rest = self._at(name)
        return await storage.size(rest)

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `earshot.ports.Storage.read`. A place that is away raises FileNotFoundError here, which readers know."""
        try:
            storage, rest = self._at(name)
        except PlaceAway as away:
            raise FileNotFoundError(errno.ENOENT, str(away)) from away
        async for chunk in storage.read(rest, start, stop):
            yield chunk

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`."""
        try:
            storage, rest = self._at(name)
        except PlaceAway:
            return None
        return storage.local_path(rest)

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.destroy_keys`. What lies in a place that is away may still have its key."""
        return await self._in_places(names, lambda storage, inside: storage.destroy_keys(inside))

    async def delete(self, name: str) -> None:
        """See `earshot.ports.Storage.delete`. Raises PlaceAway: it may still be there."""
        storage, rest = self._at(name)
        await storage.delete(rest)

    async def delete_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.delete_all`. What lies in a place that is away may still be there."""
        return await self._in_places(names, lambda storage, inside: storage.delete_all(inside))

    async def _in_places(
        self, names: Sequence[str], work: Callable[[Storage, Sequence[str]], Awaitable[Mapping[str, str]]]
    ) -> Mapping[str, str]:
        """Do `work` for the names of each place; gives those it was not done for, with why."""
        kept: dict[str, str] = {}
        places: dict[str, list[str]] = {}
        for name in names:
            places.setdefault(name.partition("/")[0] if name.startswith(MARK) else "", []).append(name)
        for inside in places.values():
            try:
                storage, _ = self._at(inside[0])
            except PlaceAway as away:
                kept |= dict.fromkeys(inside, str(away))
                continue
            whole = {self._at(name)[1]: name for name in inside}
            kept |= {whole[rest]: why for rest, why in (await work(storage, list(whole))).items()}
        return kept

    async def names(self) -> AsyncIterator[tuple[str, int]]:
        """See `earshot.ports.Storage.names`, of the main storage."""
        async for found in self.main.names():
            yield found
