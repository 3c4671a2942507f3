"""The SIP sockets: one port for both transports, connection reuse, keep-alives, junk, and who is not allowed."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from earshot.clock import SystemClock
from earshot.errors import ConfigurationError
from earshot.listeners.sip import SipListener, serve_sip
from earshot.tasks import Spawner
from earshot.telephony.sdp import build_answer
from earshot.telephony.sip.events import Event, SessionConfirmed, SessionEnded, SessionOffered
from earshot.telephony.sip.message import Request, Response, StreamFramer, parse
from earshot.telephony.sip.transaction import Timers
from earshot.telephony.sip.uas import UserAgentServer

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=label:1\r\n"


def request(method: str, transport: str, number: int, port: int, to_tag: str = "", body: str = "") -> bytes:
    tag = f";tag={to_tag}" if to_tag else ""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} sip:rec@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{number};rport\r\n"
        f"From: <sip:src@127.0.0.1>;tag=f1\r\nTo: <sip:rec@127.0.0.1>{tag}\r\n"
        f"Call-ID: c1\r\nCSeq: {number} {method}\r\n"
        f"Contact: <sip:src@127.0.0.1:{port};transport={transport.lower()}>\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Recorder:
    """An application that accepts every offer at once."""

    def __init__(self) -> None:
        serial = itertools.count()
        self.uas = UserAgentServer(lambda: f"t{next(serial)}", timers=Timers(t1_s=0.05))
        self.clock = SystemClock()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.listener: SipListener | None = None

    def on_event(self, event: Event) -> None:
        if isinstance(event, SessionOffered):
            assert event.offer is not None and self.listener is not None
            sdp = build_answer(event.offer, {0: 20000}, "127.0.0.1", 1)
            assert sdp is not None
            self.listener.deliver(self.uas.accept(event.dialog_key, sdp, self.clock.monotonic()))
        self.events.put_nowait(event)

    async def next(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 5)


@asynccontextmanager
async def recording(allowed: Callable[[str], bool] = lambda host: True) -> AsyncIterator[Recorder]:
    recorder, spawner = Recorder(), Spawner()
    recorder.listener = await serve_sip(
        "127.0.0.1", 0, recorder.uas, recorder.on_event, recorder.clock, spawner, allowed
    )
    try:
        yield recorder
    finally:
        await recorder.listener.close()
        await spawner.close()


class UdpClient(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)

    async def next(self) -> Response | Request:
        return parse(await asyncio.wait_for(self.received.get(), 5))


@asynccontextmanager
async def udp_to(recorder: Recorder) -> AsyncIterator[UdpClient]:
    assert recorder.listener is not None
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        UdpClient, remote_addr=("127.0.0.1", recorder.listener.port)
    )
    try:
        yield client
    finally:
        transport.close()


class TcpClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.framer = StreamFramer()
        self.frames: list[bytes] = []

    async def next(self) -> Response | Request:
        while not self.frames:
            data = await asyncio.wait_for(self.reader.read(65536), 5)
            assert data, "the connection was closed"
            self.frames += [frame.data for frame in self.framer.receive(data)]
        return parse(self.frames.pop(0))


@asynccontextmanager
async def tcp_to(recorder: Recorder) -> AsyncIterator[TcpClient]:
    assert recorder.listener is not None
    client = TcpClient(*await asyncio.open_connection("127.0.0.1", recorder.listener.port))
    try:
        yield client
    finally:
        client.writer.close()
        await client.writer.wait_closed()


def tag_of(response: Response | Request) -> str:
    return response.headers.first("To").rpartition("tag=")[2]


async def test_a_call_over_udp() -> None:
    async with recording() as recorder, udp_to(recorder) as client:
        client.transport.sendto(request("INVITE", "UDP", 1, client.port, body=SDP))
        answer = await client.next()
        assert isinstance(answer, Response) and answer.status == 200 and b"m=audio 20000" in answer.body
        assert recorder.listener is not None
        assert f":{recorder.listener.port}>" in answer.headers.first("Contact")
        again = await client.next()
        assert bytes(again) == bytes(answer)
        client.transport.sendto(request("ACK", "UDP", 1, client.port, tag_of(answer)))
        assert isinstance(await recorder.next(), SessionOffered)
        assert isinstance(await recorder.next(), SessionConfirmed)
        client.transport.sendto(request("BYE", "UDP", 2, client.port, tag_of(answer)))
        ended = await recorder.next()
        assert isinstance(ended, SessionEnded) and ended.reason == "bye"


async def test_a_call_over_tcp_in_pieces() -> None:
    async with recording() as recorder, tcp_to(recorder) as client:
        for byte in request("INVITE", "TCP", 1, 5, body=SDP):
            client.writer.write(bytes([byte]))
        answer = await client.next()
        assert isinstance(answer, Response) and answer.status == 200
        assert "transport=tcp" in answer.headers.first("Contact")
        ack, bye = (request(method, "TCP", number, 5, tag_of(answer)) for method, number in (("ACK", 1), ("BYE", 2)))
        client.writer.write(ack + bye)
        statuses = []
        while "BYE" not in (last := await client.next()).headers.first("CSeq"):
            statuses.append(last)
        assert isinstance(last, Response) and last.status == 200
        kinds = [type(await recorder.next()) for _ in range(3)]
        assert kinds == [SessionOffered, SessionConfirmed, SessionEnded]


async def test_our_bye_finds_the_client_after_its_connection_closed() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.put_nowait(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with recording() as recorder:
        async with tcp_to(recorder) as client:
            client.writer.write(request("INVITE", "TCP", 1, port, body=SDP))
            answer = await client.next()
            client.writer.write(request("ACK", "TCP", 1, port, tag_of(answer)))
            offered = await recorder.next()
            assert isinstance(await recorder.next(), SessionConfirmed)
        assert recorder.listener is not None
        async with asyncio.timeout(5):
            while recorder.listener.connections:
                await asyncio.sleep(0)
        recorder.listener.deliver(recorder.uas.end(offered.dialog_key, recorder.clock.monotonic()))
        assert (await asyncio.wait_for(arrived.get(), 5)).startswith(b"BYE sip:src@127.0.0.1")
    server.close()
    await server.wait_closed()


async def test_keep_alive_and_junk_on_tcp() -> None:
    async with recording() as recorder, tcp_to(recorder) as client:
        client.writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(client.reader.readexactly(2), 5) == b"\r\n"
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n" + request("OPTIONS", "TCP", 1, 5))
        answer = await client.next()
        assert isinstance(answer, Response) and answer.status == 200
        assert recorder.listener is not None and recorder.listener.junk["tcp_bytes_skipped"] > 0


async def test_too_large_is_refused_and_only_that_connection_ends() -> None:
    async with recording() as recorder, tcp_to(recorder) as client, udp_to(recorder) as other:
        client.writer.write(request("OPTIONS", "TCP", 1, 5).replace(b"Content-Length: 0", b"Content-Length: 99999999"))
        answer = await client.next()
        assert isinstance(answer, Response) and answer.status == 513
        assert await asyncio.wait_for(client.reader.read(), 5) == b""
        other.transport.sendto(request("OPTIONS", "UDP", 2, other.port))
        alive = await other.next()
        assert isinstance(alive, Response) and alive.status == 200


async def test_junk_on_udp_stops_nothing() -> None:
    async with recording() as recorder, udp_to(recorder) as client:
        for junk in (b"\x80\x00" * 80, b"\r\n\r\n", b"\0", b"hello", bytes(range(256)) * 100):
            client.transport.sendto(junk)
        client.transport.sendto(request("OPTIONS", "UDP", 1, client.port))
        answer = await client.next()
        assert isinstance(answer, Response) and answer.status == 200
        assert recorder.listener is not None and recorder.listener.junk["udp_not_sip"] == 3


async def test_who_is_not_allowed_gets_nothing() -> None:
    async with recording(lambda host: False) as recorder:
        assert recorder.listener is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", recorder.listener.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()
        async with udp_to(recorder) as client:
            client.transport.sendto(request("OPTIONS", "UDP", 1, client.port))
            async with asyncio.timeout(5):
                while not recorder.listener.junk["udp_not_allowed"]:
                    await asyncio.sleep(0)
        assert recorder.listener.junk["tcp_not_allowed"] == 1


async def test_a_failing_application_harms_one_event_only() -> None:
    async with recording() as recorder, udp_to(recorder) as client:
        whole, recorder.listener = recorder.listener, None
        client.transport.sendto(request("INVITE", "UDP", 1, client.port, body=SDP))
        answer = await client.next()
        assert isinstance(answer, Response) and answer.status == 100
        recorder.listener = whole
        client.transport.sendto(request("CANCEL", "UDP", 1, client.port))
        assert isinstance(await recorder.next(), SessionEnded)


async def test_a_port_that_is_taken_is_named() -> None:
    async with recording() as recorder:
        assert recorder.listener is not None
        with pytest.raises(ConfigurationError, match=str(recorder.listener.port)):
            await serve_sip(
                "127.0.0.1", recorder.listener.port, recorder.uas, recorder.on_event, recorder.clock, Spawner()
            )
