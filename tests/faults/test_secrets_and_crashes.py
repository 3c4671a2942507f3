"""A secret is spoken, a blackout reaches back five seconds, and the process is killed at any moment: nothing is left.

Who sent the command and got no answer sends it again after the restart, with an offset that still reaches the secret,
as a client that cares must. The long form is marked `soak`.
"""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.spoken import PLAIN, SECRET, calling, wall
from tests.faults.evidence import of_device, server_at, until_rows
from tests.faults.secret_forms import assert_not_given_out, secret_places
from tests.servers import LiveServer

from earshot.config import load
from earshot.operations import check_data
from earshot.vault.keyring import Keyring
from earshot.vault.master import from_file, write_new

OK = b"<RESULTCODE>20<"
REACH_S = 5.0


async def start_blackout(server: LiveServer, command: str, device: str, spoken_at: float) -> bool:
    """Send the start so that it reaches what was said since; False when the server died over it."""
    offset_s = min(spoken_at - wall() - 0.2, -REACH_S)
    with suppress(OSError, EOFError, asyncio.IncompleteReadError, TimeoutError):
        return OK in await asyncio.wait_for(server.command(command, DEVICEID=device, TIMEOFFSET=f"{offset_s:.2f}"), 20)
    return False


def keys_of(folder: Path) -> tuple[dict[str, Any], Keyring]:
    """Settings with a new master key, and what it opens."""
    write_new(folder / "master.key")
    return {"master_key_file": folder / "master.key"}, Keyring((from_file(folder / "master.key"),))


async def one_run(folder: Path, seed: int) -> None:
    """One call with a secret; one kill at a random moment from just before the command until after the call."""
    rng = random.Random(seed)
    command = rng.choice(["BLACKOUTSTART", "AGENTBLACKOUTSTART"])
    settings, ring = keys_of(folder) if seed % 2 else ({}, None)
    async with server_at(folder / "data", **settings) as server:
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
            assert secret_places(folder, server.data_dir, ring) == [], f"{moment}: {command}"
            caller.speech.text = PLAIN
            await asyncio.sleep(0.2)
            assert OK in await server.command(command.replace("START", "STOP"), DEVICEID="4100")
            await asyncio.sleep(0.5)
            await caller.hang_up()
            if moment == "after":
                await asyncio.sleep(rng.uniform(0.0, 1.0))
                await crash()
        (call,) = of_device(await until_rows(server.data_dir, "4100"), "4100")
        assert "blackout" in [gap[2] for gap in call.recordings[0].gaps]
        await assert_not_given_out(server, call.recordings[0])
        assert await server.stop() == 0
    assert secret_places(folder, folder / "data", ring) == []
    assert await check_data(load(data_dir=folder / "data", **settings)) == []


async def test_what_is_not_blacked_out_is_found(tmp_path: Path) -> None:
    """Without which the others would show nothing."""
    settings, ring = keys_of(tmp_path)
    async with server_at(tmp_path / "data", **settings) as server:
        await server.start()
        async with calling(server, "4100") as caller:
            caller.speech.text = SECRET
            await asyncio.sleep(2.0)
            assert secret_places(tmp_path, server.data_dir, ring) == ["journal, decrypted"]
            await caller.hang_up()
        (call,) = await until_rows(server.data_dir, "4100")
        found = secret_places(tmp_path, server.data_dir, ring)
        assert [place for place in found if place.startswith("recordings")], found
        with pytest.raises(AssertionError):
            await assert_not_given_out(server, call.recordings[0])


@pytest.mark.parametrize("seed", range(2))
async def test_a_few_moments(tmp_path: Path, seed: int) -> None:
    await one_run(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5, 205))
async def test_many_moments(tmp_path: Path, seed: int) -> None:
    await one_run(tmp_path, seed)
