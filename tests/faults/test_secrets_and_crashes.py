"""A secret is spoken, a blackout reaches back five seconds, and the process is killed at any moment: nothing is left.

Who sent the command and got no answer sends it again after the restart, with an offset that still reaches the secret,
as a client that cares must. The long form is marked `soak`.
"""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import pytest
from tests.acceptance.spoken import PLAIN, SECRET, calling, places_of, wall
from tests.faults.evidence import of_device, problems, server_at, until_rows
from tests.servers import LiveServer

OK = b"<RESULTCODE>20<"
REACH_S = 5.0


async def start_blackout(server: LiveServer, command: str, device: str, spoken_at: float) -> bool:
    """Send the start so that it reaches what was said since; False when the server died over it."""
    offset_s = min(spoken_at - wall() - 0.2, -REACH_S)
    with suppress(OSError, EOFError, asyncio.IncompleteReadError, TimeoutError):
        return OK in await asyncio.wait_for(server.command(command, DEVICEID=device, TIMEOFFSET=f"{offset_s:.2f}"), 20)
    return False


async def one_run(folder: Path, seed: int) -> None:
    """One call with a secret; one kill at a random moment from just before the command until after the call."""
    rng = random.Random(seed)
    command = rng.choice(["BLACKOUTSTART", "AGENTBLACKOUTSTART"])
    async with server_at(folder / "data") as server:
        await server.start()

        async def crash() -> None:
            await server.kill()
            await server.start()

        async with calling(server, "4100") as caller:
            await asyncio.sleep(0.5)
            caller.speech.text, spoken_at = SECRET, wall()
            await asyncio.sleep(rng.uniform(0.3, 1.5))
            moment = rng.choice(["during", "during", "within", "after"])
            told = asyncio.create_task(start_blackout(server, command, "4100", spoken_at))
            if moment == "during":
                await asyncio.sleep(rng.uniform(0.0, 0.06))
                await crash()
            answered = await told
            if not answered:
                assert await start_blackout(server, command, "4100", spoken_at)
            if moment == "within":
                await asyncio.sleep(rng.uniform(0.0, 0.8))
                await crash()
            await asyncio.sleep(0.3)
            assert places_of(server.data_dir) == [], f"{moment}: {command}"
            caller.speech.text = PLAIN
            await asyncio.sleep(0.2)
            assert OK in await server.command(command.replace("START", "STOP"), DEVICEID="4100")
            await asyncio.sleep(0.5)
            await caller.hang_up()
            if moment == "after":
                await asyncio.sleep(rng.uniform(0.0, 1.0))
                await crash()
        (call,) = of_device(await until_rows(server.data_dir, "4100"), "4100")
        assert await server.stop() == 0
    assert places_of(folder) == []
    assert "blackout" in [gap[2] for gap in call.recordings[0].gaps]
    assert await problems(folder / "data") == []


@pytest.mark.parametrize("seed", range(3))
async def test_a_few_moments(tmp_path: Path, seed: int) -> None:
    await one_run(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5, 205))
async def test_many_moments(tmp_path: Path, seed: int) -> None:
    await one_run(tmp_path, seed)
