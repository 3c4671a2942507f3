"""The event port of a real server: who connects hears what happens, the simulator follows it, slow readers go."""

import asyncio

from tests.servers import LiveServer

from earshot.listeners.events import EventPort
from earshot.simulate import command as simulation
from earshot.simulate.options import SimulateOptions


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


async def test_a_reader_that_does_not_read_is_let_go() -> None:
    port = await EventPort(lambda address: True, limit_bytes=64 * 1024).start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port.port, limit=1 << 16)
    async with asyncio.timeout(30):
        while not port.readers:
            await asyncio.sleep(0)
        while port.readers:
            port.publish(b"<EVENT>" + b"x" * 65536 + b"</EVENT>\r\n")
            await asyncio.sleep(0)
    writer.transport.abort()
    await port.close()
