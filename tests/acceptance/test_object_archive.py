"""An archive in an object store, in the real server: moved there, played, blacked out, checked and deleted there."""

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.acceptance.spoken import SECRET, calling, places_of
from tests.faults.evidence import until_rows
from tests.object_store import SECRET_KEY, TestedBucket
from tests.rest.asking import Desk, a_desk

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


async def moved(desk: Desk, admin: httpx.AsyncClient, bucket: TestedBucket) -> SealedRecording:
    """A call of two seconds that was recorded, and lies in the bucket and nowhere else."""
    action = {"name": "Attic", "kind": "move", "destination": f"{bucket.destination}/"}
    added = await admin.post("/api/v1/archive-actions", json=action)
    assert (added.status_code, added.json()["destination"]) == (201, bucket.destination), added.text
    async with calling(desk.server, "4100") as caller:
        caller.speech.text = SECRET
        await asyncio.sleep(2.0)
        await caller.hang_up()
    await until_rows(desk.server.data_dir, "4100")
    number = added.json()["number"]
    assert b"API_OK" in await desk.server.command("CALLUPDATE", RECORDID=1, KEEPDAYS=0, ARCHIVEACTION=number)
    async with asyncio.timeout(SOON_S):
        while any(path.is_file() for path in (desk.server.data_dir / "recordings").rglob("*")):
            await asyncio.sleep(0.05)
    sealed = await now_of(desk)
    assert sealed.object_name.startswith(f"~{number}/")
    return sealed


def media_in(bucket: TestedBucket) -> dict[str, bytes]:
    """What lies in the bucket beside the marker."""
    content = bucket.content()
    assert content.pop(f"of/earshot/{MARKER}")
    return content


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_a_recording_is_moved_played_blacked_out_and_deleted(
    tmp_path: Path, object_store: "ObjectStore", encrypted: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    bucket = object_store.made()
    settings = {**object_store.settings, "retention_interval_s": 0.3}
    if encrypted:
        settings["master_key_file"] = tmp_path / "master.key"
        write_new(tmp_path / "master.key")
    async with a_desk(tmp_path / "data", **settings) as desk:
        admin = await desk.admin()
        before = await moved(desk, admin, bucket)
        ((path, raw),) = media_in(bucket).items()
        assert path == f"of/earshot/{before.object_name.partition('/')[2]}"
        assert raw.startswith(MAGIC if encrypted else b"RIFF")

        whole = await admin.get("/api/v1/recordings/1/media")
        assert hashlib.sha256(whole.content).hexdigest() == before.audio_sha256
        part = await admin.get("/api/v1/recordings/1/media", headers={"range": "bytes=1000-2999"})
        assert (part.status_code, part.content) == (206, whole.content[1000:3000])
        assert await check_data(desk.inside.settings) == []

        span = {"from_s": 0.5, "to_s": 1.2, "reason": "a card number"}
        answer = await admin.post("/api/v1/recordings/1/blackouts", json=span)
        assert answer.status_code == 200, answer.text
        after = await now_of(desk)
        assert after.audio_sha256 != before.audio_sha256 and after.object_name == before.object_name
        ((_, again),) = media_in(bucket).items()
        silenced = (await admin.get("/api/v1/recordings/1/media")).content
        assert hashlib.sha256(silenced).hexdigest() == after.audio_sha256
        assert again != raw and (encrypted or again == silenced)
        assert await check_data(desk.inside.settings) == []

        bucket.raw.put(path, again[:3000] + bytes([again[3000] ^ 1]) + again[3001:])
        (problem,) = await check_data(desk.inside.settings)
        assert before.object_name in problem
        bucket.raw.put(path, again)

        gone = await admin.delete("/api/v1/recordings/1", params={"reason": "asked by the caller"})
        assert gone.is_success, gone.text
        async with asyncio.timeout(SOON_S):
            while media_in(bucket):
                await asyncio.sleep(0.05)
        assert await check_data(desk.inside.settings) == []
    said = capfd.readouterr()
    assert SECRET_KEY not in said.out + said.err
    assert places_of(tmp_path / "data", SECRET_KEY.encode()) == []
