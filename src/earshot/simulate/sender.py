"""The RTP sender: a thread that paces thousands of legs, one frame each every 20 ms.

What lives here: the thread, its absolute deadlines, the lock between it and whoever adds and removes legs. What does
not: the packets (`earshot.simulate.rtp`). The one rule: a deadline is counted from the start, never from the last
frame, so that the pace does not drift.

The 20 ms are cut into phases so that not every leg sends at the same moment. The two legs of a call stand in two lanes
of one phase: each has a local port of its own, and their frames leave together.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earshot.clock import Clock
from earshot.simulate.rtp import Lane, LegCount, LegSpec

FRAME_S = 0.02
SIDES = 2
LATE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a call sends from: its phase, and the local ports of its first and second leg."""

    phase: int
    ports: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Leg:
    """A running leg: its lane and its slot there."""

    lane: int
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderFigures:
    """Counts since the start; `cpu_s` is processor time of the sending thread, `late_ticks` came after their time."""

    packets: int
    errors: int
    ticks: int
    late_ticks: int
    skipped_s: float
    cpu_s: float


@dataclass(slots=True)
class Pace:
    """How well the deadlines were kept: ticks begun late, seconds given up after a standstill, processor seconds."""

    late: int = 0
    skipped_s: float = 0.0
    cpu_s: float = 0.0


def pace(clock: Clock, stop: threading.Event, period_s: float, tick: Callable[[], object], kept: Pace) -> None:
    """Call `tick` every `period_s` until `stop` is set; what comes late is made up for at once, up to a second."""
    start = clock.monotonic()
    done = 0
    while not stop.is_set():
        tick()
        kept.cpu_s = time.thread_time()
        done += 1
        wait = start + done * period_s - clock.monotonic()
        if wait > 0:
            stop.wait(wait)
            continue
        kept.late += 1
        if wait < -LATE_LIMIT_S:
            kept.skipped_s -= wait
            start -= wait


class Sender:
    """Sends RTP for any number of calls, up to `calls` at once with two legs each."""

    def __init__(self, clock: Clock, host: str = "127.0.0.1", calls: int = 256, phases: int = 4) -> None:
        """Bind two UDP sockets per phase on `host`. Raises OSError."""
        capacity = -(-calls // phases)
        self._clock = clock
        self._phases = phases
        self._lanes = [Lane(host, capacity) for _ in range(phases * SIDES)]
        self._seated = [0] * phases
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._ticks = 0
        self._pace = Pace()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="rtp-sender", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and close the sockets. Legs still running are cut."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for lane in self._lanes:
            lane.close()

    def seat(self) -> Seat:
        """A place for one more call, in the phase with the fewest. Give it back with `leave`."""
        phase = min(range(self._phases), key=self._seated.__getitem__)
        self._seated[phase] += 1
        first, second = self._lanes[phase * SIDES], self._lanes[phase * SIDES + 1]
        return Seat(phase, (first.port, second.port))

    def leave(self, seat: Seat) -> None:
        """The call on `seat` is over."""
        self._seated[seat.phase] -= 1

    def add(self, seat: Seat, specs: Sequence[LegSpec]) -> tuple[Leg, ...]:
        """Start the legs of a call (at most two) with the same frame. Raises RuntimeError if there is no room."""
        lanes = [seat.phase * SIDES + side for side in range(SIDES)]
        with self._lock:
            pairs = list(zip(lanes, specs, strict=False))
            return tuple(Leg(lane, self._lanes[lane].add(spec)) for lane, spec in pairs)

    def pause(self, legs: Sequence[Leg]) -> None:
        """Hold: send nothing, while the timestamps go on."""
        with self._lock:
            for leg in legs:
                self._lanes[leg.lane].pause(leg.slot)

    def resume(self, legs: Sequence[Leg]) -> None:
        """Send again after `pause`."""
        with self._lock:
            for leg in legs:
                self._lanes[leg.lane].resume(leg.slot)

    def redirect(self, leg: Leg, host: str, port: int) -> None:
        """Send a leg to another address from now on."""
        with self._lock:
            self._lanes[leg.lane].redirect(leg.slot, host, port)

    def press(self, leg: Leg, digits: str) -> None:
        """Send digits as telephone-events (RFC 4733). Raises KeyError for a character that is no key."""
        with self._lock:
            self._lanes[leg.lane].press(leg.slot, digits)

    def remove(self, legs: Sequence[Leg]) -> tuple[LegCount, ...]:
        """End the legs; returns what was sent of each."""
        with self._lock:
            return tuple(self._lanes[leg.lane].remove(leg.slot) for leg in legs)

    def figures(self) -> SenderFigures:
        """What was sent so far by all legs."""
        with self._lock:
            return SenderFigures(
                packets=sum(lane.packets for lane in self._lanes),
                errors=sum(lane.errors for lane in self._lanes),
                ticks=self._ticks,
                late_ticks=self._pace.late,
                skipped_s=self._pace.skipped_s,
                cpu_s=self._pace.cpu_s,
            )

    def tick(self) -> int:
        """Send the frames of the next phase; returns how many packets. The thread calls this, or a test does."""
        phase = self._ticks % self._phases
        with self._lock:
            self._ticks += 1
            return sum(self._lanes[phase * SIDES + side].tick() for side in range(SIDES))

    def _run(self) -> None:
        pace(self._clock, self._stop, FRAME_S / self._phases, self.tick, self._pace)
