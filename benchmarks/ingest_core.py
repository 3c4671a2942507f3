"""What receiving and journalling RTP costs: CPU microseconds per packet by stage, loss, beside asyncio callbacks.

A sender in a process of its own plays N two-leg calls of G.711 (50 packets of 172 bytes a second per leg) over
loopback. The receiver is the real listener and the real journal. CPU time, not wall time, is what is printed: the
machine may be busy with other things. The stages are timed inside the run, on the event loop's thread; the writing
thread (checksums, write, fdatasync) is the rest of the process. Others on the machine make the same work cost more
(caches, shared cores), so the cost is taken window by window: the median is what to quote, the best shows the noise.
"""

import argparse
import asyncio
import ctypes
import multiprocessing
import resource
import secrets
import socket
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from earshot.clock import SystemClock
from earshot.journal.pending import Pending
from earshot.journal.reader import read_leg
from earshot.journal.segment_file import SegmentFile
from earshot.journal.timeline import ArrivalTimes, JournalTime
from earshot.journal.writer import JournalWriter
from earshot.listeners.rtp import RtpListener, RtpSettings
from earshot.listeners.rtp_figures import LiveFigures
from earshot.listeners.rtp_receive import Receiver
from earshot.tasks import Spawner
from earshot.telephony.rtp import header_columns

PACKET_BYTES = 172
PERIOD_S = 0.02
WINDOW_S = 0.5
GROUPS = 40
HEAD = np.dtype(
    [("name", "u8"), ("size", "u8"), ("iov", "u8"), ("n", "u8"), ("c", "u8"), ("cl", "u8"), ("f", "u8"), ("l", "u8")]
)
ADDRESS = np.dtype([("family", "u2"), ("port", ">u2"), ("host", "u1", 4), ("zero", "u1", 8)])


def send(pipe: Connection) -> None:
    """Play one packet per port every 20 ms for as long as told; says how many were sent to each port."""
    ports, seconds = pipe.recv()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    count = len(ports)
    packets = np.zeros((count, PACKET_BYTES), np.uint8)
    packets[:, 12:] = np.random.default_rng(1).integers(0, 256, (count, PACKET_BYTES - 12), np.uint8)
    headers = header_columns(packets)
    headers["flags"], headers["type"], headers["ssrc"] = 0x80, 8, np.arange(count) + 1
    addresses = np.zeros(count, ADDRESS)
    addresses["family"], addresses["port"], addresses["host"] = socket.AF_INET, ports, (127, 0, 0, 1)
    vectors = np.zeros((count, 2), np.uint64)
    index = np.arange(count, dtype=np.uint64)
    vectors[:, 0], vectors[:, 1] = np.uint64(packets.ctypes.data) + index * np.uint64(PACKET_BYTES), PACKET_BYTES
    heads = np.zeros(count, HEAD)
    heads["name"], heads["size"] = np.uint64(addresses.ctypes.data) + index * np.uint64(16), 16
    heads["iov"], heads["n"] = np.uint64(vectors.ctypes.data) + index * np.uint64(16), 1
    sendmmsg = ctypes.CDLL(None).sendmmsg
    sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    groups = GROUPS
    start = time.monotonic()
    for tick in range(int(seconds / PERIOD_S)):
        headers["sequence"], headers["timestamp"] = tick, tick * 160
        for group in range(groups):
            low, high = count * group // groups, count * (group + 1) // groups
            while low < high:
                low += sendmmsg(sockets[0].fileno(), heads.ctypes.data + low * 64, min(high - low, 500), 0)
            wait = start + tick * PERIOD_S + (group + 1) * PERIOD_S / groups - time.monotonic()
            if wait > 0.00005:
                time.sleep(wait)
    pipe.send(int(seconds / PERIOD_S))


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

    def restore(self) -> None:
        for owner, name, method in self._undo:
            setattr(owner, name, method)


def memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def ours(calls: int, seconds: float, directory: Path, by_stage: bool) -> float:
    """Run the listener and the journal under load; prints and returns CPU µs per packet of the whole process."""
    clock = SystemClock()
    journal_time = JournalTime(clock)
    spawner = Spawner()
    writer = JournalWriter(directory, time=journal_time, random_u32=lambda: secrets.randbits(32))
    await writer.start(spawner)
    settings = RtpSettings(first_port=12000, last_port=32000, receive_buffer=512 * 1024)
    listener = RtpListener(settings, writer, clock, journal_time)
    legs = {listener.open_port(): leg for leg in range(1, 2 * calls + 1)}
    for port, leg in legs.items():
        listener.record(port, leg)
    stages = Stages()
    if by_stage:
        stages.time(Receiver, "drain", "receive")
        stages.time(ArrivalTimes, "convert", "header columns")
        stages.time(LiveFigures, "add", "header columns")
        stages.time(RtpListener, "_take", "header columns")
        stages.time(RtpListener, "_drain", "receive")
        stages.time(Pending, "append_media", "journal build")
        stages.time(JournalWriter, "_freeze", "journal build")
        stages.time(SegmentFile, "write", "checksums, write, fdatasync", nested=False)
    stages.time_longest(RtpListener, "_tick")
    listener.start()
    pipe, other = multiprocessing.Pipe()
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(other,), daemon=True)
    sender.start()
    pipe.send((list(legs), seconds))
    memory_before = memory_mb()
    costs = await cost_by_window(listener.packets_total, pipe)
    listener.drain()
    figures = [listener.figures(port) for port in legs]
    total = sum(figure.packets for figure in figures)
    sent = pipe.recv() * len(legs)
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
    sender.join()
    listener.stop()
    await writer.close()
    await spawner.close()
    return cost


async def cost_by_window(packets: Callable[[], int], pipe: Connection) -> list[float]:
    """CPU µs per packet of this process in each half second, the first second left out, until the sender is done; the
    last window, in which it may have been done already, is left out as well."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), done.set)
    costs = []
    await asyncio.sleep(1.0)
    before = time.process_time(), packets()
    while not done.is_set():
        try:
            await asyncio.wait_for(done.wait(), WINDOW_S)
        except TimeoutError:
            now = time.process_time(), packets()
            if not done.is_set() and now[1] > before[1]:
                costs.append((now[0] - before[0]) / (now[1] - before[1]) * 1e6)
            before = now
    loop.remove_reader(pipe.fileno())
    return costs[:-1] or costs


class Counting(asyncio.DatagramProtocol):
    """The peer: one callback per packet, which does nothing but count."""

    received = 0

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        Counting.received += 1


async def callbacks(calls: int, seconds: float) -> float:
    """CPU µs per packet of one asyncio callback per packet, nothing stored."""
    loop = asyncio.get_running_loop()
    ports = []
    transports = []
    for _ in range(2 * calls):
        transport, _protocol = await loop.create_datagram_endpoint(Counting, local_addr=("127.0.0.1", 0))
        ports.append(transport.get_extra_info("sockname")[1])
        transports.append(transport)
    pipe, other = multiprocessing.Pipe()
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(other,), daemon=True)
    sender.start()
    pipe.send((ports, seconds))
    costs = await cost_by_window(lambda: Counting.received, pipe)
    sender.join()
    for transport in transports:
        transport.close()
    return float(np.median(costs))


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--peer-calls", type=int, default=100, help="calls of the asyncio run (it reaches about 400)")
    parser.add_argument("--stages", action="store_true", help="time the stages too (adds a little cost)")
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for calls in chosen.calls:
        peer = asyncio.run(callbacks(chosen.peer_calls, chosen.seconds))
        print(f"asyncio, one callback per packet, nothing stored: {peer:.1f} µs/packet ({chosen.peer_calls} calls)")
        with tempfile.TemporaryDirectory() as directory:
            cost = asyncio.run(ours(calls, chosen.seconds, Path(directory), chosen.stages))
        print(f"  {peer / cost:.1f} times cheaper than asyncio callbacks")


if __name__ == "__main__":
    main()
