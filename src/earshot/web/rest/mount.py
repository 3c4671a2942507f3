"""Where the REST API hangs, and how it comes to be: when somebody asks for it first.

The one rule: nothing here imports FastAPI, which takes a fifth of all there is to import at a start.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

MOUNT: Final = "/api"


class BuiltWhenAsked:
    """An application that is made when somebody asks for it first, off the event loop: looking through all its types
    takes longer than starting everything else, and no call waits for it."""

    def __init__(self, make: Callable[[], Starlette]) -> None:
        self._make = make
        self._made: Starlette | None = None
        self._making = asyncio.Lock()

    @property
    def app(self) -> Starlette:
        """The application, made now if it was not yet."""
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def routes(self) -> list[BaseRoute]:
        """Its routes, as a mount shows them."""
        return self.app.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            async with self._making:
                await asyncio.to_thread(lambda: self.app)
        await self.app(scope, receive, send)
