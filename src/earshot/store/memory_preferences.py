"""Settings and locations in memory: for tests, and until the database is hung in.

Same contract as `sql.preferences` and `sql.locations` (tests/contracts). The one rule: nothing is awaited between
looking and changing.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from earshot.clock import Clock
from earshot.errors import StoreUnavailable
from earshot.ports import NotFound, NotUnique
from earshot.ports.preferences import Location, Preference
from earshot.store.places import checked_location, location_key


class MemoryPreferences:
    """The port `earshot.ports.preferences.Preferences` without a database. `unavailable` makes every method fail."""

    def __init__(self, clock: Clock) -> None:
        self.unavailable = False
        self._clock = clock
        self._kept: dict[str, Preference] = {}

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the settings in memory were told to be away")

    async def preference(self, name: str) -> Preference | None:
        """See `Preferences.preference`."""
        self._answer()
        return self._kept.get(name)

    async def set_preference(self, name: str, value: Any, by: str) -> Preference:
        """See `Preferences.set_preference`."""
        self._answer()
        try:
            kept = orjson.loads(orjson.dumps(value))
        except TypeError as why:
            raise ValueError(f"{name} cannot be kept: {why}") from None
        self._kept[name] = Preference(name=name, value=kept, changed_at=self._clock.now(), changed_by=by)
        return self._kept[name]

    async def preferences(self) -> Sequence[Preference]:
        """See `Preferences.preferences`."""
        self._answer()
        return [self._kept[name] for name in sorted(self._kept)]


class MemoryLocations:
    """The port `earshot.ports.preferences.Locations` without a database. `unavailable` makes every method fail."""

    def __init__(self) -> None:
        self.unavailable = False
        self._names = {1: "Main"}

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the locations in memory were told to be away")

    async def locations(self) -> Sequence[Location]:
        """See `Locations.locations`."""
        self._answer()
        return [Location(number=number, name=self._names[number]) for number in sorted(self._names)]

    async def add_location(self, name: str, number: int | None = None) -> Location:
        """See `Locations.add_location`."""
        self._answer()
        name = checked_location(name, number)
        chosen = max(self._names) + 1 if number is None else number
        if chosen in self._names:
            raise NotUnique("location", str(chosen))
        return self._put(chosen, name)

    async def rename_location(self, number: int, name: str) -> Location:
        """See `Locations.rename_location`."""
        self._answer()
        name = checked_location(name)
        if number not in self._names:
            raise NotFound(f"there is no location {number}")
        return self._put(number, name)

    def _put(self, number: int, name: str) -> Location:
        if any(location_key(name) == location_key(known) for at, known in self._names.items() if at != number):
            raise NotUnique("location name", name)
        self._names[number] = name
        return Location(number=number, name=name)
