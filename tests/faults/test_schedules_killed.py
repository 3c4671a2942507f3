"""Schedules over a kill -9, and without a database: what was counted stays counted, and what was in force decides."""

from pathlib import Path

from tests.faults.evidence import phones_at, server_at, until
from tests.servers import LiveServer

from earshot.actor import SYSTEM
from earshot.api.audit import NoTrail
from earshot.api.schedules import ScheduleDesk
from earshot.clock import SystemClock
from earshot.config import load
from earshot.premises import database_of
from earshot.store.sql.schedules import SqlSchedules

TWO_EVER = {"kind": "set_number", "count": 2, "window": "ever", "name": "The first two"}
HALF = {"kind": "percentage", "percent": 50, "name": "Every second one"}
YES, NO = b"<ISRECORDING>Y<", b"<ISRECORDING>N<"


async def put_in_force(server: LiveServer, url: str) -> None:
    """As an administrator of another process: the first two of the 10xx, every second of the 20xx."""
    database = database_of(load(data_dir=server.data_dir, database_url=url))
    await database.open()
    try:
        store = SqlSchedules(database, SystemClock())
        desk = ScheduleDesk(store, NoTrail)
        await desk.switch(SYSTEM, 1, False)
        for document, device in ((TWO_EVER, "10"), (HALF, "20")):
            criteria = [{"field": "device", "test": "begins_with", "values": [device]}]
            await desk.add(SYSTEM, {**document, "criteria": criteria})
        said = f'"revision":{await store.revision()},'.encode()
    finally:
        await database.close()
    copy = server.data_dir / "schedules.json"
    await until(lambda: said in copy.read_bytes(), "the schedules are in force")


async def test_quotas_go_on_after_a_kill_by_the_copy_of_the_schedules(tmp_path: Path) -> None:
    """The first server is killed in the middle of two calls; the second starts while the database is away."""
    there, away = tmp_path / "database", tmp_path / "database-away"
    there.mkdir()
    url = f"sqlite:///{there / 'earshot.db'}"
    async with server_at(tmp_path / "data", database_url=url) as server:
        await server.start()
        async with phones_at(server) as exchange:

            async def expect(device: str, is_recorded: bytes) -> None:
                wanted = b"<STATUS>recording<" if is_recorded == YES else b"<STATUS>notrecording<"
                answer = await server.until("DEVICERECORDINGSTATUS", wanted, DEVICEID=device)
                assert is_recorded in answer

            await put_in_force(server, url)
            calls = [await exchange.ring("1001"), await exchange.ring("2001")]
            await expect("1001", YES)
            await expect("2001", NO)
            durable = await server.command("BLACKOUTSTOP", DEVICEID="1001")
            assert b"API_OK" in durable, "answered when the journal has everything before it"
            await server.kill()
            there.rename(away)
            await server.start()
            assert b"API_DATABASE_QUERY_ERROR" in await server.command("CALLLIST")
            await expect("1001", YES)
            await expect("2001", NO)
            for device, is_recorded in (("1002", YES), ("1003", NO), ("2002", YES), ("2003", NO)):
                calls.append(await exchange.ring(device))
                await expect(device, is_recorded)
            away.rename(there)
            for call in calls:
                await exchange.phones.hang_up(call)
            for device in ("1001", "1002", "2002"):
                await server.until("CALLLIST", b"<RECORDID>", DEVICEID=device)
            for device in ("1003", "2001", "2003"):
                assert b"<RECORDID>" not in await server.command("CALLLIST", DEVICEID=device)
        assert "schedules_copy_unreadable" not in server.log()
        assert await server.stop() == 0
