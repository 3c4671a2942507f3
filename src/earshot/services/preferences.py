"""Settings that are changed at run time, and locations, in the running system.

The one rule: they are read when they are needed, so that a change by another process counts at once.
"""

from contextlib import AsyncExitStack

from earshot.services import House
from earshot.store.sql.locations import SqlLocations
from earshot.store.sql.preferences import SqlPreferences


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang them in."""
    house.context.preferences = SqlPreferences(house.database, house.clock)
    house.context.locations = SqlLocations(house.database)
