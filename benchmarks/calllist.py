"""CALLLIST over a million recordings: `SqlStore.recordings` against the same query written by hand.

For every single filter of the command, with a value that half of all rows have, one that few have and one that none
has, it takes the newest 50 and prints the median of both in milliseconds. "By hand" is the statement and its rows over
one open connection, without any values made of them: `sqlite3` called directly (no event loop at all), and `aiosqlite`
as it is usually written. The one rule: both read the same file in the same run, in turns.

    python -m benchmarks.calllist --dir /var/tmp/earshot-calllist

Exits 1 when a ratio to aiosqlite is over 2 or a median over 50 ms.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
import uvloop

from earshot.clock import FakeClock
from earshot.ports import RecordingFilter, User
from earshot.store.fields import COLUMN_OF, USER_NAMES
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.rows import LIST_COLUMNS
from earshot.store.sqlite import CACHE_KIB
from earshot.store.tables import PARTIAL, RECORDINGS

NEWEST = 50
FIRST = 1_700_000_000
SPACING_S = 30
FILL_AT_ONCE = 20_000
FILTERED = ("device_id", "device_alias", "group", "gate", "ani", "dnis", *USER_NAMES)
AGENTS = 200
MOST_RATIO = 2.0
MOST_MS = 50.0
SLOW_MS = 1000.0
"""A query that takes longer than this is run once only."""

SAME_CACHE = f"PRAGMA cache_size = -{CACHE_KIB}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One filter: what the store is asked and the condition a person would write."""

    name: str
    value: str
    wanted: RecordingFilter
    where: str
    values: tuple[Any, ...]


# --- filling ------------------------------------------------------------------------------------------------------


def agent_of(number: int) -> int:
    """Half of all recordings are agent 1's, the rest are spread over the others."""
    return 1 if number % 2 else 2 + number // 2 % (AGENTS - 1)


COLUMNS = [column.name for column in RECORDINGS.columns]
PLACES = {name: place for place, name in enumerate(COLUMNS)}
FILTER_PLACES = [PLACES[COLUMN_OF[name]] for name in FILTERED]
ALIKE: dict[str, Any] = {
    **{column.name: "" if column.type.python_type is str else 0 for column in RECORDINGS.columns},
    "duration": 61.5,
    "channels": 2,
    "sample_rate": 8000,
    "audio_size": 1_968_044,
    "warnings": "[]",
    "calldirection": "I",
    "keepdays": -1,
    "archive_action_id": -1,
    "legs": "[]",
    "gaps": "[]",
    "peaks": b"\x00\x10" * 30,
}
TEMPLATE = [ALIKE[name] for name in COLUMNS]
OWN = (
    *("ident", "key", "call_key", "agent_id", "recording_time", "object_name", "filename", "audio_hash"),
    *("callid", "callinstance"),
)
OWN_PLACES = [PLACES[name] for name in OWN]


def row_of(number: int) -> list[Any]:
    """Row `number`: in each filtered column half of the rows say `half`, the others one of 20,000 values."""
    row = TEMPLATE.copy()
    spread = f"v{number * 7919 % 20_000:05d}"
    for odd, place in enumerate(FILTER_PLACES, number):
        row[place] = "half" if odd % 2 else spread
    own = (
        number + 1,
        f"recording-{number:09d}",
        f"call-{number:09d}",
        agent_of(number),
        float(FIRST + number * SPACING_S),
        f"20260131/7008/7008-{number:09d}.wav",
        f"C:\\Recordings\\20260131\\7008\\7008-{number:09d}.wav",
        f"{number:064x}",
        f"call-id-{number}@pbx.example",
        str(1 + number % 2),
    )
    for place, value in zip(OWN_PLACES, own, strict=True):
        row[place] = value
    return row


def fill(path: Path, rows: int) -> None:
    """Insert `rows` recordings: indexes away, rows in, indexes back."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    connection.execute("BEGIN IMMEDIATE")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'recordings' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    statement = f"INSERT INTO recordings ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    for start in range(0, rows, FILL_AT_ONCE):
        stop = min(start + FILL_AT_ONCE, rows)
        connection.executemany(statement, map(row_of, range(start, stop)))
        print(f"\rfilling {stop:,} of {rows:,}", end="", flush=True)
    print("\rindexing" + " " * 40)
    for _, sql in indexes:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def prepare(folder: Path, rows: int) -> Path:
    """The filled database in `folder`, made when it is not there or is not complete."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"calllist-{rows}.db"
    done = path.with_suffix(".done")
    if done.exists():
        return path
    for old in folder.glob(f"{path.name}*"):
        old.unlink()
    store = SqlStore(database_at(f"sqlite:///{path}"), FakeClock())
    await store.open()
    for number in range(1, AGENTS + 1):
        crm_user = {1: "half", 2: "some", 3: "some"}.get(number, "" if number % 2 else f"crm{number}")
        await store.add_user(
            User(username=f"user{number}", is_agent=True, crm_user=crm_user, sys_user=crm_user.replace("crm", "sys"))
        )
    await store.close()
    began = time.perf_counter()
    fill(path, rows)
    print(f"filled in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e9:.1f} GB")
    done.touch()
    return path


