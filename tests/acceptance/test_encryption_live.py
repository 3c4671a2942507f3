"""Encryption at rest in the real server: everything works as without it, and nothing that was said lies on the disk."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.acceptance.spoken import SECRET, calling, places_of, wall
from tests.acceptance.test_exports_live import Asker
from tests.acceptance.test_retention_live import finished
from tests.acceptance.test_tamper_evidence import logged_in
from tests.faults.evidence import of_device, until, until_rows
from tests.servers import Speaker, in_process
from typer.testing import CliRunner

from earshot.actor import PROTOCOL
from earshot.api.ledger import proof_of
from earshot.api.verifying import verified
from earshot.app import Server
from earshot.cli import cli
from earshot.cli.ledger import opened_ledger
from earshot.config import Settings, load
from earshot.errors import ConfigurationError
from earshot.media.formats.cav.container import CavReader
from earshot.operations import check_data
from earshot.ports.retention import ArchiveAction
from earshot.premises import database_of
from earshot.services.encryption import EncryptionWatch
from earshot.storage.places import Places
from earshot.store.sql.retention import SqlRetention
from earshot.vault.keyring import Keyring, fingerprint
from earshot.vault.master import from_file, write_new
from earshot.vault.overwriting import header_of
from earshot.vault.sealed_file import HEADER_BYTES, SLOTS

SLICE_BYTES = 48


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    write_new(tmp_path / "master.key")
    return tmp_path / "master.key"


@pytest.fixture
async def encrypted(tmp_path: Path, key_file: Path) -> AsyncIterator[Speaker]:
    """A server with encryption on."""
    async with in_process(tmp_path / "data", master_key_file=key_file, retention_interval_s=0.3) as server:
        yield server


def settings_of(server: Speaker) -> Settings:
    assert server.inside is not None
    return server.inside.settings


def loud_slices(wav: bytes, count: int = 40) -> list[bytes]:
    """Stretches of sound that are no silence and are found nowhere else."""
    stretches = [wav[at : at + SLICE_BYTES] for at in range(44, len(wav) - SLICE_BYTES, len(wav) // (count * 4))]
    return [one for one in stretches if len(set(one)) > SLICE_BYTES // 3][:count]


def files_with(folder: Path, slices: list[bytes]) -> list[str]:
    """Every file under `folder` that holds one of them."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found += [str(path.relative_to(folder))] if any(one in data for one in slices) else []
    return found


def media_of(server: Speaker) -> list[Path]:
    return sorted(path for path in (server.data_dir / "recordings").rglob("*") if path.is_file())


def is_without_key(file: BinaryIO) -> bool:
    """Whether an encrypted file, perhaps unlinked by now, has lost its key."""
    file.seek(0)
    return not any(file.read(HEADER_BYTES)[SLOTS[0] :])


