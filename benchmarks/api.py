"""The XML port: TEST and a 30-field CALLSTART against a bare uvloop echo of the same bytes, and TEST among 500 calls.

The server is a real `earshot serve`, the echo a process of its own, the client a third; all on loopback. Windows of the
two alternate, and each ratio is of neighbours, so that what else the machine does strikes both; medians are printed.
CPU per request is that of the whole server process until it has come to rest.

    CALLSTART            a new call on a device that is free: parsed, decided, journalled, answered; the journal is made
                         durable for all of them once per flush interval, which is in the CPU.
                         No device is asked for twice in a window; the calls are ended after it, outside of what is
                         counted, so that the next window finds the devices free again
    CALLSTART, restarts  the same devices over and over: each CALLSTART also ends the call before it, which gets its
                         verdict and its row in the database. The row is in the CPU, not in the requests per second
    CALLSTART, CALLSTOP  one after the other on each device, both counted as requests

    python -m benchmarks.api                  everything
    python -m benchmarks.api --calls 0        without the part that records calls
    python -m benchmarks.api --only CALLSTART --rounds 5

Exits 1 when a goal is missed.
"""

import argparse
import asyncio
import multiprocessing
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks import wire
from benchmarks.api_requests import DEPTH, KINDS, TEST, Kind
from benchmarks.wire import Done, Exchange, Task
from tests.ports import free_rtp_ports
from tests.servers import LiveServer, running

MANY = 100
FRESH_AT_ONCE = 16
WARM_S = 0.3
REST_S = 0.4
REST_SHARE = 0.08
REST_AT_MOST_S = 60.0
P99_CONNECTIONS = 20
P99_PER_SECOND = 500.0
MOST_P99_MS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How requests travel: `connections`, of which each has `depth` requests under way, or one in its life."""

    name: str
    connections: int
    depth: int = 1
    fresh: bool = False


MODES = (
    Mode(name="1 connection", connections=1),
    Mode(name="100 connections", connections=MANY),
    Mode(name=f"pipelined, {DEPTH} under way", connections=1, depth=DEPTH),
    Mode(name=f"a connection each, {FRESH_AT_ONCE} at once", connections=FRESH_AT_ONCE, fresh=True),
)


# --- those who are measured ----------------------------------------------------------------------------------------


class Measured:
    """A server process at `port`; `answer_bytes` says how many bytes answer a request, `owes` how many ended calls have
    no rows yet."""

    def __init__(
        self, pid: int, port: int, answer_bytes: Callable[[bytes], int], owes: Callable[[], int] = lambda: 0
    ) -> None:
        self.port = port
        self.answer_bytes = answer_bytes
        self.owes = owes
        self._cpu_clock = ~pid << 3 | 2  # clock_getcpuclockid(3)

    def cpu_s(self) -> float:
        """Processor time of the process until now, all threads."""
        return time.clock_gettime(self._cpu_clock)

    def lanes(self, kind: Kind, mode: Mode) -> list[list[Exchange]]:
        """What each connection sends: the requests are dealt out so that a device stays on its connection."""
        requests = kind.requests
        share = len(requests) // mode.connections // 2 * 2
        lanes = []
        for first in range(0, share * mode.connections, share):
            chunks = [requests[at : at + mode.depth] for at in range(first, first + share, mode.depth)]
            lanes.append([(b"".join(chunk), sum(map(self.answer_bytes, chunk))) for chunk in chunks])
        return lanes

    def undo(self, kind: Kind) -> None:
        """Send what ends the calls of a window."""
        if kind.undo is None:
            return
        requests = list(kind.undo())
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            answers = connection.makefile("rb")
            for at in range(0, len(requests), DEPTH):
                chunk = requests[at : at + DEPTH]
                connection.sendall(b"".join(chunk))
                for _ in chunk:
                    answers.readline()
        self.rest()

    def rest(self) -> float:
        """Wait until every ended call has its row and the process does nothing; returns the processor time until then.

        To do nothing for a while is not enough: rows also wait for the disk, and would be counted in the next window.
        """
        until = time.monotonic() + REST_AT_MOST_S
        before = self.cpu_s()
        while time.monotonic() < until:
            time.sleep(REST_S)
            now = self.cpu_s()
            if now - before < REST_SHARE * REST_S and not self.owes():
                return now
            before = self.cpu_s()
        raise TimeoutError("the server did not come to rest")


def rows_owed(http_port: int) -> Callable[[], int]:
    """How many ended calls of the recorder wait for their rows, as it says itself."""

    def owes() -> int:
        with urlopen(f"http://127.0.0.1:{http_port}/metrics") as metrics:
            return int(float(metrics.read().partition(b'\nearshot_calls{phase="ended"} ')[2].split()[0]))

    return owes


def answers_of(port: int) -> Callable[[bytes], int]:
    """How long the answers of the recorder are, found out by asking; each request is asked once per kind and length."""
    known: dict[tuple[bytes, int], int] = {}

    def answer_bytes(asked: bytes) -> int:
        alike = asked[:40], len(asked)
        if alike not in known:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(asked)
                answer = connection.makefile("rb").readline()
            if b"<RESULTCODE>20<" not in answer:
                raise ValueError(f"{asked!r} was answered with {answer!r}")
            known[alike] = len(answer)
        return known[alike]

    return answer_bytes


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[tuple[Connection, BaseProcess]]:
    """A process of `benchmarks.wire` and the pipe to it; ended with the block."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    started = context.Process(target=target, args=(other, *arguments), daemon=True)
    started.start()
    other.close()
    try:
        yield pipe, started
    finally:
        started.kill()
        started.join()


