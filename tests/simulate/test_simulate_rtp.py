"""The sender against a real UDP socket: what arrives is what was meant, packet by packet."""

import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from earshot.clock import SystemClock
from earshot.simulate.burst import BurstLane
from earshot.simulate.codecs import frames
from earshot.simulate.impairment import DELAYED, DUPLICATED, LOST, REORDERED, Impairment, fates_of
from earshot.simulate.load import Load, main, port_range, run_load
from earshot.simulate.rtp import Lane, LegSpec
from earshot.simulate.sender import Sender

TRACK = frames("order-status", "agent", "PCMU")
OTHER = frames("complaint", "customer", "OPUS")


@dataclass(frozen=True)
class Packet:
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read(wire: bytes) -> Packet:
    first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", wire[:12])
    assert first == 0x80
    return Packet(bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, wire[12:])


def drain(sink: socket.socket) -> list[Packet]:
    found = []
    while True:
        try:
            found.append(read(sink.recv(2_048)))
        except BlockingIOError:
            return found


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        yield receiver


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("127.0.0.1", 16)
    yield made
    made.close()


def spec(sink: socket.socket, **more: object) -> LegSpec:
    fields: dict[str, object] = {"host": "127.0.0.1", "port": sink.getsockname()[1], "frames": TRACK, "ssrc": 7}
    return LegSpec(**(fields | more))  # type: ignore[arg-type]


def test_packets_are_the_track(sink: socket.socket, lane: Lane) -> None:
    slot = lane.add(spec(sink, sequence=65_530, timestamp=2**32 - 400, first_frame=40))
    assert sum(lane.tick() for _ in range(50)) == 50
    got = drain(sink)
    assert [packet.sequence for packet in got] == [(65_530 + n) & 0xFFFF for n in range(50)]
    assert [packet.timestamp for packet in got] == [(2**32 - 400 + 160 * n) % 2**32 for n in range(50)]
    assert [packet.payload for packet in got] == [TRACK.payload(40 + n) for n in range(50)]
    assert [packet.marker for packet in got] == [True] + [False] * 49
    assert {(packet.ssrc, packet.payload_type) for packet in got} == {(7, 0)}
    assert lane.remove(slot).packets == 50
    assert lane.tick() == 0


def test_legs_do_not_mix(sink: socket.socket, lane: Lane) -> None:
    first = lane.add(spec(sink, ssrc=1))
    lane.add(spec(sink, ssrc=2, frames=OTHER, timestamp=5))
    lane.tick()
    lane.remove(first)
    lane.tick()
    lane.add(spec(sink, ssrc=3, sequence=9))
    lane.tick()
    got = drain(sink)
    by_ssrc = {ssrc: [packet for packet in got if packet.ssrc == ssrc] for ssrc in (1, 2, 3)}
    assert [len(by_ssrc[ssrc]) for ssrc in (1, 2, 3)] == [1, 3, 1]
    assert [packet.timestamp for packet in by_ssrc[2]] == [5, 965, 1_925]
    assert [packet.payload for packet in by_ssrc[2]] == [OTHER.payload(n) for n in range(3)]
    assert by_ssrc[3][0].sequence == 9
    assert by_ssrc[3][0].marker


def test_a_hold_keeps_the_timeline(sink: socket.socket, lane: Lane) -> None:
    slot = lane.add(spec(sink))
    lane.tick()
    lane.pause(slot)
    assert [lane.tick() for _ in range(3)] == [0, 0, 0]
    lane.resume(slot)
    lane.tick()
    first, second = drain(sink)
    assert (second.sequence, second.timestamp, second.marker) == (first.sequence + 1, 4 * 160, True)
    assert second.payload == TRACK.payload(4)


def test_a_track_repeats(sink: socket.socket, lane: Lane) -> None:
    lane.add(spec(sink, first_frame=len(TRACK) - 1))
    for _ in range(3):
        lane.tick()
    assert [packet.payload for packet in drain(sink)] == [TRACK.payload(n) for n in (len(TRACK) - 1, 0, 1)]


def test_digits_are_telephone_events(sink: socket.socket, lane: Lane) -> None:
    slot = lane.add(spec(sink, timestamp=1_000))
    lane.tick()
    lane.press(slot, "5#")
    for _ in range(21):
        lane.tick()
    got = drain(sink)
    assert [packet.sequence for packet in got] == list(range(22))
    events = [packet for packet in got if packet.payload_type == 101]
    assert [packet.payload[0] for packet in events] == [5] * 7 + [11] * 7
    assert [packet.payload[1] >> 7 for packet in events] == ([0] * 4 + [1] * 3) * 2
    durations = [160, 320, 480, 640, 800, 800, 800]
    assert [int.from_bytes(packet.payload[2:], "big") for packet in events] == durations * 2
    assert {packet.timestamp for packet in events[:7]} == {1_160}
    assert {packet.timestamp for packet in events[7:]} == {1_160 + 10 * 160}
    assert [packet.marker for packet in events] == ([True] + [False] * 6) * 2
    assert got[-1].payload == TRACK.payload(21)
    with pytest.raises(KeyError):
        lane.press(slot, "x")


