"""Standard mode: what a blackout hides is kept, and heard by those permitted alone, whichever way it leaves."""

import asyncio
import base64
import hashlib
import io
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tests.acceptance.spoken import SECRET, calling
from tests.faults.evidence import is_heard, problems, sound_of, until_rows
from tests.rest.asking import Desk, a_desk
from tests.servers import OK, Speaker, in_process

from earshot.actor import SYSTEM
from earshot.api.blackouts_after import black_out_recording
from earshot.api.exporting import ExportJob
from earshot.config import load
from earshot.media.formats.cav.container import CavReader
from earshot.operations import create_user
from earshot.ports import RecordingRow
from earshot.ports.audit import AuditFilter
from earshot.store.sql.audit import SqlAudit

REVIEWER = ("RECORDINGSEARCH", "RECORDINGPLAYBACK", "RECORDINGEXPORT", "VIEWINGALLCALLRECORDSQAEVALUATIONS")
LEGACY = "/webAPI.aspx?requestid=1&"
ONE = f"{LEGACY}type=export&uniquefield=recordid&uniqueid=1&media_format="


async def a_call(server: Speaker, device: str, *, blackout: bool = True) -> None:
    """Loud from begin to end; blacked out in the middle."""
    async with calling(server, device) as caller:
        caller.speech.text = SECRET
        await asyncio.sleep(0.45)
        if blackout:
            assert OK in await server.command("BLACKOUTSTART", DEVICEID=device)
            assert b"<STATUS>recordpaused<" in await server.command("DEVICERECORDINGSTATUS", DEVICEID=device)
            await asyncio.sleep(0.45)
            assert OK in await server.command("BLACKOUTSTOP", DEVICEID=device)
        await asyncio.sleep(0.45)
        await caller.hang_up()
    await until_rows(server.data_dir, device)


async def row_of(server: Speaker, record_id: int) -> RecordingRow:
    assert server.inside is not None
    row = await server.inside.store.recording(record_id)
    assert row is not None
    return row


def span_of(row: RecordingRow, why: str = "hidden") -> tuple[float, float]:
    """The only span of that kind."""
    ((start_s, end_s),) = [(start, end) for start, end, of in row.sealed.gaps if of == why]
    return start_s, end_s


def samples(data: bytes) -> NDArray[np.int16]:
    """A WAV or MP3 file, int16[frames, channels]."""
    sound, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert rate == 8000
    return np.asarray(sound, np.int16)


