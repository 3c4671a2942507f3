"""The try-it page, on the handlers that answer the protocol.

The one rule: nothing is kept of what was tried but what the audit trail keeps of every act.
"""

from contextlib import AsyncExitStack

from earshot.api.dispatch import Api
from earshot.protocol.xml import write
from earshot.services import House
from earshot.web.tryit import TryIt


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    settings, context = house.settings, house.context
    house.routes += TryIt(
        Api(context).answer,
        house.storage,
        lambda result: write(result, context.dialect),
        house.clock,
        settings.api_port,
        bool(settings.api_token.get_secret_value()),
    ).routes()
