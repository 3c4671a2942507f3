"""The packet ring over loopback: whose a datagram is, floods, a full ring, the end of the ring, what is not ours."""

import os
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from tests.ports import free_port
from tests.rings import NEEDS_RINGS

from earshot.listeners.rtp_receive import Drained, OpenPort
from earshot.listeners.rtp_ring import FRAME_BYTES, LONGEST, QUEUE, PacketRing

pytestmark = NEEDS_RINGS
FRAMES = 2 * 2**20 // FRAME_BYTES
SLOTS = 1152


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        yield opened


class Ears:
    """A ring of two megabytes and the ports that are opened of it."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.ring = PacketRing("127.0.0.1", min(numbers), max(numbers), megabytes=2, slots=SLOTS)
        self.ports = [self._open(number, place) for place, number in enumerate(numbers)]

    def _open(self, number: int, place: int) -> OpenPort:
        opened = self.ring.open(number, place)
        return OpenPort(opened, opened.fileno(), place)

    def heard(self, ports: list[OpenPort] | None = None) -> list[list[bytes]]:
        """All that each port has heard."""
        found: list[list[bytes]] = []
        rest = self.ports if ports is None else ports
        while rest:
            drained = self.ring.drain(rest)
            found += said(drained)
            rest = rest[len(drained.counts) :]
        return found

    def close(self, place: int) -> None:
        self.ring.close(place)
        self.ports[place].socket.close()

    def end(self) -> None:
        for port in self.ports:
            port.socket.close()
        self.ring.end()


def said(drained: Drained) -> list[list[bytes]]:
    """The datagrams of each port, as far as they are whole."""
    datagrams = []
    for at, length in enumerate(drained.lengths.tolist()):
        rest = drained.overflow[at].tobytes() if len(drained.overflow) else b""
        datagrams.append((drained.rows[at].tobytes() + rest)[:length] if not drained.oversize[at] else b"cut off")
    ends = drained.counts.cumsum().tolist()
    return [datagrams[end - count : end] for end, count in zip(ends, drained.counts.tolist(), strict=True)]


@pytest.fixture
def ears() -> Iterator[Ears]:
    opened = Ears(sorted({free_port() for _ in range(4)}))
    yield opened
    opened.end()


def test_each_port_hears_what_was_sent_to_it_in_order_over_and_over(ears: Ears, sender: socket.socket) -> None:
    """Five times around the ring, with sizes on both sides of what a frame holds."""
    chance = random.Random(5)
    total = 0
    while total < 5 * FRAMES:
        sent: list[list[bytes]] = [[] for _ in ears.numbers]
        for number in range(chance.randrange(1, 500)):
            place = chance.randrange(len(sent))
            size = chance.choice([4, 172, 172, 172, 404, 405, LONGEST])
            sent[place].append(struct.pack(">I", number) + chance.randbytes(size - 4))
            sender.sendto(sent[place][-1], ("127.0.0.1", ears.numbers[place]))
            total += 1
        assert ears.heard() == sent
    assert ears.ring.lost == 0


def test_a_port_is_taken_from_the_middle_and_nothing_is_given_twice(ears: Ears, sender: socket.socket) -> None:
    for number in range(100):
        for port in ears.numbers:
            sender.sendto(bytes([number]), ("127.0.0.1", port))
    everything = [bytes([number]) for number in range(100)]
    assert ears.heard(ears.ports[2:3]) == [everything]
    assert ears.heard() == [everything, everything, [], everything]
    assert ears.heard() == [[], [], [], []] and ears.heard([]) == []


def test_a_flood_is_its_own_loss(ears: Ears, sender: socket.socket) -> None:
    for number in range(2 * QUEUE):
        sender.sendto(b"flood", ("127.0.0.1", ears.numbers[1]))
        if number % 100 == 0:
            sender.sendto(b"speech", ("127.0.0.1", ears.numbers[2]))
    drained = ears.ring.drain(ears.ports)
    assert drained.counts.tolist() == [0, QUEUE, 2 * QUEUE // 100 + 1, 0] and list(drained.dropped) == [(1, QUEUE)]
    assert ears.heard() == [[], [], [], []] and ears.ring.lost == 0
    ears.close(1)
    reopened = ears.ring.open(ears.numbers[1], 1)
    sender.sendto(b"new", ("127.0.0.1", ears.numbers[1]))
    drained = ears.ring.drain([OpenPort(reopened, reopened.fileno(), 1)])
    assert said(drained) == [[b"new"]] and list(drained.dropped) == []
    reopened.close()


def test_a_full_ring_is_said_and_goes_on(ears: Ears, sender: socket.socket) -> None:
    for _ in range(FRAMES // 4 + 100):
        for port in ears.numbers:
            sender.sendto(b"speech", ("127.0.0.1", port))
    with capture_logs() as logs:
        ears.heard()
        sender.sendto(b"more", ("127.0.0.1", ears.numbers[0]))
        assert ears.heard() == [[b"more"], [], [], []]
    assert ears.ring.lost == 400
    assert [(one["event"], one["lost_in_all"]) for one in logs] == [("rtp_ring_full", 400)]


def test_a_port_that_is_closed_keeps_nothing_for_the_next(ears: Ears, sender: socket.socket) -> None:
    port = ears.numbers[3]
    sender.sendto(b"old", ("127.0.0.1", port))
    ears.close(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", port))
        sender.sendto(b"not ours", ("127.0.0.1", port))
        assert stranger.recv(100) == b"not ours"
    opened = ears.ring.open(port, 3)
    sender.sendto(b"new", ("127.0.0.1", port))
    assert ears.heard([OpenPort(opened, opened.fileno(), 3)]) == [[b"new"]]
    opened.close()


def test_a_port_out_of_the_range_is_heard_too(ears: Ears, sender: socket.socket) -> None:
    lower = free_port()
    while lower in range(min(ears.numbers), max(ears.numbers) + 1):
        lower = free_port()
    opened = ears.ring.open(lower, 4)
    ears.ports.append(OpenPort(opened, opened.fileno(), 4))
    for port in (lower, ears.numbers[0]):
        sender.sendto(b"heard", ("127.0.0.1", port))
    assert ears.heard() == [[b"heard"], [], [], [], [b"heard"]]


def test_what_is_not_ours_does_not_fill_the_ring(ears: Ears, sender: socket.socket) -> None:
    """Other addresses of this machine, other protocols, other ports, fragments, and the sockets of the ports."""
    port = ears.numbers[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere, socket.create_server(("127.0.0.1", 0)) as tcp:
        elsewhere.bind(("127.0.0.2", port))
        socket.create_connection(tcp.getsockname()).close()
        for _ in range(2 * FRAMES):
            sender.sendto(b"elsewhere", ("127.0.0.2", port))
            sender.sendto(b"nobody", ("127.0.0.1", max(ears.numbers) + 1))
        sender.sendto(bytes(LONGEST + 1), ("127.0.0.1", port))
        sender.sendto(b"ours", ("127.0.0.1", port))
    with pytest.raises(BlockingIOError):
        ears.ports[0].socket.recv(100)
    assert ears.heard() == [[b"cut off", b"ours"], [], [], []] and ears.ring.lost == 0


def test_a_port_that_is_taken_is_refused(ears: Ears) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            ears.ring.open(stranger.getsockname()[1], 4)


def test_without_the_right_the_way_out_is_said() -> None:
    """A process that gave its rights away cannot have a ring."""
    program = (
        "import os\n"
        "from earshot.errors import ConfigurationError\n"
        "from earshot.listeners.rtp_ring import PacketRing\n"
        "os.setuid(65534)\n"
        "try:\n"
        "    PacketRing('127.0.0.1', 1, 2, megabytes=1, slots=1)\n"
        "except ConfigurationError as refused:\n"
        "    print(refused)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert "needs the right CAP_NET_RAW" in done.stdout and "set rtp_capture to sockets" in done.stdout, done.stderr
