"""A secret that is spoken in a blackout is nowhere: not in the journal, not in the recording, not after a crash."""

import asyncio
import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.acceptance.spoken import PLAIN, SECRET, calling, places_of, wall
from tests.faults.evidence import of_device, problems, server_at, until, until_rows
from tests.plain_http import http_client
from tests.servers import Speaker

from earshot.actor import PROTOCOL
from earshot.api.blackouts_after import black_out_recording
from earshot.ports import SealedRecording

OK = b"<RESULTCODE>20<"
PACKET_S = 0.02
BUSY_S = 0.25
"""What a busy machine may add between a command and the clock that times it here."""


async def exported(server: Speaker, record_id: int = 1) -> NDArray[np.int16]:
    """The samples of a recording as EXPORT gives them, int16[frames, channels]."""
    async with http_client(base_url=f"http://{server.host}:{server.http_port}", trust_env=False) as http:
        query = f"type=export&requestid=1&uniquefield=recordid&uniqueid={record_id}&media_format=wav"
        response = await http.get(f"/webAPI.aspx?{query}")
    with wave.open(io.BytesIO(response.content)) as sound:
        assert sound.getframerate() == 8000
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16).reshape(-1, sound.getnchannels())


def level(sound: NDArray[np.int16], from_s: float, until_s: float) -> int:
    """The loudest sample of a span, the quieter channel of the two."""
    part = np.abs(sound[int(from_s * 8000) : int(until_s * 8000)].astype(np.int32))
    return int(part.max(axis=0).min())


def assert_silent_exactly(sound: NDArray[np.int16], sealed: SealedRecording, start_s: float, end_s: float) -> None:
    """Zeros over the span and nothing else; loud on both sides of it; the row says the same."""
    whole = np.abs(sound.astype(np.int32))
    assert whole[int(start_s * 8000) + 1 : int(end_s * 8000)].max() == 0
    assert level(sound, start_s - 5 * PACKET_S, start_s - PACKET_S) > 1000
    assert level(sound, end_s + PACKET_S, end_s + 5 * PACKET_S) > 1000
    assert abs(len(sound) / 8000 - sealed.duration_s) < PACKET_S
    peaks = np.frombuffer(sealed.peaks, np.int8).reshape(-1, sealed.channels, 2)
    first, last = (int(at * sealed.peaks_per_second) for at in (start_s, end_s))
    assert not peaks[first + 1 : last].any() and peaks[:first].any() and peaks[last + 2 :].any()


async def test_a_secret_is_removed_and_stays_away_over_a_crash(tmp_path: Path) -> None:
    async with server_at(tmp_path / "data") as server:
        await server.start()
        async with calling(server, "4001") as caller:
            await asyncio.sleep(2.0)
            caller.speech.text = SECRET
            await asyncio.sleep(4.5)
            assert places_of(server.data_dir), "it was written until now"
            told_at = wall()
            answer = await server.command("BLACKOUTSTART", DEVICEID="4001", TIMEOFFSET="-5")
            assert OK in answer, answer
            assert places_of(server.data_dir) == [], "when it is answered, it is gone"
            status = await server.command("DEVICERECORDINGSTATUS", DEVICEID="4001")
            assert b"<STATUS>recordpaused<" in status
            await asyncio.sleep(1.0)
            await server.kill()
            await server.start()
            await asyncio.sleep(1.0)
            assert b"<STATUS>recordpaused<" in await server.command("DEVICERECORDINGSTATUS", DEVICEID="4001")
            assert places_of(server.data_dir) == [], "after a crash it masks from the first packet"
            caller.speech.text = PLAIN
            await asyncio.sleep(0.1)
            stopped_at = wall()
            assert OK in await server.command("BLACKOUTSTOP", DEVICEID="4001")
            await asyncio.sleep(1.5)
            await caller.hang_up()
        (call,) = of_device(await until_rows(server.data_dir, "4001"), "4001")
        (sealed,) = call.recordings
        sound = await exported(server)
        assert await server.stop() == 0
    assert places_of(tmp_path) == []
    ((start_s, end_s, _),) = [gap for gap in sealed.gaps if gap[2] == "blackout"]
    assert not [gap for gap in sealed.gaps if gap[2] == "loss"]
    assert abs(sealed.recording_time + start_s - (told_at - 5)) < BUSY_S
    assert abs(sealed.recording_time + end_s - stopped_at) < BUSY_S
    assert_silent_exactly(sound, sealed, start_s, end_s)
    assert "lossy" not in call.warnings and call.verdict == "recorded"
    assert await problems(tmp_path / "data") == []