def test_a_bad_network_is_the_same_every_time(sink: socket.socket, lane: Lane) -> None:
    bad = Impairment(loss=0.1, duplicate=0.1, reorder=0.1, jitter=0.1, seed=99)
    ticks = 400
    fates = fates_of(bad, ticks)
    expected: list[int] = []
    for n in range(ticks):
        late = n - 1 if n else None
        if late is not None and fates[late] == DELAYED:
            expected.append(late)
        if fates[n] in (0, DUPLICATED):
            expected.append(n)
        if fates[n] == DUPLICATED:
            expected.append(n)
        if late is not None and fates[late] == REORDERED:
            expected.append(late)
    slot = lane.add(spec(sink, impairment=bad))
    lane.add(spec(sink, ssrc=8))
    for _ in range(ticks):
        lane.tick()
    got = drain(sink)
    bad_ones = [packet for packet in got if packet.ssrc == 7]
    assert [packet.sequence for packet in bad_ones] == expected
    assert all(packet.payload == TRACK.payload(packet.sequence) for packet in bad_ones)
    assert all(packet.timestamp == 160 * packet.sequence for packet in bad_ones)
    assert [packet.sequence for packet in got if packet.ssrc == 8] == list(range(ticks))
    count = lane.remove(slot)
    assert (count.lost, count.duplicated) == (int((fates == LOST).sum()), int((fates == DUPLICATED).sum()))
    for fate in (LOST, DUPLICATED, REORDERED, DELAYED):
        assert 20 < int((fates == fate).sum()) < 65


def test_seeds_differ_and_probabilities_are_checked() -> None:
    one, two = (fates_of(Impairment(loss=0.5, seed=seed), 200) for seed in (1, 2))
    assert not np.array_equal(one, two)
    assert np.array_equal(one, fates_of(Impairment(loss=0.5, seed=1), 200))
    assert not fates_of(Impairment(), 50).any()
    with pytest.raises(ValueError, match="probabilities"):
        Impairment(loss=0.8, jitter=0.3)


def test_a_full_lane_says_so(sink: socket.socket, lane: Lane) -> None:
    for _ in range(16):
        lane.add(spec(sink))
    with pytest.raises(RuntimeError, match="16"):
        lane.add(spec(sink))


def test_the_sender_ticks_phase_by_phase(sink: socket.socket) -> None:
    sender = Sender(SystemClock(), calls=4, phases=2)
    try:
        seats = [sender.seat(), sender.seat()]
        assert {seat.phase for seat in seats} == {0, 1}
        assert len({port for seat in seats for port in seat.ports}) == 4
        legs = sender.add(seats[0], [spec(sink, ssrc=1), spec(sink, ssrc=2)])
        sender.add(seats[1], [spec(sink, ssrc=3)])
        assert [sender.tick() for _ in range(4)] == [2, 1, 2, 1]
        sender.pause(legs)
        assert [sender.tick() for _ in range(2)] == [0, 1]
        sender.resume(legs)
        assert [sender.tick() for _ in range(2)] == [2, 1]
        assert [count.packets for count in sender.remove(legs)] == [3, 3]
        assert sender.figures().packets == 10
        assert sorted(packet.ssrc for packet in drain(sink)) == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    finally:
        sender.close()


def test_the_thread_sends_without_gaps(sink: socket.socket) -> None:
    sender = Sender(SystemClock(), calls=2, phases=1)
    sender.add(sender.seat(), [spec(sink)])
    sender.start()
    sink.settimeout(10)
    got = [read(sink.recv(2_048)) for _ in range(10)]
    sender.close()
    assert [packet.sequence for packet in got] == list(range(10))
    figures = sender.figures()
    assert figures.packets >= 10
    assert figures.ticks == figures.packets


def test_the_load_generator(sink: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    port = sink.getsockname()[1]
    figures = run_load(Load(host="127.0.0.1", ports=(port, port), seconds=0.2), threading.Event())
    got = drain(sink)
    assert len(got) == figures.packets > 0
    assert {packet.ssrc for packet in got} == {1, 2}
    assert port_range("20000-20003") == range(20_000, 20_004)
    assert main(["127.0.0.1", f"{port}-{port}", "--seconds", "0"]) == 0
    assert '"us_per_packet"' in capsys.readouterr().out


def test_bursts_are_the_same_datagrams(sink: socket.socket) -> None:
    specs = [spec(sink, ssrc=1, sequence=65_533, first_frame=len(TRACK) - 2), spec(sink, ssrc=2, timestamp=77)]
    lane = BurstLane("127.0.0.1", specs, 5)
    assert [lane.tick(), lane.tick()] == [10, 10]
    lane.close()
    got = drain(sink)
    first, second = ([packet for packet in got if packet.ssrc == ssrc] for ssrc in (1, 2))
    assert [packet.sequence for packet in first] == [(65_533 + n) & 0xFFFF for n in range(10)]
    assert [packet.payload for packet in first] == [TRACK.payload(len(TRACK) - 2 + n) for n in range(10)]
    assert [packet.timestamp for packet in second] == [77 + 160 * n for n in range(10)]
    assert lane.packets == 20
    with pytest.raises(ValueError, match="one size"):
        BurstLane("127.0.0.1", [spec(sink, frames=OTHER)], 5)


def test_the_load_generator_in_bursts(sink: socket.socket) -> None:
    port = sink.getsockname()[1]
    figures = run_load(Load(host="127.0.0.1", ports=(port,) * 4, seconds=0.2, burst=3), threading.Event())
    assert len(drain(sink)) == figures.packets > 0
    with pytest.raises(ValueError, match="loss"):
        run_load(Load(host="127.0.0.1", ports=(port,) * 4, seconds=0, burst=3, loss=0.1), threading.Event())
