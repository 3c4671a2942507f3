"""The database locked by somebody else, or not there at all: recording goes on, answers stay quick, rows come later."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.evidence import phones_at, problems, server_at, until_rows
from tests.servers import Speaker, in_process

QUICK_S = 1.0
PATIENT_S = 4.0
DATABASE_ERROR = b"API_DATABASE_QUERY_ERROR"


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of a database."""
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def answered_in(limit_s: float, server: Speaker, kind: str, **parameters: object) -> bytes:
    async with asyncio.timeout(limit_s):
        return await server.command(kind, **parameters)


async def test_calls_that_end_while_the_database_is_locked(tmp_path: Path) -> None:
    async with server_at(tmp_path / "data") as server:
        await server.start()
        async with phones_at(server) as exchange:
            first = await exchange.ring("2001")
            await asyncio.sleep(1.0)
            await exchange.phones.hang_up(first)
            await until_rows(server.data_dir, "2001")
            second, third = await exchange.ring("2002"), await exchange.ring("2003")
            await asyncio.sleep(1.0)
            with locked(server.data_dir / "earshot.db"):
                await exchange.phones.hang_up(second)
                answers = await asyncio.gather(
                    answered_in(PATIENT_S, server, "CALLLIST"),
                    answered_in(PATIENT_S, server, "CALLUPDATE", RECORDID=1, USER1="late"),
                    *(answered_in(QUICK_S, server, "TEST") for _ in range(5)),
                    *(answered_in(QUICK_S, server, "CALLSTART", DEVICEID=2100 + number) for number in range(5)),
                )
                assert b"<RESULTCODE>20<" in answers[0] or DATABASE_ERROR in answers[0]
                assert DATABASE_ERROR in answers[1]
                assert all(b"<RESULTCODE>20<" in answer for answer in answers[2:])
                await asyncio.sleep(2.0)
                assert b"<RECORDID>2<" not in await server.command("CALLLIST")
            await until_rows(server.data_dir, "2001", "2002")
            with locked(server.data_dir / "earshot.db"):
                await exchange.phones.hang_up(third)
                await answered_in(QUICK_S, server, "CALLSTOP", DEVICEID=2100)
                async with asyncio.timeout(5.0):
                    assert await server.stop() == 0
        await server.start()
        found = await until_rows(server.data_dir, "2003", "2100")
        assert sorted(call.variables.device_id for call in found) == ["2001", "2002", "2003", "2100"]
        assert await server.stop() == 0
    assert await problems(server.data_dir) == []


async def test_a_database_that_is_away_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    url = f"sqlite:///{folder / 'earshot.db'}"
    async with in_process(tmp_path / "data", database_url=url) as server, phones_at(server) as exchange:
        call = await exchange.ring("2001")
        assert b"<RESULTCODE>20<" in await answered_in(QUICK_S, server, "TEST")
        assert b"<RESULTCODE>20<" in await answered_in(QUICK_S, server, "CALLSTART", DEVICEID=2002)
        assert DATABASE_ERROR in await answered_in(QUICK_S, server, "CALLLIST")
        await asyncio.sleep(1.0)
        await exchange.phones.hang_up(call)
        folder.mkdir()
        answer = await server.until("CALLLIST", b"<RECORDID>1<", DEVICEID=2001)
        assert answer.count(b"<SEARCHRESULT>") == 1
