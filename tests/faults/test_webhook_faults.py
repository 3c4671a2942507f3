"""Webhooks of a real server: set up by the command line, killed with deliveries waiting, delivered after the start."""

import asyncio
import sqlite3
from contextlib import closing

from tests.command_line import earshot
from tests.hooks.receiver import Receiver, receiving
from tests.servers import LiveServer

from earshot.hooks.signing import is_genuine

QUICK = {"EARSHOT_WEBHOOK_RETRY_S": "0.05"}


async def webhook(server: LiveServer, *words: str, status: int = 0) -> str:
    """`earshot webhook ...` on the server's data folder; returns what it printed."""
    found, printed = await earshot("webhook", *words, "--data-dir", str(server.data_dir))
    assert found == status, printed
    return printed


async def test_kill_with_deliveries_waiting_then_start(server_process: LiveServer) -> None:
    server_process.env |= QUICK
    await server_process.stop()
    await server_process.start()
    receiver = Receiver(always=500)
    await receiver.open()
    added = await webhook(server_process, "add", receiver.url, "--types", "callstart,CALLSTOP")
    secret = added.split("secret ")[1].strip()
    async with asyncio.timeout(30):
        while not receiver.got:
            await server_process.command("CALLSTART", DEVICEID=555)
            await server_process.command("CALLUPDATE", DEVICEID=555, USER1="x")
            await server_process.command("CALLSTOP", DEVICEID=555)
            await asyncio.sleep(0.2)
    first = receiver.got[0]
    assert is_genuine(first.headers["earshot-signature"], secret, first.body, float(first.event["id"]) / 1e6)
    await receiver.close()
    await server_process.command("CALLSTART", DEVICEID=556)
    await server_process.command("CALLSTOP", DEVICEID=556)
    async with asyncio.timeout(30):
        while "0 waiting" in (listed := await webhook(server_process, "list")):
            await asyncio.sleep(0.05)
    assert receiver.url in listed and "CALLSTART,CALLSTOP" in listed
    await _written(server_process, "556")
    await server_process.kill()

    again = Receiver(port=receiver.port)
    await again.open()
    await server_process.start()
    async with asyncio.timeout(30):
        while not any(
            got.event["fields"]["DEVICEID"] == "556" and got.event["type"] == "CALLSTOP" for got in again.got
        ):
            await asyncio.sleep(0.05)
    assert set(again.types) == {"CALLSTART", "CALLSTOP"}
    ours = [got.event["id"] for got in again.got]
    assert ours == sorted(ours) and again.got[0].event["id"] == first.event["id"]
    assert "0 waiting, 0 dead" in await _settled(server_process)
    await again.close()


async def _written(server: LiveServer, device: str) -> None:
    """Wait until the last event of that device stands in the database as a delivery that waits."""
    last = "SELECT count(*) FROM deliveries WHERE event_type = 'CALLSTOP' AND CAST(body AS TEXT) LIKE ?"
    async with asyncio.timeout(30):
        while True:
            with closing(sqlite3.connect(server.data_dir / "earshot.db")) as database:
                if database.execute(last, (f'%"{device}"%',)).fetchone()[0]:
                    return
            await asyncio.sleep(0.05)


async def _settled(server: LiveServer) -> str:
    listed = ""
    async with asyncio.timeout(30):
        while "0 waiting" not in listed:
            listed = await webhook(server, "list")
    return listed


async def test_the_command_line(server_process: LiveServer) -> None:
    async with receiving() as receiver:
        assert await webhook(server_process, "list") == ""
        await webhook(server_process, "add", "ftp://a/", status=2)
        await webhook(server_process, "add", receiver.url, "--types", "NOSUCH", status=2)
        assert await webhook(server_process, "add", receiver.url, "--secret", "geheim") == "webhook 1 added\n"
        assert await webhook(server_process, "test", "1") == "taken\n"
        assert receiver.types == ["WEBHOOKTEST"]
        receiver.always = 403
        assert "HTTP 403" in await webhook(server_process, "test", "1", status=1)
        await webhook(server_process, "switch", "1", "--off")
        assert "1  off" in await webhook(server_process, "list")
        assert await webhook(server_process, "dead") == ""
        assert await webhook(server_process, "retry", "1") == "0 deliveries wait again\n"
        await webhook(server_process, "remove", "1")
        await webhook(server_process, "remove", "1", status=1)