# --- windows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one window brought: requests per second, CPU µs of the server per request, latencies in ms."""

    per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    rest_s: float


def percentiles_ms(latencies: Sequence[float], *shares: float) -> list[float]:
    """The latencies, in ms, within which `shares` of all were answered; infinite when none was."""
    ordered = sorted(latencies)
    return [ordered[int(share * (len(ordered) - 1))] * 1e3 if ordered else float("inf") for share in shares]


def window(pipe: Connection, server: Measured, task: Task, depth: int) -> Window:
    """Let the client carry out `task`, wait for the server to come to rest, and count."""
    before = server.cpu_s()
    pipe.send(task)
    done: Done = pipe.recv()
    ended = time.monotonic()
    cpu = server.rest()
    p50, p99 = percentiles_ms(done.latencies, 0.5, 0.99)
    return Window(
        per_second=done.exchanges * depth / done.seconds,
        cpu_us=(cpu - before) * 1e6 / max(1, done.exchanges * depth),
        p50_ms=p50,
        p99_ms=p99,
        rest_s=max(0.0, time.monotonic() - ended - REST_S),
    )


def compare(
    pipe: Connection, echo: Measured, recorder: Measured, kind: Kind, mode: Mode, rounds: int, seconds: float
) -> float:
    """Alternate windows of both, print one line; returns the median ratio of requests per second."""
    pairs = []
    for server in (echo, recorder):
        once = server is recorder and kind.undo is not None
        task = Task(port=server.port, lanes=server.lanes(kind, mode), seconds=seconds, fresh=mode.fresh, once=once)
        pairs.append((server, task))
    found: dict[Measured, list[Window]] = {echo: [], recorder: []}
    for number in range(-1, rounds):
        for server, task in pairs if number % 2 == 0 else reversed(pairs):
            measured = window(pipe, server, task if number >= 0 else replace(task, seconds=WARM_S), mode.depth)
            if number >= 0:
                found[server].append(measured)
        recorder.undo(kind)

    def median(server: Measured, figure: str) -> float:
        return float(statistics.median(getattr(one, figure) for one in found[server]))

    both = list(zip(found[echo], found[recorder], strict=True))
    ratio = statistics.median(ours.per_second / bare.per_second for bare, ours in both)
    cpu_ratio = statistics.median(bare.cpu_us / ours.cpu_us for bare, ours in both)
    print(
        f"{kind.name:20s} {mode.name:30s} {ratio:6.3f} {cpu_ratio:7.3f} {median(recorder, 'per_second'):9.0f} "
        f"{median(echo, 'per_second'):9.0f} {median(recorder, 'cpu_us'):8.1f} {median(echo, 'cpu_us'):7.1f} "
        f"{median(recorder, 'p50_ms'):8.3f} {median(recorder, 'p99_ms'):8.3f} {median(recorder, 'rest_s'):6.1f}",
        flush=True,
    )
    return ratio


HEAD = (
    f"{'':20s} {'':30s} {'ratio':>6s} {'by CPU':>7s} {'requests':>9s} {'echo':>9s} {'CPU µs/':>8s} {'echo':>7s} "
    f"{'p50 ms':>8s} {'p99 ms':>8s} {'rows s':>6s}\n"
    f"{'':20s} {'':30s} {'':>6s} {'':>7s} {'/s':>9s} {'/s':>9s} {'request':>8s}"
)


