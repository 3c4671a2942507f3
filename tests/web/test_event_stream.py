"""Server-sent events over real sockets: who sees what, coming back, silence, slow readers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.plain_http import http_client

from earshot.actor import EVERYTHING, Actor, Visibility
from earshot.api.events import Hub
from earshot.clock import SystemClock
from earshot.listeners.http import serve_http
from earshot.tasks import Spawner
from earshot.web.events import EventStreams, StreamLimits

WHO = {
    "admin": Actor(kind="person", name="admin", sees=EVERYTHING),
    "sales": Actor(kind="person", name="sales", sees=Visibility(groups=frozenset({"Sales"}))),
}


class World:
    """A port with streams; `who` in the header Who is the actor."""

    def __init__(self, hub: Hub, streams: EventStreams, port: int) -> None:
        self.hub = hub
        self.streams = streams
        self.port = port

    @asynccontextmanager
    async def stream(self, who: str = "admin", query: str = "", last_id: str = "") -> AsyncIterator["Reader"]:
        headers = {"Who": who, **({"Last-Event-ID": last_id} if last_id else {})}
        url = f"http://127.0.0.1:{self.port}/api/v1/events{query}"
        async with (
            http_client(trust_env=False, timeout=10) as http,
            http.stream("GET", url, headers=headers) as got,
        ):
            yield Reader(got)


class Reader:
    """Cuts a stream into its blocks."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        """The next block with its fields; comments under the empty name."""
        found: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return found
            name, _, value = line.partition(": ")
            found[name] = value
        raise EOFError

    async def event(self) -> dict[str, str]:
        """The next block that is an event."""
        while "data" not in (found := await self.block()):
            pass
        return found

    async def types(self, number: int) -> list[str]:
        return [(await self.event())["event"] for _ in range(number)]


@asynccontextmanager
async def world(limits: StreamLimits | None = None, kept: int = 100) -> AsyncIterator[World]:
    ticks = count(1_000_000, 1_000)
    spawner = Spawner()
    clock = SystemClock()
    hub = Hub(lambda: next(ticks), asyncio.get_running_loop().call_later, pace_s=0.0, kept=kept)
    streams = EventStreams(hub, clock, spawner, limits or StreamLimits())

    async def answer(request: Request) -> Response:
        request.state.actor = WHO.get(request.headers.get("who", ""))
        return await streams.answer(request)

    app = Starlette(routes=[Route("/api/v1/events", answer)])
    server = await serve_http(app, "127.0.0.1", 0, spawner=spawner)
    try:
        yield World(hub, streams, server.port)
    finally:
        await server.close()
        await spawner.close()


async def test_an_event_as_it_is_sent() -> None:
    async with world() as here, here.stream() as reader:
        assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (await reader.block()).keys() == {"retry", "id"}
        here.hub.publish("CALLSTART", [("DEVICEID", "555"), ("USER1", "a\nb")])
        event = await reader.event()
        data = orjson.loads(event["data"])
        assert event["event"] == data["type"] == "CALLSTART" and event["id"] == str(data["id"])
        assert data["fields"] == {"DEVICEID": "555", "USER1": "a\nb"}


async def test_nobody_sees_nothing_and_wrong_types_are_refused() -> None:
    async with world() as here:
        async with here.stream(who="nobody") as reader:
            assert reader.response.status_code == 401
        async with here.stream(query="?types=CALLSTART,NOSUCH") as reader:
            assert reader.response.status_code == 400
            assert b"NOSUCH" in await reader.response.aread()
        assert not here.streams.streams


async def test_types_and_visibility() -> None:
    async with (
        world() as here,
        here.stream() as everything,
        here.stream(query="?types=callstop&types=CHATSTART") as some,
        here.stream(who="sales") as sales,
    ):
        for reader in (everything, some, sales):
            await reader.block()
        for kind, group in (("CALLSTART", "Sales"), ("CALLSTOP", "Other"), ("CHATSTART", "Sales"), ("MAILSENT", "")):
            here.hub.publish(kind, [("GROUP", group)])
        assert await everything.types(4) == ["CALLSTART", "CALLSTOP", "CHATSTART", "MAILSENT"]
        assert await some.types(2) == ["CALLSTOP", "CHATSTART"]
        assert await sales.types(2) == ["CALLSTART", "CHATSTART"]


async def test_coming_back_misses_nothing_that_one_may_see_and_doubles_nothing() -> None:
    async with world() as here:
        async with here.stream() as reader:
            await reader.block()
            here.hub.publish("CALLSTART", [])
            last = (await reader.event())["id"]
        for number in range(40):
            here.hub.publish("CALLUPDATE", [("GROUP", "Sales" if number % 2 else "Other"), ("USER1", str(number))])
        async with here.stream(last_id=last) as everything, here.stream(who="sales", last_id=last) as sales:
            here.hub.publish("CALLSTOP", [("GROUP", "Sales")])
            assert await everything.types(41) == ["CALLUPDATE"] * 40 + ["CALLSTOP"]
            assert await sales.types(21) == ["CALLUPDATE"] * 20 + ["CALLSTOP"]


@pytest.mark.parametrize("last_id", ["1", "99999999999999999", "nonsense", "-3", "9" * 400])
async def test_an_id_that_is_not_known_any_more(last_id: str) -> None:
    async with world(kept=3) as here:
        for _ in range(5):
            here.hub.publish("CALLSTART", [])
        async with here.stream(last_id=last_id) as reader:
            reset = await reader.event()
            assert reset["event"] == "reset" and reset["id"] == str(here.hub.last_number)
            here.hub.publish("CALLSTOP", [])
            assert await reader.types(1) == ["CALLSTOP"]


async def test_silence_is_broken_and_a_stream_ends_after_its_time() -> None:
    limits = StreamLimits(heartbeat_s=0.02, longest_s=0.1)
    async with world(limits) as here, here.stream() as reader:
        blocks = [await reader.block() for _ in range(3)]
        assert "" in blocks[1] and "" in blocks[2]
        closed = await reader.event()
        assert closed["event"] == "closed" and "Last-Event-ID" in closed["data"]
        with pytest.raises(EOFError):
            await reader.block()


async def test_one_too_many() -> None:
    async with world(StreamLimits(streams=1)) as here, here.stream() as first:
        await first.block()
        async with here.stream() as second:
            assert second.response.status_code == 503 and second.response.headers["retry-after"]


async def test_a_stream_that_is_not_read_ends_and_the_others_go_on() -> None:
    async with (
        world(StreamLimits(waiting_bytes=256 * 1024, goodbye_s=0.05)) as here,
        here.stream() as quick,
    ):
        await quick.block()
        slow, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: a\r\nWho: admin\r\n\r\n")
        await slow.readline()
        sent = 0
        async with asyncio.timeout(30):
            while len(here.streams.streams) > 1:
                here.hub.publish("CALLUPDATE", [("USER1", "x" * 65_536)])
                here.hub.flush()
                sent += 1
                assert await quick.types(1) == ["CALLUPDATE"]
        here.hub.publish("CALLSTOP", [])
        assert await quick.types(1) == ["CALLSTOP"]
        writer.transport.abort()


async def test_a_client_that_goes_is_forgotten() -> None:
    async with world() as here:
        async with here.stream() as reader:
            await reader.block()
            assert len(here.streams.streams) == 1
        async with asyncio.timeout(10):
            while here.streams.streams:
                await asyncio.sleep(0)
        start = here.hub.last_number
        here.hub.publish("CALLSTART", [])
        assert len(here.hub.since(start).events) == 1
