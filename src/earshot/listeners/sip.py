"""The sockets of SIP: UDP and TCP on one port, the timer that drives the server core, and what happens under overload.

Not here: any rule of SIP, and the order in which messages are served (sip_backlog.py). The one rule: bytes go in,
outputs go out, and nothing that a peer sends or closes reaches further than its own datagram or connection.

What comes waits in a backlog that is served in slices, so that everything else on the loop has its turn. A datagram
that came before is answered at once from its transaction. An INVITE that would begin a session and has waited longer
than `OVERDUE_S` is refused unread; the application hears of refusals when nothing else waits.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable

import structlog

from earshot.clock import Clock
from earshot.errors import ConfigurationError
from earshot.listeners.sip_backlog import Backlog
from earshot.listeners.sip_connection import Connection
from earshot.tasks import Spawner
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.events import Event, Output, Send, SessionRefused
from earshot.telephony.sip.uas import UserAgentServer

log = structlog.get_logger(__name__)

FREE_PORT_TRIES = 20
CONNECT_TIMEOUT_S = 5.0
IDLE_CONNECTIONS = 2000
UDP_BUFFER_BYTES = 4 * 1024 * 1024
JUDGED_HOSTS = 10_000
MOST_REFUSALS = 2_000
"""So many refusals wait until there is time to tell the application; further ones are told at once."""

MAX_DATAGRAM = 65_535
DATAGRAMS_AT_ONCE = 256
SLICE_S = 0.01
"""How long messages are served before everything else has its turn."""

OVERDUE_S = 2.0
"""By then a phone system has sent its INVITE three times (RFC 3261 timer A), and the sound that was missed is lost."""

MAX_HELD_BYTES = 32 * 1024 * 1024
"""So much waits here at most; more stays with the kernel until some of it is served."""

_SO_RCVBUFFORCE = 33


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
        self._connections: dict[str, Connection] = {}
        self._names = 0
        self._udp: socket.socket | None = None
        self._judged: dict[str, bool] = {}
        self._backlog = Backlog()
        self._refusals: deque[SessionRefused] = deque()
        self._serving = False
        self._is_full = False
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
                self._udp = _datagram_socket(self._tcp.sockets[0])
            except OSError as problem:
                self._tcp.close()
                if port:
                    raise ConfigurationError(f"SIP cannot listen on {self.host}:{port}/udp: {problem}") from problem
                continue
            loop.add_reader(self._udp.fileno(), self._serve)
            self._uas.own_address = self.address_for
            return
        raise ConfigurationError(f"SIP found no port on {self.host} that is free for both UDP and TCP")

    @property
    def connections(self) -> int:
        """How many TCP connections are open."""
        return len(self._connections)

    def _accepted(self) -> Connection:
        self._names += 1
        return Connection(self, f"{self._names}")

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

    def admits(self, connection: Connection) -> bool:
        """Whether a new connection may stay; it is then known by its name."""
        if self._closed or not self._may_speak(connection.peer.host):
            self.junk["tcp_not_allowed"] += 1
            return False
        if len(self._connections) >= IDLE_CONNECTIONS:
            self.junk["tcp_too_many"] += 1
            return False
        self._connections[connection.name] = connection
        return True

    def _may_speak(self, host: str) -> bool:
        judged = self._judged.get(host)
        if judged is None:
            if len(self._judged) >= JUDGED_HOSTS:
                self._judged.clear()
            judged = self._judged[host] = self._allowed(host)
        return judged

    def lost(self, connection: Connection) -> None:
        """The connection is gone; its dialogs live on."""
        self._connections.pop(connection.name, None)

    def datagram(self, data: bytes, peer: Peer) -> None:
        """One UDP datagram; keep-alives of blanks are ignored (RFC 5626 section 3.5)."""
        if not self._may_speak(peer.host):
            self.junk["udp_not_allowed"] += 1
        elif (sends := self._uas.repeat(data, peer, self._clock.monotonic())) is not None:
            self.deliver(sends)
        elif data.strip(b"\r\n\0 "):
            self.arrived(data, peer)

    def arrived(self, data: bytes, peer: Peer) -> None:
        """One whole message of either transport: its turn comes."""
        if not self._backlog.add(data, peer, self._clock.monotonic()):
            self._uas.transactions.repeated += 1
        self._serve_soon()

    def _serve_soon(self) -> None:
        if not self._serving and not self._closed:
            self._serving = True
            asyncio.get_running_loop().call_soon(self._serve_on)

    def _serve_on(self) -> None:
        self._serving = False
        if not self._closed:
            self._serve()

    def _serve(self) -> None:
        """Read what is there, serve for a slice, and come back if more is to be done."""
        self._read_datagrams()
        until = self._clock.monotonic() + SLICE_S
        while (waiting := self._backlog.take()) is not None:
            now = self._clock.monotonic()
            self._uas.overloaded = now - waiting.since > OVERDUE_S
            self.message(waiting.data, waiting.peer)
            if now >= until:
                break
        self._uas.overloaded = False
        if self._refusals and not len(self._backlog):
            self._tell(self._refusals.popleft())
        self._hold_or_go_on()
        if len(self._backlog) or self._refusals:
            self._serve_soon()

    def _hold_or_go_on(self) -> None:
        """While too much waits, nothing more is read."""
        is_full = self._backlog.held_bytes > (MAX_HELD_BYTES // 2 if self._is_full else MAX_HELD_BYTES)
        if is_full == self._is_full or self._udp is None:
            return
        self._is_full = is_full
        loop = asyncio.get_running_loop()
        if is_full:
            loop.remove_reader(self._udp.fileno())
        else:
            loop.add_reader(self._udp.fileno(), self._serve)
        for connection in self._connections.values():
            connection.listen(not is_full)

    def _read_datagrams(self) -> None:
        if self._udp is None or self._is_full:
            return
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                data, address = self._udp.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                log.warning("sip_datagram_not_read", problem=str(problem))
                return
            self.datagram(data, Peer("udp", address[0], address[1]))

    def message(self, data: bytes, peer: Peer) -> None:
        """Serve one whole message now."""
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
            elif isinstance(output, SessionRefused):
                self._refusals.append(output)
                if len(self._refusals) > MOST_REFUSALS:
                    self._tell(self._refusals.popleft())
                self._serve_soon()
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
            if self._udp is not None:
                try:
                    self._udp.sendto(send.data, (peer.host, peer.port))
                except OSError:
                    self.junk["udp_not_sent"] += 1
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
        """Serve what has come, then stop listening and close every connection. Dialogs are left as they are."""
        self._uas.overloaded = True
        while (waiting := self._backlog.take()) is not None:
            self.message(waiting.data, waiting.peer)
        while self._refusals:
            self._tell(self._refusals.popleft())
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        for connection in list(self._connections.values()):
            connection.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()


def _datagram_socket(beside: socket.socket) -> socket.socket:
    """A UDP socket at the address of the TCP one, with room for bursts: the kernel gives us what we ask for, or what
    `net.core.rmem_max` allows. Raises OSError when the port is taken."""
    opened = socket.socket(beside.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, UDP_BUFFER_BYTES)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
        opened.bind(beside.getsockname())
    except BaseException:
        opened.close()
        raise
    return opened


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
