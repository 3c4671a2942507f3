"""A small session recording server for the tests of the simulated phones: real sockets, and the standard library's
`email` as a second opinion on headers and multipart bodies. It knows nothing of Earshot's own SIP code."""

import asyncio
import email.message
import email.parser
import email.policy
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    uri: str
    headers: email.message.EmailMessage
    body: bytes
    source: tuple[str, int]
    wire: bytes

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))

    def parts(self) -> dict[str, bytes]:
        """The body by media type."""
        kind = self.header("Content-Type")
        whole = f"Content-Type: {kind}\r\n\r\n".encode() + self.body
        message = email.parser.BytesParser(policy=email.policy.SMTP).parsebytes(whole)
        if not message.is_multipart():
            return {message.get_content_type(): self.body}
        assert not message.defects
        return {
            part.get_content_type(): part.get_payload(decode=True)  # type: ignore[misc]
            for part in message.iter_parts()
        }


def read(wire: bytes, source: tuple[str, int]) -> Seen:
    head, _, body = wire.partition(b"\r\n\r\n")
    start, _, rest = head.partition(b"\r\n")
    method, uri, version = start.decode().split(" ")
    assert version == "SIP/2.0"
    headers = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(rest + b"\r\n\r\n", headersonly=True)
    assert int(str(headers["Content-Length"])) == len(body)
    return Seen(method, uri, headers, body, source, wire)  # type: ignore[arg-type]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self.datagram_received = received  # type: ignore[method-assign,assignment]


@dataclass
class Responder:
    """Answers INVITE with 200 and ports of its own; deques say what to do differently, request by request.

    A request that comes again (a slow machine lets timer A fire) gets the answer that the first one got, and is not
    listed (RFC 3261, 17.2)."""

    refuse: deque[str] = field(default_factory=deque)
    drop: int = 0
    accept_types: tuple[str, ...] = ()
    refuse_stream: int | None = None
    ring: bool = False
    repeat_ok: bool = False
    record_route: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    sound: list[list[bytes]] = field(default_factory=list)
    port: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _sockets: list[asyncio.BaseTransport] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _ringing: Seen | None = None
    _send: Callable[[bytes, tuple[str, int]], None] | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _answered: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)

    async def start(self, transport: str) -> None:
        self.transport = transport
        if transport == "udp":
            loop = asyncio.get_running_loop()
            endpoint, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._arrived), local_addr=("127.0.0.1", 0)
            )
            self._sockets.append(endpoint)
            self.port = endpoint.get_extra_info("sockname")[1]
            self._send = endpoint.sendto
        else:
            self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for socket in self._sockets:
            socket.close()
        await asyncio.gather(*self._connections)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._send = lambda data, _: writer.write(data)
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        source = writer.get_extra_info("peername")[:2]
        waiting = b""
        while data := await reader.read(4096):
            waiting += data
            while (end := waiting.find(b"\r\n\r\n")) >= 0:
                found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", waiting[:end])
                assert found
                total = end + 4 + int(found[1])
                if len(waiting) < total:
                    break
                self._arrived(waiting[:total], source)
                waiting = waiting[total:]
        writer.close()

    def _arrived(self, wire: bytes, source: tuple[str, int]) -> None:
        asyncio.get_running_loop().create_task(self._handle(wire, source))

    async def _handle(self, wire: bytes, source: tuple[str, int]) -> None:
        if wire.startswith(b"SIP/2.0"):
            self.answers.append(wire)
            self.changed.set()
            return
        seen = read(wire, source)
        if (replies := self._answered.get((seen.header("Via"), seen.method))) is not None:
            for reply in replies:
                self.send(reply, source)
            return
        self.seen.append(seen)
        self.changed.set()
        if self.drop:
            self.drop -= 1
            return
        if seen.method != "ACK" or not self.repeat_ok:
            self._answered[seen.header("Via"), seen.method] = []
        if seen.method == "INVITE":
            await self._invited(seen)
        elif seen.method == "CANCEL":
            assert self._ringing is not None
            self.reply(seen, "200 OK")
            self.reply(self._ringing, "487 Request Terminated")
        elif seen.method in ("BYE", "OPTIONS"):
            self.reply(seen, "200 OK")

    async def _invited(self, seen: Seen) -> None:
        if self.ring:
            self._ringing = seen
            self.reply(seen, "180 Ringing")
        elif self.refuse:
            status, _, more = self.refuse.popleft().partition("|")
            self.reply(seen, status, extra=f"{more}\r\n" if more else "")
        else:
            body = await self._answer(seen)
            for _ in range(2 if self.repeat_ok else 1):
                self.reply(seen, "200 OK", body)

    async def _answer(self, seen: Seen) -> bytes:
        offer = seen.parts()["application/sdp"].decode()
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        direction = "inactive" if "a=inactive" in offer else "recvonly"
        for number, section in enumerate(offer.split("m=audio ")[1:]):
            types = " ".join(self.accept_types) or " ".join(section.splitlines()[0].split()[2:])
            port = 0 if self.refuse_stream == number else await self._sound_port()
            lines += [f"m=audio {port} RTP/AVP {types}", f"a={direction}"]
            lines += re.findall(r"a=label:\w+", section)
        return ("\r\n".join(lines) + "\r\n").encode()

    async def _sound_port(self) -> int:
        packets: list[bytes] = []
        loop = asyncio.get_running_loop()

        def received(data: bytes, source: tuple[str, int]) -> None:
            packets.append(data)
            self.changed.set()

        endpoint, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(received), local_addr=("127.0.0.1", 0))
        self._sockets.append(endpoint)
        self.sound.append(packets)
        return int(endpoint.get_extra_info("sockname")[1])

    @property
    def contact(self) -> str:
        return f"sip:rec-42@127.0.0.1:{self.port};transport={self.transport}"

    def reply(self, seen: Seen, status: str, body: bytes = b"", extra: str = "") -> None:
        to = seen.header("To")
        tagged = to if "tag=" in to else f"{to};tag=srs7"
        route = f"Record-Route: {self.record_route}\r\n" if self.record_route else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"SIP/2.0 {status}\r\nVia: {seen.header('Via')}\r\nFrom: {seen.header('From')}\r\nTo: {tagged}\r\n"
            f"Call-ID: {seen.header('Call-ID')}\r\nCSeq: {seen.header('CSeq')}\r\n{route}"
            f"Contact: <{self.contact}>;+sip.srs\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        wire = text.encode() + body
        self._answered[seen.header("Via"), seen.method].append(wire)
        self.send(wire, seen.source)

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        assert self._send is not None
        self._send(data, to)

    def methods(self) -> list[str]:
        return [seen.method for seen in self.seen]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something arrived that makes `condition` true."""
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()
