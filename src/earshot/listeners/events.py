"""The event port: clients connect and are told what happens; REGISTEREVENTS chooses what (reference.md 3).

What does not live here: what happens (`api.events`) and what a registration means (`protocol.registration`). The one
rule: nothing waits for a client. What it does not read is kept up to a bound, then it is let go, with a reason.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Self, cast

import structlog

from earshot.api.events import Event, Hub
from earshot.protocol.decode import malformed
from earshot.protocol.dialect import MODERN, Dialect
from earshot.protocol.events import closed_document
from earshot.protocol.framing import BadFrame, FrameReader
from earshot.protocol.registration import Wanted, register
from earshot.protocol.results import Result
from earshot.protocol.shared_token import SharedToken
from earshot.protocol.times import legacy_time
from earshot.protocol.xml import write

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """What one connection, and all together, may take.

    `waiting_bytes` is how much may wait for one client that does not read, `goodbye_s` how long it is given to read
    the reason why it is closed; a request may have `request_bytes`.
    """

    waiting_bytes: int = 4 << 20
    request_bytes: int = 64 * 1024
    connections: int = 2_000
    goodbye_s: float = 5.0


class _Reader(asyncio.Protocol):
    """One connection."""

    def __init__(self, port: "EventPort") -> None:
        self._port = port
        self._frames = FrameReader(port.limits.request_bytes)
        self._transport: asyncio.Transport | None = None
        self._trusted = port.token is None
        self.wanted = Wanted() if self._trusted else Wanted(frozenset())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]).removeprefix("::ffff:") if peer else ""
        if not self._port.admit(self, address):
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._port.forget(self)

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if self not in self._port.readers:
                return
            # What happened until now was chosen by what the client said before.
            self._port.hub.flush()
            answer = malformed(frame.reason) if isinstance(frame, BadFrame) else self._registered(frame)
            self._port.counters["events_requests"] += 1
            self.send(write(answer, self._port.dialect))

    def _registered(self, frame: bytes) -> Result:
        """Carry out a request. Where a token is shared, nothing is told before a request has brought it."""
        token = self._port.token
        if token is not None and not self._trusted:
            refusal = token.refused_xml(frame)
            if refusal is not None:
                self._port.counters["events_refused_token"] += 1
                peer = self._transport.get_extra_info("peername") if self._transport else None
                log.warning("event_token_refused", peer=str(peer[0]) if peer else "", why=refusal.label)
                return refusal
            self._trusted, self.wanted = True, Wanted()
        self.wanted, answer = register(frame, self.wanted)
        return answer

    def eof_received(self) -> None:
        """The client is gone, or says so: what is written already is still sent, then the connection is closed."""
        for frame in self._frames.flush():
            assert isinstance(frame, BadFrame)
            self.send(write(malformed(frame.reason), self._port.dialect))

    def send(self, document: bytes) -> None:
        """Queue bytes; above the limit the connection is closed instead."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > self._port.limits.waiting_bytes:
            self._let_go(transport)
        else:
            transport.write(document)

    def _let_go(self, transport: asyncio.Transport) -> None:
        log.warning("event_reader_too_slow", peer=transport.get_extra_info("peername"))
        self._port.counters["events_too_slow"] += 1
        self._port.forget(self)
        self.say_goodbye("too slow: more was waiting than is kept for one connection")

    def say_goodbye(self, reason: str) -> None:
        """Tell why, and close when that is read, or after a while."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(self._port.closed(reason))
        transport.close()
        asyncio.get_running_loop().call_later(self._port.limits.goodbye_s, transport.abort)


class EventPort:
    """All connections of the event port. `now` gives local time for what the port itself says; with `token` a client
    is told nothing before one of its requests has brought it."""

    def __init__(
        self,
        hub: Hub,
        allow: Callable[[str], bool],
        now: Callable[[], datetime],
        *,
        limits: EventLimits | None = None,
        dialect: Dialect = MODERN,
        counters: Counter[str] | None = None,
        token: SharedToken | None = None,
    ) -> None:
        self.hub = hub
        self.token = token
        self.limits = limits or EventLimits()
        self.dialect = dialect
        self.counters: Counter[str] = Counter() if counters is None else counters
        self.readers: set[_Reader] = set()
        self._allow = allow
        self._now = now
        self._servers: list[asyncio.Server] = []
        self._end_listening: Callable[[], None] | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Self:
        """Listen, over TLS with `tls`; may be called for several ports. Raises OSError."""
        made = partial(_Reader, self)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(made, host, port, ssl=tls, backlog=1000))
        return self

    @property
    def port(self) -> int:
        """The port that is listened on, the first of several."""
        return self.ports[0]

    @property
    def ports(self) -> list[int]:
        """All ports that are listened on, in the order they were opened."""
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    def admit(self, reader: _Reader, address: str) -> bool:
        """Whether a client at `address` may stay; it hears what happens from now on."""
        if not self._allow(address):
            self.counters["events_refused_address"] += 1
            log.warning("event_reader_refused", peer=address)
            return False
        if len(self.readers) >= self.limits.connections:
            self.counters["events_refused_limit"] += 1
            return False
        self.counters["events_connections"] += 1
        self.hub.flush()
        if self._end_listening is None:
            self._end_listening = self.hub.listen(self._heard)
        self.readers.add(reader)
        return True

    def forget(self, reader: _Reader) -> None:
        """The client is told nothing any more."""
        self.readers.discard(reader)
        if not self.readers and self._end_listening is not None:
            self._end_listening()
            self._end_listening = None

    def _heard(self, events: list[Event]) -> None:
        """Send a batch; those who want the same types get the same bytes."""
        written: dict[frozenset[str] | None, bytes] = {}
        for reader in list(self.readers):
            types = reader.wanted.types
            document = written.get(types)
            if document is None:
                wanted = [event.xml for event in events if types is None or event.type in types]
                document = written[types] = b"".join(wanted)
            if document:
                reader.send(document)

    def closed(self, reason: str) -> bytes:
        """The last document of a connection."""
        return closed_document(legacy_time(self._now()), reason)

    async def close(self) -> None:
        """Stop listening, hand out what waits, and end all connections."""
        for server in self._servers:
            server.close()
        self.hub.flush()
        for reader in list(self.readers):
            reader.say_goodbye("the server stops")
