"""SIP under load: calls set up and torn down beside others that run with sound, seen from outside.

A real server takes 500 SIPREC calls with RTP in real time; then, for some seconds, 100 more calls a second are placed
(INVITE, 200, ACK), stay for a moment, and are ended (BYE, 200). Printed: how many were refused or not answered, how
long INVITE to 200 took, and what the server's CPU for one such call was: what it used in that time, less what the
running calls cost it before, by the calls.

    python -m benchmarks.sip --running 500 --per-second 100 --seconds 20

Exits 1 when a call was refused. Everything stays on loopback, in a temporary folder that is removed.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.callers import Callers, end_of, paced, run_to_the_end
from benchmarks.usage import usage_of
from benchmarks.voices import Voices
from benchmarks.windows import beyond_ingest, cost_of, windows
from tests.servers import LiveServer

from earshot.simulate.client import Refused
from earshot.simulate.transaction import NoAnswer

FIRST_PORT, LAST_PORT = 10_000, 31_999
RAMP_PER_S = 100.0
SETTLE_S = 2.0
BEFORE_S = 6.0
SHORT_FROM = 20_000
"""The numbers of the short calls begin here, those of the running ones at 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Counts are calls; times are milliseconds from INVITE to 200 as the client sees it; CPU is the server's, in
    milliseconds per call set up and torn down, by thread and in its sealing processes."""

    running: int
    placed: int
    refused: dict[str, int]
    unanswered: int
    retransmitted: int
    setup_ms: dict[str, float]
    cpu_ms: dict[str, float]
    ingest_us_before: float


class Bell:
    """Places short calls and counts what becomes of them."""

    def __init__(self, callers: Callers, hold_s: float) -> None:
        self._callers = callers
        self._hold_s = hold_s
        self.refused: Counter[str] = Counter()
        self.unanswered = 0

    async def ring(self, turn: int) -> None:
        """One short call from beginning to end."""
        number = SHORT_FROM + turn
        try:
            await self._callers.place(number)
            await asyncio.sleep(self._hold_s)
            await self._callers.end(number)
        except Refused as refusal:
            self.refused[str(refusal)] += 1
        except NoAnswer:
            self.unanswered += 1


async def measure(server: LiveServer, voices: Voices, wanted: argparse.Namespace) -> Result:
    """Bring the running calls up, then the short ones through. Raises Refused, NoAnswer for a running one."""
    assert server.process is not None
    pid = server.process.pid
    talking, ringing = Callers(server.sip_port, voices), Callers(server.sip_port, None)
    await talking.open()
    await ringing.open()
    try:
        await paced(RAMP_PER_S, wanted.running, talking.place)
        await asyncio.sleep(SETTLE_S)
        ingest = cost_of(await windows(pid, voices.packets, BEFORE_S))
        before, sent = usage_of(pid), voices.packets()
        bell = Bell(ringing, wanted.hold)
        count = round(wanted.per_second * wanted.seconds)
        await paced(wanted.per_second, count, bell.ring)
        await asyncio.sleep(SETTLE_S)
        used = usage_of(pid).since(before)
        packets = voices.packets() - sent
    finally:
        await talking.close()
        await ringing.close()
    beyond = beyond_ingest(used, ingest, packets)
    times = sorted(ringing.setup_s)
    return Result(
        running=len(talking.up),
        placed=count,
        refused=dict(bell.refused),
        unanswered=bell.unanswered,
        retransmitted=ringing.retransmitted,
        setup_ms={
            name: 1e3 * times[min(len(times) - 1, int(share * len(times)))]
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
        cpu_ms={name: 1e3 * spent / count for name, spent in beyond.items() if spent / count > 1e-5},
        ingest_us_before=ingest.median,
    )


async def run(wanted: argparse.Namespace) -> Result:
    """Start the server and the sound, measure, end both."""
    channels = wanted.running + round(wanted.per_second * (wanted.hold + 5))
    environment = {"EARSHOT_CHANNELS": str(channels), "EARSHOT_LOG_LEVEL": "warning"}
    with tempfile.TemporaryDirectory(prefix="earshot-sip-", dir=wanted.dir) as folder:
        server = LiveServer(Path(folder) / "data", env=environment, rtp_ports=f"{FIRST_PORT}-{LAST_PORT}")
        voices = Voices(wanted.running)
        try:
            await server.start()
            return await measure(server, voices, wanted)
        finally:
            voices.close()
            await end_of(server)
            print(server.log()[-2000:], end="")


def main() -> None:
    """Parse the command line, run, print a table and a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--running", type=int, default=500, help="calls with sound beside which it happens")
    parser.add_argument("--per-second", type=float, default=100.0, help="calls set up and torn down")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--hold", type=float, default=0.5, help="seconds between ACK and BYE")
    parser.add_argument("--dir", default=None, help="where the temporary folder goes")
    wanted = parser.parse_args()
    result = run_to_the_end(run(wanted))
    total = sum(result.cpu_ms.values())
    print(f"{wanted.per_second:.0f} calls/s set up and torn down beside {result.running} that run with sound")
    refusals = ", ".join(f"{count} times {why}" for why, count in result.refused.items()) or "none"
    print(f"  placed {result.placed}; refused: {refusals}; not answered: {result.unanswered}")
    print(f"  requests sent again {result.retransmitted}")
    print("  INVITE to 200: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in result.setup_ms.items()))
    print(f"  server CPU per call: {total:.2f} ms")
    for name, ms in sorted(result.cpu_ms.items(), key=lambda item: -item[1]):
        print(f"    {name:20s} {ms:.2f} ms")
    print(json.dumps(asdict(result)))
    sys.exit(1 if result.refused or result.unanswered else 0)


if __name__ == "__main__":
    main()
