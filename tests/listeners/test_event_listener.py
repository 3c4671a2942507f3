"""The event port over real sockets: filters, answers, refusals, and clients that do not read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

import pytest

from earshot.api.events import Hub
from earshot.listeners.events import EventLimits, EventPort

EVERY = ["CALLSTART", "CALLSTOP", "CHATSTART"]
BIG = [("USER1", "x" * 65_536)]


def everybody(address: str) -> bool:
    return True


@asynccontextmanager
async def listening(
    limits: EventLimits | None = None, allow: Callable[[str], bool] = everybody
) -> AsyncIterator[EventPort]:
    ticks = count(1_000_000, 1_000)
    hub = Hub(lambda: next(ticks), asyncio.get_running_loop().call_later, pace_s=0.0)
    port = await EventPort(hub, allow, lambda: datetime(2011, 2, 1, tzinfo=UTC), limits=limits).start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await port.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> str:
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n"), 10)).decode()

    async def ask(self, inner: str) -> str:
        self.writer.write(f"<REQUEST><TYPE>REGISTEREVENTS</TYPE><REQUESTID>7</REQUESTID>{inner}</REQUEST>".encode())
        return await self.line()

    async def types(self, number: int) -> list[str]:
        return [(await self.line()).split("<TYPE>")[1].split("<")[0] for _ in range(number)]


async def connect(port: EventPort) -> Client:
    before = len(port.readers)
    client = Client(*await asyncio.open_connection("127.0.0.1", port.port, limit=1 << 24))
    async with asyncio.timeout(10):
        while len(port.readers) == before:
            await asyncio.sleep(0)
    return client


def hang_up(*clients: Client) -> None:
    for client in clients:
        client.writer.transport.abort()


async def test_who_says_nothing_hears_everything_and_registering_is_for_the_connection_alone() -> None:
    async with listening() as port:
        quiet, choosy = await connect(port), await connect(port)
        port.hub.publish("CALLSTART", [])
        answer = "<MODE>ADD</MODE><EVENTTYPE>callstop, MAILSENT</EVENTTYPE><EVENTTYPE>CHATSTART</EVENTTYPE>"
        choosy.writer.write(f"<REGISTEREVENTS><REQUESTID>7</REQUESTID>{answer}</REGISTEREVENTS>".encode())
        assert await choosy.types(1) == ["CALLSTART"]
        assert "<RESULTMSG>Registered for CALLSTOP,CHATSTART,MAILSENT</RESULTMSG>" in await choosy.line()
        for kind in ("CALLSTART", "CALLSTOP", "CALLUPDATE", "CHATSTART"):
            port.hub.publish(kind, [])
        assert await choosy.types(2) == ["CALLSTOP", "CHATSTART"]
        assert await quiet.types(5) == ["CALLSTART", "CALLSTART", "CALLSTOP", "CALLUPDATE", "CHATSTART"]
        hang_up(quiet, choosy)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (["<MODE>NONE</MODE>"], []),
        (["<MODE>NONE</MODE>", "<MODE>ALL</MODE>"], EVERY),
        (["<MODE>REMOVE</MODE><EVENTTYPE>CALLSTOP</EVENTTYPE>"], ["CALLSTART", "CHATSTART"]),
        (["<MODE>ADD</MODE><EVENTTYPE>CALLSTOP</EVENTTYPE>"], ["CALLSTOP"]),
        (
            ["<MODE>ALL</MODE>", "<MODE>ADD</MODE><EVENTTYPE>CALLSTOP</EVENTTYPE>"],
            ["CALLSTART", "CALLSTOP", "CHATSTART"],
        ),
        (
            [
                "<MODE>ADD</MODE><EVENTTYPE>CALLSTOP</EVENTTYPE>",
                "<MODE>add</MODE><EVENTTYPE>CHATSTART</EVENTTYPE>",
                "<MODE>REMOVE</MODE><EVENTTYPE>CALLSTOP,CALLSTART</EVENTTYPE>",
            ],
            ["CHATSTART"],
        ),
    ],
)
async def test_modes(said: list[str], heard: list[str]) -> None:
    async with listening() as port:
        client = await connect(port)
        for inner in said:
            assert "<RESULTCODE>20<" in await client.ask(inner)
        for kind in EVERY:
            port.hub.publish(kind, [])
        assert await client.types(len(heard)) == heard
        assert "<RESULT>" in await client.ask("<MODE>ALL</MODE>")
        hang_up(client)


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", 29),
        ("<MODE>SOME</MODE><EVENTTYPE>CALLSTOP</EVENTTYPE>", 29),
        ("<MODE>ADD</MODE>", 30),
        ("<MODE>REMOVE</MODE><EVENTTYPE> , </EVENTTYPE>", 30),
        ("<MODE>ADD</MODE><EVENTTYPE>CALLSTOP,NOSUCH</EVENTTYPE>", 30),
        ("<MODE>ADD</MODE><EVENTTYPE>" + "X" * 9_000 + "</EVENTTYPE>", 30),
        ("<TYPE>CALLSTART</TYPE>", 15),
        ("<TYPE>NOSUCH</TYPE>", 10),
        ("<REQUESTID>" + "1" * 65 + "</REQUESTID>", 14),
    ],
)
async def test_a_refused_registration_changes_nothing(inner: str, code: int) -> None:
    async with listening() as port:
        client = await connect(port)
        assert "<RESULTCODE>20<" in await client.ask("<MODE>ADD</MODE><EVENTTYPE>CALLSTOP</EVENTTYPE>")
        assert f"<RESULTCODE>{code}<" in await client.ask(inner)
        port.hub.publish("CALLSTART", [])
        port.hub.publish("CALLSTOP", [])
        assert await client.types(1) == ["CALLSTOP"]
        hang_up(client)


async def test_junk_is_answered_and_events_go_on() -> None:
    async with listening(EventLimits(request_bytes=1_000)) as port:
        client = await connect(port)
        client.writer.write(b"hello\r\n")
        assert "API_INVALID_MESSAGE_FORMAT" in await client.line()
        client.writer.write(b"<REQUEST><MODE>" + b"x" * 2_000 + b"</MODE></REQUEST>")
        assert "API_INVALID_MESSAGE_FORMAT" in await client.line()
        client.writer.write(b"<REQUEST><TYPE>REGISTEREVENTS</TYPE><REQUESTID></REQUESTID></REQUEST>")
        assert "API_REQUESTID_INVALID" in await client.line()
        client.writer.write(b'<!DOCTYPE a [<!ENTITY b "c">]><REQUEST><TYPE>&b;</TYPE></REQUEST>')
        assert "API_INVALID_MESSAGE_FORMAT" in await client.line()
        port.hub.publish("CALLSTART", [])
        assert await client.types(1) == ["CALLSTART"]
        client.writer.write(b"<REQUEST><TYPE>REGISTEREV")
        client.writer.write_eof()
        assert "API_INVALID_MESSAGE_FORMAT" in await client.line()
        assert await asyncio.wait_for(client.reader.read(-1), 10) == b""
        hang_up(client)


async def test_a_reader_that_does_not_read_is_let_go_and_the_others_hear_all() -> None:
    async with listening(EventLimits(waiting_bytes=64 * 1024, goodbye_s=0.05)) as port:
        slow, quick = await connect(port), await connect(port)
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        sent = 0
        async with asyncio.timeout(30):
            while len(port.readers) > 1:
                port.hub.publish("CALLUPDATE", BIG)
                port.hub.flush()
                sent += 1
                assert await quick.types(1) == ["CALLUPDATE"]
        assert port.counters["events_too_slow"] == 1
        port.hub.publish("CALLSTOP", [])
        assert await quick.types(1) == ["CALLSTOP"]
        hang_up(slow, quick)


async def test_a_slow_reader_that_reads_again_finds_the_reason() -> None:
    async with listening(EventLimits(waiting_bytes=64 * 1024, goodbye_s=20.0)) as port:
        slow = await connect(port)
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            while port.readers:
                port.hub.publish("CALLUPDATE", BIG)
                port.hub.flush()
                await asyncio.sleep(0)
        slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
        everything = await asyncio.wait_for(slow.reader.read(-1), 20)
        assert everything.endswith(b"</EVENT>\r\n")
        assert b"<TYPE>CLOSED</TYPE>" in everything.splitlines()[-1] and b"too slow" in everything.splitlines()[-1]
        hang_up(slow)


async def test_refused_addresses_and_one_too_many() -> None:
    async with listening(allow=lambda address: address != "127.0.0.1") as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port.port))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.line()
        assert port.counters["events_refused_address"] == 1
        hang_up(client)
    async with listening(EventLimits(connections=1)) as port:
        first = await connect(port)
        second = Client(*await asyncio.open_connection("127.0.0.1", port.port))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await second.line()
        port.hub.publish("CALLSTART", [])
        assert await first.types(1) == ["CALLSTART"]
        hang_up(first, second)


async def test_the_hub_is_left_alone_when_the_last_client_goes() -> None:
    async with listening() as port:
        client = await connect(port)
        hang_up(client)
        async with asyncio.timeout(10):
            while port.readers:
                await asyncio.sleep(0)
        start = port.hub.last_number
        port.hub.publish("CALLSTART", [])
        again = await connect(port)
        port.hub.publish("CALLSTOP", [])
        assert await again.types(1) == ["CALLSTOP"]
        assert len(port.hub.since(start).events) == 2
        hang_up(again)


async def test_clients_hear_that_the_server_stops() -> None:
    async with listening() as port:
        client = await connect(port)
        port.hub.publish("CALLSTART", [])
        await port.close()
        assert await client.types(2) == ["CALLSTART", "CLOSED"]
        assert await asyncio.wait_for(client.reader.read(-1), 10) == b""
        hang_up(client)
