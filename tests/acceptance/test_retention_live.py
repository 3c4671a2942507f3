"""Retention in the real server: recordings go when their days are over, holds keep them, people delete them."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from tests.plain_http import http_client
from tests.servers import Speaker, in_process

from earshot.actor import PROTOCOL
from earshot.api.retention import Held
from earshot.core.check import check
from earshot.engine.variables import CallVariables
from earshot.ledger.leaves import DELETED, Leaf
from earshot.operations import check_data
from earshot.ports.audit import AuditFilter
from earshot.ports.retention import ArchiveAction, Deletion
from earshot.ports.screens import ScreenSegment, ScreenSession
from earshot.storage.leaf_log import FileLeafLog
from earshot.storage.placed import PlacedStorage
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screen_retention import SqlScreenRetention
from earshot.store.sql.screens import SqlScreens

SOON_S = 20.0


def objects(server: Speaker) -> list[Path]:
    return [path for path in (server.data_dir / "recordings").rglob("*") if path.is_file()]


async def finished(server: Speaker, record_id: int) -> Deletion:
    """The tombstone, when nothing is left any more."""
    assert server.inside is not None
    kept = SqlRetention(server.inside.database)
    async with asyncio.timeout(SOON_S):
        while True:
            found = await kept.deletion(record_id)
            if found is not None and found.finished_at:
                return found
            await asyncio.sleep(0.05)


async def problems(server: Speaker) -> list[str]:
    assert server.inside is not None
    inside, storage = server.inside, server.inside.house.storage
    assert isinstance(storage, PlacedStorage)
    found = check(inside.folders.journal, inside.store, storage, running=True)
    return [problem async for problem in found]


async def test_a_recording_goes_when_its_days_are_over(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", keep_days=0, retention_interval_s=0.3) as server:
        await server.simulate(calls=1, concurrent=1, length_s=(1.0, 1.0), crm=False, first_device=200, devices=1)
        tombstone = await finished(server, 1)
        assert (tombstone.by, tombstone.rule, tombstone.reason) == ("earshot", "archive action 1", "setting keep_days")
        assert b"<RECORDID>" not in await server.command("CALLLIST", DEVICEID=200)
        assert objects(server) == []
        assert server.inside is not None
        (entry,) = await SqlAudit(server.inside.database).entries(AuditFilter(act="deleted"), 10)
        assert (entry.subject, entry.details["sha256"]) == ("recording 1", tombstone.audio_sha256)
        assert await problems(server) == []
        call = await server.inside.store.call(1)
        assert call is not None
        assert (call.verdict, call.variables.device_id, call.metadata) == ("recorded", "", ())


async def test_a_hold_keeps_it_and_a_person_deletes_it_afterwards(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", retention_interval_s=0.3) as server:
        await server.make_recording("200")
        await server.make_recording("201")
        assert server.inside is not None
        desk = server.inside.context.retention
        assert desk is not None
        hold, _ = await desk.place(PROTOCOL, "Case 1", recordings=[1])
        for number in (1, 2):
            assert b"API_OK" in await server.command("CALLUPDATE", RECORDID=number, KEEPDAYS=0)
        await finished(server, 2)
        assert b"<RECORDID>1<" in await server.command("CALLLIST", DEVICEID=200)
        with pytest.raises(Held):
            await desk.delete(PROTOCOL, 1, "please")
        async with http_client() as http:
            page = await http.get(f"http://{server.host}:{server.http_port}/holds")
            assert page.status_code in (303, 401)
        await desk.lift(PROTOCOL, hold.number, "settled")
        assert (await finished(server, 1)).reason == "KEEPDAYS of an update"


async def test_a_person_deletes_a_recording(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", retention_interval_s=60.0) as server:
        await server.make_recording("200")
        assert server.inside is not None
        desk = server.inside.context.retention
        assert desk is not None
        await desk.delete(PROTOCOL, 1, "asked by the caller")
        assert b"<RECORDID>" not in await server.command("CALLLIST", DEVICEID=200)
        tombstone = await finished(server, 1)
        assert (tombstone.by, tombstone.reason, tombstone.rule) == ("xml", "asked by the caller", "by a person")
        entries = await SqlAudit(server.inside.database).entries(AuditFilter(subject="recording 1", act="deleted"), 10)
        assert [one.actor for one in entries] == ["xml"]
        assert objects(server) == []


async def test_a_moved_recording_is_read_where_it_lies(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", retention_interval_s=0.3) as server:
        await server.make_recording("200")
        assert server.inside is not None
        desk = server.inside.context.retention
        assert desk is not None
        cellar = tmp_path / "cellar"
        made = await desk.add_action(PROTOCOL, ArchiveAction(name="Cellar", kind="move", destination=str(cellar)))
        await server.command("CALLUPDATE", RECORDID=1, KEEPDAYS=0, ARCHIVEACTION=made.number)
        async with asyncio.timeout(SOON_S):
            while objects(server):
                await asyncio.sleep(0.05)
        row = await server.inside.store.recording(1)
        assert row is not None
        assert row.sealed.object_name.startswith("~2/")
        media = b"".join([chunk async for chunk in server.inside.context.storage.read(row.sealed.object_name)])
        assert hashlib.sha256(media).hexdigest() == row.sealed.audio_sha256
        assert await problems(server) == []
        await desk.delete(PROTOCOL, 1, "no longer wanted")
        await finished(server, 1)
        assert [path.name for path in cellar.rglob("*") if path.is_file()] == [".earshot-archive"]


async def test_a_screen_session_goes_when_its_own_days_are_over(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", retention_interval_s=0.3) as server:
        assert server.inside is not None
        inside = server.inside
        source = tmp_path / "picture"
        source.write_bytes(b"picture")
        await inside.house.storage.put_file("screens/1.mp4", source)
        now = inside.clock.now()
        segment = ScreenSegment(
            number=1,
            object_name="screens/1.mp4",
            media_type="video/mp4",
            sha256=hashlib.sha256(b"picture").hexdigest(),
            size=7,
            began_at=now - 10,
            duration_s=5.0,
        )
        session = ScreenSession(
            key="session",
            core=1,
            session_id="7",
            agent_id=1,
            started_at=now - 10,
            stopped_at=now - 5,
            state="ended",
            verdict="captured",
            variables=CallVariables(keep_days=0),
            segments=(segment,),
        )
        await SqlScreens(inside.database).save_screen(session)
        kept = SqlScreenRetention(inside.database)
        async with asyncio.timeout(SOON_S):
            while not (found := await kept.screen_deletions(10)) or not found[0].finished_at:
                await asyncio.sleep(0.05)
        assert objects(server) == []
        (entry,) = await SqlAudit(inside.database).entries(AuditFilter(act="deleted"), 10)
        assert (entry.subject, entry.details["sha256"]) == ("screen session 1", segment.sha256)
        log = FileLeafLog(inside.folders.ledger, read_only=True)
        await log.open()
        numbers = await log.about("screen session 1")
        kinds = [Leaf.read(await log.text(number)).kind for number in numbers]
        await log.close()
        assert kinds[-1] == DELETED
        assert await check_data(inside.settings) == []


async def test_what_stands_still_is_said_to_operators(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", retention_interval_s=0.3) as server:
        assert server.inside is not None
        house = server.inside.house
        await server.shows("earshot_retention_paused 0.0")
        await server.shows("earshot_ledger_broken 0.0")
        assert house.said() == ()
        await server.make_recording("200")
        with (server.inside.folders.ledger / "log").open("r+b") as log:
            log.truncate(40)
    async with in_process(tmp_path / "data", retention_interval_s=0.3) as server:
        assert server.inside is not None
        house = server.inside.house
        await server.shows("earshot_ledger_broken 1.0")
        assert "tamper-evident log is broken" in house.said()[0]
        assert b"API_OK" in await server.command("CALLUPDATE", RECORDID=1, KEEPDAYS=0)
        await server.shows("earshot_removals_waiting 1.0")
        assert any(one.startswith("Retention waits: ") for one in house.said())
        assert len(objects(server)) == 1
