"""What receiving and journalling RTP costs: CPU microseconds per packet by stage, loss, beside asyncio callbacks.

A sender in a process of its own plays N two-leg calls of G.711 (50 packets of 172 bytes a second per leg) over
loopback. The receiver is the real listener and the real journal. CPU time, not wall time, is what is printed: the
machine may be busy with other things. The stages are timed inside the run, on the event loop's thread; the writing
thread (checksums, write, fdatasync) is the rest of the process. Others on the machine make the same work cost more
(caches, shared cores), so the cost is taken window by window: the median is what to quote, the best shows the noise.
"""

import argparse
import asyncio
import resource
import secrets
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.callers import run_to_the_end
from benchmarks.voices import Voices

from earshot.clock import SystemClock
from earshot.journal.pending import Pending
from earshot.journal.reader import read_leg
from earshot.journal.segment_file import SegmentFile
from earshot.journal.timeline import ArrivalTimes, JournalTime
from earshot.journal.writer import JournalWriter
from earshot.listeners.rtp import RtpListener, RtpSettings
from earshot.listeners.rtp_figures import LiveFigures
from earshot.listeners.rtp_receive import Receiver
from earshot.listeners.rtp_ring import PacketRing
from earshot.tasks import Spawner

WINDOW_S = 0.5
RAMP_S = 1.0
PEER_PHASES = 40
"""At how many moments within 20 ms the calls of the asyncio run are heard. What comes at one moment is taken in one
turn of the loop and costs less; 100 real calls would be heard at 100 or 200 moments."""


