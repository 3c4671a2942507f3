"""The REST API with real calls and recordings: lists, cursors, media, changes, exports as jobs, who sees what."""

import asyncio
import io
import wave
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.rest.asking import Desk, a_desk

PROBLEM = "application/problem+json"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Desk]:
    """Three recordings of the devices 200, 201 and 202."""
    async with a_desk(tmp_path / "data") as made:
        await made.server.simulate(
            calls=3, concurrent=3, rate=10.0, length_s=(1.0, 1.5), crm=False, first_device=200, devices=3
        )
        await made.server.until("CALLLIST", b"<CALLNUMBER>3<")
        yield made


async def items(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_recordings_are_listed_by_the_page(recorder: Desk) -> None:
    admin = await recorder.admin()
    everything = await items(admin, "recordings")
    assert len(everything) == 3 and datetime.fromisoformat(everything[0]["recorded_at"]).tzinfo is not None
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    for _ in range(3):
        page: dict[str, Any] = (await admin.get("/api/v1/recordings", params={"limit": 1, "cursor": cursor})).json()
        found += page["items"]
        cursor = page["next"]
    assert found == everything
    assert cursor is None
    (one,) = await items(admin, "recordings", device_id="201")
    assert one["variables"]["device_id"] == "201" and one["warnings"] == one["warnings"]
    assert await items(admin, "recordings", since=one["recorded_at"], until=one["recorded_at"], device_id="201") == [
        one
    ]
    assert await items(admin, "recordings", until="2001-01-01T00:00:00+01:00") == []
    for wrong in (
        {"cursor": "x"},
        {"limit": 0},
        {"since": "yesterday"},
        {"nonsense": "1"},
        {"since": "2026-01-01T00:00"},
    ):
        refused = await admin.get("/api/v1/recordings", params=wrong)
        assert refused.status_code in (400, 422) and refused.json()["resulttype"] == "API_INVALID_MESSAGE_FORMAT"
    detail = (await admin.get(f"/api/v1/recordings/{one['id']}")).json()
    assert detail | one == detail and len(detail["legs"]) == 2
    peaks = (await admin.get(f"/api/v1/recordings/{one['id']}/peaks")).json()
    assert len(peaks["channels"]) == 2 and peaks["duration"] == one["duration_s"]


async def test_media_in_every_format_with_ranges(recorder: Desk) -> None:
    admin = await recorder.admin()
    path = "/api/v1/recordings/1/media"
    whole = await admin.get(path)
    assert whole.headers["content-disposition"].startswith("inline") and len(whole.content) > 8_000
    part = await admin.get(path, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    head = await admin.head(path)
    assert (head.status_code, int(head.headers["content-length"])) == (200, len(whole.content))
    assert (await admin.get(path, headers={"range": "bytes=99999999-"})).status_code == 416
    for kind, beginning in (("mp3", b""), ("vox", b""), ("cav", b"PK\3\4")):
        made = await admin.get(path, params={"format": kind})
        assert made.status_code == 200 and made.content.startswith(beginning), kind
    assert (await admin.get(path, params={"format": "ogg"})).status_code == 422
    listener = await recorder.admin("RECORDINGPLAYBACK")
    assert (await listener.get(path, params={"format": "mp3"})).status_code == 200
    for params in ({"format": "cav"}, {"format": "wav", "download": "true"}):
        assert (await listener.get(path, params=params)).status_code == 403
    assert (await listener.post("/api/v1/exports", json={"records": [1]})).status_code == 403
    acts = await recorder.acts()
    assert acts.count(("boss/crm", "exported", "recording 1")) == 2
    assert ("boss/crm", "listened", "recording 1") in acts


async def test_a_recording_is_changed_by_its_number(recorder: Desk) -> None:
    admin = await recorder.admin()
    changed = await admin.patch("/api/v1/recordings/2", json={"user3": "Grüße <1>", "keep_days": 30})
    assert changed.json() == {"resulttype": "API_OK", "resultcode": 20, "message": "Updated recording in database"}
    known = (await admin.get("/api/v1/recordings/2")).json()["variables"]
    assert (known["users"][2], known["keep_days"]) == ("Grüße <1>", 30)
    assert [one["id"] for one in await items(admin, "recordings", user_field=3, user_value="Grüße <1>")] == [2]
    await admin.patch("/api/v1/recordings/2", json={"user3": ""})
    assert (await admin.get("/api/v1/recordings/2")).json()["variables"]["users"][2] == ""
    missing = await admin.patch("/api/v1/recordings/99", json={"user3": "x"})
    assert (missing.status_code, missing.json()["resulttype"]) == (404, "API_RECORDID_INVALID")
    assert ("boss/crm", "changed", "recording 2") in await recorder.acts()


async def test_somebody_sees_what_the_roles_show(recorder: Desk) -> None:
    allowed = ("RECORDINGSEARCH", "RECORDINGPLAYBACK", "RECORDINGEXPORT", "RECORDINGUPDATE", "VIEWINGOFSYSTEMSTATUS")
    sally = await recorder.agent("sally", *allowed, is_agent=True)
    group, _ = await recorder.context.access.add_group("phone 201")
    await recorder.context.store.assign_phone("201", sally)
    await recorder.context.access.put_phone(group.group_id, "201", sally)
    role = next(one for one in await recorder.context.access.roles() if sally in one.members)
    await recorder.context.access.grant(role.role_id, "group", group.group_id)
    await recorder.context.refresh_directory()
    client, admin = await recorder.with_token(sally, "all"), await recorder.admin()
    (own,) = await items(client, "recordings")
    assert own["variables"]["device_id"] == "201"
    other = next(one["id"] for one in await items(admin, "recordings") if one["id"] != own["id"])
    for path in ("", "/media", "/peaks"):
        assert (await client.get(f"/api/v1/recordings/{own['id']}{path}")).status_code == 200
        hidden = await client.get(f"/api/v1/recordings/{other}{path}")
        assert (hidden.status_code, hidden.json()["resulttype"]) == (404, "API_RECORDID_INVALID")
    assert (await client.patch(f"/api/v1/recordings/{other}", json={"user1": "x"})).status_code == 404
    assert (await client.post("/api/v1/exports", json={"records": [other]})).status_code == 404
    (call,) = await items(client, "calls")
    assert call["variables"]["device_id"] == "201"
    hidden_calls = {one["number"] for one in await items(admin, "calls")} - {call["number"]}
    for number in hidden_calls:
        assert (await client.get(f"/api/v1/calls/{number}")).status_code == 404
    assert [one["device_id"] for one in await items(client, "devices")] == ["201"]
    assert (await client.get("/api/v1/verdicts")).status_code == 403
    listed = await client.post("/api/v1/commands/calllist", json={})
    assert listed.json()["body"]["SEARCHRESULT"]["DEVICEID"] == "201"
    single = {"uniquefield": "ident", "uniquevalue": str(other), "mediaformat": "WAV"}
    assert (await client.get("/api/WebExport/SingleExport", params=single)).status_code == 404


async def test_calls_and_their_verdicts(recorder: Desk) -> None:
    admin = await recorder.admin()
    calls = await items(admin, "calls", verdict="recorded")
    assert len(calls) == 3 and await items(admin, "calls", verdict="failed") == []
    first = (await admin.get("/api/v1/calls", params={"limit": 2})).json()
    rest = (await admin.get("/api/v1/calls", params={"limit": 2, "cursor": first["next"]})).json()
    assert first["items"] + rest["items"] == calls and rest["next"] is None
    one = (await admin.get(f"/api/v1/calls/{calls[0]['number']}")).json()
    assert len(one["recordings"]) == 1 and one["reason"] == "bye"
    assert await items(admin, "verdicts") == [{"verdict": "recorded", "reason": "bye", "count": 3}]


async def test_a_call_is_controlled_and_watched(desk: Desk) -> None:
    admin = await desk.admin()

    async def post(path: str, **body: Any) -> None:
        answer = await admin.post(f"/api/v1/{path}", json=body)
        assert (answer.status_code, answer.json()["resulttype"]) == (200, "API_OK"), answer.text

    talking = asyncio.ensure_future(
        desk.server.simulate(calls=1, concurrent=1, length_s=(4.0, 4.0), crm=False, first_device=200, devices=1)
    )
    try:
        await desk.server.until("DEVICERECORDINGSTATUS", b"<ISRECORDING>Y<", DEVICEID="200")
        await post("calls/update", device_id="200", user1="gold", ani="555", direction="I")
        await post("partial-recordings/start", device_id="200", user2="part")
        await post("blackouts/start", device_id="200")
        live = (await admin.get("/api/v1/calls/live")).json()
        (call,) = live["calls"]
        assert (call["device_id"], call["ani"], call["blackout"], len(call["legs"])) == ("200", "555", True, 2)
        await post("blackouts/stop", device_id="200")
        await post("agent-blackouts/start", device_id="200", time_offset=-0.5)
        await post("agent-blackouts/stop", device_id="200")
        await post("partial-recordings/stop", device_id="200", user3="done")
        await post("calls/stop", device_id="200")
    finally:
        await talking
    await desk.server.until("CALLLIST", b"<CALLNUMBER>2<")
    parts = {one["part"]: one for one in await items(admin, "recordings")}
    assert parts[0]["variables"]["users"][:2] == ["gold", ""]
    assert parts[1]["variables"]["users"][1:3] == ["part", "done"]
    detail = (await admin.get(f"/api/v1/recordings/{parts[0]['id']}")).json()
    assert "blackout" in {gap["why"] for gap in detail["gaps"]}
    careful = await desk.admin("BLACKOUTS")
    assert (await careful.post("/api/v1/blackouts/start", json={"device_id": "200"})).status_code == 200
    back = await careful.post("/api/v1/blackouts/start", json={"device_id": "200", "time_offset": -5})
    assert back.status_code == 403 and "BLACKOUTSAFTERTHEFACT" in back.json()["detail"]
    unknown = await admin.post("/api/v1/calls/start", json={"sys_user": "nobody"})
    assert (unknown.status_code, unknown.json()["resulttype"]) == (404, "API_DEVICE_INVALID")
    assert (await admin.post("/api/v1/calls/start", json={})).json()["resulttype"] == "API_DEVICE_INVALID"


async def finished(client: httpx.AsyncClient, ident: str) -> dict[str, Any]:
    """The job when it is over."""
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await client.get(f"/api/v1/exports/{ident}")).json()
            if job["state"] != "waiting":
                return job
            await asyncio.sleep(0.05)


async def test_exports_are_jobs_with_a_file(recorder: Desk) -> None:
    admin, other = (
        await recorder.admin(),
        await recorder.with_token(await recorder.agent("x", "RECORDINGEXPORT"), "all"),
    )
    begun = await admin.post("/api/v1/exports", json={"records": [3, 1, 1], "kind": "combined", "format": "WAV"})
    assert begun.status_code == 202, begun.text
    job = await finished(admin, begun.json()["id"])
    assert (job["state"], job["fraction"], job["records"]) == ("finished", 1.0, [1, 3])
    whole = await admin.get(job["file"])
    assert len(whole.content) == job["size"]
    with wave.open(io.BytesIO(whole.content)) as sound:
        assert sound.getnframes() > 16_000
    part = await admin.get(job["file"], headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    assert [one["id"] for one in await items(admin, "exports")] == [job["id"]]
    assert (await other.get(job["file"])).status_code == 404 and await items(other, "exports") == []
    assert (await admin.delete(f"/api/v1/exports/{job['id']}")).status_code == 204
    assert (await admin.get(job["file"])).status_code == 404
    several = await admin.post("/api/v1/exports", json={"records": [1, 2], "kind": "multi", "format": "MP3"})
    made = await finished(admin, several.json()["id"])
    with zipfile.ZipFile(io.BytesIO((await admin.get(made["file"])).content)) as archive:
        assert len(archive.namelist()) == 2 and archive.testzip() is None
    refused: list[dict[str, Any]] = [{"records": []}, {"records": [1, 2]}, {"records": [1], "password": "x"}]
    for wrong in refused:
        assert (await admin.post("/api/v1/exports", json=wrong)).status_code in (400, 422)
    assert (await admin.post("/api/v1/exports", json={"records": [1, 99], "kind": "multi"})).status_code == 404
    assert (await recorder.acts()).count(("boss/crm", "exported", "recording 1")) == 2


async def test_the_media_are_gone(recorder: Desk) -> None:
    admin = await recorder.admin()
    row = await recorder.context.store.recording(1)
    assert row is not None
    await recorder.context.storage.delete(row.sealed.object_name)
    for params in ({}, {"format": "mp3"}):
        gone = await admin.get("/api/v1/recordings/1/media", params=params)
        assert (gone.status_code, gone.json()["resulttype"]) == (404, "API_FILE_NOT_FOUND")
    begun = await admin.post("/api/v1/exports", json={"records": [1], "format": "MP3"})
    job = await finished(admin, begun.json()["id"])
    assert (job["state"], job["resulttype"], job["file"]) == ("failed", "API_FILE_NOT_FOUND", None)
    file = await admin.get(f"/api/v1/exports/{job['id']}/file")
    assert (file.status_code, file.json()["resulttype"]) == (404, "API_FILE_NOT_FOUND")
