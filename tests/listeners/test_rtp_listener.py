"""The RTP listener over real sockets on loopback, into a real journal."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.rings import CAPTURES

from earshot.clock import FakeClock, SystemClock
from earshot.journal.reader import LegPackets, read_leg
from earshot.journal.timeline import JournalTime
from earshot.journal.writer import JournalWriter
from earshot.listeners.rtp import RtpListener, RtpSettings
from earshot.listeners.rtp_ports import NoFreePort, PortPool
from earshot.listeners.rtp_receive import BURST, MAX_DATAGRAM, Receiver, open_socket
from earshot.listeners.rtp_ring import LONGEST
from earshot.tasks import Spawner


def rtp(sequence: int, payload: bytes = b"sound", ssrc: int = 7, payload_type: int = 8) -> bytes:
    return struct.pack(">BBHII", 0x80, payload_type, sequence % 65536, sequence * 160, ssrc) + payload


def contents(read: LegPackets) -> list[bytes]:
    return [read.packet(index) for index in range(len(read.lengths))]


class JumpingClock(SystemClock):
    """The machine's clock as the listener would see it had the wall clock been set before the packets came."""

    def __init__(self) -> None:
        self.jumped = 0.0

    def now(self) -> float:
        return super().now() + self.jumped


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        yield opened


@pytest.fixture
def small_range() -> tuple[int, int]:
    """Four neighbouring ports that nobody uses just now."""
    for first in range(21000, 29000, 4):
        probes = []
        try:
            for port in range(first, first + 4):
                probes.append(open_socket("127.0.0.1", port, 4096))
        except OSError:
            continue
        else:
            return first, first + 3
        finally:
            for probe in probes:
                probe.close()
    raise AssertionError("no free ports")


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[JournalWriter]:
    spawner = Spawner()
    opened = JournalWriter(tmp_path, time=JournalTime(SystemClock()), random_u32=lambda: 1)
    await opened.start(spawner)
    yield opened
    await opened.close()
    await spawner.close()


@pytest.fixture(params=CAPTURES)
async def listener(
    writer: JournalWriter, small_range: tuple[int, int], request: pytest.FixtureRequest
) -> AsyncIterator[RtpListener]:
    """Both ways in which sound is heard."""
    first, last = small_range
    ring_mb = 8 if request.param == "ring" else 0
    settings = RtpSettings(first_port=first, last_port=last, even_only=False, cool_down_s=0.05, ring_mb=ring_mb)
    opened = RtpListener(settings, writer, SystemClock(), writer.time)
    yield opened
    opened.stop()


async def heard(writer: JournalWriter, leg: int) -> LegPackets:
    await writer.sync()
    return read_leg(writer.directory, leg, writer.leg_tail(leg))


async def test_packets_of_many_sizes_are_kept_as_they_came(
    listener: RtpListener, writer: JournalWriter, sender: socket.socket, request: pytest.FixtureRequest
) -> None:
    port = listener.open_port()
    listener.record(port, 5)
    longest = LONGEST if request.node.callspec.params["listener"] == "ring" else MAX_DATAGRAM
    sizes = [160, 160, 160, 244, 245, 720, 1, 0, 33, 160, longest - 12]
    sent = [rtp(number, bytes([number]) * size) for number, size in enumerate(sizes)]
    before_us = writer.time.now_us()
    for datagram in sent:
        sender.sendto(datagram, ("127.0.0.1", port))
    listener.drain()
    read = await heard(writer, 5)
    assert contents(read) == sent
    assert np.all(np.diff(read.times_us) >= 0)
    assert before_us - 1000 <= read.times_us[0] <= read.times_us[-1] <= writer.time.now_us()


