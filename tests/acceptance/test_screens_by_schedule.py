"""Screens by schedule: a call's schedule has the agent's desktop captured with it, a desktop schedule by the clock."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.acceptance.test_schedules_live import Site
from tests.acceptance.test_screen_sessions import add_jdoe, desktop_of, eventually, objects, pictures, rows_of
from tests.faults.evidence import phones_at, until_rows
from tests.servers import in_process

from earshot.actor import SYSTEM


async def test_a_call_is_recorded_with_the_screen_of_its_agent(tmp_path: Path) -> None:
    """The other call is recorded as well, by a schedule that wants its sound alone."""
    async with in_process(tmp_path / "data") as server, phones_at(server) as phones:
        site = Site(server, phones)
        await add_jdoe(server)
        mine = [{"field": "device", "values": ["3545"]}]
        await site.only({"name": "All"}, {"name": "With screen", "priority": 5, "screen": True, "criteria": mine})
        async with desktop_of(server):
            plain, call = await phones.ring("3546"), await phones.ring("3545")
            await server.command("CALLUPDATE", DEVICEID=3545, GROUP="Sales")
            await eventually(lambda: len(objects(server)) >= 2, "two segments of the desktop")
            chats = [chat for chat in site.inside.recorder.state.chats.values() if chat.phase == "open"]
            assert [chat.agent.agent_id for chat in chats] == [1], "of one call, not of the other"
            await eventually(lambda: chats[0].variables.group == "Sales", "what was said of the call later")
            await phones.phones.hang_up(call)
            (row,) = await rows_of(server.data_dir, 1)
            await phones.phones.hang_up(plain)
        calls = {one.variables.device_id: one for one in await until_rows(server.data_dir, "3545", "3546")}
        assert (await site.decision(calls["3545"]))["options"]["screen"] is True
    session = row.session
    assert (session.verdict, session.ended_by, session.computer) == ("captured", "chatstop", "PC1")
    assert session.session_id == f"earshot/call/{calls['3545'].key}"
    assert (session.variables.call_id, session.variables.group) == (calls["3545"].variables.call_id, "Sales")
    assert abs(session.stopped_at - calls["3545"].stopped_at) < 2.0
    frames = pictures(server.data_dir, row)
    assert frames == list(range(len(frames))), "every frame, in order, once"


@pytest.mark.parametrize(("has_desktop", "verdict"), [(True, "captured"), (False, "not_captured")])
async def test_a_desktop_schedule_captures_by_the_clock(tmp_path: Path, has_desktop: bool, verdict: str) -> None:
    """It ends when it is not active any more; an agent who is not there gets a session that says so."""
    async with in_process(tmp_path / "data") as server, phones_at(server) as phones:
        site = Site(server, phones)
        await add_jdoe(server)
        await site.only({"name": "Desks", "kind": "desktop", "agents": [1], "every_minutes": 0, "keep_days": 9})

        def running() -> bool:
            return any(chat.phase == "open" for chat in site.inside.recorder.state.chats.values())

        (number,) = [kept.schedule.number for kept in await site.desk.listed() if kept.schedule.kind == "desktop"]
        async with AsyncExitStack() as undo:
            if has_desktop:
                await undo.enter_async_context(desktop_of(server))
                await eventually(lambda: bool(objects(server)), "a segment of the desktop")
            await eventually(running, "the session")
            await site.desk.switch(SYSTEM, number, False)
            (row,) = await rows_of(server.data_dir, 1)
    session = row.session
    assert session.session_id.startswith(f"earshot/schedule/{number}/1/")
    assert (session.verdict, session.variables.keep_days, session.ended_by) == (verdict, 9, "chatstop")
