"""Several storages as one: the main one, and places that recordings were moved or copied to.

An object elsewhere has a name that begins with its place, `~4/20260101/DESK1/DESK1-10-00-00.wav` for archive action 4,
so that whoever reads by name reads it wherever it lies. What a place is, `places` knows. The one rule: in a place that
is away nothing is taken for put, nothing for removed, and nothing for missing.
"""

import errno
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import cast

from earshot.ports import Storage
from earshot.storage.away import PlaceAway
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.places import Place, Places

MARK = "~"


def placed_name(place: int, name: str) -> str:
    """The name of object `name`, of any place, in `place`."""
    return f"{MARK}{place}/{name.split('/', 1)[1] if name.startswith(MARK) else name}"


def name_at_place(name: str) -> str:
    """The name that object `name`, of any place, has within its place: what an encrypted file is bound to."""
    return name.partition("/")[2] if name.startswith(MARK) else name


async def size_read(storage: Storage, name: str) -> int:
    """The size of an object for who will read it. Raises FileNotFoundError for a place that is away, too, as `read`
    does."""
    try:
        return await storage.size(name)
    except PlaceAway as away:
        raise FileNotFoundError(errno.ENOENT, str(away)) from away


class PlacedStorage:
    """The port `earshot.ports.Storage` over `main` and places by number, which `places` makes of their destinations.
    `names` are those of `main` alone."""

    def __init__(self, main: Storage, places: Places | None = None) -> None:
        self.main = main
        self._made_by = places or Places()
        self._places: dict[int, Place] = {}

    def know(self, destinations: Mapping[int, str]) -> None:
        """From now on these are the places. Raises ValueError for a destination that cannot be one."""
        made = {place.destination: place for place in self._places.values()}
        self._places = {
            number: made.get(destination) or self._made_by.at(destination)
            for number, destination in destinations.items()
        }

    def _place(self, name: str) -> tuple[Place, str]:
        """The place of an object that lies elsewhere, and its name there."""
        number, _, rest = name[len(MARK) :].partition("/")
        place = self._places.get(int(number)) if number.isdecimal() else None
        if place is None:
            raise PlaceAway(errno.ENODEV, f"the place of {name} is not known")
        return place, rest

    async def _at(self, name: str) -> tuple[Storage, str]:
        if not name.startswith(MARK):
            return self.main, name
        place, rest = self._place(name)
        await place.look()
        return place.storage, rest

    def is_same(self, name: str, other: str) -> bool:
        """Whether two names mean one object: archive actions may have the same destination. Raises PlaceAway."""
        return self._where(name) == self._where(other)

    def _where(self, name: str) -> tuple[str, str]:
        if not name.startswith(MARK):
            return "", name
        place, rest = self._place(name)
        return place.destination, rest

    async def look(self, name: str) -> None:
        """See that the place of the object is there, now. Raises PlaceAway."""
        if name.startswith(MARK):
            await self._place(name)[0].look(anew=True)

    async def key_problem(self, name: str) -> str:
        """What is wrong with the key of an object that can be read: a sentence, empty if nothing is. Raises PlaceAway,
        FileNotFoundError, Altered."""
        storage, rest = await self._at(name)
        return await storage.key_problem(rest) if isinstance(storage, EncryptedStorage) else ""

    async def put_file(self, name: str, source: Path) -> None:
        """See `earshot.ports.Storage.put_file`. Raises PlaceAway, and OSError of the disk."""
        storage, rest = await self._at(name)
        await storage.put_file(rest, source)

    async def exists(self, name: str) -> bool:
        """See `earshot.ports.Storage.exists`. What lies in a place that is away does not exist now."""
        try:
            storage, rest = await self._at(name)
            return await storage.exists(rest)
        except PlaceAway:
            return False

    async def size(self, name: str) -> int:
        """See `earshot.ports.Storage.size`. Raises PlaceAway."""
        storage, rest = await self._at(name)
        try:
            return await storage.size(rest)
        except FileNotFoundError:
            await self.look(name)  # its place may have gone away just now
            raise

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `earshot.ports.Storage.read`. A place that is away raises FileNotFoundError here, which readers know."""
        try:
            storage, rest = await self._at(name)
            chunks = cast(AsyncGenerator[bytes, None], storage.read(rest, start, stop))
            first = await anext(chunks, None)
        except PlaceAway as away:
            raise FileNotFoundError(errno.ENOENT, str(away)) from away
        if first is None:
            return
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`."""
        if not name.startswith(MARK):
            return self.main.local_path(name)
        try:
            place, rest = self._place(name)
        except PlaceAway:
            return None
        return place.local_path(rest)

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.destroy_keys`. What lies in a place that is away may still have its key."""
        return await self._in_places(names, lambda storage, inside: storage.destroy_keys(inside))

    async def delete(self, name: str) -> None:
        """See `earshot.ports.Storage.delete`. Raises PlaceAway: it may still be there."""
        storage, rest = await self._at(name)
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
                storage, _ = await self._at(inside[0])
            except PlaceAway as away:
                kept |= dict.fromkeys(inside, str(away))
                continue
            whole = {name_at_place(name): name for name in inside}
            kept |= {whole[rest]: why for rest, why in (await work(storage, list(whole))).items()}
        return kept

    async def names(self) -> AsyncIterator[tuple[str, int]]:
        """See `earshot.ports.Storage.names`, of the main storage."""
        async for found in self.main.names():
            yield found
