"""After a restart the dialogs of running calls are answered as before; a call whose sound stays away is sealed."""

import asyncio
from pathlib import Path

from tests.faults.evidence import (
    TOLERANCE_S,
    is_heard,
    of_device,
    phones_at,
    problems,
    server_at,
    sound_of,
    until,
    until_rows,
)

RESUME_S = 2.0


async def test_dialogs_go_on_after_a_crash(tmp_path: Path) -> None:
    """Two calls go on, one over UDP and one over TCP; of a third nothing is heard any more."""
    loop = asyncio.get_running_loop()
    async with server_at(tmp_path / "data", resume_timeout_s=RESUME_S) as server:
        await server.start()
        async with phones_at(server, "udp") as over_udp, phones_at(server, "tcp") as over_tcp:
            calls = {"2001": (over_udp, await over_udp.ring("2001")), "2002": (over_tcp, await over_tcp.ring("2002"))}
            gone = await over_udp.ring("2003")
            began = loop.time()
            await asyncio.sleep(2.0)
            await server.kill()
            over_udp.fall_silent(gone)
            await server.start()
            assert (await server.command("CHANNELS")).count(b"<STATE>Recording<") == 3
            await asyncio.sleep(1.0)
            for exchange, call in calls.values():
                await exchange.phones.hold(call)
                await exchange.phones.resume(call)
            (short,) = await until_rows(server.data_dir, "2003")
            assert (short.verdict, short.reason) == ("recorded", "not_resumed")
            await until(lambda: gone.call.ended_by_peer, "the BYE to the phone that stays silent")
            await asyncio.sleep(1.0)
            length_s = loop.time() - began
            for exchange, call in calls.values():
                await exchange.phones.hang_up(call)
                assert not exchange.phones.refusals
            found = await until_rows(server.data_dir, "2001", "2002")
        assert await server.stop() == 0
    for device in calls:
        (whole,) = of_device(found, device)
        assert (whole.verdict, whole.reason) == ("recorded", "bye")
        (recording,) = whole.recordings
        assert abs(recording.duration_s - length_s) < TOLERANCE_S
        (up_again,) = [until_s for _, until_s, why in recording.gaps if why == "restart"]
        assert any(why == "hold" and start > up_again for start, _, why in recording.gaps)
        sound = sound_of(server.data_dir, recording)
        assert is_heard(sound, 0.0, 2.0) and is_heard(sound, up_again, recording.duration_s)
    assert await problems(server.data_dir) == []