async def test_the_timer_drains_every_port(listener: RtpListener, writer: JournalWriter, sender: socket.socket) -> None:
    ports = [listener.open_port() for _ in range(3)]
    for port in ports:
        listener.record(port, port)
    listener.start()
    for number in range(3 * BURST):
        for port in ports:
            sender.sendto(rtp(number), ("127.0.0.1", port))
    async with asyncio.timeout(10):
        while any(listener.figures(port).packets < 3 * BURST for port in ports):
            await asyncio.sleep(0.01)
    for port in ports:
        assert contents(await heard(writer, port)) == [rtp(number) for number in range(3 * BURST)]


async def test_junk_is_counted_and_not_written(
    listener: RtpListener, writer: JournalWriter, sender: socket.socket
) -> None:
    port = listener.open_port()
    listener.record(port, 1)
    rtcp = struct.pack(">BBHI", 0x81, 200, 1, 7)
    for datagram in [b"", b"\x80", b"GET / HTTP/1.1\r\n\r\n", rtp(1), rtcp, b"\x8f" + rtp(2)[1:], rtp(2), bytes(200)]:
        sender.sendto(datagram, ("127.0.0.1", port))
    sender.sendto(rtp(3, bytes(MAX_DATAGRAM)), ("127.0.0.1", port))
    listener.drain()
    figures = listener.figures(port)
    assert (figures.packets, figures.junk, figures.rtcp, figures.oversize) == (2, 5, 1, 1)
    assert contents(await heard(writer, 1)) == [rtp(1), rtp(2)]


async def test_only_what_is_asked_for_is_recorded(
    listener: RtpListener, writer: JournalWriter, sender: socket.socket
) -> None:
    first, second = listener.open_port(), listener.open_port()

    def say(number: int) -> None:
        sender.sendto(rtp(number), ("127.0.0.1", first))
        sender.sendto(rtp(100 + number), ("127.0.0.1", second))

    listener.record(second, 2)
    say(0)
    listener.record(first, 1)
    say(1)
    listener.mask(first, True, writer.time.now_us())
    say(2)
    listener.mask(first, False)
    say(3)
    listener.record(first, None)
    say(4)
    listener.drain()
    assert contents(await heard(writer, 1)) == [rtp(1), rtp(3)]
    assert contents(await heard(writer, 2)) == [rtp(100 + number) for number in range(5)]
    assert listener.figures(first).packets == 5


async def test_what_arrives_while_a_blackout_takes_effect_is_in_it(
    listener: RtpListener, writer: JournalWriter, sender: socket.socket
) -> None:
    port = listener.open_port()
    listener.record(port, 1)
    sender.sendto(rtp(1), ("127.0.0.1", port))
    began_us = writer.time.now_us()
    sender.sendto(rtp(2), ("127.0.0.1", port))
    listener.mask(port, True, began_us)
    sender.sendto(rtp(3), ("127.0.0.1", port))
    listener.mask(port, True, writer.time.now_us())
    sender.sendto(rtp(4), ("127.0.0.1", port))
    listener.mask(port, False)
    sender.sendto(rtp(5), ("127.0.0.1", port))
    listener.drain()
    assert contents(await heard(writer, 1)) == [rtp(1), rtp(5)]
    assert listener.figures(port).packets == 5


async def test_live_figures(listener: RtpListener, sender: socket.socket) -> None:
    port = listener.open_port()
    opened = listener.figures(port)
    assert (opened.packets, opened.last_us, opened.lost) == (0, 0, 0)
    for number in [65533, 65534, 65536, 65537]:
        sender.sendto(rtp(number), ("127.0.0.1", port))
    listener.drain()
    for number in [65540, 65541]:
        sender.sendto(rtp(number), ("127.0.0.1", port))
    listener.drain()
    figures = listener.figures(port)
    assert (figures.packets, figures.lost, figures.ssrc, figures.payload_type) == (6, 3, 7, 8)
    sender.sendto(rtp(9, ssrc=8, payload_type=0), ("127.0.0.1", port))
    listener.drain()
    figures = listener.figures(port)
    assert (figures.ssrc_changes, figures.lost, figures.payload_type, figures.octets) == (1, 3, 0, 7 * 17)
    assert listener.silent_ports(60) == [] and listener.silent_ports(-1) == [port]


