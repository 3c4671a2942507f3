"""Events to many subscribers while calls are recorded, beside a bare loop that writes the same bytes.

A real server records SIPREC calls with RTP in real time. 500 subscribers listen, half of them on the event port, half
as server-sent events; a client sends 1,000 CALLUPDATE a second over TCP, each of which is an event for all of them.
Printed: how old events are when they are read (from the moment the command was sent), how many were lost, the server's
CPU, and whether any packet of the calls was lost. The ceiling is a bare uvloop that writes the same bytes to as many
sockets.

    python -m benchmarks.events --subscribers 500 --per-second 1000 --calls 20 --seconds 20

Exits 1 when an event or a packet was lost. Everything stays on loopback, in a temporary folder that is removed.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx
from benchmarks.callers import Callers, end_of, extension_of, paced, run_to_the_end
from benchmarks.hearers import Heard, Where, bare, hearers
from benchmarks.rows import SealedRows
from benchmarks.usage import usage_of
from benchmarks.voices import Voices
from tests.servers import LiveServer

from earshot.config import load
from earshot.operations import create_user

DEVICE = 999_999
SEAL_S = 120.0
PASSWORD = "a password of the benchmark"
READERS = 2
VALUES = {
    "GROUP": "Claims",
    "GATE": "Claims inbound",
    "ANI": "+493012345678",
    "DNIS": "+4989987654",
    "CALLID": "4711-0815",
    **{f"USER{number}": f"value {number} of the call" for number in range(2, 9)},
}
"""What a call of a customer's system carries, beside the moment in USER1."""
DOCUMENT = b"<EVENT><TYPE>CALLUPDATE</TYPE><USER1>@STAMP@</USER1>%b</EVENT>\r\n"
GOAL_MS = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`wrong` subscribers counted another number of events than were `sent`; `lost` is what all of them miss. Ages in
    milliseconds of every event that the timed subscribers read; CPU as shares of one core, that of the readers too."""

    sent: int
    lost: int
    wrong: int
    closed: int
    age_ms: dict[str, float]
    core_share: float
    readers_share: float


class Process:
    """A process with a pipe."""

    def __init__(self, work: Any, *given: Any) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=work, args=(theirs, *given), daemon=True)
        self._process.start()
        theirs.close()

    async def word(self) -> Any:
        """What it says next."""
        return await asyncio.to_thread(self.pipe.recv)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


class Audience:
    """All subscribers, in processes that share them evenly."""

    def __init__(self, where: Where, seconds: float) -> None:
        parts = [
            replace(where, tcp=len(range(part, where.tcp, READERS)), sse=len(range(part, where.sse, READERS)))
            for part in range(READERS)
        ]
        self._processes = [Process(hearers, part, seconds) for part in parts]

    async def __aenter__(self) -> Self:
        """Wait until all are connected."""
        for process in self._processes:
            await process.word()
        return self

    def go(self) -> None:
        """The time of listening begins."""
        for process in self._processes:
            process.pipe.send("go")

    async def heard(self) -> Heard:
        """What all of them heard."""
        told: list[Heard] = [await process.word() for process in self._processes]
        return Heard(
            counts=[count for one in told for count in one.counts],
            ages_s=[age for one in told for age in one.ages_s],
            closed=sum(one.closed for one in told),
            used_s=sum(one.used_s for one in told),
        )

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            process.close()


def percentiles(heard: Heard) -> dict[str, float]:
    ages = sorted(heard.ages_s) or [float("inf")]
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return {name: 1e3 * ages[min(len(ages) - 1, int(share * len(ages)))] for name, share in shares}


async def send_updates(port: int, per_second: float, seconds: float) -> int:
    """CALLUPDATE at that rate over one connection, answers read beside; returns how many were sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    count = int(per_second * seconds)
    began = time.monotonic()
    sent = 0
    answers = asyncio.create_task(_read(reader, count))
    while sent < count:
        due = min(int((time.monotonic() - began) * per_second), count)
        for _ in range(sent, due):
            stamp = f"{time.monotonic():.6f}"
            writer.write(
                f"<REQUEST><TYPE>CALLUPDATE</TYPE><REQUESTID>1</REQUESTID><DEVICEID>{DEVICE}</DEVICEID>"
                f"<USER1>{stamp}</USER1></REQUEST>".encode()
            )
        sent = due
        await asyncio.sleep(0.005)
    await answers
    writer.close()
    return count


async def _read(reader: asyncio.StreamReader, count: int) -> None:
    for _ in range(count):
        await reader.readuntil(b"\r\n")


async def cookie_of(server: LiveServer) -> str:
    """The login of a person who sees everything."""
    await create_user(load(data_dir=server.data_dir), "hearer", PASSWORD, True)
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{server.http_port}/login"
        form = {"username": "hearer", "password": PASSWORD}
        answer = await http.post(url, data=form, headers={"Sec-Fetch-Site": "same-origin"})
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


