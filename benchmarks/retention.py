"""Purging a hundred thousand recordings while 500 calls are recorded by the real server.

A data folder is filled with rows and small media files whose days are over; a real server is started on it, calls with
sound are placed, and TEST is asked beside them. Printed: rows removed a second without calls and beside them, p99 of
TEST without a purge and beside it, packets sent and received, and as the ceiling a bare loop that unlinks as many files
and deletes as many rows in batches.

    python -m benchmarks.retention --recordings 100000 --calls 500 --seconds 60

Exits 1 when nothing was removed, or a packet that was sent is in no recording. Everything stays on loopback, in one
temporary folder.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks import wire
from benchmarks.api import Measured, answers_of, latency, percentiles_ms, process
from tests.servers import running

from earshot.clock import SystemClock
from earshot.core.retention import BELIEVED
from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, SealedRecording
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.retention import SqlRetention

DAY_S = 86400.0
MEDIA = b"RIFF" + bytes(4092)
AT_ONCE = 1000
CEILING = 20_000
SETTLE_S = 3.0
BASE_S = 20.0
RTP_PORTS = "20000-24999"
SILENT_S = 20
"""The callers just fall silent; so long after that their calls are ended and sealed."""


def old_call(number: int, at: float) -> FinishedCall:
    """A call of long ago with one recording."""
    said = CallVariables(device_id=f"{number % 5000}", ani=f"555{number}", users=("x",) * 15)
    sealed = SealedRecording(
        key=f"old-{number}/0",
        call_key=f"old-{number}",
        part=0,
        core=1,
        variables=said,
        agent_id=None,
        recording_time=at,
        duration_s=10.0,
        channels=2,
        sample_rate_hz=8000,
        object_name=f"{number // 1000}/{number}.wav",
        file_name=f"{number}.wav",
        media_type="audio/wav",
        audio_sha256=f"{number:064}",
        audio_size=len(MEDIA),
        peaks=bytes(400),
        peaks_per_second=10,
    )
    return FinishedCall(
        key=f"old-{number}",
        core=1,
        variables=said,
        agent_id=None,
        started_at=at,
        stopped_at=at + 10,
        verdict="recorded",
        reason="",
        recordings=(sealed,),
    )


async def fill(folder: Path, count: int) -> None:
    """Rows and media of recordings whose days are over."""
    folder.mkdir(parents=True)
    database = database_at(f"sqlite:///{folder / 'earshot.db'}")
    store, now = SqlStore(database, SystemClock()), time.time()
    await store.open()
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        await store.save_calls([old_call(number, now - 100 * DAY_S + number) for number in numbers])
        shelf = folder / "recordings" / f"{start // 1000}"
        shelf.mkdir(parents=True)
        for number in numbers:
            (shelf / f"{number}.wav").write_bytes(MEDIA)
    await SqlRetention(database).set_mark(BELIEVED, now)
    await store.close()


def ceiling(folder: Path, count: int) -> float:
    """Rows a second of a bare loop: unlink, and DELETE in the same batches as the server's."""
    asyncio.run(fill(folder, count))
    began = time.monotonic()
    with closing(sqlite3.connect(folder / "earshot.db", isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = FULL")
        for start in range(0, count, 200):
            for number in range(start, min(start + 200, count)):
                (folder / "recordings" / f"{number // 1000}" / f"{number}.wav").unlink()
            database.execute("DELETE FROM recordings WHERE ident > ? AND ident <= ?", (start, start + 200))
    return count / (time.monotonic() - began)


def removed(folder: Path) -> int:
    """Tombstones that are finished."""
    with closing(sqlite3.connect(f"file:{folder / 'earshot.db'}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM deletions WHERE finished_at > 0").fetchone()
        return int(count)


def until(folder: Path, count: int, patience_s: float) -> None:
    """Wait until so many are removed, but not for ever."""
    began = time.monotonic()
    while removed(folder) < count and time.monotonic() - began < patience_s:
        time.sleep(0.2)


def wait(folder: Path, count: int, calls: int, patience_s: float) -> tuple[float, int]:
    """Wait until so many are removed and so many calls have their recordings; gives the seconds that the removal took
    and how many calls have none in the end."""
    began = time.monotonic()
    until(folder, count, patience_s)
    took = time.monotonic() - began
    while (missing := calls - sealed(folder)) and time.monotonic() - began < patience_s:
        time.sleep(SETTLE_S)
    return took, missing


def sealed(folder: Path) -> int:
    """Recordings of calls that were made, not filled in."""
    with closing(sqlite3.connect(f"file:{folder / 'earshot.db'}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM recordings WHERE legs <> '[]'").fetchone()
        return int(count)


def received(folder: Path) -> tuple[int, int]:
    """Packets received and lost in the recordings that are there."""
    with closing(sqlite3.connect(f"file:{folder / 'earshot.db'}?mode=ro", uri=True)) as database:
        legs = [leg for (text,) in database.execute("SELECT legs FROM recordings") for leg in json.loads(text)]
    return sum(leg["received"] for leg in legs), sum(leg["lost"] for leg in legs)


async def undisturbed(folder: Path, wanted: argparse.Namespace) -> float:
    """p99 of TEST in milliseconds beside as many calls when nothing is purged."""
    async with running(folder, "--rtp-ports", RTP_PORTS, env={"EARSHOT_RTP_PORTS": RTP_PORTS}) as server:
        assert server.process is not None
        recorder = Measured(server.process.pid, server.api_port, answers_of(server.api_port))
        with (
            process(wire.client) as (pipe, _),
            process(wire.phones, server.sip_port, wanted.calls, BASE_S) as (phones, _),
        ):
            await asyncio.to_thread(phones.recv)
            taken = await asyncio.to_thread(latency, pipe, recorder, BASE_S - 5.0)
            await asyncio.to_thread(phones.recv)
    (p99,) = percentiles_ms(taken.latencies, 0.99)
    return p99


async def alone(folder: Path, wanted: argparse.Namespace) -> float:
    """Rows a second of the real server while nothing is recorded."""
    async with running(folder, env={"EARSHOT_KEEP_DAYS": "30", "EARSHOT_RETENTION_INTERVAL_S": "600"}):
        first, began = removed(folder), time.monotonic()
        await asyncio.to_thread(until, folder, wanted.alone, wanted.patience)
        return (removed(folder) - first) / (time.monotonic() - began)


async def measure(folder: Path, wanted: argparse.Namespace) -> list[str]:
    """The real server; returns what it missed."""
    environment = {
        "EARSHOT_KEEP_DAYS": "30",
        "EARSHOT_RETENTION_INTERVAL_S": "600",
        "EARSHOT_RTP_PORTS": RTP_PORTS,
        "EARSHOT_MEDIA_TIMEOUT_S": f"{SILENT_S}",
    }
    async with running(folder, "--rtp-ports", RTP_PORTS, env=environment) as server:
        assert server.process is not None
        recorder = Measured(server.process.pid, server.api_port, answers_of(server.api_port))
        with (
            process(wire.client) as (pipe, _),
            process(wire.phones, server.sip_port, wanted.calls, wanted.seconds) as (
                phones,
                _,
            ),
        ):
            answered = await asyncio.to_thread(phones.recv)
            first, began = removed(folder), time.monotonic()
            taken = await asyncio.to_thread(latency, pipe, recorder, max(wanted.seconds - 5.0, 1.0))
            count, took = removed(folder) - first, time.monotonic() - began
            sent = await asyncio.to_thread(phones.recv)
        (p99,) = percentiles_ms(taken.latencies, 0.99)
        print(f"{answered} calls recorded meanwhile, p99 of TEST {p99:.1f} ms")
        print(f"{count} recordings purged in {took:.1f} s: {count / took:.0f} a second")
        rest_s, missing = await asyncio.to_thread(wait, folder, wanted.recordings, answered, wanted.patience)
        print(f"{removed(folder)} of {wanted.recordings} purged in all, the rest in {rest_s:.1f} s")
    got, lost = received(folder)
    print(f"{sent} packets sent, {got} recorded, {lost} lost")
    missed = [] if count else ["nothing was purged while calls were recorded"]
    missed += [f"{missing} calls have no recording after {wanted.patience:g} s"] if missing else []
    missed += [f"{sent - got} packets were not recorded"] if got != sent or lost else []
    wanted.rate = count / took
    return missed


def main() -> int:
    """Run it; 1 when something was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--alone", type=int, default=20_000, help="recordings to purge while nothing is recorded")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the calls last")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds to wait for the rest afterwards")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bare = ceiling(Path(folder) / "ceiling", min(wanted.recordings, CEILING))
        asyncio.run(fill(Path(folder) / "alone", wanted.alone))
        print(f"without calls: {asyncio.run(alone(Path(folder) / 'alone', wanted)):.0f} a second")
        if wanted.calls:
            base = asyncio.run(undisturbed(Path(folder) / "base", wanted))
            print(f"p99 of TEST beside {wanted.calls} calls without a purge: {base:.1f} ms")
        asyncio.run(fill(Path(folder) / "data", wanted.recordings))
        missed = asyncio.run(measure(Path(folder) / "data", wanted))
        print(f"a bare loop of unlink and DELETE: {bare:.0f} a second; ours is {wanted.rate / bare:.2f} of it")
    for one in missed:
        print(f"MISSED: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
