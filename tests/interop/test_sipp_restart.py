"""A call that goes on while the recorder restarts, as SIPp sees it: same ports, same dialog, one recording."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.interop.kept import exported, rows, stored
from tests.interop.sipp import run_sipp
from tests.interop.sounds import ALIGNED, Speech, assert_same_sound
from tests.rings import CAPTURES
from tests.servers import LiveServer, running

DEVICE, CALLER = "2900", "6145552900"


@pytest.mark.parametrize("capture", CAPTURES)
async def test_a_call_that_outlives_the_recorder_is_one_recording(capture: str, tmp_path: Path) -> None:
    async with running(tmp_path / "data", env={"EARSHOT_RTP_CAPTURE": capture}) as server:
        await assert_is_one_recording(server, tmp_path)


async def assert_is_one_recording(server: LiveServer, tmp_path: Path) -> None:
    """A call, a restart in its middle, and what is kept of it."""

    async def restart() -> None:
        assert await server.stop() == 0
        await server.start()

    speech = Speech(DEVICE)
    keys = {"device": DEVICE, "caller": CALLER}
    run = await run_sipp("restart_in_mid_call", "udp", server.sip_port, keys, (), tmp_path / "sipp", speech, restart)
    speech.close()
    assert run.status == 0, f"{run.errors[-2000:]}\n{run.messages[-6000:]}\n{server.log()[-3000:]}"
    call = await stored(server.data_dir, DEVICE)
    assert (call["verdict"], call["reason"], call["warnings"]) == ("recorded", "bye", '["interrupted"]')
    assert (call["ani"], call["dnis"]) == (CALLER, DEVICE)
    parties = {one["number"]: one["role"] for one in json.loads(call["participants"])}
    assert parties == {CALLER: "other", DEVICE: "agent"}
    (recording,) = rows(server.data_dir, "recordings", DEVICE)
    assert [why for _, _, why in json.loads(recording["gaps"])] == ["restart"]
    sound, rate = await exported(server, recording["ident"])
    assert (rate, sound.shape[1]) == (8000, 2)
    origins = [
        assert_same_sound(np.ascontiguousarray(channel), speech.voices[voice])
        for channel, voice in zip(sound.T, ("agent", "other"), strict=True)
    ]
    assert max(origins) - min(origins) <= ALIGNED
