"""The event port of a real server: who connects hears what happens, and the simulator follows it."""

import asyncio
import re

from tests.servers import LiveServer, Speaker

from earshot.simulate import command as simulation
from earshot.simulate.options import SimulateOptions

CALL = ["CALLSTART", "RECORDSTART", "RECORDSTOP", "CALLSTOP"]


async def test_events_of_a_call(server_process: LiveServer) -> None:
    reader, writer = await asyncio.open_connection(server_process.host, server_process.events_port)
    await server_process.command("TEST")
    await server_process.command("CALLSTART", DEVICEID=555, ANI="614", USER1="a &amp; b")
    await server_process.command("CALLUPDATE", DEVICEID=555, GATE=80)
    await server_process.command("CALLSTOP", DEVICEID=555)
    lines = [await asyncio.wait_for(reader.readuntil(b"\r\n"), 10) for _ in range(3)]
    assert [line.split(b"</TYPE>")[0] for line in lines] == [
        b"<EVENT><TYPE>CALLSTART",
        b"<EVENT><TYPE>CALLUPDATE",
        b"<EVENT><TYPE>CALLSTOP",
    ]
    assert b"<USER1>a &amp; b</USER1>" in lines[0] and b"<ANNOUNCEDBY>api</ANNOUNCEDBY>" in lines[0]
    assert b"<GATE>80</GATE>" in lines[1]
    writer.close()
    await writer.wait_closed()


async def test_a_recorded_call_is_told_from_its_channel_to_its_row(live_server: Speaker) -> None:
    reader, writer = await asyncio.open_connection(live_server.host, live_server.events_port)
    await live_server.make_recording("4711")
    lines: list[bytes] = []
    async with asyncio.timeout(30):
        while not lines or b"<TYPE>RECORDINGSAVED<" not in lines[-1]:
            lines.append(await reader.readuntil(b"\r\n"))
    types = [line.split(b"<TYPE>")[1].split(b"<")[0].decode() for line in lines]
    assert sorted(types) == sorted([*CALL, "CHANNELSTATE", "CHANNELSTATE", "RECORDINGSAVED"])
    assert [kind for kind in types if kind in CALL] == CALL
    busy, idle = (line for line in lines if b"<TYPE>CHANNELSTATE<" in line)
    assert b"<STATE>Recording</STATE><DEVICEID>4711</DEVICEID>" in busy and b"<STATE>Idle</STATE>" in idle
    listed = await live_server.command("CALLLIST", DEVICEID=4711)
    (record_id,) = re.findall(rb"<RECORDID>(\d+)<", listed)
    assert b"<RECORDID>" + record_id + b"</RECORDID>" in lines[-1] and b"<DURATION>" in lines[-1]
    numbers = [int(found) for line in lines for found in re.findall(rb"<EVENTID>(\d+)<", line)]
    assert len(numbers) == len(lines) and numbers == sorted(set(numbers))
    writer.close()
    await writer.wait_closed()


async def test_an_announced_call_is_given_sound_by_the_follower(server_process: LiveServer) -> None:
    stop = asyncio.Event()
    options = SimulateOptions(
        sip_port=server_process.sip_port,
        api_port=server_process.api_port,
        events_port=server_process.events_port,
        calls=0,
        follow=True,
        crm=False,
        quiet=True,
    )
    following = asyncio.create_task(simulation.run(options, stop))
    async with asyncio.timeout(30):
        while b"<ISRECORDING>Y<" not in await server_process.command("DEVICESTATUS", DEVICEID=555):
            await server_process.command("CALLSTART", DEVICEID=555, USER1="mine")
            await asyncio.sleep(1.0)
    await server_process.command("CALLSTOP", DEVICEID=555)
    answer = await server_process.until("CALLLIST", b"<RECORDID>", DEVICEID=555)
    assert b"<USER1>mine</USER1>" in answer
    stop.set()
    assert (await following).followed >= 1
