"""kill -9 within a hidden span: the sound is kept, and silent from end to end for those who may not hear it."""

import asyncio
from pathlib import Path

from tests.acceptance.spoken import SECRET, calling, wall
from tests.acceptance.test_standard_mode import REVIEWER, WAYS, samples
from tests.faults.evidence import DRAIN_S, FLUSH_S, is_heard, problems, server_at, until_rows
from tests.rest.asking import a_desk
from tests.servers import OK

DEVICE = "4310"


async def test_killed_within_a_hidden_span(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with server_at(data, blackout_mode="hide") as server:
        await server.start()
        async with calling(server, DEVICE) as caller:
            caller.speech.text = SECRET
            await asyncio.sleep(0.5)
            asked_at = wall()
            assert OK in await server.command("BLACKOUTSTART", DEVICEID=DEVICE)
            begun_at = wall()
            await asyncio.sleep(0.6 + DRAIN_S + FLUSH_S)
            await server.kill()
            await server.start()
            await asyncio.sleep(0.5)
            stop_asked_at = wall()
            assert OK in await server.command("BLACKOUTSTOP", DEVICEID=DEVICE)
            ended_at = wall()
            await asyncio.sleep(0.5)
            await caller.hang_up()
        (call,) = await until_rows(data, DEVICE)
        assert await server.stop() == 0
    (sealed,) = call.recordings
    ((start_s, end_s),) = [(start, end) for start, end, why in sealed.gaps if why == "hidden"]
    began_at = sealed.recording_time
    assert asked_at - FLUSH_S <= began_at + start_s <= begun_at
    assert stop_asked_at <= began_at + end_s <= ended_at + FLUSH_S
    assert "restart" in [why for _, _, why in sealed.gaps], "it was killed within it"

    async with a_desk(data, blackout_mode="hide") as desk:
        listener = await desk.with_token(await desk.agent("listener", *REVIEWER, "HEARINGBLACKOUTS"), "all")
        reviewer = await desk.with_token(await desk.agent("reviewer", *REVIEWER), "all")
        for name in ("page", "rest", "export"):
            kept, silent = [samples((await client.get(WAYS[name])).content) for client in (listener, reviewer)]
            assert is_heard(kept, start_s + 0.02, start_s + 0.4), "what was said before it was killed"
            assert is_heard(kept, end_s - 0.4, end_s - 0.02), "and what was said after it came back"
            assert not silent[int(start_s * 8000) : int(end_s * 8000)].any(), name
            for one in (kept, silent):
                assert len(one) == len(kept) and is_heard(one, start_s - 0.3, start_s - 0.02)
                assert is_heard(one, end_s + 0.02, end_s + 0.4)
    assert await problems(data) == []
