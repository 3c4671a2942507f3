"""Killed between any two steps of sealing, the next start does the work again: one row, one media object, no more."""

import asyncio
import signal
import sys
from pathlib import Path

from tests.faults import dying_server
from tests.faults.evidence import objects, phones_at, problems, rows_of, server_at, session, until_rows
from tests.servers import LiveServer

from earshot.core.sealing import STEPS
from earshot.journal.recovery import recover
from earshot.premises import Folders


async def killed_itself(server: LiveServer) -> bool:
    assert server.process is not None
    return await asyncio.wait_for(server.process.wait(), 30) == -signal.SIGKILL


async def test_killed_at_each_step_in_turn(tmp_path: Path) -> None:
    """The same calls, one with a side that falls silent and one without any sound, die at every step in turn."""
    normal = LiveServer(tmp_path / "data").program
    async with server_at(tmp_path / "data") as server:
        for step in STEPS:
            server.program = [sys.executable, str(Path(dying_server.__file__)), step, "serve"]
            await server.start()
            if step == STEPS[0]:
                async with phones_at(server) as exchange:
                    both, one_sided = await exchange.ring("2001"), await exchange.ring("2002")
                    exchange.fall_silent(one_sided, 1)
                    await asyncio.sleep(2.0)
                    mute = await exchange.client.invite(session("2003"), (40000, 40002))
                    # First the mute one: sealing the others waits for the journal, and so for this BYE too.
                    await exchange.client.bye(mute)
                    await asyncio.gather(exchange.phones.hang_up(both), exchange.phones.hang_up(one_sided))
            assert await killed_itself(server)
        server.program = normal
        await server.start()
        await until_rows(server.data_dir, "2001", "2002", "2003")
        await server.shows("earshot_calls_to_seal 0.0")
        assert await server.stop() == 0
        assert await server.check() == ""
    found = await rows_of(server.data_dir)
    verdicts = sorted((call.variables.device_id, call.verdict, call.reason) for call in found)
    assert verdicts == [("2001", "recorded", "bye"), ("2002", "recorded", "bye"), ("2003", "failed", "no_sound")]
    names = [recording.object_name for call in found for recording in call.recordings]
    assert len(names) == 2
    assert sorted(await objects(server.data_dir)) == sorted(names)
    assert recover(Folders(server.data_dir).journal, repair=False).legs == {}
    assert await problems(server.data_dir) == []
