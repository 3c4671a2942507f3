"""The master keys of a data folder: what each still wraps, and having everything wrapped by the current one.

Only the wrapped keys in headers change; no sound is touched. May be ended at any time and begun again, also beside a
server that runs with the new key. The one rule: an old key is given up only when a look at everything finds nothing
that needs it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earshot.errors import EarshotError
from earshot.journal.rewrap import rewrap as rewrap_journal
from earshot.journal.rewrap import wrapped_keys
from earshot.storage.away import PlaceAway
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.object_keys import ObjectKeys
from earshot.storage.places import MARKER, Place
from earshot.vault import KeyDestroyed
from earshot.vault.files import create
from earshot.vault.keyring import Keyring, wrapped_by
from earshot.vault.overwriting import discard

ABREAST = 16
"""Objects at a time: each waits for its disk."""
ENTERED_AT_ONCE = 500

Work = Callable[[EncryptedStorage, str], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Found:
    """What was found: keys of objects and of the journal by the fingerprint of their master key, plain objects, objects
    without a key any more, and a sentence for each that could not be seen to."""

    objects: Counter[str] = field(default_factory=Counter)
    journal: Counter[str] = field(default_factory=Counter)
    plain: int = 0
    destroyed: int = 0
    problems: list[str] = field(default_factory=list)

    def still_needed(self) -> set[str]:
        """The master keys that something is wrapped by."""
        return set(self.objects) | set(self.journal)


class MasterKeys:
    """The keys of a journal and of the places with media, by what people call them: the main one, whose name is empty,
    and those of archive actions. `work` is a folder for objects that have to be written anew. What is found is entered
    in the `register` of objects. After some objects `rest` times what they took (by the monotonic clock `now`) is left
    to others."""

    def __init__(
        self,
        keyring: Keyring,
        journal: Path,
        places: Mapping[str, Place],
        work: Path,
        register: ObjectKeys | None = None,
        rest: float = 0.0,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._keyring = keyring
        self._register = register
        self._rest = rest
        self._now = now
        self._journal = journal
        self._places = places
        self._work = work

    async def look(self) -> Found:
        """Which master keys wrap what."""
        found = await self.look_at_objects()
        try:
            keys = await asyncio.to_thread(wrapped_keys, self._journal)
            found.journal.update([wrapped_by(one) for one in keys])
        except (OSError, EarshotError) as wrong:
            found.problems.append(f"journal: {wrong}")
        return found

    async def look_at_objects(self) -> Found:
        """The same without the journal: every object is looked at, and entered in the register."""
        found = Found()
        for called, place in self._places.items():
            seen: dict[str, str] = {}

            async def one(storage: EncryptedStorage, name: str, seen: dict[str, str] = seen) -> None:
                by = seen[name] = await storage.wrapped_by(name)
                found.plain += not by
                found.objects += Counter([by] if by else [])
                if len(seen) >= ENTERED_AT_ONCE:
                    some = dict(seen)
                    seen.clear()
                    await storage.enter(some)

            storage = self._storage(called, place)
            if await self._each_in(called, storage, place, one, found):
                await storage.enter(seen)
                if self._register is not None:
                    await asyncio.to_thread(self._register.looked_through, _called(called, place))
        return found

    async def rotate(self, told: Callable[[int], None] = lambda _: None) -> Found:
        """Have everything wrapped by the current master key, then look at everything; `told` is how many were done."""
        done, found = 0, Found()

        async def one(storage: EncryptedStorage, name: str) -> None:
            nonlocal done
            if await storage.rewrap(name, self._work):
                done += 1
                told(done)

        await self._each(one, found)
        try:
            done += await asyncio.to_thread(rewrap_journal, self._journal, self._keyring)
            told(done)
        except (OSError, EarshotError) as wrong:
            found.problems.append(f"journal: {wrong}")
        after = await self.look()
        after.problems = list(dict.fromkeys([*found.problems, *after.problems]))
        return after

    async def encrypt_plain(self, told: Callable[[int], None] = lambda _: None) -> Found:
        """Put every plain object anew, encrypted; no server may be at work on them."""
        done, found = 0, Found()

        async def one(storage: EncryptedStorage, name: str) -> None:
            nonlocal done
            if not await storage.wrapped_by(name):
                await self._encrypt(storage, name, done)
                done += 1
                told(done)

        await self._each(one, found, abreast=1)
        after = await self.look()
        after.problems = list(dict.fromkeys([*found.problems, *after.problems]))
        return after

    async def _encrypt(self, storage: EncryptedStorage, name: str, number: int) -> None:
        copy = self._work / f"encrypted-{number}"
        try:
            with create(copy, self._keyring, name) as file:
                async for chunk in storage.read(name):
                    await asyncio.to_thread(file.write, chunk)
            await storage.put_file(name, copy)
        finally:
            discard(copy)

    async def _each(
        self,
        work: Work,
        found: Found,
        abreast: int = ABREAST,
    ) -> None:
        """Do `work` for every object of every place; what is gone meanwhile is left out."""
        for called, place in self._places.items():
            await self._each_in(called, self._storage(called, place), place, work, found, abreast)

    def _storage(self, called: str, place: Place) -> EncryptedStorage:
        return EncryptedStorage(place.plain, self._keyring, self._register, _called(called, place))

    async def _each_in(
        self, called: str, storage: EncryptedStorage, place: Place, work: Work, found: Found, abreast: int = ABREAST
    ) -> bool:
        """The same for one place; False for one that is not there now."""
        try:
            if called:
                await place.look(anew=True)
            async for names in _batches(storage.inner.names(), abreast):
                began = self._now()
                await _all(self._one(work, storage, called, name, found) for name in names)
                await asyncio.sleep((self._now() - began) * self._rest)
            if called:
                await place.look(anew=True)  # what went away in the middle was not listed
        except PlaceAway as away:
            found.problems.append(f"{called}: {away}")
            return False
        return True

    async def _one(
        self,
        work: Work,
        storage: EncryptedStorage,
        called: str,
        name: str,
        found: Found,
    ) -> None:
        where = f"{called}, {name}" if called else name
        try:
            await work(storage, name)
        except FileNotFoundError:
            return
        except KeyDestroyed:
            found.destroyed += 1
        except (OSError, EarshotError) as wrong:
            found.problems.append(f"{where}: {wrong}")


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """Do all of it, and raise what was raised when nothing is under way any more."""
    for done in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(done, BaseException):
            raise done


def _called(called: str, place: Place) -> str:
    """What the register calls a place."""
    return place.destination if called else ""


async def _batches(names: AsyncIterator[tuple[str, int]], size: int) -> AsyncIterator[Sequence[str]]:
    batch: list[str] = []
    async for name, _ in names:
        if name == MARKER:
            continue  # of an archive, and no object
        batch.append(name)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
