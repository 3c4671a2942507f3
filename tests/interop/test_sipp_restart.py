"""A call that goes on while the recorder restarts, as SIPp sees it: same ports, same dialog, one recording."""

import json
from pathlib import Path

import numpy as np
from tests.interop.kept import exported, rows, stored
from tests.interop.sipp import run_sipp
from tests.interop.sounds import ALIGNED, Speech, assert_same_sound
from tests.servers import LiveServer

DEVICE, CALLER = "2900", "6145552900"


async def test_a_call_that_outlives_the_recorder_is_one_recording(server_process: LiveServer, tmp_path: Path) -> None:
    async def restart() -> None:
        assert await server_process.stop() == 0
        await server_process.start()

    speech = Speech(DEVICE)
    keys = {"device": DEVICE, "caller": CALLER}
    run = await run_sipp(
        "restart_in_mid_call", "udp", server_process.sip_port, keys, (), tmp_path / "sipp", speech, restart
    )
    speech.close()
    assert run.status == 0, f"{run.errors[-2000:]}\n{run.messages[-6000:]}\n{server_process.log()[-3000:]}"
    call = await stored(server_process.data_dir, DEVICE)
    assert (call["verdict"], call["reason"], call["warnings"]) == ("recorded", "bye", '["interrupted"]')
    assert (call["ani"], call["dnis"]) == (CALLER, DEVICE)
    parties = {one["number"]: one["role"] for one in json.loads(call["participants"])}
    assert parties == {CALLER: "other", DEVICE: "agent"}
    (recording,) = rows(server_process.data_dir, "recordings", DEVICE)
    assert [why for _, _, why in json.loads(recording["gaps"])] == ["restart"]
    sound, rate = await exported(server_process, recording["ident"])
    assert (rate, sound.shape[1]) == (8000, 2)
    origins = [
        assert_same_sound(np.ascontiguousarray(channel), speech.voices[voice])
        for channel, voice in zip(sound.T, ("agent", "other"), strict=True)
    ]
    assert max(origins) - min(origins) <= ALIGNED