def wav_in(name: str, content: bytes) -> bytes:
    """The sound in the answer of one of `WAYS`."""
    if name == "cav":
        cav = CavReader(io.BytesIO(content))
        assert cav.problems() == []
        return b"".join(cav.member("audio.wav"))
    if name in ("zip", "vendor"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(archive.namelist()[0])
    if name == "vcon":
        (dialog,) = httpx.Response(200, content=content).json()["dialog"]
        return base64.urlsafe_b64decode(dialog["body"] + "==")
    return content


WAYS = {
    "page": "/recordings/1/audio.wav",
    "page mp3": "/recordings/1/audio.mp3",
    "download": "/recordings/1/audio.wav?download=1",
    "rest": "/api/v1/recordings/1/media",
    "cav": "/api/v1/recordings/1/media?format=cav",
    "vcon": "/api/v1/recordings/1/vcon",
    "export": ONE + "WAV",
    "export mp3": ONE + "MP3",
    "zip": f"{LEGACY}type=multiexport&ident=1&media_format=WAV",
    "combined": f"{LEGACY}type=combinedexport&ident=1,2&media_format=WAV",
    "vendor": "/api/WebExport/SingleExport?uniquefield=ident&uniquevalue=1&mediaformat=WAV",
}


async def assert_ways(client: httpx.AsyncClient, row: RecordingRow, *, hears: bool) -> None:
    """Each way out has the span, or silence of its length; and the sound around it."""
    start_s, end_s = span_of(row)
    for name, path in WAYS.items():
        answer = await client.get(path)
        assert answer.status_code == 200, (name, answer.text)
        sound = samples(wav_in(name, answer.content))
        slack_s = 0.1 if "mp3" in name else 0.001  # an encoder rings, and begins a little later
        inside = sound[int((start_s + slack_s) * 8000) : int((end_s - slack_s) * 8000)]
        assert (np.abs(inside.astype(np.int32)).max() > 1000) == hears, name
        assert hears or "mp3" in name or not inside.any(), name
        assert is_heard(sound, start_s - 0.2, start_s - 0.02) and is_heard(sound, end_s + 0.02, end_s + 0.2), name


async def assert_pieces(client: httpx.AsyncClient) -> None:
    """A Range is a piece of the whole as this client hears it."""
    whole = await client.get(WAYS["rest"])
    size = len(whole.content)
    for first, last in ((0, 99), (size // 2, size - 1), (size // 2 - 301, size // 2 + 300)):
        piece = await client.get(WAYS["rest"], headers={"range": f"bytes={first}-{last}"})
        assert piece.status_code == 206 and piece.content == whole.content[first : last + 1]
        assert piece.headers["etag"] == whole.headers["etag"]
    assert (await client.head(WAYS["rest"])).headers["content-length"] == str(size)


async def told_of(desk: Desk, user_id: int) -> dict[str, set[str]]:
    """What the audit trail says of hidden spans at each act of this user."""
    found: dict[str, set[str]] = {}
    for one in await SqlAudit(desk.inside.database).entries(AuditFilter(subject="recording 1"), 500):
        if one.user_id == user_id:
            found.setdefault(one.act, set()).add(one.details.get("hidden", ""))
    return found


@pytest.fixture(name="data_dir")
def a_folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_it_is_kept_and_heard_by_those_permitted_alone(data_dir: Path) -> None:
    async with a_desk(data_dir, blackout_mode="hide") as desk:
        await a_call(desk.server, "4301")
        await a_call(desk.server, "4302", blackout=False)
        row = await row_of(desk.server, 1)
        start_s, end_s = span_of(row)
        assert end_s - start_s > 0.4 and [why for _, _, why in row.sealed.gaps] == ["hidden"]
        assert is_heard(sound_of(data_dir, row.sealed), start_s + 0.1, end_s - 0.1), "the sound is kept"
        reviewer_id = await desk.agent("reviewer", *REVIEWER)
        listener_id = await desk.agent("listener", *REVIEWER, "HEARINGBLACKOUTS")
        reviewer, listener = [await desk.with_token(one, "all") for one in (reviewer_id, listener_id)]
        await assert_ways(listener, row, hears=True)
        await assert_ways(reviewer, row, hears=False)
        assert await told_of(desk, listener_id) == {"listened": {"heard"}, "exported": {"heard"}}
        assert await told_of(desk, reviewer_id) == {"listened": {""}, "exported": {""}}
        for client in (listener, reviewer):
            await assert_pieces(client)
        nobody = desk.client()
        assert not loud(samples((await nobody.get(ONE + "WAV")).content), row), "nobody is known at this door"
        scoped = await desk.with_token(listener_id, *REVIEWER)
        assert not loud(samples((await scoped.get(WAYS["rest"])).content), row), "the token leaves it out"
        path = await by_jobs(listener, row, hears=True)
        assert (await scoped.get(path)).status_code == 403, "a token of the same name that may less"
        await by_jobs(reviewer, row, hears=False)
        await with_peaks(listener, reviewer, row)
        await as_a_person(desk, row)
        await by_mail(desk, row)
        await late(desk)
    await afterwards(data_dir)
    assert await problems(data_dir) == []


def loud(sound: NDArray[np.int16], row: RecordingRow) -> bool:
    start_s, end_s = span_of(row)
    return bool(sound[int(start_s * 8000) : int(end_s * 8000)].any())


async def by_jobs(client: httpx.AsyncClient, row: RecordingRow, *, hears: bool) -> str:
    """Exports as jobs of the REST API; gives the path of the file."""
    begun = await client.post("/api/v1/exports", json={"records": [1], "format": "WAV"})
    path = f"/api/v1/exports/{begun.json()['id']}"
    async with asyncio.timeout(30):
        while (await client.get(path)).json()["state"] == "waiting":
            await asyncio.sleep(0.05)
    assert loud(samples((await client.get(f"{path}/file")).content), row) == hears
    return f"{path}/file"


async def with_peaks(listener: httpx.AsyncClient, reviewer: httpx.AsyncClient, row: RecordingRow) -> None:
    """The waveform is flat over the span for those who do not hear it; the page marks it for both."""
    start_s, end_s = span_of(row)
    first, last = (int(at * row.sealed.peaks_per_second) * 2 for at in (start_s, end_s))
    for path in ("/recordings/1/peaks.json", "/api/v1/recordings/1/peaks"):
        for client, hears in ((listener, True), (reviewer, False)):
            told = (await client.get(path)).json()
            assert [gap["why"] for gap in told["gaps"]] == ["hidden"]
            assert any(told["channels"][0][first:last]) == hears and any(told["channels"][0][:first])


async def as_a_person(desk: Desk, row: RecordingRow) -> None:
    """An administrator at the page of the recording, which says what is hidden."""
    await create_user(load(data_dir=desk.server.data_dir), "anna", "correct horse battery", admin=True)
    person = desk.client(**{"sec-fetch-site": "same-origin"})
    await person.post("/login", data={"username": "anna", "password": "correct horse battery"})
    for _ in range(2):
        assert "blackout, kept and hidden" in (await person.get("/recordings/1")).text
        assert loud(samples((await person.get(WAYS["page"])).content), row)
    entries = await SqlAudit(desk.inside.database).entries(AuditFilter(actor="anna", act="listened"), 10)
    assert [one.details for one in entries] == [{"hidden": "heard"}] * 2, "each opening of the page is one"


async def by_mail(desk: Desk, row: RecordingRow) -> None:
    """A mail goes to who is not known: an export of which nobody says that it may be heard."""
    assert desk.context.exports is not None
    async with await desk.context.exports.file(ExportJob(rows=(row,), kind="single", format="WAV")) as made:
        with made.open() as file:
            assert not loud(samples(file.read()), row)


async def late(desk: Desk) -> None:
    """A blackout that reaches back into a sealed recording marks it; one after the fact removes."""
    before = await row_of(desk.server, 2)
    back_s = desk.inside.clock.now() - before.sealed.recording_time - 0.4
    told = {"DEVICEID": "4302"}
    assert OK in await desk.server.command("AGENTBLACKOUTSTART", **told, TIMEOFFSET=f"-{back_s:.3f}")
    assert OK in await desk.server.command("AGENTBLACKOUTSTOP", **told)
    marked = await row_of(desk.server, 2)
    assert marked.sealed.audio_sha256 == before.sealed.audio_sha256
    start_s, end_s = span_of(marked)
    assert abs(start_s - 0.4) < 0.05 and end_s == marked.sealed.duration_s
    assert ("earshot", "hidden", "recording 2") in await desk.acts()
    removed = await black_out_recording(desk.context, SYSTEM, 2, 0.5, 0.9, "a name")
    assert removed.sealed.audio_sha256 != before.sealed.audio_sha256
    assert {why for _, _, why in removed.sealed.gaps} == {"blackout", "hidden"}
    sound = sound_of(desk.server.data_dir, removed.sealed)
    assert not sound[4001:7199].any() and is_heard(sound, 0.91, 1.0)
    path = desk.inside.folders.recordings / removed.sealed.object_name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == removed.sealed.audio_sha256


async def afterwards(data_dir: Path) -> None:
    """The setting is `remove` again: what was hidden stays what it was, what comes now is removed."""
    async with in_process(data_dir) as server:
        desk = Desk(server)
        row = await row_of(server, 1)
        people = {user.username: user.user_id for user in await desk.context.store.users()}
        for name, hears in (("listener", True), ("reviewer", False)):
            client = await desk.with_token(people[name], "all")
            assert loud(samples((await client.get(WAYS["rest"])).content), row) == hears
            await client.aclose()
        await a_call(server, "4303")
        gone = await row_of(server, 3)
        start_s, end_s = span_of(gone, "blackout")
        assert not is_heard(sound_of(data_dir, gone.sealed), start_s + 0.01, end_s - 0.01)
