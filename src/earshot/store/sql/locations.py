"""Statements about locations.

The one rule: what is unique is looked for inside the transaction that writes.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from earshot.ports import NotFound, NotUnique
from earshot.ports.preferences import Location
from earshot.store.database import Database, Query
from earshot.store.places import checked_location, location_key
from earshot.store.preference_tables import LOCATIONS

L = LOCATIONS.c
ALL = Query(sa.select(L.ident, L.name).order_by(L.ident))


class SqlLocations:
    """The port `earshot.ports.preferences.Locations` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def locations(self) -> Sequence[Location]:
        """See `Locations.locations`."""
        return [Location(number=number, name=name) for number, name in await self._database.read(ALL)]

    async def add_location(self, name: str, number: int | None = None) -> Location:
        """See `Locations.add_location`."""
        name = checked_location(name, number)
        async with self._database.write() as connection:
            taken = set((await connection.execute(sa.select(L.ident))).scalars())
            chosen = max(taken, default=0) + 1 if number is None else number
            if chosen in taken:
                raise NotUnique("location", str(chosen))
            await _must_be_free(connection, chosen, name)
            values = {"ident": chosen, "name": name, "name_key": location_key(name)}
            await connection.execute(sa.insert(LOCATIONS).values(values))
        return Location(number=chosen, name=name)

    async def rename_location(self, number: int, name: str) -> Location:
        """See `Locations.rename_location`."""
        name = checked_location(name)
        async with self._database.write() as connection:
            await _must_be_free(connection, number, name)
            changed = sa.update(LOCATIONS).where(L.ident == number).values(name=name, name_key=location_key(name))
            if (await connection.execute(changed)).rowcount == 0:
                raise NotFound(f"there is no location {number}")
        return Location(number=number, name=name)


async def _must_be_free(connection: AsyncConnection, number: int, name: str) -> None:
    same = sa.select(L.ident).where(L.name_key == location_key(name), L.ident != number)
    if (await connection.execute(same)).first() is not None:
        raise NotUnique("location name", name)
