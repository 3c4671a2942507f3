"""The sockets under the simulated SIP client: UDP datagrams, or one TCP connection, opened again when it is lost.

What lives here: asyncio shells that hand whole messages up and bytes down. What does not: what messages mean. The one
rule: a message that cannot be read is dropped and counted, and the next one is read.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from earshot.errors import BadInput
from earshot.simulate.dialog import Local
from earshot.simulate.message import Message, StreamSplitter, parse

Receive = Callable[[Message, tuple[str, int]], None]


class Transport(Protocol):
    """Where SIP messages go and come from. `unread` counts what could not be parsed."""

    local: Local
    reliable: bool
    unread: int

    async def open(self, receive: Receive) -> None:
        """Bind or connect; `receive` gets each message and where it came from. Raises OSError."""
        ...

    async def send(self, data: bytes, to: tuple[str, int]) -> None:
        """Send one message. Raises OSError."""
        ...

    async def close(self) -> None: ...


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, (addr[0], addr[1]))


class UdpTransport:
    """SIP over one unconnected UDP socket, so that answers and next hops may be at any address."""

    reliable = False

    def __init__(self, peer: tuple[str, int]) -> None:
        self.unread = 0
        self.local = Local(host="127.0.0.1", port=0, transport="UDP")
        self._peer = peer
        self._endpoint: asyncio.DatagramTransport | None = None

    async def open(self, receive: Receive) -> None:
        def received(data: bytes, source: tuple[str, int]) -> None:
            if not data.strip(b"\r\n\0"):
                return
            try:
                message = parse(data)
            except BadInput:
                self.unread += 1
                return
            receive(message, source)

        host = local_address(self._peer)
        loop = asyncio.get_running_loop()
        endpoint, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(received), local_addr=(host, 0))
        self._endpoint = endpoint
        self.local = Local(host=host, port=endpoint.get_extra_info("sockname")[1], transport="UDP")

    async def send(self, data: bytes, to: tuple[str, int]) -> None:
        if self._endpoint is None or self._endpoint.is_closing():
            raise OSError("the SIP socket is closed")
        self._endpoint.sendto(data, to)

    async def close(self) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None


class TcpTransport:
    """SIP over one TCP connection to the recorder, reused for every call and in both directions (RFC 5923)."""

    reliable = True

    def __init__(self, peer: tuple[str, int]) -> None:
        self.unread = 0
        self.local = Local(host="127.0.0.1", port=0, transport="TCP")
        self._peer = peer
        self._receive: Receive | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def open(self, receive: Receive) -> None:
        self._receive = receive
        await self._connect()

    async def send(self, data: bytes, to: tuple[str, int]) -> None:
        async with self._connecting:
            if self._writer is None:
                await self._connect()
            writer = self._writer
        if writer is None:
            raise OSError("the SIP connection is closed")
        writer.write(data)
        await writer.drain()

    async def close(self) -> None:
        self._receive = None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _connect(self) -> None:
        reader, writer = await asyncio.open_connection(*self._peer)
        host, port = writer.get_extra_info("sockname")[:2]
        self.local = Local(host=host, port=port, transport="TCP")
        self._writer = writer
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, writer), name="simulate-sip-tcp")

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = StreamSplitter()
        try:
            while data := await reader.read(65_536):
                for wire in splitter.feed(data):
                    self._pass_on(wire)
        except (OSError, BadInput):
            self.unread += 1
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None

    def _pass_on(self, wire: bytes) -> None:
        try:
            message = parse(wire)
        except BadInput:
            self.unread += 1
            return
        if self._receive is not None:
            self._receive(message, self._peer)


def local_address(peer: tuple[str, int]) -> str:
    """The IPv4 address of this machine that packets to `peer` leave from. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(peer)
        return str(probe.getsockname()[0])


def transport_for(name: str, peer: tuple[str, int]) -> Transport:
    """The transport called `name`, UDP or TCP. Raises KeyError."""
    return _TRANSPORTS[name.upper()](peer)


_TRANSPORTS: dict[str, Callable[[tuple[str, int]], Transport]] = {"UDP": UdpTransport, "TCP": TcpTransport}
