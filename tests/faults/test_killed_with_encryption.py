"""kill -9 while a call is recorded into an encrypted journal: it comes back, no file shows what was said, and what a
blackout removed cannot be decrypted by those who have the key."""

import asyncio
import secrets
from pathlib import Path

import pytest
from tests.acceptance.spoken import PLAIN, SECRET, calling, places_of
from tests.faults.evidence import PACKETS_A_SECOND, server_at, until_rows
from tests.journal.opened import opened

from earshot.config import load
from earshot.journal.cipher import JournalLocked
from earshot.journal.recovery import recover
from earshot.operations import check_data
from earshot.premises import Folders
from earshot.vault.keyring import Keyring

DEVICE = "4011"
OK = b"<RESULTCODE>20<"


async def test_killed_while_recording_encrypted(tmp_path: Path) -> None:
    ring = Keyring((secrets.token_bytes(32),))
    key_file = tmp_path / "master.key"
    key_file.write_text(ring.keys[0].hex())
    key_file.chmod(0o600)
    async with server_at(tmp_path / "data", master_key_file=key_file) as server:
        journal = Folders(server.data_dir).journal
        await server.start()
        async with calling(server, DEVICE) as caller:
            await asyncio.sleep(1.0)
            caller.speech.text = SECRET
            await asyncio.sleep(2.0)
            await server.kill()
            found = recover(journal, repair=False, wrap=ring)
            assert found.problems == [] and len(found.legs) == 2
            with pytest.raises(JournalLocked, match="no master key is set"):
                recover(journal, repair=False)
            held = opened(journal, ring)
            assert PLAIN in held and SECRET in held and DEVICE.encode() in held
            assert places_of(journal, SECRET) == places_of(journal, PLAIN) == places_of(journal, DEVICE.encode()) == []
            await server.start()
            await asyncio.sleep(0.5)
            assert OK in await server.command("BLACKOUTSTART", DEVICEID=DEVICE, TIMEOFFSET="-60")
            assert SECRET not in opened(journal, ring), "when it is answered, it is gone"
            await server.kill()
            await server.start()
            caller.speech.text = PLAIN
            await asyncio.sleep(0.1)
            assert OK in await server.command("BLACKOUTSTOP", DEVICEID=DEVICE)
            await asyncio.sleep(1.0)
            assert SECRET not in opened(journal, ring)
            await caller.hang_up()
        (call,) = await until_rows(server.data_dir, DEVICE)
        await server.shows("earshot_calls_to_seal 0.0")
        assert await server.stop() == 0
    assert (call.verdict, call.reason) == ("recorded", "bye")
    (recording,) = call.recordings
    assert "blackout" in [why for _, _, why in recording.gaps]
    assert all(leg.received > 0.5 * PACKETS_A_SECOND for leg in recording.legs)
    assert SECRET not in opened(journal, ring)
    assert places_of(tmp_path, SECRET) == places_of(tmp_path, PLAIN) == []
    assert await check_data(load(data_dir=server.data_dir, master_key_file=key_file)) == []
