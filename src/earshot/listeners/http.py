"""The HTTP port: uvicorn inside the running loop, on a socket of our own, guarded against slow and greedy clients.

What is answered is the business of the ASGI application. The one rule: neither a client nor an endless response may
keep the server from closing, and nothing secret reaches the log.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import structlog
import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from earshot.clock import Clock, SystemClock
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

SECRET_NAME = re.compile(r"(?i)passw|pwd|token|secret")
SECRET_INSIDE = re.compile(r"(?i)(passw|pwd|token|secret)[^=&]{0,20}=")
"""A query inside a value, such as that of the page to go to after the login."""
NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
LOGGED_QUERY_CHARACTERS = 2_000
DATE_S = 1.0
"""How often the Date of the headers is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """How much one client may ask for: bytes, seconds and connections.

    `head_s` bounds the time from the first byte of a request to the end of its header, `idle_s` an unused keep-alive
    connection, `stalled_s` a client that has stopped reading its response, `grace_s` what `close()` waits for
    responses that are under way.
    """

    head_bytes: int = 64 * 1024
    head_s: float = 15.0
    idle_s: int = 30
    stalled_s: float = 300.0
    grace_s: int = 3
    connections: int = 1_000


def redacted(query: str) -> str:
    """A query string fit for a log: values of passwords and tokens replaced, control characters and length bounded."""
    fields = []
    for field in query[: 4 * LOGGED_QUERY_CHARACTERS].split("&"):
        name, equals, value = field.partition("=")
        is_secret = SECRET_NAME.search(unquote(name)) or SECRET_INSIDE.search(unquote(unquote(value)))
        fields.append(f"{name}=***" if equals and is_secret else field)
    return NOT_PRINTABLE.sub("?", "&".join(fields))[:LOGGED_QUERY_CHARACTERS]


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection with a bound on the size and time of a request's head, and on stalled readers.

    The extension `earshot.wire` of a request is the connection itself, for responses of the same bytes to many.
    """

    limits = HttpLimits()
    lost: asyncio.Event
    _head_bytes = 0
    _reading_head = False
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first request's head with the connection itself."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.limits.head_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        _disarm(self._head_timer)
        self._head_timer = None
        _disarm(self._stall_timer)
        self._stall_timer = None
        super().connection_lost(exc)
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head that grows past the limit before it is complete."""
        super().data_received(data)
        if self._reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A request begins: its head is timed and measured."""
        super().on_message_begin()
        self._reading_head = True
        self._head_bytes = 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_s, self._too_slow)

    def on_headers_complete(self) -> None:
        """The head is whole: stop its time, weigh it, and let uvicorn start the response."""
        self._reading_head = False
        _disarm(self._head_timer)
        self._head_timer = None
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.limits.head_bytes:
            self._refuse(b"431 Request Header Fields Too Large")
            return
        below = self.transport
        wire: dict[object, object] = {
            "write": below.write,
            "waiting": below.get_write_buffer_size,
            "abort": below.abort,
        }
        self.scope["extensions"] = {"earshot.wire": wire}
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Body bytes of a request that was not refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request that was not refused."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def pause_writing(self) -> None:
        """The client reads slower than we write: give it `stalled_s`."""
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self.limits.stalled_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        _disarm(self._stall_timer)
        self._stall_timer = None
        super().resume_writing()

    def _too_slow(self) -> None:
        self._head_timer = None
        self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()


def _disarm(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class _Edge:
    """The ASGI application as the server sees it: one log line per request, failures contained, endless responses
    (event streams) known by their task so that closing can end them."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._endless: set[asyncio.Task[Any]] = set()
        self._closing = False

    def end_streams(self) -> None:
        """End every event stream now, and those that begin later at once."""
        self._closing = True
        for task in self._endless:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock.monotonic()
        task = asyncio.current_task()
        assert task is not None
        status, complete = 0, False

        async def watched_send(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                if any(
                    name == b"content-type" and value[:17] == b"text/event-stream" for name, value in message["headers"]
                ):
                    self._endless.add(task)
                    if self._closing:
                        task.cancel()
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)
            if message.get("more_body", False):
                await asyncio.sleep(0)  # sending never suspends once the client is gone: let the loop find out

        try:
            await self._app(scope, receive, watched_send)
        except asyncio.CancelledError:
            if not (self._closing and task in self._endless):
                raise
            task.uncancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ClientDisconnect:
            status = status or 499
        except Exception:
            log.exception("http_failed", path=scope["path"])
            if status and not complete:
                raise ConnectionAbortedError from None
            if not status:
                status = 500
                await _plain_500(send)
        finally:
            self._endless.discard(task)
            self._log(scope, status, self._clock.monotonic() - started)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        client = scope.get("client")
        log.info(
            "http",
            method=scope["method"],
            path=NOT_PRINTABLE.sub("?", scope["path"])[:LOGGED_QUERY_CHARACTERS],
            query=redacted(scope["query_string"].decode("latin-1")),
            status=status,
            ms=round(seconds * 1000, 1),
            peer=client[0] if client else "",
        )


