"""A sealing process that is killed, idle or at work: the call is sealed all the same, by another one and soon."""

import asyncio
import os
import signal
from pathlib import Path

from tests.faults.evidence import phones_at, server_at, until, until_rows
from tests.servers import LiveServer

SOON_S = 15.0


def children_of(server: LiveServer) -> list[int]:
    """The processes that a server has begun."""
    assert server.process is not None
    pid = server.process.pid
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def workers_of(server: LiveServer) -> list[int]:
    """Those that seal."""
    return [child for child in children_of(server) if b"spawn_main" in read(f"/proc/{child}/cmdline")]


def runs(process: int) -> bool:
    """Whether a process is there and has not ended."""
    state = read(f"/proc/{process}/stat").rpartition(b")")[2].split()
    return bool(state) and state[0] != b"Z"


def read(path: str) -> bytes:
    """A file of a process; empty when that is gone."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


async def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    async with server_at(tmp_path / "data") as server:
        await server.start()
        async with phones_at(server) as exchange:
            first, second, third = [await exchange.ring(device) for device in ("2001", "2002", "2003")]
            await asyncio.sleep(1.0)
            await exchange.phones.hang_up(first)
            await until_rows(server.data_dir, "2001")
            (worker,) = workers_of(server)
            os.kill(worker, signal.SIGKILL)
            await exchange.phones.hang_up(second)
            await until_rows(server.data_dir, "2002", timeout_s=SOON_S)
            (another,) = workers_of(server)
            assert another != worker
            os.kill(another, signal.SIGSTOP)
            await exchange.phones.hang_up(third)
            await asyncio.sleep(1.0)  # the call is on its way to a process that does nothing with it
            os.kill(another, signal.SIGKILL)
            await until_rows(server.data_dir, "2003", timeout_s=SOON_S)
        children = children_of(server)
        assert len(children) > len(workers_of(server)) > 0
        await server.kill()
        await until(lambda: not any(runs(child) for child in children), "the end of the processes of a killed server")
