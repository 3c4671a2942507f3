"""GET /api/v1/events: what happens as server-sent events (WHATWG HTML, section 9.2), for those who may see it.

What does not live here: the events (`api.events`) and who asks (the gate). The one rule: nothing waits for a client;
what it does not read is kept up to a bound, then its stream ends with a reason.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from earshot.actor import Actor, Visibility
from earshot.api.events import Event, Hub
from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.protocol.registration import event_types
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

WIRE: Final = "earshot.wire"
"""The extension of the HTTP port: the connection below a response."""
HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What one stream, and all together, may take. `waiting_bytes` is how much may wait for one client that does not
    read; `heartbeat_s` of silence are followed by a comment; `goodbye_s` is what a slow client gets to read why. After
    `longest_s` a client must come back, so that whoever may not see events any more does not."""

    waiting_bytes: int = 4 << 20
    streams: int = 800
    heartbeat_s: float = 15.0
    goodbye_s: float = 5.0
    longest_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The connection below a response that has begun: `write` takes chunks as they go over the wire (RFC 9112, section
    7.1), so that the same bytes serve all who hear the same; `waiting` says how many bytes are not sent yet."""

    write: Callable[[bytes], None]
    waiting: Callable[[], int]
    abort: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Filter:
    """What a stream shows: `types` (None: all), and what the actor sees."""

    types: frozenset[str] | None
    sees: Visibility

    def lets(self, event: Event) -> bool:
        """Whether the event is sent."""
        return (self.types is None or event.type in self.types) and event.is_shown_to(self.sees)


class _Stream(Response):
    """One client. What it hears before its response has begun waits in `first`."""

    def __init__(self, port: "EventStreams", shown: Filter, first: bytes) -> None:
        super().__init__(media_type="text/event-stream")
        self.shown = shown
        self._port = port
        self._first: list[bytes] = [first]
        self._most = len(first) + port.limits.waiting_bytes
        self._ended = asyncio.Event()
        self._reason = ""
        self._is_silent = False
        self._wire: Wire | None = None

    def hear(self, chunk: bytes) -> None:
        """Write a chunk; above the limit the stream ends instead."""
        self._is_silent = False
        if self._wire is None:
            self._first.append(chunk)
        elif self._wire.waiting() > self._most:
            self.end("too slow: more was waiting than is kept for one stream")
        else:
            self._wire.write(chunk)

    def end(self, reason: str) -> None:
        """No more of this."""
        if self._reason:
            return
        self._reason = reason
        self._port.streams.discard(self)
        self._ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        wire = self._wire = Wire(**scope["extensions"][WIRE])
        for chunk in self._first:
            wire.write(chunk)
        self._first.clear()
        watching = self._port.spawner.spawn("event stream", self._until_gone(receive))
        try:
            await self._beat(wire)
            await self._say_goodbye(wire, send)
        finally:
            watching.cancel()
            self.end("ended")
            self._port.forget(self)

    async def _beat(self, wire: Wire) -> None:
        """Break the silence every now and then, until the stream ends."""
        until = self._port.clock.monotonic() + self._port.limits.longest_s
        while not self._reason:
            self._is_silent = True
            with suppress(TimeoutError):
                async with asyncio.timeout(self._port.limits.heartbeat_s):
                    await self._ended.wait()
            if self._is_silent and not self._reason:
                wire.write(HEARTBEAT)
            if self._port.clock.monotonic() >= until:
                self.end("come back with Last-Event-ID")

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end("gone")

    async def _say_goodbye(self, wire: Wire, send: Send) -> None:
        """Tell why, if there is anybody to tell, as soon as what waits is read; who does not read is cut off."""
        if self._reason == "gone":
            return
        log.info("event_stream_ended", why=self._reason)
        last = b"event: closed\ndata: " + orjson.dumps({"reason": self._reason}) + b"\n\n"
        try:
            async with asyncio.timeout(self._port.limits.goodbye_s):
                await send({"type": "http.response.body", "body": last, "more_body": False})
        except TimeoutError:
            wire.abort()


class EventStreams:
    """All streams. Clients that see the same get the same bytes, written once."""

    def __init__(self, hub: Hub, clock: Clock, spawner: Spawner, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        self.spawner = spawner
        self.streams: set[_Stream] = set()
        self._hub = hub
        self.clock = clock
        self._end_listening: Callable[[], None] | None = None

    async def answer(self, request: Request) -> Response:
        """A stream; 401 for nobody, 400 for types that do not exist, 503 when there are too many streams."""
        actor: Actor | None = getattr(request.state, "actor", None)
        if actor is None:
            return JSONResponse({"error": "login or token required"}, 401)
        named = ",".join(request.query_params.getlist("types"))
        try:
            types = event_types(named) or None
        except BadInput as wrong:
            return JSONResponse({"error": str(wrong)}, 400)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if len(self.streams) >= self.limits.streams:
            return JSONResponse({"error": "too many event streams are open"}, 503, {"Retry-After": "30"})
        if self._end_listening is None:
            self._end_listening = self._hub.listen(self._heard)
        self._hub.flush()
        shown = Filter(types, actor.sees)
        stream = _Stream(self, shown, self._beginning(request.headers.get("last-event-id", ""), shown))
        self.streams.add(stream)
        return stream

    def forget(self, stream: _Stream) -> None:
        """The stream is over."""
        self.streams.discard(stream)
        if not self.streams and self._end_listening is not None:
            self._end_listening()
            self._end_listening = None

    def _beginning(self, last_id: str, shown: Filter) -> bytes:
        """What a client gets first: how soon to come back, and what it missed since `last_id`."""
        here = b"retry: 2000\nid: %d\n\n" % self._hub.last_number
        if not last_id:
            return _chunk(here)
        missed = self._hub.since(int(last_id)) if last_id.isdecimal() and len(last_id) < 20 else None
        if missed is None or not missed.complete:
            told = orjson.dumps({"last_id": last_id[:64], "reason": "what happened since then is not known any more"})
            return _chunk(b"retry: 2000\nid: %d\nevent: reset\ndata: %b\n\n" % (self._hub.last_number, told))
        return _chunk(b"retry: 2000\n\n", *(_frame(event) for event in missed.events if shown.lets(event)))

    def _heard(self, events: list[Event]) -> None:
        written: dict[Filter, bytes] = {}
        for stream in list(self.streams):
            chunk = written.get(stream.shown)
            if chunk is None:
                shown = [_frame(event) for event in events if stream.shown.lets(event)]
                chunk = written[stream.shown] = _chunk(*shown) if shown else b""
            if chunk:
                stream.hear(chunk)


def _frame(event: Event) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.number, event.type.encode(), event.json)


def _chunk(*frames: bytes) -> bytes:
    """These as one chunk of a body (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (sum(map(len, frames)), b"".join(frames))


HEARTBEAT: Final = _chunk(b": still here\n\n")
