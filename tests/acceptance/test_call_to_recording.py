"""The main job, end to end: real SIP and RTP in, a recording out, steered by the old protocol."""

import io
import wave
from pathlib import Path

import pytest
from tests.plain_http import http_client
from tests.servers import LiveServer, Speaker


async def test_simulated_calls_become_recordings(live_server: Speaker) -> None:
    summary = await live_server.simulate(calls=3, concurrent=3, rate=10.0, length_s=(2.0, 3.0), codecs=("PCMU", "G722"))
    assert summary.answered == 3 and not summary.refused and summary.crm_errors == 0
    answer = await live_server.until("CALLLIST", b"<CALLNUMBER>3<")
    assert answer.count(b"<SEARCHRESULT>") == 3


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_exported_wav_is_stereo_and_as_long_as_the_call(live_server: Speaker, transport: str) -> None:
    await live_server.simulate(calls=1, concurrent=1, length_s=(2.0, 2.0), transport=transport, first_device=1001)
    await live_server.until("CALLLIST", b"<RECORDID>1<")
    async with http_client(base_url=f"http://{live_server.host}:{live_server.http_port}") as http:
        query = "type=export&requestid=1&uniquefield=recordid&uniqueid=1&media_format="
        response = await http.get(f"/webAPI.aspx?{query}wav")
        assert response.headers["content-type"] == "audio/wav"
        with wave.open(io.BytesIO(response.content)) as sound:
            assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (2, 8000, 2)
            assert 1.5 < sound.getnframes() / 8000 < 3.5
        part = await http.get(f"/webAPI.aspx?{query}wav", headers={"Range": "bytes=0-99"})
        assert part.status_code == 206 and part.content == response.content[:100]
        mp3 = await http.get(f"/webAPI.aspx?{query}mp3")
        assert mp3.headers["content-type"] == "audio/mpeg" and len(mp3.content) > 1000


async def test_a_call_without_sound_is_as_visible_as_a_recording(live_server: Speaker) -> None:
    await live_server.command("CALLSTART", DEVICEID=555, ANI="6145551212")
    await live_server.command("CALLSTOP", DEVICEID=555)
    await live_server.shows('earshot_verdicts_total{reason="no_session",verdict="failed"} 1.0')


async def test_a_planned_stop_is_quick_and_leaves_everything_in_order(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", migrates=True)
    try:
        await server.start()
        await server.simulate(calls=1, concurrent=1, length_s=(1.0, 1.0))
        await server.until("CALLLIST", b"<RECORDID>1<")
        assert await server.stop() == 0
        assert await server.check() == ""
    finally:
        await server.kill()
