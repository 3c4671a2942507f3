"""The TCP shell: order, turns, backpressure, timeouts, refusals, broken handlers, the end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from earshot.clock import FakeClock
from earshot.listeners.tcp import ApiServer, Handler, TcpLimits, serve_tcp
from earshot.protocol.decode import Request
from earshot.protocol.results import Result, ok
from earshot.tasks import Spawner

Server = tuple[ApiServer, FakeClock]


def echo(request: Request) -> Result:
    return ok(request)


def message(request_id: int | str, command: str = "TEST", **params: str) -> bytes:
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in params.items())
    return f"<REQUEST><TYPE>{command}</TYPE><REQUESTID>{request_id}</REQUESTID>{fields}</REQUEST>\r\n".encode()


def answer(request_id: int | str) -> bytes:
    return (
        f"<RESULT><REQUESTID>{request_id}</REQUESTID><REQUESTTYPE>TEST</REQUESTTYPE><RESULTTYPE>API_OK</RESULTTYPE>"
        "<RESULTCODE>20</RESULTCODE><RESULTMSG>API_OK</RESULTMSG></RESULT>\r\n"
    ).encode()


@asynccontextmanager
async def serving(
    handler: Handler = echo,
    limits: TcpLimits | None = None,
    allow: Callable[[str], bool] = lambda address: address == "127.0.0.1",
) -> AsyncIterator[Server]:
    spawner, clock = Spawner(), FakeClock()
    server = await serve_tcp(
        "127.0.0.1",
        0,
        handler=handler,
        clock=clock,
        spawner=spawner,
        allow=allow,
        counters=Counter(),
        limits=limits,
        sweep_every_s=3600,
    )
    try:
        yield server, clock
    finally:
        await server.close(grace_s=1.0)
        await spawner.close()


@asynccontextmanager
async def connected(server: ApiServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


async def line(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readline(), 5)


async def test_thousands_of_glued_requests_are_answered_in_order() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        writer.write(b"".join(message(number) for number in range(3000)))
        for number in range(3000):
            assert await line(reader) == answer(number)
        assert server.counters["tcp_requests"] == 3000


async def test_a_request_split_at_every_byte_is_answered_once() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        for byte in message(7):
            writer.write(bytes([byte]))
            await writer.drain()
        assert await line(reader) == answer(7)
        writer.write(message(8))
        assert await line(reader) == answer(8)


async def test_requests_of_one_connection_run_one_after_the_other_and_others_do_not_wait() -> None:
    gate = asyncio.Event()
    seen: list[str] = []

    async def slow(request: Request) -> Result:
        await gate.wait()
        seen.append(request.request_id)
        return ok(request)

    def handler(request: Request) -> Result | asyncio.Future[Result]:
        if request.request_id.startswith("slow"):
            return asyncio.ensure_future(slow(request))
        seen.append(request.request_id)
        return ok(request)

    async with serving(handler) as (server, _), connected(server) as (reader, writer), connected(server) as other:
        writer.write(message("slow1") + message("2") + message("slow3") + message("4"))
        other[1].write(message("quick"))
        assert await line(other[0]) == answer("quick")
        assert seen == ["quick"]
        gate.set()
        assert [await line(reader) for _ in range(4)] == [answer(name) for name in ("slow1", "2", "slow3", "4")]
        assert seen == ["quick", "slow1", "2", "slow3", "4"]


async def test_a_handler_that_fails_is_answered_and_the_connection_lives_on() -> None:
    async def fail_later(request: Request) -> Result:
        raise RuntimeError("later")

    def handler(request: Request) -> Result | asyncio.Future[Result]:
        if request.request_id == "1":
            raise RuntimeError("now")
        return asyncio.ensure_future(fail_later(request)) if request.request_id == "2" else ok(request)

    async with serving(handler) as (server, _), connected(server) as (reader, writer):
        writer.write(message(1) + message(2) + message(3))
        for number in (1, 2):
            got = await line(reader)
            assert f"<REQUESTID>{number}</REQUESTID>".encode() in got
            assert b"API_ERROR_PROCESSING_MESSAGE</RESULTTYPE><RESULTCODE>11<" in got
        assert await line(reader) == answer(3)
        assert server.counters["tcp_handler_errors"] == 2


async def test_junk_and_oversize_are_answered_and_the_next_request_is_served() -> None:
    async with serving(limits=TcpLimits(max_bytes=500)) as (server, _), connected(server) as (reader, writer):
        writer.write(b"hello\r\n" + message(1, JUNK="x" * 600) + b"<REQUEST><TYPE>TEST</REQUEST>" + message(2))
        for _ in range(3):
            assert b"<RESULTCODE>16</RESULTCODE>" in await line(reader)
        assert await line(reader) == answer(2)
        assert server.counters["tcp_bad_messages"] == 3


async def test_a_slow_sender_is_told_and_may_begin_anew() -> None:
    async with serving() as (server, clock), connected(server) as (reader, writer):
        writer.write(message(1) + b"<REQUEST><TYPE>TE")
        assert await line(reader) == answer(1)
        clock.advance(10)
        server.sweep()
        clock.advance(6)
        server.sweep()
        assert b"<RESULTCODE>16</RESULTCODE>" in await line(reader)
        writer.write(message(2))
        assert await line(reader) == answer(2)


async def test_a_connection_that_is_idle_for_long_is_closed() -> None:
    async with serving() as (server, clock), connected(server) as (reader, writer):
        writer.write(message(1))
        assert await line(reader) == answer(1)
        clock.advance(3599)
        server.sweep()
        writer.write(message(2))
        assert await line(reader) == answer(2)
        clock.advance(3600)
        server.sweep()
        assert await line(reader) == b""
        assert server.counters["tcp_idle_closed"] == 1


async def test_what_was_sent_before_the_client_stopped_sending_is_answered() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        writer.write(message(1) + message(2) + b"<REQUEST>")
        writer.write_eof()
        assert await line(reader) == answer(1)
        assert await line(reader) == answer(2)
        assert b"<RESULTCODE>16</RESULTCODE>" in await line(reader)
        assert await line(reader) == b""


async def test_what_was_sent_before_the_client_hung_up_is_carried_out() -> None:
    gate, done = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def handler(request: Request) -> Result:
        await gate.wait()
        seen.append(request.request_id)
        if len(seen) == 2:
            done.set()
        return ok(request)

    async with serving(handler) as (server, _):
        async with connected(server) as (_, writer):
            writer.write(message(1) + message(2))
            await writer.drain()
        gate.set()
        await asyncio.wait_for(done.wait(), 5)
    assert seen == ["1", "2"]


async def test_a_refused_address_gets_no_answer() -> None:
    async with serving(allow=lambda address: False) as (server, _):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with pytest.raises(ConnectionError):
            writer.write(message(1))
            await writer.drain()
            if not await line(reader):
                raise ConnectionResetError
        writer.close()
        assert server.counters["tcp_refused_address"] == 1
        assert server.connections == 0


async def test_one_connection_too_many_is_closed_and_the_first_is_served() -> None:
    async with serving(limits=TcpLimits(max_connections=1)) as (server, _), connected(server) as (reader, writer):
        writer.write(message(1))
        assert await line(reader) == answer(1)
        async with connected(server) as (second, _):
            with pytest.raises(ConnectionError):
                if not await line(second):
                    raise ConnectionResetError
        writer.write(message(2))
        assert await line(reader) == answer(2)
        assert server.counters["tcp_refused_limit"] == 1


async def test_a_client_that_does_not_read_is_not_read_from_until_it_does() -> None:
    big = "x" * 20_000
    limits = TcpLimits(write_bytes=64 * 1024, max_waiting=50)
    async with (
        serving(lambda request: ok(request, big), limits) as (server, _),
        connected(server) as (reader, writer),
        connected(server) as other,
    ):
        total = 1500
        writer.write(b"".join(message(number) for number in range(total)))
        for number in range(50):
            other[1].write(message(f"o{number}"))
            assert f"<REQUESTID>o{number}</REQUESTID>".encode() in await line(other[0])
        assert server.counters["tcp_requests"] < total
        for number in range(total):
            assert f"<REQUESTID>{number}</REQUESTID>".encode() in await line(reader)
        assert server.counters["tcp_requests"] == total + 50


async def test_closing_answers_what_has_arrived() -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Result:
        begun.set()
        await gate.wait()
        return ok(request)

    async with serving(handler) as (server, _), connected(server) as (reader, writer):
        writer.write(message(1) + message(2))
        await begun.wait()
        closing = asyncio.ensure_future(server.close(grace_s=5))
        gate.set()
        assert [await line(reader) for _ in range(3)] == [answer(1), answer(2), b""]
        await closing
        assert server.connections == 0
