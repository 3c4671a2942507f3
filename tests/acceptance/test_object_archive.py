"""Archives in an object store, in the real server: what is moved there is played, blacked out, checked and deleted."""

import asyncio
import hashlib
import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.acceptance.spoken import SECRET, calling, places_of
from tests.faults.evidence import until_rows
from tests.object_store import SECRET_KEY, TestedBucket
from tests.rest.asking import Desk, a_desk

from earshot.cli.ledger import opened_ledger
from earshot.operations import check_data
from earshot.ports import SealedRecording
from earshot.storage.places import MARKER
from earshot.vault.master import write_new
from earshot.vault.sealed_file import MAGIC

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

SOON_S = 20.0


async def now_of(desk: Desk) -> SealedRecording:
    row = await desk.inside.store.recording(1)
    assert row is not None
    return row.sealed


async def carried(desk: Desk, admin: httpx.AsyncClient, bucket: TestedBucket) -> SealedRecording:
    """A call of a second that was recorded, copied into the bucket, moved into it, and lies nowhere else."""
    move = {"name": "Attic", "kind": "move", "destination": f"{bucket.destination}/"}
    added = await admin.post("/api/v1/archive-actions", json=move)
    assert (added.status_code, added.json()["destination"]) == (201, bucket.destination), added.text
    copy = {"name": "Copies", "kind": "copy", "destination": f"s3://{bucket.name}/copies", "next_action": 2}
    assert (await admin.post("/api/v1/archive-actions", json=copy)).json()["number"] == 3
    nowhere = {**move, "name": "Nowhere", "destination": "s3://nowhere"}
    refused = await admin.post("/api/v1/archive-actions", json=nowhere)
    assert refused.status_code == 400 and "there is no bucket of s3://nowhere" in refused.text
    async with calling(desk.server, "4100") as caller:
        caller.speech.text = SECRET
        await asyncio.sleep(1.1)
        await caller.hang_up()
    await until_rows(desk.server.data_dir, "4100")
    assert b"API_OK" in await desk.server.command("CALLUPDATE", RECORDID=1, KEEPDAYS=0, ARCHIVEACTION=3)
    async with asyncio.timeout(SOON_S):
        while any(path.is_file() for path in (desk.server.data_dir / "recordings").rglob("*")):
            await asyncio.sleep(0.05)
    sealed = await now_of(desk)
    assert sealed.object_name.startswith("~2/")
    return sealed


def media_in(bucket: TestedBucket) -> dict[str, bytes]:
    """What lies in the bucket beside the markers."""
    return {path: content for path, content in bucket.content().items() if not path.endswith(MARKER)}


def loud(media: bytes, start_s: float, end_s: float) -> bool:
    """Whether anything is heard there."""
    with wave.open(io.BytesIO(media)) as file:
        rate = file.getframerate()
        file.setpos(int(start_s * rate))
        return any(file.readframes(int((end_s - start_s) * rate)))


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_a_recording_is_carried_played_blacked_out_and_deleted(
    tmp_path: Path, object_store: "ObjectStore", encrypted: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    bucket = object_store.made()
    settings = {**object_store.settings, "retention_interval_s": 0.2}
    if encrypted:
        settings["master_key_file"] = tmp_path / "master.key"
        write_new(tmp_path / "master.key")
    async with a_desk(tmp_path / "data", **settings) as desk:
        admin = await desk.admin()
        before = await carried(desk, admin, bucket)
        name = before.object_name.partition("/")[2]
        raw = media_in(bucket)
        assert set(raw) == {f"of/earshot/{name}", f"copies/{name}"}
        assert all(one.startswith(MAGIC if encrypted else b"RIFF") for one in raw.values())

        whole = (await admin.get("/api/v1/recordings/1/media")).content
        assert hashlib.sha256(whole).hexdigest() == before.audio_sha256 and loud(whole, 0.4, 0.8)
        part = await admin.get("/api/v1/recordings/1/media", headers={"range": "bytes=1000-2999"})
        assert (part.status_code, part.content) == (206, whole[1000:3000])
        assert await check_data(desk.inside.settings) == []

        span = {"from_s": 0.4, "to_s": 0.8, "reason": "a card number"}
        answer = await admin.post("/api/v1/recordings/1/blackouts", json=span)
        assert answer.status_code == 200, answer.text
        after = await now_of(desk)
        assert after.audio_sha256 != before.audio_sha256 and after.object_name == before.object_name
        again = media_in(bucket)
        assert set(again) == set(raw) and all(again[path] != raw[path] for path in raw), "copies, too"
        silenced = (await admin.get("/api/v1/recordings/1/media")).content
        assert hashlib.sha256(silenced).hexdigest() == after.audio_sha256
        assert loud(silenced, 0.1, 0.35) and not loud(silenced, 0.41, 0.79)
        assert encrypted or set(again.values()) == {silenced}
        await what_the_check_says(desk, bucket, f"of/earshot/{name}")

        gone = await admin.delete("/api/v1/recordings/1", params={"reason": "asked by the caller"})
        assert gone.is_success, gone.text
        async with asyncio.timeout(SOON_S):
            while media_in(bucket):
                await asyncio.sleep(0.05)
        assert set(bucket.content()) == {f"of/earshot/{MARKER}", f"copies/{MARKER}"}
        assert await check_data(desk.inside.settings) == []
    said = capfd.readouterr()
    assert SECRET_KEY not in said.out + said.err
    assert places_of(tmp_path / "data", SECRET_KEY.encode()) == []


async def what_the_check_says(desk: Desk, bucket: TestedBucket, path: str) -> None:
    """Of an object that is as it was put, of one that was altered, and of an archive that is away."""
    assert await check_data(desk.inside.settings) == []
    async with opened_ledger(desk.inside.settings) as ledger:
        sealed = await now_of(desk)
        media = b"".join([chunk async for chunk in ledger.storage.read(sealed.object_name)])
        assert hashlib.sha256(media).hexdigest() == sealed.audio_sha256, "earshot verify finds it"
    content = bucket.content()
    bucket.raw.put(path, content[path][:3000] + bytes([content[path][3000] ^ 1]) + content[path][3001:])
    (problem,) = await check_data(desk.inside.settings)
    assert problem.startswith(f"media object ~2/{path.removeprefix('of/earshot/')}")
    bucket.raw.put(path, content[path])
    bucket.raw.delete(f"of/earshot/{MARKER}")
    (problem,) = await check_data(desk.inside.settings)
    assert problem.startswith("archive 2 was not looked at, with 1 recording and 0 copies: ") and MARKER in problem
    bucket.raw.put(f"of/earshot/{MARKER}", content[f"of/earshot/{MARKER}"])
