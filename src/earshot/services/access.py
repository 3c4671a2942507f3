"""Roles and QA groups: hung into the context of the handlers, with the authority that makes actors of users.

The one rule: this service starts before every other that asks who may do what.
"""

from contextlib import AsyncExitStack

from earshot.api.authority import Authority
from earshot.services import House
from earshot.store.sql.access import SqlAccess


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in. The built-in role comes with the tables."""
    access = SqlAccess(house.database)
    house.context.access = access
    house.context.authority = Authority(access, house.clock)
