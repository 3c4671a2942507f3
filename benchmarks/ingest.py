"""Recording under load, all in, seen from outside: CPU per packet by stage, loss, sealing, memory, beside two peers.

A real server (`earshot serve`, a process of its own) takes N real SIPREC calls of two PCMU legs, with RTP in real time
from another process. Three phases: N calls run and nothing else happens; then, as in steady state, so many calls a
second end and as many begin; then all end. What was sent is compared with what the rows say. In the same run: one
asyncio callback per packet, and rtpengine recording the same load as pcap files where it is installed.

    python -m benchmarks.ingest --calls 500 1000 2000 --seconds 30 --call-length 180
    python -m benchmarks.ingest --calls 2000 --capture sockets ring      both ways of hearing sound (`rtp_capture`)

All-in, percent of a core per call = 100 * (ingest µs per packet * 100 packets/s / 1e6 + C / length), where C is the
CPU of setting up, ending and sealing one call: what server and sealing processes used in the second phase less ingest,
by the calls that ended in it. Everything stays on loopback, in one temporary folder that is removed.
"""

import argparse
import asyncio
import itertools
import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.callers import Callers, end_of, extension_of, paced, run_to_the_end
from benchmarks.ingest_core import asyncio_callbacks
from benchmarks.rows import SealedRows
from benchmarks.rtpengine import Rtpengine, is_installed
from benchmarks.usage import resident_mb, usage_of
from benchmarks.voices import Voices
from benchmarks.windows import PACKETS_PER_CALL_S, WINDOW_S, Cost, Window, beyond_ingest, cost_of, windows
from tests.servers import LiveServer