async def _plain_500(send: Send) -> None:
    body = b"Something went wrong inside Earshot; the log says what.\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals of the process alone and tells when it is up. `lost` is set with each connection
    that ends."""

    def __init__(self, config: uvicorn.Config, lost: asyncio.Event) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.leave = asyncio.Event()
        self.lost = lost

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the composition root."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, then say so."""
        await super().startup(sockets=sockets)
        self.up.set()

    async def main_loop(self) -> None:
        """As uvicorn does, which looks ten times a second whether to leave; here it is told, and only the date of the
        headers is renewed each second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leave.wait(), DATE_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, which waits a tenth of a second before it looks whether anybody is there: most often nobody
        is, and a restart is that much shorter."""
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:
                    self.lost.clear()
                    await (asyncio.wait(set(state.tasks)) if state.tasks else self.lost.wait())
        except TimeoutError:
            log.warning("http_cut_off", responses=len(state.tasks), connections=len(state.connections))
            for task in list(state.tasks):
                task.cancel()


class HttpServer:
    """A running HTTP port. `host` and `port` are what it is bound to."""

    def __init__(self, server: _Server, edge: _Edge, task: asyncio.Task[None], address: tuple[str, int]) -> None:
        self._server = server
        self._edge = edge
        self._task = task
        self.host, self.port = address

    async def close(self) -> None:
        """Stop listening, end event streams at once, give other responses their grace, and return when all is shut."""
        self._server.should_exit = True
        self._server.leave.set()
        self._edge.end_streams()
        await asyncio.wait({self._task})
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


async def serve_http(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    spawner: Spawner,
    clock: Clock | None = None,
    limits: HttpLimits | None = None,
    tls: ssl.SSLContext | None = None,
) -> HttpServer:
    """Serve `app` on `host`:`port` (0 for any free port) in the running loop, over TLS with `tls`; returns when it
    accepts connections.

    Raises OSError if the address cannot be bound.
    """
    limits = limits or HttpLimits()
    edge = _Edge(app, clock or SystemClock())
    lost = asyncio.Event()
    listening = _bound(host, port)
    config = uvicorn.Config(
        edge,
        loop="none",
        http=_protocol_with(limits, lost),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.idle_s,
        timeout_graceful_shutdown=limits.grace_s,
    )
    if tls is not None:
        config.load()
        config.ssl = tls
    server = _Server(config, lost)
    task = spawner.spawn("http_server", server.serve(sockets=[listening]))
    task.add_done_callback(lambda _: server.up.set())
    await server.up.wait()
    if task.done():
        await task
    address = listening.getsockname()
    return HttpServer(server, edge, task, (address[0], address[1]))


def _protocol_with(limits: HttpLimits, lost: asyncio.Event) -> type[asyncio.Protocol]:
    return type("LimitedProtocol", (GuardedProtocol,), {"limits": limits, "lost": lost})


def _bound(host: str, port: int) -> socket.socket:
    """A listening TCP socket; the first address that `host` resolves to."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
