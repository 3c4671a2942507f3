"""The TCP shell of the XML protocol: bytes in, frames cut, requests handed over in order, answers joined and written.

What does not live here: what a message means (`earshot.protocol`) and what a command does (the handler).
The one rule: the requests of one connection are carried out one after the other, and answered in that order;
whatever one connection sends or fails to read, the others do not notice.
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

import structlog

from earshot.actor import PROTOCOL
from earshot.clock import Clock
from earshot.listeners.turn import Turn
from earshot.protocol.decode import Request, decode_usual, decode_xml, malformed
from earshot.protocol.dialect import MODERN, Dialect
from earshot.protocol.framing import DEFAULT_LIMIT, BadFrame, Frame, FrameReader
from earshot.protocol.results import PROCESSING_ERROR, Result, failed
from earshot.protocol.shared_token import SharedToken, is_refusal
from earshot.protocol.xml import write
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

MESSAGES_PER_TURN = 256
"""So many messages of one connection are carried out before the event loop gets to serve the others."""

NOT_NOTED = frozenset({"TEST", "CALLSTART", "CALLSTOP", "RECORDSTART", "RECORDSTOP", "DEVICESTATUS", "DEVICELIST"})
"""Commands that come by the thousand and of which no trace but the call itself is kept: who asks is not looked up."""

Handler: TypeAlias = Callable[[Request], Result | Awaitable[Result]]
"""Carries out one request. What it raises is answered with API_ERROR_PROCESSING_MESSAGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpLimits:
    """What one connection, and all of them together, may take.

    A message must be whole `partial_idle_s` seconds after its last byte and `partial_total_s` after its first. A
    connection that does nothing for `idle_s` seconds is closed. Reading stops while more than `max_waiting` messages
    wait for their turn or more than `write_bytes` bytes of answers are not taken by the client.
    """

    max_bytes: int = DEFAULT_LIMIT
    partial_idle_s: float = 15.0
    partial_total_s: float = 60.0
    idle_s: float = 3600.0
    max_connections: int = 1000
    max_waiting: int = 1000
    write_bytes: int = 256 * 1024


@dataclass(slots=True, kw_only=True)
class ApiService:
    """What all connections share. `connections` holds those that are open; `counters` counts what happened by name."""

    handler: Handler
    clock: Clock
    spawner: Spawner
    allow: Callable[[str], bool]
    counters: Counter[str]
    limits: TcpLimits
    dialect: Dialect
    connections: "set[ApiProtocol]"
    token: SharedToken | None = None
    turn: Turn = field(default_factory=Turn)


