"""The client for programs that live in an event loop: commands over one connection, exports, events.

The one rule: a request goes to the server once, unless it surely was not sent, or is `is_repeatable`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from earshot.client.commands import Commands
from earshot.client.connection import Connection, connect
from earshot.client.errors import CommandFailed, NotAnswered, NotConnected, TimedOut
from earshot.client.events import Events
from earshot.client.http import Saved, WebDoor
from earshot.client.repeatable import is_repeatable
from earshot.client.reply import Reply
from earshot.client.server import Server
from earshot.client.values import Sent, as_pairs
from earshot.clock import Clock, SystemClock
from earshot.errors import BadInput
from earshot.protocol.xml import write_request
from earshot.tasks import Spawner

Answer = TypeVar("Answer")
Waited = Coroutine[Any, Any, Answer]


class AsyncClient(Commands[Waited[Reply], Waited[Saved]]):
    """Speaks to one server. Connects when the first command is sent, and anew when the connection was lost.

    Options are the fields of `Server`; with `over_http` commands go to webAPI.aspx instead of the API port. Many
    commands may be sent at the same time: they share one connection, and the server carries them out in their order.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        server: Server | None = None,
        over_http: bool = False,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        self.server = replace(server, **options) if server else Server(host=host, **options)
        self._over_http = over_http
        self._clock = clock or SystemClock()
        self._spawner = Spawner()
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._numbers = count(1)
        self._web: WebDoor | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections; commands that wait get NotAnswered. The next command would open them again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        web, self._web = self._web, None
        if web is not None:
            await web.close()
        await self._spawner.close()

    async def send(
        self, command: str, parameters: Mapping[str, Sent], *, check: bool = True, timeout_s: float | None = None
    ) -> Reply:
        """As `Sender.send`."""
        return await self.send_pairs(command, as_pairs(parameters), check=check, timeout_s=timeout_s)

    async def send_pairs(
        self, command: str, pairs: list[tuple[str, str]], *, check: bool = True, timeout_s: float | None = None
    ) -> Reply:
        """The same with parameters as texts, in their order; a name may come twice."""
        command = command.upper()
        request_id = str(next(self._numbers))
        wait_s = self.server.timeout_s if timeout_s is None else timeout_s
        repeatable = is_repeatable(command, pairs)
        began = self._clock.monotonic()
        for attempt in count():
            try:
                document = await self._once(command, request_id, pairs, wait_s)
                break
            except TimedOut:
                raise
            except (NotConnected, NotAnswered) as why:
                pause = self.server.pause(attempt)
                late = self._clock.monotonic() + pause - began > self.server.patience_s
                if late or (isinstance(why, NotAnswered) and not repeatable):
                    raise
                await asyncio.sleep(pause)
        return self._read(command, request_id, document, check)

    async def save(
        self,
        command: str,
        parameters: Mapping[str, Sent],
        to: Path | str,
        *,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Saved:
        """As `Sender.save`."""
        request_id = str(next(self._numbers))
        return await self._web_door().save(command.upper(), request_id, as_pairs(parameters), Path(to), progress)

    def events(self, types: Iterable[str] = (), *, reconnect: bool = True) -> Events:
        """What happens, from now on: of those `types`, or all. A lost connection is made anew; as events are not
        repeated, one of type RECONNECTED comes then. Each step raises NotConnected when the server stays away, and
        CommandFailed for a type that does not exist."""
        return Events(self.server, types, self._clock, reconnect)

    async def _once(self, command: str, request_id: str, pairs: list[tuple[str, str]], wait_s: float) -> bytes:
        if self._over_http:
            return await self._web_door().ask(command, request_id, pairs, wait_s)
        token = [("TOKEN", self.server.token)] if self.server.token else []
        document = write_request(command, request_id, [*token, *pairs])
        return await (await self._connected()).ask(document, wait_s)

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None or not self._connection.open:
                server = self.server
                streams = await connect(server.host, server.ports[0], server.context, server.connect_s)
                self._connection = Connection(*streams, self._spawner)
            return self._connection

    def _web_door(self) -> WebDoor:
        if self._web is None:
            self._web = WebDoor(self.server, self._clock)
        return self._web

    @staticmethod
    def _read(command: str, request_id: str, document: bytes, check: bool) -> Reply:
        try:
            reply = Reply.of(command, document)
        except BadInput as wrong:
            raise NotAnswered(f"the answer to {command} cannot be read: {wrong}") from wrong
        if reply.request_id and reply.request_id != request_id:
            raise NotAnswered(f"the answer to {command} belongs to request {reply.request_id[:64]}")
        if check and not reply.ok:
            raise CommandFailed(reply)
        return reply