class Stages:
    """Thread CPU time of chosen methods, without that of the timed methods they call."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.longest = 0.0
        self._inner = [0.0]
        self._undo: list[tuple[type[Any], str, Callable[..., Any]]] = []

    def time(self, owner: type[Any], name: str, stage: str, *, nested: bool = True) -> None:
        method = getattr(owner, name)

        @wraps(method)
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            if nested:
                self._inner.append(0.0)
            try:
                return method(*arguments, **named)
            finally:
                spent = time.thread_time() - began
                if nested:
                    own = spent - self._inner.pop()
                    self._inner[-1] += spent
                else:
                    own = spent
                self.spent[stage] = self.spent.get(stage, 0.0) + own

        setattr(owner, name, timed)
        self._undo.append((owner, name, method))

    def time_longest(self, owner: type[Any], name: str) -> None:
        """Note the longest CPU time of one call of a method."""
        method = getattr(owner, name)

        @wraps(method)
        def timed(*arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*arguments)
            finally:
                self.longest = max(self.longest, time.thread_time() - began)

        setattr(owner, name, timed)
        self._undo.append((owner, name, method))

    def time_all(self) -> None:
        """Time the stages of the way of a packet."""
        self.time(Receiver, "drain", "receive")
        self.time(PacketRing, "drain", "receive")
        self.time(ArrivalTimes, "convert", "header columns")
        self.time(LiveFigures, "add", "header columns")
        self.time(RtpListener, "_take", "header columns")
        self.time(RtpListener, "_drain", "receive")
        self.time(Pending, "append_media", "journal build")
        self.time(JournalWriter, "_freeze", "journal build")
        self.time(SegmentFile, "write", "checksums, write, fdatasync", nested=False)

    def restore(self) -> None:
        """Take the timing out again."""
        for owner, name, method in self._undo:
            setattr(owner, name, method)


def memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def ours(calls: int, seconds: float, directory: Path, by_stage: bool, ring_mb: int) -> float:
    """Run the listener and the journal under load; prints and returns CPU µs per packet of the whole process."""
    clock = SystemClock()
    journal_time = JournalTime(clock)
    spawner = Spawner()
    writer = JournalWriter(directory, time=journal_time, random_u32=lambda: secrets.randbits(32))
    await writer.start(spawner)
    settings = RtpSettings(first_port=10_000, last_port=31_999, ring_mb=ring_mb)
    listener = RtpListener(settings, writer, clock, journal_time)
    legs = {listener.open_port(): leg for leg in range(1, 2 * calls + 1)}
    for port, leg in legs.items():
        listener.record(port, leg)
    stages = Stages()
    if by_stage:
        stages.time_all()
    stages.time_longest(RtpListener, "_tick")
    listener.start()
    voices = Voices(calls)
    await asyncio.to_thread(voices.play, list(legs))
    memory_before = memory_mb()
    costs = await cost_by_window(listener.packets_total, seconds)
    sent = await asyncio.to_thread(lambda: sum(sum(voices.hush(number).packets) for number in range(calls)))
    voices.close()
    listener.drain()
    figures = [listener.figures(port) for port in legs]
    total = sum(figure.packets for figure in figures)
    stages.restore()
    await writer.sync()
    sample = next(iter(legs.values()))
    kept = len(read_leg(directory, sample, writer.leg_tail(sample)).lengths)
    print(
        f"{calls} calls, {len(legs)} legs: {total} of {sent} packets received, {sent - total} lost, "
        f"{sum(figure.dropped for figure in figures)} dropped by the kernel, leg 1 reads back {kept}"
    )
    cost = float(np.median(costs))
    print(
        f"  CPU {cost:.2f} µs/packet (best window {min(costs):.2f}, worst {max(costs):.2f}); "
        f"{cost * calls * 100 / 1e4:.1f} % of a core; memory {memory_before:.0f} -> {memory_mb():.0f} MB; "
        f"longest drain {stages.longest * 1000:.1f} ms CPU"
    )
    for stage, spent in stages.spent.items():
        print(f"    {stage:30s} {spent / total * 1e6:.2f} µs/packet")
    listener.stop()
    await writer.close()
    await spawner.close()
    return cost


async def cost_by_window(packets: Callable[[], int], seconds: float) -> list[float]:
    """CPU µs per packet of this process in each half second, the first second left out."""
    await asyncio.sleep(RAMP_S)
    costs = []
    before = time.process_time(), packets()
    for _ in range(max(1, round(seconds / WINDOW_S))):
        await asyncio.sleep(WINDOW_S)
        now = time.process_time(), packets()
        costs.append((now[0] - before[0]) / max(1, now[1] - before[1]) * 1e6)
        before = now
    return costs


class Counting(asyncio.DatagramProtocol):
    """The peer: one callback per packet, which does nothing but count."""

    received = 0

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        Counting.received += 1


async def asyncio_callbacks(calls: int, seconds: float) -> float:
    """CPU µs per packet of one asyncio callback per packet, nothing stored."""
    loop = asyncio.get_running_loop()
    ports = []
    transports = []
    for _ in range(2 * calls):
        transport, _protocol = await loop.create_datagram_endpoint(Counting, local_addr=("127.0.0.1", 0))
        ports.append(transport.get_extra_info("sockname")[1])
        transports.append(transport)
    voices = Voices(calls, phases=PEER_PHASES)
    try:
        await asyncio.to_thread(voices.play, ports)
        return float(np.median(await cost_by_window(lambda: Counting.received, seconds)))
    finally:
        voices.close()
        for transport in transports:
            transport.close()


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--peer-calls", type=int, default=100, help="calls of the asyncio run (it reaches about 400)")
    parser.add_argument("--stages", action="store_true", help="time the stages too (adds a little cost)")
    parser.add_argument("--ring-mb", type=int, default=0, help="hear with a packet ring of that size, not by sockets")
    chosen = parser.parse_args()
    for calls in chosen.calls:
        peer = run_to_the_end(asyncio_callbacks(chosen.peer_calls, chosen.seconds))
        print(f"asyncio, one callback per packet, nothing stored: {peer:.1f} µs/packet ({chosen.peer_calls} calls)")
        with tempfile.TemporaryDirectory() as directory:
            cost = run_to_the_end(ours(calls, chosen.seconds, Path(directory), chosen.stages, chosen.ring_mb))
        print(f"  {peer / cost:.1f} times cheaper than asyncio callbacks")


if __name__ == "__main__":
    main()