# --- measuring ----------------------------------------------------------------------------------------------------


def cases(rows: int) -> list[Case]:
    """Every single filter, with values that match half, some and none."""
    made = [Case(name="no filter", value="", wanted=RecordingFilter(), where="1", values=())]
    for name in FILTERED:
        for value in ("half", "v07919", "none"):
            column = f"recordings.{COLUMN_OF[name]}"
            where = f"{column} = ?" + (f" AND {column} != ''" if COLUMN_OF[name] in PARTIAL else "")
            made.append(
                Case(name=name, value=value, wanted=RecordingFilter(equals={name: value}), where=where, values=(value,))
            )
    for name in ("crm_user", "sys_user"):
        for value in ("half", "some", "none"):
            where = f"recordings.agent_id IN (SELECT ident FROM users WHERE {name} = ?)"
            wanted = RecordingFilter(**{name: value})  # type: ignore[arg-type]
            made.append(Case(name=name, value=value, wanted=wanted, where=where, values=(value,)))
    last = float(FIRST + rows * SPACING_S)
    for value, since, until in (
        ("half", float(FIRST), FIRST + rows * SPACING_S / 2),
        ("one hour", last - 3600, last),
        ("none", last + 10, last + 20),
    ):
        where = "recordings.recording_time BETWEEN ? AND ?"
        wanted = RecordingFilter(since=since, until=until)
        made.append(Case(name="date range", value=value, wanted=wanted, where=where, values=(since, until)))
    return made


def by_hand(where: str) -> str:
    """The query as a person would write it, of the columns that a list shows."""
    columns = ", ".join(f"{column.table.name}.{column.name}" for column in LIST_COLUMNS)
    return (
        f"SELECT {columns} FROM recordings LEFT JOIN users ON users.ident = recordings.agent_id WHERE {where} "
        f"ORDER BY recordings.recording_time DESC, recordings.ident DESC LIMIT {NEWEST}"
    )


async def timed(work: Callable[[], Awaitable[int]]) -> tuple[float, int]:
    """Milliseconds that `work` takes, and the rows it found."""
    began = time.perf_counter()
    found = await work()
    return (time.perf_counter() - began) * 1e3, found


async def measure(
    store: SqlStore, direct: sqlite3.Connection, other: aiosqlite.Connection, case: Case, runs: int
) -> Any:
    """Medians in ms of ours, sqlite3 and aiosqlite, and the rows each of them found."""
    statement = by_hand(case.where)

    async def ours() -> int:
        return len(await store.recordings(case.wanted, NEWEST))

    async def plain() -> int:
        return len(direct.execute(statement, case.values).fetchall())

    async def usual() -> int:
        async with other.execute(statement, case.values) as cursor:
            return len(list(await cursor.fetchall()))

    works = (ours, plain, usual)
    first = [await timed(work) for work in works]
    assert len({found for _, found in first}) == 1, f"{case.name} {case.value}: different answers"
    slowest = max(taken for taken, _ in first)
    times = [[taken] for taken, _ in first] if slowest > SLOW_MS else [[], [], []]
    for _ in range(runs if slowest < SLOW_MS else 0):
        for taken, work in zip(times, works, strict=True):
            taken.append((await timed(work))[0])
    return [statistics.median(taken) for taken in times], first[0][1]


async def run(folder: Path, rows: int, runs: int) -> int:
    """Print the table; returns the number of goals missed."""
    path = await prepare(folder, rows)
    store = SqlStore(database_at(f"sqlite:///{path}"), FakeClock())
    await store.open()
    missed = 0
    worst = [0.0, 0.0, 0.0]
    direct = sqlite3.connect(path)
    try:
        async with aiosqlite.connect(path) as other:
            direct.execute(SAME_CACHE)
            await other.execute_fetchall(SAME_CACHE)
            print(f"{rows:,} recordings, newest {NEWEST}, median of {runs}; times in ms")
            print(
                f"{'filter':14}{'value':10}{'rows':>5}{'ours':>9}{'sqlite3':>9}{'ratio':>7}{'aiosqlite':>11}{'ratio':>7}"
            )
            for case in cases(rows):
                (ours, plain, usual), found = await measure(store, direct, other, case, runs)
                bad = ours / usual > MOST_RATIO or ours > MOST_MS
                missed += bad
                worst = [max(worst[0], ours), max(worst[1], ours / plain), max(worst[2], ours / usual)]
                print(
                    f"{case.name:14}{case.value:10}{found:5}{ours:9.3f}{plain:9.3f}{ours / plain:7.2f}"
                    f"{usual:11.3f}{ours / usual:7.2f}{'  MISSED' if bad else ''}"
                )
    finally:
        direct.close()
        await store.close()
    print(f"worst: {worst[0]:.3f} ms, {worst[1]:.2f} x sqlite3, {worst[2]:.2f} x aiosqlite; {missed} goals missed")
    return missed


def main() -> None:
    """Read the command line and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dir", type=Path, required=True, help="folder that keeps the filled database between runs")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=31)
    given = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(1 if runner.run(run(given.dir, given.rows, given.runs)) else 0)


if __name__ == "__main__":
    main()