async def test_what_the_kernel_dropped_is_told(writer: JournalWriter, small_range: tuple[int, int]) -> None:
    settings = RtpSettings(first_port=small_range[0], last_port=small_range[1], receive_buffer=8192)
    listener = RtpListener(settings, writer, SystemClock(), writer.time)
    port = listener.open_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(500):
            sender.sendto(rtp(number), ("127.0.0.1", port))
        listener.drain()
        sender.sendto(rtp(500), ("127.0.0.1", port))
        listener.drain()
    figures = listener.figures(port)
    assert figures.dropped > 0 and figures.dropped + figures.packets == 501 and figures.lost == figures.dropped
    listener.stop()


async def test_a_wall_clock_jump_does_not_show(writer: JournalWriter, small_range: tuple[int, int]) -> None:
    """The kernel stamps with the real clock; to the listener it looks set back by an hour between two drains."""
    clock = JumpingClock()
    settings = RtpSettings(first_port=small_range[0], last_port=small_range[1])
    listener = RtpListener(settings, writer, clock, writer.time)
    port = listener.open_port()
    listener.record(port, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(rtp(0), ("127.0.0.1", port))
        listener.drain()
        sender.sendto(rtp(1), ("127.0.0.1", port))
        clock.jumped = 3600.0
        listener.drain()
    times = (await heard(writer, 1)).times_us
    assert 0 <= times[1] - times[0] < 5_000_000 and abs(int(times[1]) - writer.time.now_us()) < 5_000_000
    listener.stop()


async def test_ports_cool_down_and_run_out(listener: RtpListener) -> None:
    ports = [listener.open_port() for _ in range(4)]
    assert len(set(ports)) == 4 and listener.free_ports() == 0
    with pytest.raises(NoFreePort):
        listener.open_port()
    listener.close_port(ports[0])
    with pytest.raises(NoFreePort):
        listener.open_port()
    assert listener.open_port(ports[0]) == ports[0], "a restart takes its ports again, cooling or not"
    with pytest.raises(NoFreePort):
        listener.open_port(ports[0])
    listener.close_port(ports[0])
    async with asyncio.timeout(5):
        while not listener.free_ports():
            await asyncio.sleep(0.01)
    assert listener.open_port() == ports[0]


async def test_a_port_that_somebody_else_has_is_passed_over(
    listener: RtpListener, small_range: tuple[int, int]
) -> None:
    with open_socket("127.0.0.1", small_range[0], 4096):
        assert listener.open_port() == small_range[0] + 1
        with pytest.raises(NoFreePort, match="cannot be bound"):
            listener.open_port(small_range[0])


def test_the_pool_gives_the_longest_unused_even_port() -> None:
    clock = FakeClock()
    pool = PortPool(101, 107, cool_down_s=10, even_only=True)
    assert list(pool.candidates(clock.monotonic())) == [102, 104, 106]
    pool.take(102)
    pool.give_back(102, clock.monotonic())
    clock.jump(3600)
    assert pool.free(clock.monotonic()) == 2
    clock.advance(10)
    assert list(pool.candidates(clock.monotonic())) == [104, 106, 102]
    with pytest.raises(ValueError, match="no range"):
        PortPool(10, 9, cool_down_s=1)


def test_more_waiting_than_slots_is_taken_in_turns(small_range: tuple[int, int]) -> None:
    receiver = Receiver(slots=2 * BURST)
    sockets = [open_socket("127.0.0.1", port, 1 << 20) for port in range(small_range[0], small_range[1] + 1)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(BURST):
            for opened in sockets:
                sender.sendto(rtp(number), opened.getsockname())
    handles = [opened.fileno() for opened in sockets]
    counts: list[int] = []
    while len(counts) < 4:
        counts += receiver.drain(handles[len(counts) :]).counts.tolist()
    assert counts == [BURST] * 4
    for opened in sockets:
        opened.close()