def throughput(server: LiveServer, only: str, rounds: int, seconds: float) -> list[str]:
    """Everything against the echo; returns the goals that were missed."""
    assert server.process is not None
    missed = []
    with process(wire.echo) as (told, echoing), process(wire.client) as (pipe, _):
        assert echoing.pid is not None
        bare = Measured(echoing.pid, told.recv(), len)
        answers, owes = answers_of(server.api_port), rows_owed(server.http_port)
        recorder = Measured(server.process.pid, server.api_port, answers, owes)
        print(HEAD)
        for kind in KINDS:
            if only not in kind.name:
                continue
            for mode in MODES:
                ratio = compare(pipe, bare, recorder, kind, mode, rounds, seconds)
                if kind.goal is not None and mode.connections == MANY and ratio < kind.goal:
                    missed.append(
                        f"{kind.name} on {MANY} connections: {ratio:.3f} of the echo, the goal is {kind.goal}"
                    )
    return missed


# --- among calls --------------------------------------------------------------------------------------------------


def latency(pipe: Connection, server: Measured, seconds: float) -> Done:
    """TEST at a set rate on some connections."""
    mode = Mode(name="", connections=P99_CONNECTIONS)
    pipe.send(Task(port=server.port, lanes=server.lanes(TEST, mode), seconds=seconds, per_second=P99_PER_SECOND))
    done: Done = pipe.recv()
    return done


def p99_line(name: str, latencies: Sequence[float]) -> float:
    """Print percentiles in ms; returns the 99th."""
    p50, p99, p999 = percentiles_ms(latencies, 0.5, 0.99, 0.999)
    print(f"  {name:34s} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   p99.9 {p999:7.2f} ms   ({len(latencies)})", flush=True)
    return p99


def among_calls(server: LiveServer, calls: int, seconds: float) -> list[str]:
    """The latency of TEST while `calls` calls are recorded, beside that of the echo and that without calls."""
    assert server.process is not None
    with process(wire.echo) as (told, echoing), process(wire.client) as (pipe, _):
        assert echoing.pid is not None
        bare = Measured(echoing.pid, told.recv(), len)
        recorder = Measured(server.process.pid, server.api_port, answers_of(server.api_port))
        print(f"TEST, {P99_PER_SECOND:.0f} a second on {P99_CONNECTIONS} connections, from the moment it is due")
        p99_line("no calls", latency(pipe, recorder, seconds).latencies)
        with process(wire.phones, server.sip_port, calls, 2 * seconds + 2.0) as (phones, _):
            answered = phones.recv()
            time.sleep(1.0)
            began, cpu = time.monotonic(), recorder.cpu_s()
            ours: list[float] = []
            echoed: list[float] = []
            for _ in range(4):
                ours += latency(pipe, recorder, seconds / 4).latencies
                echoed += latency(pipe, bare, seconds / 4).latencies
            share = (recorder.cpu_s() - cpu) / (time.monotonic() - began)
            p99 = p99_line(f"{answered} calls recorded", ours)
            p99_line("the echo meanwhile", echoed)
            packets = phones.recv()
            print(f"  {packets} packets were sent; the recorder used {share * 100:.0f} % of a core")
    missed = []
    if answered < calls:
        missed.append(f"only {answered} of {calls} calls were answered")
    if p99 > MOST_P99_MS:
        missed.append(f"p99 of TEST among {answered} calls is {p99:.1f} ms, the goal is {MOST_P99_MS:.0f} ms")
    return missed


async def run(chosen: argparse.Namespace, folder: Path) -> list[str]:
    """Both parts, each with a server of its own; returns the goals that were missed."""
    missed = []
    if chosen.rounds:
        async with running(folder / "throughput") as server:
            missed += await asyncio.to_thread(throughput, server, chosen.only, chosen.rounds, chosen.seconds)
    if chosen.calls:
        server = LiveServer(folder / "calls", rtp_ports=free_rtp_ports(4 * chosen.calls + 200))
        try:
            await server.start()
            missed += await asyncio.to_thread(among_calls, server, chosen.calls, chosen.call_seconds)
        finally:
            await server.kill()
    return missed


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="windows of each server per line; 0 leaves the part out")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a window")
    parser.add_argument("--only", default="", help=f"part of a name: {'; '.join(one.name for one in KINDS)}")
    parser.add_argument("--calls", type=int, default=500, help="calls in the second part; 0 leaves it out")
    parser.add_argument("--call-seconds", type=float, default=10.0, help="for how long TEST is asked meanwhile")
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="earshot-api-") as folder:
        missed = asyncio.run(run(chosen, Path(folder)))
    for one in missed:
        print(f"MISSED: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
