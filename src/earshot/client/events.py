"""What happens on the server, from the event port, one value after the other.

The one rule: events that were missed are never passed over in silence: after a connection that was lost comes an event
of type RECONNECTED.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Final, Self

from earshot.client.connection import connect
from earshot.client.errors import CommandFailed, NotAnswered, NotConnected
from earshot.client.reply import Reply
from earshot.client.server import Server
from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.protocol.registration import COMMAND
from earshot.protocol.xml import read_result, write_request

RECONNECTED: Final = "RECONNECTED"
"""The type of the event that says: the connection was lost and is there again; read the present state anew."""
CLOSED: Final = "CLOSED"
LINE_END: Final = b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: `type`, `time` as the server writes it (local), `number` that only grows (0 where there is none)."""

    type: str
    time: str = ""
    number: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A field; "" when it is missing."""
        return self.fields.get(name, "")


class Events:
    """An iterator over what happens; made by `AsyncClient.events`. Use it with `async with`: then it listens from the
    start of the block, else from the first step. A step that is cancelled loses nothing."""

    def __init__(self, server: Server, types: Iterable[str], clock: Clock, reconnect: bool) -> None:
        self._server = server
        self._wanted = ",".join([types] if isinstance(types, str) else types)
        self._clock = clock
        self._reconnect = reconnect
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lost = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises NotConnected, NotAnswered, CommandFailed as `AsyncClient.events`."""
        while True:
            reader = await self.open()
            if self._lost:
                self._lost = False
                return Event(type=RECONNECTED)
            try:
                event = _event(await _line(reader))
                if event.type == CLOSED:
                    raise NotAnswered(f"the server ended the connection: {event.get('REASON')}")
                return event
            except NotAnswered:
                await self.aclose()
                if not self._reconnect:
                    raise
                self._lost = True

    async def open(self) -> asyncio.StreamReader:
        """Connect and register, unless that is done. Tries again for `patience_s` seconds."""
        since = self._clock.monotonic()
        for attempt in count():
            if self._stream is not None:
                break
            try:
                await self._register()
            except (NotConnected, NotAnswered):
                pause = self._server.pause(attempt)
                if self._clock.monotonic() + pause - since > self._server.patience_s:
                    raise
                await asyncio.sleep(pause)
        assert self._stream is not None
        return self._stream[0]

    async def aclose(self) -> None:
        """End the connection."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await _end(stream[1])

    async def _register(self) -> None:
        server = self._server
        reader, writer = await connect(server.host, server.ports[1], server.context, server.connect_s)
        try:
            token = [("TOKEN", server.token)] if server.token else []
            chosen = [("MODE", "ADD"), ("EVENTTYPE", self._wanted)] if self._wanted else [("MODE", "ALL")]
            writer.write(write_request(COMMAND, "1", [*token, *chosen]))
            async with asyncio.timeout(server.timeout_s):
                while not (line := await _line(reader)).startswith(b"<RESULT>"):
                    pass  # a connection is told everything until it has said what it wants
            reply = Reply.of(COMMAND, line)
            if not reply.ok:
                raise CommandFailed(reply)
        except TimeoutError:
            await _end(writer)
            raise NotAnswered("the event port does not answer") from None
        except BaseException:
            await _end(writer)
            raise
        self._stream = reader, writer


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next document. Raises NotAnswered at the end."""
    try:
        return await reader.readuntil(LINE_END)
    except asyncio.IncompleteReadError:
        raise NotAnswered("the server ended the connection") from None
    except (OSError, asyncio.LimitOverrunError) as why:
        raise NotAnswered(f"the event port: {why or type(why).__name__}") from why


def _event(line: bytes) -> Event:
    try:
        tag, nodes = read_result(line)
    except BadInput as wrong:
        raise NotAnswered(f"what the event port says cannot be read: {wrong}") from wrong
    if tag != "EVENT" or isinstance(nodes, str):
        raise NotAnswered(f"{tag[:64]} is no event")
    fields = {name: text for name, text in nodes if isinstance(text, str)}
    kind, time, number = fields.pop("TYPE", ""), fields.pop("EVENTTIME", ""), fields.pop("EVENTID", "")
    return Event(type=kind, time=time, number=int(number) if number.isdecimal() else 0, fields=fields)
