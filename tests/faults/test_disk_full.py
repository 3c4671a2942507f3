"""A disk that fills up, a real one of a few megabytes: refusals in time, calls that end properly, nothing lost."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.faults.evidence import (
    PACKETS_A_SECOND,
    TOLERANCE_S,
    PhoneSystem,
    of_device,
    phones_at,
    problems,
    server_at,
    session,
    until_rows,
)
from tests.servers import LiveServer

from earshot.premises import Folders
from earshot.simulate.client import Refused

MB = 1024 * 1024
OUT_OF_SPACE = b"API_ERROR_OUT_OF_DISK_SPACE"


class SmallDisk:
    """A file system of its own, with a ballast that takes its room."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def leave(self, free_bytes: int) -> None:
        """Fill it up to so many free bytes."""
        self._ballast.unlink(missing_ok=True)
        there = os.statvfs(self.root)
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(there.f_bavail * there.f_frsize - free_bytes, 4096))

    def fill(self) -> None:
        """Leave nothing, and give nothing back."""
        with (self.root / "rest").open("ab") as file, pytest.raises(OSError, match="No space left"):
            while True:
                os.write(file.fileno(), bytes(4096))

    def clear(self) -> None:
        """Give everything back."""
        self._ballast.unlink(missing_ok=True)
        (self.root / "rest").unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """64 MB."""
    root = tmp_path / "disk"
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "earshot-test", str(root)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield SmallDisk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


@asynccontextmanager
async def started(disk: SmallDisk, reserve_mb: int) -> AsyncIterator[LiveServer]:
    async with server_at(disk.root / "data", disk_reserve_mb=reserve_mb) as server:
        await server.start()
        yield server


async def test_the_reserve(small_disk: SmallDisk) -> None:
    async with started(small_disk, 16) as server, phones_at(server) as exchange:
        running = await exchange.ring("2001")
        small_disk.leave(10 * MB)
        answer = await server.until("CALLSTART", OUT_OF_SPACE, DEVICEID=2002)
        assert b"<RESULTCODE>20<" not in answer
        with pytest.raises(Refused) as refused:
            await exchange.client.invite(session("2003"), (40000, 40002))
        assert refused.value.status == 503 and int(refused.value.retry_after) > 0
        assert "out_of_disk_space" in server.log() and "reserve_mb=16" in server.log()
        (unheard,) = of_device(await until_rows(server.data_dir, "2003"), "2003")
        assert (unheard.verdict, unheard.reason, unheard.recordings) == ("failed", "out_of_disk_space", ())
        assert not running.call.ended.is_set(), "a running call may use the reserve"
        small_disk.clear()
        await server.until("CALLSTART", b"<RESULTCODE>20<", DEVICEID=2004)
        accepted = await exchange.ring("2005")
        small_disk.leave(3 * MB)
        found = {call.variables.device_id: call for call in await until_rows(server.data_dir, "2001", "2005")}
        assert {(found[at].verdict, found[at].reason) for at in ("2001", "2005")} == {("recorded", "out_of_disk_space")}
        assert len(found["2001"].recordings) == 1
        small_disk.clear()
        await exchange.phones.hang_up(running)
        await exchange.phones.hang_up(accepted)
        assert await server.stop() == 0
        assert await problems(server.data_dir) == []


async def test_a_disk_that_is_really_full(small_disk: SmallDisk) -> None:
    loop = asyncio.get_running_loop()
    async with started(small_disk, 0) as server, phones_at(server) as exchange:
        before = await exchange.ring("2001")
        await asyncio.sleep(1.0)
        await exchange.phones.hang_up(before)
        (sealed,) = (await until_rows(server.data_dir, "2001"))[0].recordings
        media = Folders(server.data_dir).recordings / sealed.object_name
        began = loop.time()
        running = await exchange.ring("2002")
        await asyncio.sleep(1.0)
        small_disk.fill()
        await server.until("CALLSTART", OUT_OF_SPACE, DEVICEID=2003)
        await asyncio.sleep(2.0)
        length_s = loop.time() - began
        await exchange.phones.hang_up(running)
        assert b"<RESULTCODE>20<" in await server.command("TEST")
        assert hashlib.sha256(media.read_bytes()).hexdigest() == sealed.audio_sha256
        small_disk.clear()
        await server.until("CALLSTART", b"<RESULTCODE>20<", DEVICEID=2004)
        (whole,) = of_device(await until_rows(server.data_dir, "2002"), "2002")
        assert (whole.verdict, whole.reason) == ("recorded", "bye")
        for leg in whole.recordings[0].legs:
            assert leg.lost == 0
            assert abs(leg.received - length_s * PACKETS_A_SECOND) < TOLERANCE_S * PACKETS_A_SECOND
        await server.command("CALLSTOP", DEVICEID=2004)
        await crash_on_a_full_disk(small_disk, server, exchange)
        assert await server.stop() == 0
        assert await problems(server.data_dir) == []


async def crash_on_a_full_disk(small_disk: SmallDisk, server: LiveServer, exchange: PhoneSystem) -> None:
    """Killed and started again while there is no room at all: what ran before goes on when there is some."""
    running = await exchange.ring("2005")
    await asyncio.sleep(2.0)
    small_disk.fill()
    await server.until("CALLSTART", OUT_OF_SPACE, DEVICEID=2006)
    await server.kill()
    await server.start()
    await server.until("CALLSTART", OUT_OF_SPACE, DEVICEID=2006)
    small_disk.clear()
    await server.until("CALLSTART", b"<RESULTCODE>20<", DEVICEID=2006)
    await asyncio.sleep(1.0)
    await exchange.phones.hang_up(running)
    (call,) = of_device(await until_rows(server.data_dir, "2005"), "2005")
    assert (call.verdict, call.reason) == ("recorded", "bye")
    assert "interrupted" in call.warnings
    assert call.recordings[0].legs[0].received > 2 * PACKETS_A_SECOND