class ApiProtocol(asyncio.Protocol):
    """One connection. Created by `serve_tcp` for each client."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._reader = FrameReader(service.limits.max_bytes)
        self._waiting: deque[Request | Frame | BadFrame] = deque()
        self._transport: asyncio.Transport | None = None
        self._unsent = b""
        self._peer = ""
        self._actor = PROTOCOL
        self._working = False  # a handler's awaitable is running
        self._choked = False  # the client does not read its answers
        self._reading = True
        self._ended = False  # no more bytes will come
        self._next_turn = False  # the loop will call again for what waits
        self._last_byte = 0.0
        self._message_began = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # --- what the transport reports -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        service = self._service
        self._transport = transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]).removeprefix("::ffff:") if peer else ""
        self._actor = replace(PROTOCOL, address=self._peer)
        if not service.allow(self._peer):
            service.counters["tcp_refused_address"] += 1
            log.warning("tcp_refused", peer=self._peer)
            transport.abort()
            return
        if len(service.connections) >= service.limits.max_connections:
            service.counters["tcp_refused_limit"] += 1
            transport.abort()
            return
        service.counters["tcp_connections"] += 1
        service.connections.add(self)
        transport.set_write_buffer_limits(high=service.limits.write_bytes)
        self._last_byte = service.clock.monotonic()

    def data_received(self, data: bytes) -> None:
        now = self._service.clock.monotonic()
        self._last_byte = now
        reader = self._reader
        if reader.between_messages and len(data) <= reader.max_bytes and self._service.token is None:
            request = decode_usual(data, "tcp")  # of what usually comes, all at once
            if request is not None:
                self._message_began = now
                self._waiting.append(request)
                self._arrived()
                return
        was_pending = reader.pending
        frames = reader.feed(data)
        if frames or not was_pending:
            self._message_began = now
        if frames:
            self._waiting.extend(frames)
            self._arrived()

    def eof_received(self) -> bool:
        self._work()
        self._ended = True
        self._give_up_partial()
        self._close_if_done()
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """What was received whole is still carried out: a client may send and hang up."""
        self._ended = True
        self._transport = None
        self._choked = False
        self._service.connections.discard(self)
        self._work()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._choked = True
        self._regulate()

    def resume_writing(self) -> None:
        self._choked = False
        self._work()

    # --- work -----------------------------------------------------------------------------------------------------

    def _arrived(self) -> None:
        if len(self._service.connections) > 1:
            self._service.turn.join(self)
        else:  # nobody to share the turn with
            self._work()

    def _work(self) -> None:
        self.carry_out()
        self.send()

    def carry_out(self) -> None:
        """Carry out what waits, until it is done, something must be awaited, or the client does not read."""
        waiting = self._waiting
        if not self._working and waiting and not self._choked:
            self._take_some(min(len(waiting), MESSAGES_PER_TURN))
        if waiting or not self._reading:
            if waiting and not self._working and not self._choked and not self._next_turn:
                self._next_turn = True
                asyncio.get_running_loop().call_soon(self._take_turn)
            self._regulate()
        if self._ended:
            self._close_if_done()

    def _take_some(self, count: int) -> None:
        waiting, dialect = self._waiting, self._service.dialect
        out: list[bytes] = []
        room = self._service.limits.write_bytes
        while count > 0 and room > 0:
            count -= 1
            answer = self._carry_out(waiting.popleft())
            if not isinstance(answer, Result):
                self._working = True
                self._service.spawner.spawn("tcp request", self._finish(*answer))
                break
            written = write(answer, dialect)
            out.append(written)
            room -= len(written)
        self._unsent += b"".join(out)
        if len(out) > 1:
            self.send()  # worth a write of its own, and the others of this turn may have as many

    def _take_turn(self) -> None:
        self._next_turn = False
        self._work()

    def _carry_out(self, message: Request | Frame | BadFrame) -> "Result | tuple[Request, Awaitable[Result]]":
        counters = self._service.counters
        counters["tcp_requests"] += 1
        if isinstance(message, BadFrame):
            counters["tcp_bad_messages"] += 1
            return malformed(message.reason)
        request = message if isinstance(message, Request) else self._decoded(message)
        if isinstance(request, Result):
            return self._refused(request)
        if request.command.name not in NOT_NOTED:
            request = request._replace(actor=self._actor)
        try:
            answer = self._service.handler(request)
        except Exception as error:  # noqa: BLE001 a listener's border: one bad request must not end the connection
            return self._broken(request, error)
        return answer if isinstance(answer, Result) else (request, answer)

    def _decoded(self, frame: Frame) -> Request | Result:
        token = self._service.token
        return decode_xml(frame, "tcp") if token is None else token.decode_xml(frame)

    def _refused(self, answer: Result) -> Result:
        if is_refusal(answer):
            self._service.counters["tcp_refused_token"] += 1
            log.warning("tcp_token_refused", peer=self._peer, command=answer.request_type, why=answer.label)
        else:
            self._service.counters["tcp_bad_messages"] += 1
        return answer

    async def _finish(self, request: Request, answer: Awaitable[Result]) -> None:
        try:
            result = await answer
        except Exception as error:  # noqa: BLE001 a listener's border, as above
            result = self._broken(request, error)
        self._working = False
        self._unsent += write(result, self._service.dialect)
        self._work()

    def _broken(self, request: Request, error: Exception) -> Result:
        self._service.counters["tcp_handler_errors"] += 1
        log.error("tcp_request_failed", command=request.command.name, peer=self._peer, exc_info=error)
        return failed(request, PROCESSING_ERROR, "The request could not be processed; the server's log says why")

    def send(self) -> None:
        """Write the answers there are, if there is still somebody to read them."""
        answers, self._unsent = self._unsent, b""
        if answers and self._transport is not None and not self._transport.is_closing():
            self._transport.write(answers)

    def _regulate(self) -> None:
        """Stop reading from a client that sends faster than it is served, or does not read; go on when it does."""
        if self._transport is None or self._transport.is_closing():
            return
        limit = self._service.limits.max_waiting
        if self._reading and (self._choked or len(self._waiting) > limit):
            self._reading = False
            self._transport.pause_reading()
        elif not self._reading and not self._choked and len(self._waiting) <= limit // 2:
            self._reading = True
            self._transport.resume_reading()

    # --- the end --------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether requests of this connection are running or waiting."""
        return self._working or bool(self._waiting)

    def sweep(self, now: float) -> None:
        """Called every second or so with monotonic time: give up slow messages, close a connection that is idle."""
        limits = self._service.limits
        if self._reader.pending and self._reading:
            slow = now - self._last_byte >= limits.partial_idle_s or now - self._message_began >= limits.partial_total_s
            if slow:
                self._give_up_partial()
        elif now - self._last_byte >= limits.idle_s and not self._working:
            self._service.counters["tcp_idle_closed"] += 1
            self.close()

    def close(self) -> None:
        """Close after what is written so far has been sent; abort when the client does not take it."""
        self.send()
        if self._transport is not None:
            if self._choked:
                self._transport.abort()
            else:
                self._transport.close()

    def abort(self) -> None:
        """Close at once; what is not sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        """Take no more requests; answer those that came, then close."""
        self._ended = True
        if self._transport is not None and not self._transport.is_closing() and self._reading:
            self._reading = False
            self._transport.pause_reading()
        self._close_if_done()

    def _give_up_partial(self) -> None:
        lost = self._reader.flush()
        if lost:
            self._waiting.extend(lost)
            self._work()

    def _close_if_done(self) -> None:
        if self._ended and not self.busy:
            self.close()


class ApiServer:
    """A listening server. `host` and `port` are where it really listens; `counters` what it counts."""

    def __init__(self, server: asyncio.Server, service: ApiService, sweep_every_s: float) -> None:
        self._server = server
        self._service = service
        address = server.sockets[0].getsockname()
        self.host: str = address[0]
        self.port: int = address[1]
        self.counters = service.counters
        self._sweeper = service.spawner.spawn("tcp sweep", self._sweep_for_ever(sweep_every_s))

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._service.connections)

    def sweep(self) -> None:
        """Look once through all connections for slow messages and idleness."""
        now = self._service.clock.monotonic()
        for connection in list(self._service.connections):
            connection.sweep(now)

    async def _sweep_for_ever(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self.sweep()

    async def close(self, grace_s: float = 2.0) -> None:
        """Stop listening, answer what has arrived, and close; after `grace_s` seconds cut off what is left."""
        self._server.close()
        self._sweeper.cancel()
        open_now = list(self._service.connections)
        for connection in open_now:
            connection.stop_reading()
        if open_now:
            await asyncio.wait([connection.closed for connection in open_now], timeout=grace_s)
        for connection in list(self._service.connections):
            connection.abort()
        await self._server.wait_closed()


async def serve_tcp(
    host: str,
    port: int,
    *,
    handler: Handler,
    clock: Clock,
    spawner: Spawner,
    allow: Callable[[str], bool],
    counters: Counter[str] | None = None,
    limits: TcpLimits | None = None,
    dialect: Dialect = MODERN,
    sweep_every_s: float = 1.0,
    token: SharedToken | None = None,
    tls: ssl.SSLContext | None = None,
) -> ApiServer:
    """Listen on `host`:`port` (0 for any free port), over TLS with `tls`, and answer requests; with `token` only those
    that bring it. Raises OSError when the port is taken."""
    service = ApiService(
        handler=handler,
        clock=clock,
        spawner=spawner,
        allow=allow,
        counters=Counter() if counters is None else counters,
        limits=limits or TcpLimits(),
        dialect=dialect,
        connections=set(),
        token=token,
    )
    server = await asyncio.get_running_loop().create_server(lambda: ApiProtocol(service), host, port, ssl=tls)
    return ApiServer(server, service, sweep_every_s)