async def test_an_agents_blackout_spans_calls_and_reaches_into_a_sealed_one(live_server: Speaker) -> None:
    """The first call is sealed when the blackout starts; the second begins within it; the third after it."""
    server = live_server
    async with calling(server, "4002") as caller:
        await asyncio.sleep(1.0)
        caller.speech.text = SECRET
        await asyncio.sleep(1.0)
        await caller.hang_up()
    (before,) = of_device(await until_rows(server.data_dir, "4002"), "4002")
    hidden_s = wall() - (before.recordings[0].recording_time + 0.9)
    answer = await server.command("AGENTBLACKOUTSTART", DEVICEID="4002", TIMEOFFSET=f"-{hidden_s:.3f}")
    assert OK in answer, answer
    async with calling(server, "4002") as caller:
        caller.speech.text = SECRET
        await asyncio.sleep(1.0)
        await caller.hang_up()
    async with calling(server, "4002") as caller:
        caller.speech.text = SECRET
        await asyncio.sleep(0.5)
        caller.speech.text = PLAIN
        await asyncio.sleep(0.1)
        assert OK in await server.command("AGENTBLACKOUTSTOP", DEVICEID="4002")
        await asyncio.sleep(1.0)
        await caller.hang_up()
    await server.until("CALLLIST", b"<CALLNUMBER>3<", DEVICEID="4002")
    first, second, third = of_device(await until_rows(server.data_dir, "4002"), "4002")
    sound = await exported(server)
    assert places_of(server.data_dir) == []
    (rewritten,) = first.recordings
    assert rewritten.audio_sha256 != before.recordings[0].audio_sha256
    assert rewritten.duration_s == before.recordings[0].duration_s
    ((start_s, end_s, _),) = [gap for gap in rewritten.gaps if gap[2] == "blackout"]
    assert abs(start_s - 0.9) < BUSY_S and end_s > rewritten.duration_s - 0.01
    assert level(sound, 0.2, start_s - PACKET_S) > 1000 and not sound[int(start_s * 8000) + 1 :].any()
    assert second.verdict == "recorded" and [gap[2] for gap in second.recordings[0].gaps] == ["blackout"]
    assert [gap[2] for gap in third.recordings[0].gaps] == ["blackout"]


async def test_keys_pressed_in_a_blackout_are_not_told(live_server: Speaker) -> None:
    """Nor are those of which somebody says so afterwards."""
    server = live_server
    assert server.inside is not None
    async with calling(server, "4003") as caller:
        speech = caller.speech

        async def press(key: int) -> None:
            speech.key = key
            await asyncio.sleep(0.16)
            speech.key = None
            await asyncio.sleep(0.2)

        await asyncio.sleep(0.5)
        await press(1)
        await asyncio.sleep(0.5)
        assert OK in await server.command("BLACKOUTSTART", DEVICEID="4003")
        await press(2)
        speech.key = 3  # held over the end of the blackout: its last packets come after
        await asyncio.sleep(0.1)
        assert OK in await server.command("BLACKOUTSTOP", DEVICEID="4003")
        await asyncio.sleep(0.1)
        speech.key = None
        await asyncio.sleep(0.5)
        await press(4)
        assert OK in await server.command("BLACKOUTSTART", DEVICEID="4003", TIMEOFFSET="-0.45")
        assert OK in await server.command("BLACKOUTSTOP", DEVICEID="4003")
        await asyncio.sleep(0.1)
        await press(5)
        await asyncio.sleep(0.3)
        await caller.hang_up()
    (call,) = of_device(await until_rows(server.data_dir, "4003"), "4003")
    assert {leg.digits for leg in call.recordings[0].legs} == {"15"}
    begin, end = call.recordings[0].legs[0].digits_at[1]
    after = await black_out_recording(server.inside.context, PROTOCOL, 1, begin + 0.05, end - 0.01, "a card number")
    assert {leg.digits for leg in after.sealed.legs} == {"1"}


async def test_a_start_in_the_future_begins_then(live_server: Speaker) -> None:
    """Neither moment has come when the commands are sent."""
    server = live_server
    async with calling(server, "4004") as caller:
        await asyncio.sleep(0.5)
        told_at = wall()
        assert OK in await server.command("BLACKOUTSTART", DEVICEID="4004", TIMEOFFSET="+1.5")
        assert OK in await server.command("BLACKOUTSTOP", DEVICEID="4004", TIMEOFFSET="3")
        assert b"<STATUS>recording<" in await server.command("DEVICERECORDINGSTATUS", DEVICEID="4004")
        await until(lambda: wall() > told_at + 1.4, "the begin")
        caller.speech.text = SECRET
        await asyncio.sleep(0.08)
        caller.speech.text = PLAIN
        await until(lambda: wall() > told_at + 1.6, "the blackout")
        caller.speech.text = SECRET
        await until(lambda: wall() > told_at + 2.9, "the end")
        caller.speech.text = PLAIN
        await until(lambda: wall() > told_at + 4, "what follows")
        assert places_of(server.data_dir), "what was said before it is there"
        await caller.hang_up()
    (call,) = of_device(await until_rows(server.data_dir, "4004"), "4004")
    sound = await exported(server)
    (sealed,) = call.recordings
    ((start_s, end_s, _),) = [gap for gap in sealed.gaps if gap[2] == "blackout"]
    assert abs(sealed.recording_time + start_s - (told_at + 1.5)) < BUSY_S
    assert abs(sealed.recording_time + end_s - (told_at + 3)) < BUSY_S
    assert_silent_exactly(sound, sealed, start_s, end_s)