async def served(server: LiveServer, wanted: argparse.Namespace) -> Delivery:
    """What the subscribers of the real server hear."""
    assert server.process is not None
    half = wanted.subscribers // 2
    where = Where(
        events_port=server.events_port,
        http_port=server.http_port,
        tcp=wanted.subscribers - half,
        sse=half,
        cookie=await cookie_of(server),
    )
    await server.command("CALLSTART", DEVICEID=DEVICE, **VALUES)
    async with Audience(where, wanted.seconds) as audience:
        audience.go()
        before = usage_of(server.process.pid)
        sent = await send_updates(server.api_port, wanted.per_second, wanted.seconds)
        used = usage_of(server.process.pid).since(before)
        heard = await audience.heard()
    await server.command("CALLSTOP", DEVICEID=DEVICE)
    return _delivery(heard, sent, used.own_s, wanted.seconds)


async def ceiling(wanted: argparse.Namespace, size: int) -> Delivery:
    """The same by a bare loop, all of it over plain TCP."""
    filler = b"x" * max(0, size - len(DOCUMENT) - 10)
    loop = Process(bare, wanted.per_second, wanted.seconds, DOCUMENT % filler)
    try:
        where = Where(events_port=await loop.word(), http_port=0, tcp=wanted.subscribers, sse=0)
        async with Audience(where, wanted.seconds) as audience:
            audience.go()
            loop.pipe.send("go")
            sent, used_s = await loop.word()
            heard = await audience.heard()
    finally:
        loop.close()
    return _delivery(heard, sent, used_s, wanted.seconds)


def _delivery(heard: Heard, sent: int, used_s: float, seconds: float) -> Delivery:
    return Delivery(
        sent=sent,
        lost=sum(sent - count for count in heard.counts),
        wrong=sum(sent != count for count in heard.counts),
        closed=heard.closed,
        age_ms=percentiles(heard),
        core_share=used_s / seconds,
        readers_share=heard.used_s / seconds,
    )


async def event_size(server: LiveServer) -> int:
    """Bytes of one event on the event port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.events_port)
    await server.command("CALLSTART", DEVICEID=DEVICE + 1, USER1=f"{time.monotonic():.6f}", **VALUES)
    line = await reader.readuntil(b"\r\n")
    await server.command("CALLSTOP", DEVICEID=DEVICE + 1)
    writer.close()
    return len(line)


async def measure(server: LiveServer, voices: Voices, wanted: argparse.Namespace) -> tuple[Delivery, int, int]:
    """Record calls meanwhile; returns the delivery, packets sent, and packets missing in the rows."""
    callers = Callers(server.sip_port, voices)
    await callers.open()
    rows = SealedRows(server.data_dir / "earshot.db")
    watching = asyncio.create_task(rows.watch())
    try:
        await paced(20.0, wanted.calls, callers.place)
        delivery = await served(server, wanted)
        for number in callers.up:
            await callers.end(number)
        devices = {extension_of(number) for number in callers.ended}
        if not await rows.until(devices, SEAL_S):
            raise SystemExit("some calls were not sealed in time")
        sent = {extension_of(number): sum(ended.said.packets) for number, ended in callers.ended.items()}
        missing = sum(count - rows.found[device].packets for device, count in sent.items())
        return delivery, sum(sent.values()), missing
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await callers.close()


def show(name: str, one: Delivery) -> None:
    """A line about it."""
    ages = ", ".join(f"{kind} {ms:.0f} ms" for kind, ms in one.age_ms.items())
    lost = f"lost {one.lost} at {one.wrong} subscribers, closed {one.closed}"
    cores = f"{100 * one.core_share:.0f} % of a core, readers {100 * one.readers_share:.0f} %"
    print(f"  {name}: {ages}; {lost}; {cores}", flush=True)


async def run(wanted: argparse.Namespace) -> bool:
    """Measure both and print; whether nothing was lost."""
    environment = {"EARSHOT_LOG_LEVEL": "warning"}
    with tempfile.TemporaryDirectory(prefix="earshot-events-", dir=wanted.dir) as folder:
        server = LiveServer(Path(folder) / "data", env=environment)
        voices = Voices(wanted.calls)
        try:
            await server.start()
            size = await event_size(server)
            ours, packets, missing = await measure(server, voices, wanted)
        finally:
            voices.close()
            await end_of(server)
            print(server.log()[-2000:], end="")
    print(f"{wanted.per_second:.0f} events/s of {size} bytes to {wanted.subscribers} subscribers, {wanted.calls} calls")
    show("earshot, half TCP, half SSE", ours)
    bare_loop = await ceiling(wanted, size)
    show("bare uvloop, all TCP", bare_loop)
    print(f"  packets of the calls: {packets} sent, {missing} missing; goal: p99 under {GOAL_MS:.0f} ms")
    print(json.dumps({"earshot": asdict(ours), "bare": asdict(bare_loop), "packets": packets, "missing": missing}))
    return ours.wrong == 0 and ours.closed == 0 and missing == 0


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=500)
    parser.add_argument("--per-second", type=float, default=1_000.0)
    parser.add_argument("--calls", type=int, default=20, help="calls that are recorded meanwhile")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--dir", default=None, help="where the temporary folder goes")
    sys.exit(0 if run_to_the_end(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
