"""Exports over HTTP from a real server with real recordings: every format, ranges, joined ones, ZIPs, failures."""

import asyncio
import io
import wave
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import soundfile
from tests.servers import Speaker, in_process

from earshot.media.formats.cav.container import CavReader
from earshot.media.formats.cav.sealed import Decrypted, WrongPassword


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Speaker]:
    """A server with three short recordings, 1 to 3."""
    async with in_process(tmp_path / "data") as server:
        await server.simulate(calls=3, concurrent=3, rate=10.0, length_s=(1.0, 2.0), crm=False)
        await server.until("CALLLIST", b"<CALLNUMBER>3<")
        yield server


class Asker:
    """Asks for exports."""

    def __init__(self, server: Speaker) -> None:
        self._url = f"http://{server.host}:{server.http_port}/webAPI.aspx"

    async def get(self, kind: str, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        query = {"type": kind, "requestid": "1", **{name: str(value) for name, value in params.items()}}
        async with httpx.AsyncClient(timeout=120, verify=False) as http:
            return await http.get(self._url, params=query, headers=headers)

    async def one(self, media_format: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return await self.get("export", headers, uniquefield="recordid", uniqueid=1, media_format=media_format, **more)


@pytest.fixture
async def asker(recorder: Speaker) -> Asker:
    return Asker(recorder)


def wav_frames(data: bytes) -> int:
    with wave.open(io.BytesIO(data)) as sound:
        return int(sound.getnframes())


async def test_every_format_of_one_recording_with_ranges(asker: Asker) -> None:
    stored = await asker.one("WAV")
    frames = wav_frames(stored.content)
    for kind, media_type in (("MP3", "audio/mpeg"), ("VOX", "application/octet-stream")):
        whole = await asker.one(kind)
        assert (whole.status_code, whole.headers["content-type"]) == (200, media_type)
        assert whole.headers["content-disposition"].endswith(f'.{kind.lower()}"')
        assert int(whole.headers["content-length"]) == len(whole.content)
        part = await asker.one(kind, {"Range": "bytes=100-299"})
        assert (part.status_code, part.content) == (206, whole.content[100:300])
        beyond = await asker.one(kind, {"Range": f"bytes={len(whole.content)}-"})
        assert beyond.status_code == 416
        again = await asker.one(kind, {"If-Range": whole.headers["etag"], "Range": "bytes=-5"})
        assert (again.status_code, again.content) == (206, whole.content[-5:])
        if kind == "VOX":
            assert len(whole.content) == -(-frames // 2)
        else:
            with av.open(io.BytesIO(whole.content), "r") as container:
                assert abs((container.duration or 0) / 1e6 - frames / 8000) < 0.01


async def test_a_cav_holds_the_sealed_file_and_says_what_it_is(asker: Asker) -> None:
    stored = await asker.one("WAV")
    plain = await asker.one("CAV")
    assert plain.headers["content-type"] == "application/octet-stream", plain.text
    reader = CavReader(io.BytesIO(plain.content))
    assert reader.problems() == []
    assert b"".join(reader.member("audio.wav")) == stored.content
    assert reader.metadata()["ident"] == 1 and reader.recordings == (1,)
    assert b"<ident>1</ident>" in b"".join(reader.member("metadata.xml"))
    # Encrypted, twice: never the same bytes, and nothing of it is served in parts.
    first, second = [await asker.one("CAV", encrypt="Y", password="open sesame") for _ in range(2)]
    assert first.content != second.content and len(first.content) == int(first.headers["content-length"])
    assert "accept-ranges" not in first.headers
    opened = Decrypted(io.BytesIO(first.content), "open sesame")
    assert b"".join(CavReader(opened).member("audio.wav")) == stored.content
    with pytest.raises(WrongPassword):
        Decrypted(io.BytesIO(first.content), "open Sesame")


async def test_encrypt_needs_a_password_and_concerns_cav_only(asker: Asker) -> None:
    assert b"<RESULTCODE>16<" in (await asker.one("CAV", encrypt="Y")).content
    assert (await asker.one("MP3", encrypt="Y")).headers["content-type"] == "audio/mpeg"
    assert (await asker.one("CAV", encrypt="N", password="x")).content[:4] == b"PK\3\4"


async def test_joined_ones_follow_each_other_by_number(asker: Asker) -> None:
    each = [
        wav_frames((await asker.get("export", uniquefield="ident", uniqueid=n, media_format="wav")).content)
        for n in (1, 2, 3)
    ]
    joined = await asker.get("combinedexport", ident="3, 1,,2,2,", media_format="WAV")
    assert joined.headers["content-type"] == "audio/wav"
    assert joined.headers["content-disposition"] == 'attachment; filename="recordings-1-3.wav"'
    assert wav_frames(joined.content) == sum(each)
    first = await asker.one("WAV")
    assert joined.content[44:1044] == first.content[44:1044]
    for kind in ("MP3", "VOX"):
        answer = await asker.get("combinedexport", ident="1,2,3", media_format=kind)
        assert answer.status_code == 200 and len(answer.content) == int(answer.headers["content-length"])
    cav = await asker.get("combinedexport", ident="1,2,3", media_format="CAV")
    reader = CavReader(io.BytesIO(cav.content))
    assert reader.problems() == [] and reader.recordings == (1, 2, 3)
    assert b"".join(reader.member("audio.wav")) == joined.content


@pytest.mark.parametrize("kind", ["WAV", "MP3", "VOX", "CAV"])
async def test_several_come_in_a_zip_one_file_each(asker: Asker, kind: str) -> None:
    answer = await asker.get("multiexport", ident="2,1,3", media_format=kind)
    assert answer.headers["content-type"] == "application/zip", answer.text
    assert len(answer.content) == int(answer.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        assert [name.split("_")[0] for name in names] == ["1", "2", "3"]
        assert all(name.endswith(f".{kind.lower()}") and "/" not in name for name in names)
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in packed.infolist())
        alone = await asker.one(kind)
        if kind != "CAV":
            assert packed.read(names[0]) == alone.content
        else:
            assert CavReader(io.BytesIO(packed.read(names[0]))).problems() == []
    part = await asker.get("multiexport", {"Range": "bytes=10-19"}, ident="2,1,3", media_format=kind)
    assert part.status_code == 206


@pytest.mark.parametrize("kind", ["combinedexport", "multiexport"])
@pytest.mark.parametrize(
    ("ident", "code"),
    [
        ("1,99", 36),
        ("99", 36),
        ("0", 36),
        (str(2**63), 36),
        ("1,x", 16),
        (" , ,", 16),
        ("-1", 16),
        ("1;2", 16),
        ("9" * 40, 16),
        ("", 16),
        (",".join(map(str, range(1, 1002))), 16),
    ],
)
async def test_a_list_that_cannot_be_had_is_refused(live_server: Speaker, kind: str, ident: str, code: int) -> None:
    answer = await Asker(live_server).get(kind, ident=ident, media_format="MP3")
    assert f"<RESULTCODE>{code}<".encode() in answer.content


async def test_media_that_is_gone_is_file_not_found(recorder: Speaker, asker: Asker) -> None:
    sorted((recorder.data_dir / "recordings").rglob("*.wav"))[0].unlink()
    numbers = (1, 2, 3)
    alone = [await asker.get("export", uniquefield="ident", uniqueid=n, media_format="MP3") for n in numbers]
    assert sum(b"<RESULTCODE>36<" in answer.content for answer in alone) == 1
    for kind in ("combinedexport", "multiexport"):
        answer = await asker.get(kind, ident="1,2,3", media_format="MP3")
        assert b"<RESULTCODE>36<" in answer.content


async def test_missing_ones_are_left_out_where_the_setting_says_so(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", export_skip_missing=True) as server:
        await server.simulate(calls=2, concurrent=2, rate=10.0, length_s=(1.0, 1.0), crm=False)
        await server.until("CALLLIST", b"<CALLNUMBER>2<")
        asker = Asker(server)
        answer = await asker.get("multiexport", ident="1,2,77", media_format="WAV")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            assert len(packed.namelist()) == 2
        assert b"<RESULTCODE>36<" in (await asker.get("multiexport", ident="77", media_format="WAV")).content


async def test_two_hundred_at_once_beside_calls(recorder: Speaker, asker: Asker) -> None:
    """Recording loses no packet, and TEST is answered all the while."""
    calls = asyncio.create_task(
        recorder.simulate(calls=6, concurrent=6, rate=10.0, length_s=(4.0, 4.0), crm=False, first_device=700)
    )
    limit = asyncio.Semaphore(200)
    kinds = ("MP3", "VOX", "CAV")

    async def fetch(number: int) -> int:
        async with limit:
            if number % 4 == 3:
                answer = await asker.get("multiexport", ident="1,2,3", media_format=kinds[number % 3])
            elif number % 8 == 1:
                answer = await asker.get("export", uniquefield="ident", uniqueid=2, media_format="CAV")
            else:
                answer = await asker.get(
                    "export", uniquefield="ident", uniqueid=number % 3 + 1, media_format=kinds[number % 3]
                )
            assert answer.headers["content-type"] != "text/xml; charset=utf-8", answer.text
            return answer.status_code

    fetching = asyncio.gather(*(fetch(number) for number in range(200)))
    answered = 0
    while not fetching.done():
        assert b"<RESULTCODE>20<" in await recorder.command("TEST")
        answered += 1
        await asyncio.sleep(0.05)
    assert set(await fetching) == {200} and answered > 0
    assert (await calls).answered == 6
    await recorder.shows('earshot_verdicts_total{reason="bye",verdict="recorded"} 9.0')
    listed = await recorder.command("CALLLIST", CALLCOUNT=9)
    assert listed.count(b"<SEARCHRESULT>") == 9
    for number in range(4, 10):
        answer = await asker.get("export", uniquefield="ident", uniqueid=number, media_format="CAV")
        legs = CavReader(io.BytesIO(answer.content)).metadata()["legs"]
        assert [(leg["lost"], leg["received"] > 150) for leg in legs] == [(0, True)] * 2


async def test_vox_is_what_others_decode(asker: Asker) -> None:
    stored = await asker.one("WAV")
    vox = await asker.one("VOX")
    theirs, rate = soundfile.read(
        io.BytesIO(vox.content), dtype="int16", channels=1, samplerate=8000, format="RAW", subtype="VOX_ADPCM"
    )
    ours, _ = soundfile.read(io.BytesIO(stored.content), dtype="int16", always_2d=True)
    assert rate == 8000 and len(theirs) - len(ours) in (0, 1)