FIRST_PORT, LAST_PORT = 10_000, 31_999
RAMP_PER_S = 100.0
LAST_ENDS_PER_S = 50.0
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """The second phase: calls that ended, their mean length, CPU milliseconds for each beyond ingest by thread and in
    the sealing processes, and seconds from the last packet to the row."""

    ended: int
    length_s: float
    cpu_ms: dict[str, float]
    to_row_s: dict[str, float]

    @property
    def cpu_ms_per_call(self) -> float:
        """All of it."""
        return sum(self.cpu_ms.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was found for one number of calls. Packets are those of the calls that have
    a row, memory is of the server process."""

    calls: int
    capture: str
    cost: Cost
    sealing: Sealing
    packets_sent: int
    packets_recorded: int
    rows_missing: int
    memory_mb: dict[str, float]
    asyncio_us: float
    rtpengine: Cost | None = None
    rtpengine_packets: tuple[int, int] = (0, 0)

    @property
    def all_in_percent(self) -> float:
        """Percent of a core per call; the formula is at the top."""
        per_second = self.sealing.cpu_ms_per_call / 1e3 / self.sealing.length_s
        return self.cost.percent_of_core_per_call + 100 * per_second


class Run:
    """One number of calls through the three phases."""

    def __init__(self, server: LiveServer, callers: Callers, voices: Voices, wanted: argparse.Namespace) -> None:
        assert server.process is not None
        self._pid = server.process.pid
        self._callers = callers
        self._voices = voices
        self._wanted = wanted
        self._rows = SealedRows(server.data_dir / "earshot.db")
        self._phase_s = max(wanted.seconds, wanted.call_length - SETTLE_S)
        self.memory_mb = {"idle": resident_mb(self._pid)}

    async def measure(self, calls: int, capture: str, asyncio_us: float) -> Result:
        """All three phases. Raises Refused, NoAnswer."""
        watching = asyncio.create_task(self._rows.watch())
        try:
            await paced(RAMP_PER_S, calls, self._callers.place)
            await asyncio.sleep(SETTLE_S)
            self.memory_mb["start"] = resident_mb(self._pid)
            cost = cost_of(await windows(self._pid, self._voices.packets, self._phase_s))
            self.memory_mb["end"] = resident_mb(self._pid)
            sealing = await self._turn_over(calls, cost)
            await self._end_all()
        finally:
            watching.cancel()
        packets = {extension_of(n): sum(ended.said.packets) for n, ended in self._callers.ended.items()}
        stored = {device: row.packets for device, row in self._rows.found.items() if device in packets}
        return Result(
            calls=calls,
            capture=capture,
            cost=cost,
            sealing=sealing,
            packets_sent=sum(packets[device] for device in stored),
            packets_recorded=sum(stored.values()),
            rows_missing=len(packets) - len(stored),
            memory_mb=self.memory_mb,
            asyncio_us=asyncio_us,
        )

    async def _turn_over(self, calls: int, cost: Cost) -> Sealing:
        """Calls end, oldest first, and as many begin; what that costs beyond the packets of all that run."""
        rate, seconds = self._wanted.ends_per_second or calls / self._phase_s, self._wanted.turnover
        count = max(1, round(rate * seconds))
        oldest = self._callers.up[:count]
        before, sent = usage_of(self._pid), self._voices.packets()

        async def replace(turn: int) -> None:
            await self._callers.end(oldest[turn])
            await self._callers.place(calls + turn)

        await paced(rate, len(oldest), replace)
        await self._rows.until({extension_of(number) for number in oldest}, self._wanted.patience)
        used = usage_of(self._pid).since(before)
        packets = self._voices.packets() - sent
        over = {number: self._callers.ended[number] for number in oldest}
        seen = self._rows.found
        waits = sorted(
            seen[extension_of(number)].seen_at - call.said.ended_at if extension_of(number) in seen else math.inf
            for number, call in over.items()
        )
        return Sealing(
            ended=len(over),
            length_s=statistics.fmean(call.length_s for call in over.values()),
            cpu_ms={name: spent / len(over) * 1e3 for name, spent in beyond_ingest(used, cost, packets).items()},
            to_row_s={
                "median": statistics.median(waits),
                "p95": waits[int(0.95 * (len(waits) - 1))],
                "max": waits[-1],
            },
        )

    async def _end_all(self) -> None:
        rest = self._callers.up
        await paced(LAST_ENDS_PER_S, len(rest), lambda turn: self._callers.end(rest[turn]))
        self.memory_mb["all ended"] = resident_mb(self._pid)
        await self._rows.until({extension_of(number) for number in self._callers.ended}, self._wanted.patience)


async def ours(calls: int, capture: str, wanted: argparse.Namespace, folder: Path, asyncio_us: float) -> Result:
    """Our server under the load."""
    turned = round(wanted.ends_per_second * wanted.turnover)
    environment = {
        "EARSHOT_CHANNELS": str(calls + turned + 100),
        "EARSHOT_LOG_LEVEL": "warning",
        "EARSHOT_RTP_CAPTURE": capture,
    }
    server = LiveServer(folder / "data", env=environment, rtp_ports=f"{FIRST_PORT}-{LAST_PORT}")
    voices = Voices(calls + turned + 8)
    try:
        await server.start()
        callers = Callers(server.sip_port, voices)
        await callers.open()
        try:
            return await Run(server, callers, voices, wanted).measure(calls, capture, asyncio_us)
        finally:
            await callers.close()
    finally:
        voices.close()
        await end_of(server)
        print(server.log()[-2000:], end="")


async def theirs(calls: int, seconds: float, folder: Path) -> tuple[Cost, tuple[int, int]]:
    """rtpengine under the same load: its cost, and packets sent and taken."""
    peer = Rtpengine(folder, FIRST_PORT, LAST_PORT)
    voices = Voices(calls)
    try:
        peer.wait_until_up()
        for number in range(calls):
            targets = [("127.0.0.1", port) for port in peer.begin(number)]
            voices.seat(number)
            voices.talk(number, targets)
        await asyncio.sleep(SETTLE_S)
        measured: list[Window] = await windows(peer.pid, voices.packets, seconds)
        sent = sum(sum(voices.hush(number).packets) for number in range(calls))
        await asyncio.sleep(SETTLE_S)
        taken = sum(peer.end(number) for number in range(calls))
        return cost_of(measured), (sent, taken)
    finally:
        voices.close()
        peer.close()


# --- showing --------------------------------------------------------------------------------------------------------


def shown(result: Result) -> list[tuple[str, str, str]]:
    """The figures as lines: what, how much, what it should be."""
    cost, sealing, memory = result.cost, result.sealing, result.memory_mb
    calls = result.calls
    ingest = cost.median * calls * PACKETS_PER_CALL_S / 1e6
    lines = [
        ("ingest, CPU per packet", f"{cost.median:.2f} µs (best window {cost.best:.2f}, worst {cost.worst:.2f})", ""),
        *((f"  {name}", f"{us:.2f} µs", "") for name, us in cost.by_thread.items()),
        ("ingest, all calls", f"{100 * ingest:.1f} % of a core", "2,000 calls: 50 %"),
        (
            "asyncio callback per packet",
            f"{result.asyncio_us:.1f} µs, {result.asyncio_us / cost.median:.1f} x ours, nothing stored",
            "8 x",
        ),
        (
            "packets recorded of those sent",
            f"{result.packets_recorded} of {result.packets_sent} "
            f"({result.packets_sent - result.packets_recorded} lost), {result.rows_missing} rows missing",
            "none lost",
        ),
        ("last packet to sealed row", " ".join(f"{name} {s:.2f} s" for name, s in sealing.to_row_s.items()), ""),
        (
            "set up, end and seal a call",
            f"{sealing.cpu_ms_per_call:.1f} ms CPU at {sealing.length_s:.0f} s a call",
            "",
        ),
        *((f"  {name}", f"{ms:.2f} ms", "") for name, ms in sealing.cpu_ms.items() if abs(ms) >= 0.05),
        (
            "all-in, per call",
            f"{result.all_in_percent:.4f} % of a core: {100 / result.all_in_percent:.0f} calls per core",
            "0.07 %: 1,400 calls",
        ),
        (
            "memory per call",
            f"{(memory['start'] - memory['idle']) / calls * 1024:.0f} KiB at the start, "
            f"{(memory['end'] - memory['idle']) / calls * 1024:.0f} KiB at the end of the first phase "
            f"(idle {memory['idle']:.0f} MB, all ended {memory['all ended']:.0f} MB)",
            "does not grow",
        ),
    ]
    if result.rtpengine is not None:
        theirs_us, (sent, taken) = result.rtpengine.median, result.rtpengine_packets
        lines += [
            (
                "rtpengine, CPU per packet",
                f"{theirs_us:.2f} µs, {theirs_us / cost.median:.1f} x ours",
                "pcap, no fsync",
            ),
            (
                "rtpengine, per call",
                f"{result.rtpengine.percent_of_core_per_call:.4f} % of a core, {taken} of {sent} packets",
                "no sound file",
            ),
        ]
    return lines


def document(result: Result) -> dict[str, Any]:
    """The figures for a machine."""
    return {**asdict(result), "all_in_percent": result.all_in_percent}


async def run(wanted: argparse.Namespace) -> None:
    """Measure and print, one number of calls after the other, then one JSON line."""
    results = []
    for calls, capture in itertools.product(wanted.calls, wanted.captures):
        with tempfile.TemporaryDirectory(prefix="earshot-ingest-", dir=wanted.dir) as folder:
            asyncio_us = await asyncio_callbacks(wanted.peer_calls, wanted.peer_seconds)
            result = await ours(calls, capture, wanted, Path(folder), asyncio_us)
        if is_installed() and not wanted.no_rtpengine:
            with tempfile.TemporaryDirectory(prefix="earshot-rtpengine-", dir=wanted.dir) as folder:
                cost, packets = await theirs(calls, wanted.peer_seconds, Path(folder))
            result = replaced(result, cost, packets)
        results.append(result)
        sent = f"{result.cost.packets_per_s:.0f} were really sent"
        print(f"\n{calls} calls, {calls * PACKETS_PER_CALL_S} packets/s ({sent}), rtp_capture = {capture}")
        for what, how_much, goal in shown(result):
            print(f"  {what:32s} {how_much:88s} {goal}")
    print(json.dumps([document(result) for result in results]))


def replaced(result: Result, cost: Cost, packets: tuple[int, int]) -> Result:
    """The result with the figures of rtpengine."""
    fields = {name: getattr(result, name) for name in Result.__dataclass_fields__}
    return Result(**{**fields, "rtpengine": cost, "rtpengine_packets": packets})


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--capture", dest="captures", nargs="+", default=["sockets"], choices=["sockets", "ring"])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the first phase, at least")
    parser.add_argument("--call-length", type=float, default=0.0, help="how old calls are at least when they end")
    parser.add_argument("--turnover", type=float, default=30.0, help="length of the second phase")
    parser.add_argument(
        "--ends-per-second",
        type=float,
        default=0.0,
        help="calls that end (and begin) in it; 0: as many as calls of that length do, the number of calls / length",
    )
    parser.add_argument("--patience", type=float, default=300.0, help="how long to wait for rows")
    parser.add_argument("--peer-calls", type=int, default=100, help="calls of the asyncio run (it reaches about 400)")
    parser.add_argument("--peer-seconds", type=float, default=8 * WINDOW_S, help="length of the peers' runs")
    parser.add_argument("--no-rtpengine", action="store_true", help="leave that peer out")
    parser.add_argument("--dir", default=None, help="where temporary folders go; a disk, not memory, to be honest")
    return parser.parse_args(given)


def main() -> None:
    """Run as the command line says."""
    run_to_the_end(run(arguments()))


if __name__ == "__main__":
    main()
