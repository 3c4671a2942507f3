"""The same client for programs without an event loop: each method waits for its answer.

The one rule: nothing is done twice; an `AsyncClient` in a thread of its own does the work. Threads may share a client.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from earshot.client.client import AsyncClient
from earshot.client.commands import Commands
from earshot.client.errors import NotConnected
from earshot.client.events import Event, Events
from earshot.client.http import Saved
from earshot.client.reply import Reply
from earshot.client.server import Server
from earshot.client.values import Sent

Found = TypeVar("Found")


class Client(Commands[Reply, Saved]):
    """Speaks to one server; options as of `AsyncClient`. Use it with `with`, or close it."""

    def __init__(
        self, host: str = "127.0.0.1", *, server: Server | None = None, over_http: bool = False, **options: Any
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="earshot-client", daemon=True)
        self._closed = False

        async def made() -> AsyncClient:
            return AsyncClient(host, server=server, over_http=over_http, **options)

        self._thread.start()
        try:
            self._client = self._wait(made())
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def server(self) -> Server:
        """Where the server is."""
        return self._client.server

    def close(self) -> None:
        """End the connections and the thread; nothing can be sent afterwards."""
        if not self._closed:
            self._wait(self._client.close())
            self._stop()

    def send(
        self, command: str, parameters: Mapping[str, Sent], *, check: bool = True, timeout_s: float | None = None
    ) -> Reply:
        """As `Sender.send`."""
        return self._wait(self._client.send(command, parameters, check=check, timeout_s=timeout_s))

    def save(
        self,
        command: str,
        parameters: Mapping[str, Sent],
        to: Path | str,
        *,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Saved:
        """As `Sender.save`; `progress` is called in the thread of the client."""
        return self._wait(self._client.save(command, parameters, to, progress=progress))

    def events(self, types: Iterable[str] = (), *, reconnect: bool = True) -> "BlockingEvents":
        """As `AsyncClient.events`."""
        return BlockingEvents(self, self._client.events(types, reconnect=reconnect))

    def wait(self, work: Coroutine[Any, Any, Found]) -> Found:
        """Run a coroutine in the thread of the client, and wait for it."""
        return self._wait(work)

    def _wait(self, work: Coroutine[Any, Any, Found]) -> Found:
        if self._closed:
            work.close()
            raise NotConnected("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BlockingEvents:
    """What happens, one by one; made by `Client.events`; with `with` it listens from the start of the block."""

    def __init__(self, client: Client, events: Events) -> None:
        self._client = client
        self._events = events

    def __enter__(self) -> Self:
        self._client.wait(self._events.open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return self._client.wait(self._events.__anext__())

    def next(self, timeout_s: float) -> Event | None:
        """The next event; None when none comes in time."""

        async def waited() -> Event | None:
            try:
                async with asyncio.timeout(timeout_s):
                    return await anext(self._events)
            except TimeoutError:
                return None

        return self._client.wait(waited())

    def close(self) -> None:
        """End the connection."""
        self._client.wait(self._events.aclose())
