"""The sockets of SIP: UDP and TCP on one port, and the timer that drives the server core.

Not here: any rule of SIP. The one rule: bytes go in, outputs go out, and nothing that a peer sends or closes reaches
further than its own datagram or connection.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import cast

import structlog

from earshot.clock import Clock
from earshot.errors import ConfigurationError
from earshot.tasks import Spawner
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.events import Event, Output, Send
from earshot.telephony.sip.message import StreamFramer, StreamTooLarge
from earshot.telephony.sip.uas import UserAgentServer

log = structlog.get_logger(__name__)

FREE_PORT_TRIES = 20
CONNECT_TIMEOUT_S = 5.0
IDLE_CONNECTIONS = 2000
MAX_UNSENT_BYTES = 4 * 1024 * 1024
UDP_BUFFER_BYTES = 4 * 1024 * 1024


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: "SipListener") -> None:
        self._listener = listener

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._listener.datagram(data, Peer("udp", addr[0], addr[1]))


class _Connection(asyncio.Protocol):
    def __init__(self, listener: "SipListener", name: str) -> None:
        self._listener = listener
        self._framer = StreamFramer()
        self.name = name
        self.peer = Peer("tcp", "", 0, name)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.peer = Peer("tcp", host, port, self.name)
        self.transport = cast(asyncio.Transport, transport)
        if not self._listener.admits(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._framer.receive(data)
        except StreamTooLarge as problem:
            self._listener.too_large(problem.head, self.peer)
            self.close()
            return
        for frame in frames:
            if frame.ping:
                self.write(b"\r\n")
            else:
                self._listener.message(frame.data, self.peer)
        if self._framer.skipped_bytes:
            self._listener.junk["tcp_bytes_skipped"] += self._framer.skipped_bytes
            self._framer.skipped_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.lost(self)

    def write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._listener.junk["tcp_reader_too_slow"] += 1
            self.transport.abort()
            return
        self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class SipListener:
    """A running SIP listener. `junk` counts what was dropped, by why; `port` serves UDP and TCP alike."""

    def __init__(
        self,
        uas: UserAgentServer,
        on_event: Callable[[Event], None],
        clock: Clock,
        spawner: Spawner,
        allowed: Callable[[str], bool],
        host: str,
    ) -> None:
        self.junk: Counter[str] = Counter()
        self.host = host
        self.port = 0
        self._uas = uas
        self._on_event = on_event
        self._clock = clock
        self._spawner = spawner
        self._allowed = allowed
        self._connections: dict[str, _Connection] = {}
        self._names = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._reached_at: dict[str, str] = {}
        self._closed = False

    async def open(self, port: int) -> None:
        """Bind both transports. Raises ConfigurationError when the port is taken."""
        loop = asyncio.get_running_loop()
        for _ in range(FREE_PORT_TRIES if port == 0 else 1):
            try:
                self._tcp = await loop.create_server(self._accepted, self.host, port)
                self.port = self._tcp.sockets[0].getsockname()[1]
            except OSError as problem:
                raise ConfigurationError(f"SIP cannot listen on {self.host}:{port}/tcp: {problem}") from problem
            try:
                udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (self.host, self.port))
            except OSError as problem:
                self._tcp.close()
                if port:
                    raise ConfigurationError(f"SIP cannot listen on {self.host}:{port}/udp: {problem}") from problem
                continue
            self._udp = udp
            udp.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
            self._uas.own_address = self.address_for
            return
        raise ConfigurationError(f"SIP found no port on {self.host} that is free for both UDP and TCP")

    @property
    def connections(self) -> int:
        """How many TCP connections are open."""
        return len(self._connections)

    def _accepted(self) -> _Connection:
        self._names += 1
        return _Connection(self, f"{self._names}")

    def address_for(self, peer: Peer) -> tuple[str, int]:
        """Under which address `peer` reaches us: ours, or what the routing table says when we listen on all."""
        if self.host not in ("", "0.0.0.0", "::"):
            return self.host, self.port
        found = self._reached_at.get(peer.host)
        if found is None:
            family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as probe:
                    probe.connect((peer.host, 9))
                    found = str(probe.getsockname()[0])
            except OSError:
                found = "127.0.0.1"
            if len(self._reached_at) < IDLE_CONNECTIONS:
                self._reached_at[peer.host] = found
        return found, self.port

    def admits(self, connection: _Connection) -> bool:
        """Whether a new connection may stay; it is then known by its name."""
        if self._closed or not self._allowed(connection.peer.host):
            self.junk["tcp_not_allowed"] += 1
            return False
        if len(self._connections) >= IDLE_CONNECTIONS:
            self.junk["tcp_too_many"] += 1
            return False
        self._connections[connection.name] = connection
        return True

    def lost(self, connection: _Connection) -> None:
        """The connection is gone; its dialogs live on."""
        self._connections.pop(connection.name, None)

    def datagram(self, data: bytes, peer: Peer) -> None:
        """One UDP datagram; keep-alives of blanks are ignored (RFC 5626 section 3.5)."""
        if not self._allowed(peer.host):
            self.junk["udp_not_allowed"] += 1
        elif data.strip(b"\r\n\0 "):
            self.message(data, peer)

    def message(self, data: bytes, peer: Peer) -> None:
        """One whole message of either transport."""
        before = self._uas.junk
        self.deliver(self._uas.receive(data, peer, self._clock.monotonic()))
        if self._uas.junk != before:
            self.junk[f"{peer.transport}_not_sip"] += 1

    def too_large(self, head: bytes, peer: Peer) -> None:
        """A message over the limit on a stream."""
        self.junk["tcp_too_large"] += 1
        self.deliver(self._uas.refuse_too_large(head, peer))

    def deliver(self, outputs: Iterable[Output]) -> None:
        """Send what is to be sent, tell the application what happened, set the timer.

        The application calls this too, with what `accept`, `refuse` and `end` of the server returned.
        """
        for output in outputs:
            if isinstance(output, Send):
                self._send(output)
            else:
                self._tell(output)
        self._set_timer()

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            log.exception("sip_event_failed", event_kind=type(event).__name__, dialog=event.dialog_key)

    def _send(self, send: Send) -> None:
        peer = send.peer
        if peer.transport == "udp":
            if self._udp is not None and not self._udp.is_closing():
                self._udp.sendto(send.data, (peer.host, peer.port))
            return
        connection = self._connections.get(peer.connection_id)
        if connection is not None and connection.peer.host == peer.host:
            connection.write(send.data)
        elif send.may_connect and not self._closed:
            self._spawner.spawn("sip_connect", self._connect_and_send(send))
        else:
            self.junk["tcp_answer_without_connection"] += 1

    async def _connect_and_send(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(self._accepted, send.peer.host, send.peer.port)
        except (OSError, TimeoutError) as problem:
            log.warning("sip_peer_unreachable", host=send.peer.host, port=send.peer.port, problem=str(problem))
            return
        connection.write(send.data)

    def _set_timer(self) -> None:
        deadline = self._uas.next_deadline()
        if deadline is None or self._closed or (self._timer is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        delay_s = max(deadline - self._clock.monotonic(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.deliver(self._uas.tick(self._clock.monotonic()))

    async def close(self) -> None:
        """Stop listening and close every connection. Dialogs are left as they are."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._udp is not None:
            self._udp.close()
        for connection in list(self._connections.values()):
            connection.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()


async def serve_sip(
    host: str,
    port: int,
    uas: UserAgentServer,
    on_event: Callable[[Event], None],
    clock: Clock,
    spawner: Spawner,
    allowed: Callable[[str], bool] = lambda host: True,
) -> SipListener:
    """Listen for SIP on UDP and TCP; port 0 takes one number that is free for both. `allowed` judges peers by address.

    Raises ConfigurationError when the port cannot be had.
    """
    listener = SipListener(uas, on_event, clock, spawner, allowed, host)
    await listener.open(port)
    return listener
