"""While the process ends: BYE is answered, new calls are refused and counted, and nothing waits for a slow client."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.faults.evidence import of_device, phones_at, problems, session, until_rows
from tests.ports import free_port, free_rtp_ports
from tests.servers import Speaker

from earshot.app import Server
from earshot.config import load
from earshot.simulate.client import Refused
from earshot.tasks import Spawner

SLOW_UPLOAD = b"POST /webAPI.aspx HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<REQUEST>"


async def test_calls_that_end_or_begin_while_it_drains(tmp_path: Path) -> None:
    loop, rtp_ports = asyncio.get_running_loop(), free_rtp_ports()
    first = await started(tmp_path / "data", rtp_ports, free_port())
    door = Speaker(tmp_path / "data", sip_port=port_of(first, "sip"))
    try:
        async with phones_at(door) as exchange:
            ends, goes_on = await exchange.ring("2001"), await exchange.ring("2002")
            await asyncio.sleep(1.0)
            _, upload = await asyncio.open_connection("127.0.0.1", port_of(first, "http"))
            upload.write(SLOW_UPLOAD)
            await until_accepted(port_of(first, "http"))
            stopping, began = asyncio.create_task(first.stop()), loop.time()
            await asyncio.sleep(0)
            with pytest.raises(Refused) as refused:
                await exchange.client.invite(session("2003"), (40000, 40002))
            assert refused.value.status == 503 and int(refused.value.retry_after) > 0
            await exchange.phones.hang_up(ends)
            assert not stopping.done(), "the BYE was answered while it drained"
            await stopping
            assert loop.time() - began < 5.0
            upload.close()
            second = await started(tmp_path / "data", rtp_ports, door.sip_port)
            try:
                found = await until_rows(door.data_dir, "2001", "2003")
                await exchange.phones.hang_up(goes_on)
                assert not exchange.phones.refusals
                await until_rows(door.data_dir, "2002")
            finally:
                await second.stop()
    finally:
        await first.stop()
    (ended,) = of_device(found, "2001")
    assert (ended.verdict, ended.reason) == ("recorded", "bye") and "interrupted" not in ended.warnings
    (refused_call,) = of_device(found, "2003")
    assert (refused_call.verdict, refused_call.reason) == ("failed", "draining")
    assert await problems(door.data_dir) == []


async def started(data_dir: Path, rtp_ports: str, sip_port: int) -> Server:
    """A server inside this loop."""
    ports: dict[str, Any] = {"api_port": 0, "events_port": 0, "http_port": 0, "sip_port": sip_port}
    server = Server(load(data_dir=data_dir, rtp_ports=rtp_ports, disk_reserve_mb=0, **ports))
    await server.start()
    return server


def port_of(server: Server, door: str) -> int:
    """Where a door of a server is."""
    return int(server.addresses[door].rpartition(":")[2])


async def until_accepted(port: int) -> None:
    """A later connection was answered, so the one before has been read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert await reader.read()
    writer.close()


async def test_a_start_that_fails_is_undone(tmp_path: Path) -> None:
    rtp_ports = free_rtp_ports()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load(
            data_dir=tmp_path / "data",
            rtp_ports=rtp_ports,
            api_port=taken.getsockname()[1],
            events_port=0,
            http_port=0,
            sip_port=0,
        )
        with pytest.raises(OSError, match="address"):
            await Server(settings).start()
    server = await started(tmp_path / "data", rtp_ports, 0)
    await server.stop()
    assert await problems(tmp_path / "data") == []


async def test_the_failure_of_a_task_is_told() -> None:
    told: list[str] = []
    spawner = Spawner(told.append)

    async def fails() -> None:
        raise ValueError("no way on")

    async def ends() -> None:
        pass

    await asyncio.gather(spawner.spawn("fails", fails()), spawner.spawn("ends", ends()), return_exceptions=True)
    await asyncio.sleep(0)
    assert told == ["fails"]
    await spawner.close()
