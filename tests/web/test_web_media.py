"""Sound over HTTP: ranges, heads, names, the waveform's numbers."""

import io

import httpx
import numpy as np
import pytest
from tests.web.world import World

from earshot.engine.variables import CallVariables
from earshot.media.formats.wav import read_wav_info
from earshot.ports import SealedRecording
from earshot.web.peaks import COLUMNS, columns, picture, small_path
from earshot.web.replies import RangeNotSatisfiable, disposition, wanted_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("Bytes = 90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=x-y", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_one_range_of_bytes(header: str | None, span: tuple[int, int] | None) -> None:
    assert wanted_range(header, 100) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_behind_the_end(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        wanted_range(header, size)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.wav", 'attachment; filename="a.wav"'),
        ("C:\\x\\a.wav", 'attachment; filename="a.wav"'),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ('a"\r\nx: y.wav', 'attachment; filename="a___x_ y.wav"'),
        ("", 'attachment; filename="recording"'),
    ],
)
def test_file_names_cannot_break_out_of_the_header(name: str, shown: str) -> None:
    assert disposition(name, inline=False) == shown


async def test_the_wav_is_the_sealed_file_and_can_be_entered_anywhere(world: World, admin: httpx.AsyncClient) -> None:
    number = await world.add_call(1, seconds=2.0)
    path = f"/recordings/{number}/audio.wav"
    whole = await admin.get(path)
    info = read_wav_info(io.BytesIO(whole.content))
    assert (info.channels, info.sample_rate_hz) == (2, 8000)
    assert whole.headers["content-disposition"].startswith("inline")
    part = await admin.get(path, headers={"range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole.content)}"
    beyond = await admin.get(path, headers={"range": f"bytes={len(whole.content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")
    head = await admin.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole.content)))
    tag = whole.headers["etag"]
    same = await admin.get(path, headers={"range": "bytes=0-9", "if-range": tag})
    other = await admin.get(path, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


async def test_downloads_are_attachments_with_the_name_of_the_file(world: World, admin: httpx.AsyncClient) -> None:
    number = await world.add_call(1, seconds=2.0)
    answer = await admin.get(f"/recordings/{number}/audio.wav?download=1")
    assert answer.headers["content-disposition"] == 'attachment; filename="201-1.wav"'
    answer = await admin.get(f"/recordings/{number}/audio.mp3?download=1")
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.content[:2] == b"\xff\xe3"


@pytest.mark.parametrize("kind", ["audio.wav", "audio.mp3"])
async def test_sound_that_is_gone_is_a_404(world: World, admin: httpx.AsyncClient, kind: str) -> None:
    number = await world.add_call(1, seconds=1.0)
    await world.storage.delete("20231115/1.wav")
    assert (await admin.get(f"/recordings/{number}/{kind}")).status_code == 404


@pytest.mark.parametrize("rest", ["", "/peaks.json", "/wave.svg", "/audio.wav", "/audio.mp3"])
@pytest.mark.parametrize("number", [999, 2**70])
async def test_a_recording_that_is_not_there_is_a_404(admin: httpx.AsyncClient, rest: str, number: int) -> None:
    assert (await admin.get(f"/recordings/{number}{rest}")).status_code == 404


async def test_the_picture_has_both_channels_and_the_gaps(world: World, admin: httpx.AsyncClient) -> None:
    number = await world.add_call(1, seconds=60.0, gaps=((3.0, 4.5, "loss"),))
    found = (await admin.get(f"/recordings/{number}/peaks.json")).json()
    assert [len(channel) for channel in found["channels"]] == [2 * COLUMNS] * 2
    assert found["duration"] == 60.0
    assert found["gaps"] == [{"start": 3.0, "end": 4.5, "why": "loss"}]
    assert max(found["channels"][0]) > 30


def sealed(peaks: bytes, channels: int) -> SealedRecording:
    return SealedRecording(
        key="a",
        call_key="a",
        part=0,
        core=1,
        variables=CallVariables(),
        agent_id=None,
        recording_time=0,
        duration_s=1.0,
        channels=channels,
        sample_rate_hz=8000,
        object_name="a",
        file_name="a",
        media_type="audio/wav",
        audio_sha256="",
        audio_size=0,
        peaks=peaks,
        peaks_per_second=50,
    )


def test_reducing_keeps_the_one_loud_moment() -> None:
    pairs = np.zeros((100_000, 2, 2), np.int8)
    pairs[77_777, 1] = (-128, 127)
    reduced = columns(sealed(pairs.tobytes(), 2))
    assert reduced.shape == (COLUMNS, 2, 2)
    assert reduced[:, 1, 0].min() == -128
    assert reduced[:, 1, 1].max() == 127
    assert not reduced[:, 0].any()


@pytest.mark.parametrize(("peaks", "channels"), [(b"", 1), (b"", 2), (b"\x00\x01\x02", 2), (b"", 0)])
def test_no_peaks_are_no_picture(peaks: bytes, channels: int) -> None:
    nothing = sealed(peaks, channels)
    assert small_path(nothing) == ""
    assert picture(nothing)["channels"] == [[]] * max(1, channels)


async def test_the_small_picture_is_an_svg(world: World, admin: httpx.AsyncClient) -> None:
    number = await world.add_call(1, channels=1)
    answer = await admin.get(f"/recordings/{number}/wave.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.count("M") == 64
