"""SIP under overload: what came before is answered unread, calls that run go first, late INVITEs are turned away."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.servers import in_process

from earshot.clock import FakeClock
from earshot.listeners.sip import OVERDUE_S, SipListener, serve_sip
from earshot.listeners.sip_backlog import Backlog, belongs_to_a_session
from earshot.tasks import Spawner
from earshot.telephony.sdp import build_answer
from earshot.telephony.sip import uas as server_core
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.events import Event, SessionConfirmed, SessionEnded, SessionOffered, SessionRefused
from earshot.telephony.sip.message import Message, Response, parse
from earshot.telephony.sip.uas import UserAgentServer

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=label:1\r\n"
BURST = 60


def request(method: str, call: str, number: int, port: int, to_tag: str = "") -> bytes:
    body = SDP if method == "INVITE" else ""
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} sip:rec@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}{number}{method};rport\r\n"
        f"From: <sip:src@127.0.0.1>;tag=f{call}\r\nTo: <sip:rec@127.0.0.1>{tag}\r\n"
        f"Call-ID: {call}\r\nCSeq: {number} {method}\r\nContact: <sip:src@127.0.0.1:{port}>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Application:
    """Accepts every offer at once. Its clock stands still."""

    def __init__(self) -> None:
        serial = itertools.count()
        self.uas = UserAgentServer(lambda: f"t{next(serial)}")
        self.clock = FakeClock()
        self.told: Counter[type[Event]] = Counter()
        self.listener: SipListener

    def on_event(self, event: Event) -> None:
        self.told[type(event)] += 1
        if isinstance(event, SessionOffered):
            assert event.offer is not None
            sdp = build_answer(event.offer, {0: 20000}, "127.0.0.1", 1)
            assert sdp is not None
            self.listener.deliver(self.uas.accept(event.dialog_key, sdp, self.clock.monotonic()))


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)

    async def next(self) -> Response:
        answer = parse(await asyncio.wait_for(self.received.get(), 5))
        assert isinstance(answer, Response)
        return answer


class Stage:
    def __init__(self, application: Application, client: Client, transport: asyncio.DatagramTransport) -> None:
        self.application, self.client, self.transport = application, client, transport
        self.listener = application.listener
        self.port: int = transport.get_extra_info("sockname")[1]
        self.peer = Peer("udp", "127.0.0.1", self.port)

    async def call(self, name: str) -> str:
        """A call that is up; returns our tag."""
        self.transport.sendto(request("INVITE", name, 1, self.port))
        answer = await self.client.next()
        assert answer.status == 200
        tag = answer.headers.first("To").rpartition("tag=")[2]
        self.transport.sendto(request("ACK", name, 1, self.port, tag))
        return tag


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    application, spawner = Application(), Spawner()
    listener = await serve_sip(
        "127.0.0.1", 0, application.uas, application.on_event, application.clock, spawner, lambda host: True
    )
    application.listener = listener
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        Client, remote_addr=("127.0.0.1", listener.port)
    )
    try:
        yield Stage(application, client, transport)
    finally:
        transport.close()
        await listener.close()
        await spawner.close()


async def test_what_is_sent_again_is_answered_without_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def reading(data: bytes) -> Message:
        read.append(data)
        return parse(data)

    monkeypatch.setattr(server_core, "parse", reading)
    async with stage() as on:
        tag = await on.call("c1")
        bye = request("BYE", "c1", 2, on.port, tag)
        on.transport.sendto(bye)
        answers = [await on.client.next()]
        for _ in range(BURST):
            on.transport.sendto(bye)
        answers += [await on.client.next() for _ in range(BURST)]
        assert {answer.status for answer in answers} == {200}
        assert len({bytes(answer) for answer in answers}) == 1
        assert len(read) == 3, "INVITE, ACK and the first BYE"
        assert on.application.uas.transactions.repeated == BURST
        assert on.application.told == {SessionOffered: 1, SessionConfirmed: 1, SessionEnded: 1}


async def test_an_invite_that_waits_already_is_one_invite() -> None:
    async with stage() as on:
        invite = request("INVITE", "c1", 1, on.port)
        for _ in range(BURST):
            on.listener.datagram(invite, on.peer)
        assert (await on.client.next()).status == 200
        on.transport.sendto(request("OPTIONS", "c2", 1, on.port))
        assert (await on.client.next()).headers.first("CSeq") == "1 OPTIONS", "the INVITE was answered once"
        assert on.application.told[SessionOffered] == 1
        assert on.application.uas.transactions.repeated == BURST - 1


async def test_what_has_begun_goes_first_and_late_invites_are_turned_away() -> None:
    async with stage() as on:
        tag = await on.call("c1")
        on.transport.sendto(request("OPTIONS", "c0", 1, on.port))
        assert (await on.client.next()).status == 200
        for name in ("late1", "late2"):
            on.listener.datagram(request("INVITE", name, 1, on.port), on.peer)
        on.listener.datagram(request("INVITE", "c1", 2, on.port, tag), on.peer)
        on.listener.datagram(request("BYE", "c1", 3, on.port, tag), on.peer)
        on.application.clock.advance(OVERDUE_S + 0.1)
        on.listener.datagram(request("INVITE", "fresh", 1, on.port), on.peer)
        answers = [await on.client.next() for _ in range(5)]
        shown = [(one.status, one.headers.first("Call-ID"), one.headers.first("CSeq")) for one in answers]
        assert shown == [
            (200, "c1", "2 INVITE"),
            (200, "c1", "3 BYE"),
            (503, "late1", "1 INVITE"),
            (503, "late2", "1 INVITE"),
            (200, "fresh", "1 INVITE"),
        ]
        assert {one.headers.first("Retry-After") for one in answers if one.status == 503} == {"5"}
        assert on.application.told[SessionOffered] == 2, "nothing in the late ones was looked at"
        on.transport.sendto(request("ACK", "late1", 1, on.port, "x"))
        await on.listener.close()
        assert on.application.told[SessionRefused] == 2, "the application hears of each all the same"


async def test_nothing_is_refused_while_the_loop_keeps_up() -> None:
    async with stage() as on:
        for number in range(BURST):
            on.transport.sendto(request("INVITE", f"c{number}", 1, on.port))
        answers = [await on.client.next() for _ in range(BURST)]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.headers.first("Call-ID") for answer in answers}) == BURST
        assert not on.application.uas.refused


async def test_when_too_much_waits_reading_stops_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earshot.listeners.sip.MAX_HELD_BYTES", 2_000)
    monkeypatch.setattr("earshot.listeners.sip.SLICE_S", 0.0)
    async with stage() as on:
        for number in range(50):
            on.transport.sendto(request("INVITE", f"c{number}", 1, on.port))
        names = {(await on.client.next()).headers.first("Call-ID") for _ in range(50)}
        assert len(names) == 50


async def test_a_call_turned_away_has_its_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earshot.listeners.sip.OVERDUE_S", -1.0)
    async with in_process(tmp_path / "data") as server:
        summary = await server.simulate(calls=2, concurrent=2, length_s=(0.1, 0.1), crm=False)
        assert summary.refused == (("503", 2),)
        assert server.inside is not None
        await server.shows('earshot_verdicts_total{reason="overloaded",verdict="failed"} 2.0')


@pytest.mark.parametrize(
    ("head", "is_inside"),
    [
        ("INVITE sip:a SIP/2.0\r\nTo: <sip:a>\r\nFrom: <sip:b>;tag=1", False),
        ("INVITE sip:a SIP/2.0\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:a>;tag=2", True),
        ("INVITE sip:a SIP/2.0\r\nt: sip:a ; TAG = 2\r\n", True),
        ("OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n", False),
        ("BYE sip:a SIP/2.0\r\nTo: <sip:a>\r\n", True),
        ("ACK sip:a SIP/2.0\r\n", True),
        ("CANCEL sip:a SIP/2.0\r\nTo: <sip:a>\r\n", True),
        ("SIP/2.0 200 OK\r\n", True),
        ("\x00junk", False),
    ],
)
def test_who_goes_first(head: str, is_inside: bool) -> None:
    assert belongs_to_a_session(head.encode()) is is_inside


def test_the_backlog_keeps_order_within_its_classes_and_knows_its_size() -> None:
    backlog, peer = Backlog(), Peer("udp", "127.0.0.1", 5060)
    invites = [request("INVITE", f"c{number}", 1, 5060) for number in range(2)]
    byes = [request("BYE", f"c{number}", 1, 5060, "x") for number in range(2)]
    for data in (*invites, *byes):
        assert backlog.add(data, peer, 1.0)
    assert not backlog.add(invites[0], peer, 2.0)
    assert backlog.add(invites[0], Peer("udp", "127.0.0.1", 5061), 2.0), "another sender"
    assert len(backlog) == 5
    taken = []
    while (waiting := backlog.take()) is not None:
        taken.append(waiting.data)
    assert taken == [*byes, *invites, invites[0]]
    assert (len(backlog), backlog.held_bytes) == (0, 0)
    assert backlog.add(invites[0], peer, 3.0), "it was served: the transaction layer knows it now"
