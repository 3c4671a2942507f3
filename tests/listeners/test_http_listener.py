"""The HTTP port by itself: what it refuses, what it logs, and that it closes at once."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from tests.plain_http import http_client

from earshot.listeners.http import HttpLimits, HttpServer, redacted, serve_http
from earshot.tasks import Spawner


class Watched(StreamingResponse):
    """A response that tells when it is over, however it ends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            scope["app"].state.over.set()


async def hello(request: Request) -> Response:
    await request.body()
    return PlainTextResponse("hello")


async def broken(request: Request) -> Response:
    raise LookupError("on purpose")


async def endless(request: Request) -> Response:
    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(events(), media_type="text/event-stream")


async def huge(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    return Watched(chunks(), media_type="application/octet-stream")


APP = Starlette(
    routes=[
        Route("/", hello, methods=["GET", "POST"]),
        Route("/broken", broken),
        Route("/endless", endless),
        Route("/huge", huge),
    ]
)


@contextlib.asynccontextmanager
async def served(limits: HttpLimits | None = None) -> AsyncIterator[HttpServer]:
    spawner = Spawner()
    server = await serve_http(APP, "127.0.0.1", 0, spawner=spawner, limits=limits)
    try:
        yield server
    finally:
        await server.close()
        await spawner.close()


async def raw(server: HttpServer, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_answers_on_the_port_it_says() -> None:
    async with served() as server, http_client(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.text) == (200, "hello")
        assert "server" not in answer.headers


async def test_a_taken_port_is_an_os_error() -> None:
    async with served() as server:
        spawner = Spawner()
        with pytest.raises(OSError):
            await serve_http(APP, "127.0.0.1", server.port, spawner=spawner)
        await spawner.close()


async def test_a_failure_is_a_500_and_the_next_request_is_served() -> None:
    async with served() as server, http_client(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert (await client.get("/broken")).status_code == 500
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    "junk", [b"\x00\xff\x16\x03\x01 junk\r\n\r\n", b"GET\r\n\r\n", b"INVITE sip:a SIP/2.0\r\n\r\n"]
)
async def test_junk_is_refused_and_nothing_else_is_harmed(junk: bytes) -> None:
    async with served() as server:
        assert (await raw(server, junk)).startswith(b"HTTP/1.1 400")
        assert (await raw(server, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"hello")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 5000,
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: aaaaaaaaaaaaaaa\r\n" * 300 + b"\r\n",
        b"GET /?" + b"a" * 5000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    ],
)
async def test_a_head_over_the_limit_is_refused(head: bytes) -> None:
    async with served(HttpLimits(head_bytes=4096)) as server:
        assert (await raw(server, head)).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: "])
async def test_a_slow_head_is_cut_off(start: bytes) -> None:
    async with served(HttpLimits(head_s=0.2)) as server:
        assert (await raw(server, start)).startswith(b"HTTP/1.1 408")


async def test_a_client_that_stops_reading_is_cut_off() -> None:
    APP.state.over = asyncio.Event()
    async with served(HttpLimits(stalled_s=0.2)) as server:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n")
            async with asyncio.timeout(10):
                await APP.state.over.wait()


async def test_event_streams_do_not_delay_closing() -> None:
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"data: 1\n\n")
        async with asyncio.timeout(2):
            await server.close()
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()


async def test_a_download_under_way_gets_its_grace_and_no_more() -> None:
    APP.state.over = asyncio.Event()
    async with served(HttpLimits(grace_s=1)) as server:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n")
            await loop.sock_recv(client, 1024)
            async with asyncio.timeout(5):
                await server.close()
                await APP.state.over.wait()


async def test_every_request_is_logged_once_without_secrets() -> None:
    async with served() as server, http_client(base_url=f"http://127.0.0.1:{server.port}") as client:
        with structlog.testing.capture_logs() as lines:
            await client.get("/?type=export&p%61ssword=hunter2&PASSWORD=hunter3&q=1")
        (line,) = [line for line in lines if line["event"] == "http"]
        assert "hunter" not in str(line)
        assert line["status"] == 200
        assert line["query"] == "type=export&p%61ssword=***&PASSWORD=***&q=1"


def test_a_query_with_line_breaks_stays_one_line() -> None:
    assert redacted("a=1\r\nforged=line") == "a=1??forged=line"