async def test_what_was_said_can_be_had_and_lies_nowhere(encrypted: Speaker, tmp_path: Path) -> None:
    server, asker = encrypted, Asker(encrypted)
    await server.simulate(calls=1, concurrent=1, length_s=(3.0, 3.0), crm=False, first_device=7001, devices=1)
    (call,) = await until_rows(server.data_dir, "7001")
    (sealed,) = call.recordings
    wav = (await asker.one("WAV")).content
    assert hashlib.sha256(wav).hexdigest() == sealed.audio_sha256 and len(wav) == sealed.audio_size
    mp3, vox = (await asker.one("MP3")).content, (await asker.one("VOX")).content
    cav = CavReader(io.BytesIO((await asker.one("CAV")).content))
    assert cav.problems() == [] and b"".join(cav.member("audio.wav")) == wav
    zipped = await asker.get("multiexport", ident="1", media_format="MP3")
    assert zipped.content.startswith(b"PK") and mp3 in zipped.content
    async with await logged_in(server) as http:
        for first, last in ((0, 99), (44, len(wav) - 1), (len(wav) // 2, len(wav) // 2 + 70_000), (65_535, 65_536)):
            part = await http.get("/recordings/1/audio.wav", headers={"Range": f"bytes={first}-{last}"})
            assert (part.status_code, part.content) == (206, wav[first : last + 1])
        origin = {"Origin": f"http://{server.host}:{server.http_port}"}
        asked = {"records": [1], "format": "MP3"}
        job = (await http.post("/api/v1/exports", json=asked, headers=origin)).json()
        while job["state"] == "waiting":
            await asyncio.sleep(0.05)
            job = (await http.get(f"/api/v1/exports/{job['id']}")).json()
        assert (await http.get(job["file"])).content == mp3
        assert (await http.get(job["file"], headers={"Range": "bytes=9-70"})).content == mp3[9:71]
    assert (await asker.one("MP3", {"Range": "bytes=70-199"})).content == mp3[70:200]
    slices = loud_slices(wav)
    assert len(slices) > 10
    assert files_with(tmp_path, [*slices, mp3[1000:1048], vox[1000:1048]]) == []
    assert await check_data(settings_of(server)) == []
    async with opened_ledger(settings_of(server)) as opened:
        proof = await proof_of(opened.leaves, await opened.note(), opened.signer.key, 1)
        assert (await verified(proof, opened.signer.key, await opened.store.recording(1), opened.storage)).problem == ""


async def test_damage_is_named_and_not_played(encrypted: Speaker) -> None:
    server = encrypted
    await server.make_recording("7009")
    (path,) = media_of(server)
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[len(spoilt) // 2] ^= 1
    path.write_bytes(spoilt)
    async with await logged_in(server) as http:
        played = await http.get("/recordings/1/audio.wav")
        assert played.status_code == 500 and "cannot be read" in played.text and "altered" in played.text
    assert b"altered" in (await Asker(server).one("MP3")).content
    (problem,) = await check_data(settings_of(server))
    assert path.name in problem and "altered" in problem
    spoilt = bytearray(whole)
    spoilt[SLOTS[1] + 5] ^= 1
    path.write_bytes(spoilt)
    (problem,) = await check_data(settings_of(server))
    assert "earshot key rotate" in problem
    path.write_bytes(whole)
    assert await check_data(settings_of(server)) == []


async def test_a_plain_file_in_its_place_is_refused_and_everybody_sees_it(encrypted: Speaker, key_file: Path) -> None:
    server, asker = encrypted, Asker(encrypted)
    assert server.inside is not None
    watch = server.inside.context.encryption
    assert isinstance(watch, EncryptionWatch)
    await server.make_recording("7010")
    (path,) = media_of(server)
    genuine, wav = path.read_bytes(), (await asker.one("WAV")).content
    current = from_file(key_file)
    async with await logged_in(server) as http:
        shown = (await http.get("/api/v1/system")).json()["encryption"]
        assert shown == {
            "on": True,
            "master_key": fingerprint(current),
            "older": [],
            "objects_current_key": 1,
            "objects_older_keys": 0,
            "objects_plain": 0,
            "counted": True,
            "refused": 0,
            "troubles": [],
        }
        figures = await server.figures()
        assert f'earshot_encryption{{master_key="{fingerprint(current)}"}} 1.0' in figures
        assert "earshot_objects_current_key 1.0" in figures and "earshot_objects_plain 0.0" in figures

        path.write_bytes(wav)
        for address in ("audio.wav", "audio.mp3", "audio.wav?download=1"):
            played = await http.get(f"/recordings/1/{address}")
            assert played.status_code == 500 and "replaced by another file" in played.text, (address, played.text)
        for form in ("WAV", "MP3", "CAV"):
            assert b"replaced by another file" in (await asker.one(form)).content, form
        (problem,) = await check_data(settings_of(server))
        assert path.name in problem and "replaced by another file" in problem
        page = (await http.get("/system")).text
        assert "Replaced by plain files" in page and fingerprint(current) in page and path.name in page
        found = [line for line in (await server.figures()).splitlines() if line.startswith("earshot_objects_refused")]
        assert found and float(found[0].split()[1]) >= 6

        path.write_bytes(genuine)
        assert (await asker.one("WAV")).content == wav
        kept = key_file.read_text()
        key_file.unlink()
        await watch.try_key()
        async with asyncio.timeout(10):  # the view of what is going on is half a second old at most
            while not (system := (await http.get("/api/v1/system")).json())["notices"]:
                pass
        assert any("cannot be had" in one and fingerprint(current) in one for one in system["notices"])
        assert "a restart would fail" in (await http.get("/system")).text
        assert "earshot_master_key_missing 1.0" in await server.figures()
        assert kept.strip() not in json.dumps(system)
        write_new(key_file)
        await watch.try_key()
        assert any("lead to" in one or "needs the master key" in one for one in watch.said()), watch.said()
        key_file.write_text(kept)
        await watch.try_key()
        assert not watch.is_key_missing


async def test_an_archive_that_comes_back_is_looked_through_then(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not mounted when the server started, and holds what was encrypted before there was a register."""
    monkeypatch.setattr("earshot.services.encryption.AGAIN_S", 0.05)
    cellar, away, source = tmp_path / "cellar", tmp_path / "away", tmp_path / "source"
    place = Places(Keyring((from_file(key_file),))).at(str(cellar))
    await place.prepare()
    source.write_bytes(b"what was said")
    await place.storage.put_file("day/a.wav", source)
    settings = load(data_dir=tmp_path / "data", master_key_file=key_file)
    settings.data_dir.mkdir()
    database = database_of(settings)
    await database.open()
    await SqlRetention(database).add_action(ArchiveAction(name="Cellar", kind="copy", destination=str(cellar)))
    await database.close()
    cellar.rename(away)
    cellar.mkdir()  # a mount point without its disk
    async with in_process(settings.data_dir, master_key_file=key_file) as server:
        assert server.inside is not None
        watch, storage = server.inside.context.encryption, server.inside.house.storage
        assert isinstance(watch, EncryptionWatch)
        await until(lambda: str(cellar) in str(watch.not_looked_at), "it was tried")
        view = await watch.look()
        assert (view.is_counted, dict(view.objects)) == (False, {})
        cellar.rmdir()
        away.rename(cellar)
        await until(lambda: watch.view.is_counted, "the archive is looked through")
        assert watch.view.under_current_key == 1
        await server.inside.context.retention.add_action(  # type: ignore[union-attr]
            PROTOCOL, ArchiveAction(name="Another", kind="copy", destination=str(tmp_path / "another"))
        )
        objects = server.inside.house.objects
        await until(lambda: objects.is_looked_through(str(tmp_path / "another")), "one that is added is, too")
        (cellar / "day" / "a.wav").write_bytes(b"what was never said")
        with pytest.raises(OSError, match="replaced by another file"):
            async for _ in storage.read("~2/day/a.wav"):
                pass


async def test_without_a_master_key_it_is_said_that_nothing_is_encrypted(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data") as server:
        async with await logged_in(server) as http:
            shown = (await http.get("/api/v1/system")).json()["encryption"]
            assert (shown["on"], shown["master_key"], shown["objects_plain"]) == (False, "", 0)
            assert "lie plain on the disk" in (await http.get("/system")).text
        assert 'earshot_encryption{master_key=""} 0.0' in await server.figures()
    assert not (tmp_path / "data" / "keys" / "objects").exists()


async def test_a_blackout_writes_the_recording_anew_under_another_key(encrypted: Speaker, tmp_path: Path) -> None:
    server = encrypted
    async with calling(server, "7002") as caller:
        caller.speech.text = SECRET
        began_at = wall()
        await asyncio.sleep(1.5)
        await caller.hang_up()
    (before,) = of_device(await until_rows(server.data_dir, "7002"), "7002")
    assert places_of(tmp_path, SECRET) == [], "neither in the journal nor in the recording"
    (path,) = media_of(server)
    with path.open("rb") as old:
        answer = await server.command("AGENTBLACKOUTSTART", DEVICEID="7002", TIMEOFFSET=f"-{wall() - began_at:.3f}")
        assert b"<RESULTCODE>20<" in answer, answer
        assert is_without_key(old), "the key of what was replaced is gone from the disk"
    (after,) = of_device(await until_rows(server.data_dir, "7002"), "7002")
    assert after.recordings[0].audio_sha256 != before.recordings[0].audio_sha256
    assert media_of(server) == [path]
    assert await check_data(settings_of(server)) == []


async def test_deletion_and_moving_leave_no_key(encrypted: Speaker, tmp_path: Path) -> None:
    server = encrypted
    await server.make_recording("7003")
    assert server.inside is not None and server.inside.context.retention is not None
    desk, cellar = server.inside.context.retention, tmp_path / "cellar"
    made = await desk.add_action(PROTOCOL, ArchiveAction(name="Cellar", kind="move", destination=str(cellar)))
    (path,) = media_of(server)
    with path.open("rb") as old:
        await server.command("CALLUPDATE", RECORDID=1, KEEPDAYS=0, ARCHIVEACTION=made.number)
        await until(lambda: not media_of(server), "the recording was moved")
        assert is_without_key(old)
    (moved,) = cellar.rglob("*.wav")
    assert header_of(moved) is not None
    row = await server.inside.store.recording(1)
    assert row is not None
    wav = b"".join([chunk async for chunk in server.inside.context.storage.read(row.sealed.object_name)])
    assert hashlib.sha256(wav).hexdigest() == row.sealed.audio_sha256
    assert files_with(tmp_path, loud_slices(wav)) == []
    assert await check_data(settings_of(server)) == []
    with moved.open("rb") as old:
        await desk.delete(PROTOCOL, 1, "no longer wanted")
        await finished(server, 1)
        assert is_without_key(old)
    assert await check_data(settings_of(server)) == []


async def test_it_records_while_the_database_is_away_and_in_a_mixed_archive(tmp_path: Path, key_file: Path) -> None:
    folder, data = tmp_path / "elsewhere", tmp_path / "data"
    folder.mkdir()
    url = f"sqlite:///{folder / 'earshot.db'}"
    async with in_process(data, database_url=url) as server:
        await server.make_recording("7004")
    folder.rename(tmp_path / "away")
    async with in_process(data, database_url=url, master_key_file=key_file, retention_interval_s=1.0) as server:
        async with calling(server, "7005") as caller:
            caller.speech.text = SECRET
            await asyncio.sleep(1.2)
            await caller.hang_up()
        assert b"API_DATABASE_QUERY_ERROR" in await server.command("CALLLIST")
        (tmp_path / "away").rename(folder)
        await server.until("CALLLIST", b"<RECORDID>2<", DEVICEID=7005)
        asker = Asker(server)
        for number in (1, 2):
            got = await asker.get("export", uniquefield="recordid", uniqueid=number, media_format="WAV")
            assert got.content.startswith(b"RIFF")
        joined = await asker.get("combinedexport", ident="1,2", media_format="WAV")
        assert joined.content.startswith(b"RIFF"), joined.content[:300]
        assert await check_data(settings_of(server)) == []
    assert len([path for path in media_of(server) if header_of(path) is not None]) == 1
    assert places_of(tmp_path, SECRET) == []


async def test_without_its_key_it_does_not_start(tmp_path: Path, key_file: Path) -> None:
    data = tmp_path / "data"
    async with in_process(data, master_key_file=key_file) as server:
        await server.make_recording("7006")
    needed = from_file(key_file)
    other = tmp_path / "other.key"
    write_new(other)
    for settings in ({}, {"master_key_file": other}):
        with pytest.raises(ConfigurationError, match=fingerprint(needed)):
            Server(load(data_dir=data, **settings))
    (data / "keys" / "master-keys").unlink()
    with pytest.raises(ConfigurationError, match=fingerprint(needed)):
        Server(load(data_dir=data))
    Server(load(data_dir=data, master_key_file=other, master_keys_old=[key_file]))


async def test_the_master_key_is_changed_beside_a_running_server(tmp_path: Path, key_file: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other.key"
    write_new(other)
    async with in_process(data, master_key_file=key_file) as server:
        await server.make_recording("7007")
        wav = (await Asker(server).one("WAV")).content
    config = tmp_path / "earshot.toml"
    config.write_text(f'data_dir = "{data}"\nmaster_key_file = "{other}"\nmaster_keys_old = ["{key_file}"]\n')
    async with in_process(data, master_key_file=other, master_keys_old=[key_file]) as server:
        async with calling(server, "7008") as caller:
            shown = await asyncio.to_thread(CliRunner().invoke, cli, ["key", "rotate", "--config", str(config)])
            assert shown.exit_code == 0 and "master_keys_old is no longer needed" in shown.output, shown.output
            await asyncio.sleep(1.0)
            await caller.hang_up()
        await until_rows(data, "7007", "7008")
        assert (await Asker(server).one("WAV")).content == wav
    async with in_process(data, master_key_file=other) as server:
        assert (await Asker(server).one("WAV")).content == wav
        assert await check_data(settings_of(server)) == []
