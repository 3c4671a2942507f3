"""Whatever is altered in a data folder, `earshot check` says so: media, rows, log, checkpoints."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.actor import SYSTEM
from earshot.api.audit_trail import RecordedTrail
from earshot.api.ledger import RecordedLedger, compared
from earshot.clock import FakeClock
from earshot.config import load
from earshot.core.screen_blackouts import RewrittenPicture
from earshot.engine.variables import CallVariables
from earshot.errors import StoreUnavailable
from earshot.operations import check_data
from earshot.ports import FinishedCall, SealedRecording
from earshot.ports.ledger import LedgerBroken
from earshot.ports.screens import ScreenSegment, ScreenSession
from earshot.premises import Folders, database_of, ledger_signer
from earshot.services.ledger import log_picture
from earshot.storage.leaf_log import FileLeafLog
from earshot.storage.leaf_records import HEADER, MAGIC, read_records, record
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.ledger import SqlLedgerRows
from earshot.store.sql.screens import SqlScreens

NOON = 1_700_000_000.0


def sealed(number: int, media: bytes) -> SealedRecording:
    return SealedRecording(
        key=f"call-{number}/0",
        call_key=f"call-{number}",
        part=0,
        core=1,
        variables=CallVariables(device_id=str(number)),
        agent_id=None,
        recording_time=NOON + number / 3,
        duration_s=1.1,
        channels=2,
        sample_rate_hz=8000,
        object_name=f"{number}.wav",
        file_name=f"{number}.wav",
        media_type="audio/wav",
        audio_sha256=sha256(media).hexdigest(),
        audio_size=len(media),
    )


def call(number: int, media: bytes) -> FinishedCall:
    return FinishedCall(
        key=f"call-{number}",
        core=1,
        variables=CallVariables(device_id=str(number)),
        agent_id=None,
        started_at=NOON,
        stopped_at=NOON + 1,
        verdict="recorded",
        reason="bye",
        recordings=(sealed(number, media),),
    )


class Desk:
    """A data folder with its ledger open."""

    def __init__(self, folder: Path) -> None:
        self.settings = load(data_dir=folder)
        folders, clock = Folders(folder), FakeClock(NOON)
        folders.recordings.mkdir(parents=True, exist_ok=True)
        folders.journal.mkdir(exist_ok=True)
        self.folders = folders
        self.database = database_of(self.settings)
        self.store = SqlStore(self.database, clock)
        self.leaves = FileLeafLog(folders.ledger)
        self.trail = RecordedTrail(SqlAudit(self.database), clock)
        rows = SqlLedgerRows(self.database, clock)
        self.notes: list[str] = []
        self.ledger = RecordedLedger(self.leaves, rows, ledger_signer(self.settings), clock, self.notes.append)

    async def __aenter__(self) -> "Desk":
        await self.store.open()
        await self.leaves.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leaves.close()
        await self.store.close()

    async def record(self, number: int) -> None:
        media = b"sound of %d" % number
        (self.folders.recordings / f"{number}.wav").write_bytes(media)
        await self.store.save_calls([call(number, media)])


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Three recordings, two audit entries, a hold; all logged and signed."""
    async with Desk(tmp_path / "data") as desk:
        for number in (1, 2, 3):
            await desk.record(number)
        await desk.trail.note(SYSTEM, "exported", "recording 1")
        await desk.ledger.append("hold placed", "recording 2", {"by": "admin", "hold": 1})
        await desk.trail.note(SYSTEM, "held", "recording 2")
        await desk.ledger.catch_up()
        await desk.ledger.sign()
    return tmp_path / "data"


async def problems(folder: Path) -> list[str]:
    return await check_data(load(data_dir=folder))


async def test_nothing_is_wrong(folder: Path) -> None:
    assert await problems(folder) == []


SQL_DAMAGE = {
    "UPDATE recordings SET audio_hash = 'x' WHERE ident = 1": "recording 1",
    "UPDATE recordings SET recording_time = recording_time + 60 WHERE ident = 1": "recording 1 is not what was logged",
    "UPDATE recordings SET key = 'other' WHERE ident = 3": "recording 3 is not what was logged",
    "DELETE FROM recordings WHERE ident = 1": "recording 1 is gone, and its deletion was not logged",
    "UPDATE audit SET actor = 'somebody' WHERE ident = 1": "audit entry 1 is not what was logged",
    "DELETE FROM audit WHERE ident = 2": "audit entry 2 is gone",
    "UPDATE preferences SET value = replace(value, 'time 2023', 'time 2024')": "not signed with the key",
}


@pytest.mark.parametrize("statement", SQL_DAMAGE)
async def test_rows_that_were_altered(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "earshot.db")) as database, database:
        assert database.execute(statement).rowcount == 1
    assert any(SQL_DAMAGE[statement] in problem for problem in await problems(folder))


def texts(folder: Path) -> list[bytes]:
    whole = (folder / "ledger" / "log").read_bytes()
    return [text for _, text in read_records(lambda at, count: whole[at : at + count], len(MAGIC))]


def rewrite(folder: Path, leaves: list[bytes]) -> None:
    (folder / "ledger" / "log").write_bytes(MAGIC + b"".join(map(record, leaves)))


REWRITTEN = (
    b'{"at_us":1,"body":{"sha256":"a","sha256_before":"b"},"key":"r","kind":"rewritten","row":0,'
    b'"subject":"recording 1","v":1}'
)
LOG_DAMAGE: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a leaf is missing": (lambda leaves: leaves[:1] + leaves[2:], "were signed"),
    "the last is missing": (lambda leaves: leaves[:-1], "were signed"),
    "another order": (lambda leaves: [leaves[1], leaves[0], *leaves[2:]], "another order"),
    "an altered leaf": (lambda leaves: [leaves[0].replace(b"call-1", b"call-7"), *leaves[1:]], "were altered"),
    "a leaf twice": (lambda leaves: [*leaves, leaves[0]], "is the same as leaf 0"),
    "what is no leaf": (lambda leaves: [*leaves, b"{}"], "this is no leaf"),
    "an invented rewriting": (lambda leaves: [*leaves, REWRITTEN], "rewritten from media that the log does not know"),
    "nothing": (lambda leaves: [], "the log was cut"),
}


@pytest.mark.parametrize("damage", LOG_DAMAGE)
async def test_a_log_that_was_altered_with_whole_records(folder: Path, damage: str) -> None:
    alter, wanted = LOG_DAMAGE[damage]
    rewrite(folder, alter(texts(folder)))
    assert any(wanted in problem for problem in await problems(folder))


async def test_a_deletion_that_was_logged_is_none_that_is_missing(folder: Path) -> None:
    async with Desk(folder) as desk:
        told = {"by": "admin", "why": "asked for"}
        first = await desk.ledger.append("deleted", "recording 2", told)
        assert await desk.ledger.append("deleted", "recording 2", told) == first
        async with desk.database.write() as connection:
            await connection.exec_driver_sql("DELETE FROM recordings WHERE ident IN (2, 3)")
    found = [problem for problem in await problems(folder) if problem.startswith("ledger:")]
    assert found == ["ledger: recording 3 is gone, and its deletion was not logged"]


def piece(data: bytes, folder: Path) -> ScreenSegment:
    """A piece of a screen that lies in the data folder."""
    (folder / "recordings" / "screen.webm").write_bytes(data)
    return ScreenSegment(
        number=4,
        object_name="screen.webm",
        media_type="video/webm",
        sha256=sha256(data).hexdigest(),
        size=len(data),
        began_at=NOON,
        duration_s=1.0,
    )


async def test_pictures_that_a_blackout_rewrote_are_what_was_logged(folder: Path) -> None:
    """Each piece from what it was to what it is; whatever else the row says is an alteration."""
    seen, black = piece(b"a secret", folder), piece(b"black", folder)
    session = ScreenSession(
        key="s",
        core=1,
        session_id="s",
        agent_id=1,
        started_at=NOON,
        stopped_at=NOON + 1,
        state="ended",
        verdict="captured",
        segments=(seen,),
    )
    told = RewrittenPicture(
        screen=1, segment=4, span=(0.1, 0.2), before=seen.sha256, after=black.sha256, size=black.size
    )
    async with Desk(folder) as desk:
        screens = SqlScreens(desk.database)
        assert await screens.save_screen(session) == 1
        for _ in range(2):  # a process that was killed before the row knew tells it again
            await log_picture(desk.ledger, told)
        assert await screens.renew_screen(1, {4: (black.sha256, black.size)}, ((0.1, 0.2),))
    assert await problems(folder) == []
    for statement in ("SET sha256 = 'x'", "SET size = 3"):
        with closing(sqlite3.connect(folder / "earshot.db")) as database:
            database.execute(f"UPDATE screen_segments {statement}")
            database.commit()
        assert "ledger: screen session 1 is not what was logged" in await problems(folder)
    async with Desk(folder) as desk:
        await log_picture(desk.ledger, replace(told, before="0" * 64, after="1" * 64))
    assert any("from pictures that the log does not know" in problem for problem in await problems(folder))


async def test_what_is_removed_whole(folder: Path) -> None:
    shutil.move(folder / "ledger", folder / "elsewhere")
    assert any("the log is missing" in problem for problem in await problems(folder))
    shutil.move(folder / "keys", folder / "keys elsewhere")
    assert any("key that checkpoints are signed with is missing" in problem for problem in await problems(folder))


async def test_a_new_key_does_not_hide_it(folder: Path) -> None:
    shutil.rmtree(folder / "keys")
    ledger_signer(load(data_dir=folder))
    assert any("not signed with the key" in problem for problem in await problems(folder))


async def test_a_row_without_a_leaf(folder: Path) -> None:
    """One that was put in by somebody is named; the next start would log it, at its own time."""
    async with Desk(folder) as desk:
        await desk.record(4)
    assert await problems(folder) == ["ledger: recording 4 has no leaf"]
    async with Desk(folder) as desk:
        await desk.ledger.catch_up()
    assert await problems(folder) == []


async def test_catching_up_twice_and_after_a_lost_index(folder: Path) -> None:
    before = texts(folder)
    for leftover in (folder / "ledger").glob("index.db*"):
        leftover.unlink()
    async with Desk(folder) as desk:
        await desk.ledger.catch_up()
        assert await compared(desk.leaves, desk.ledger.key, await desk.ledger.sign()) == ""
    assert texts(folder) == before


async def test_a_log_that_is_away_does_not_stop_others(folder: Path) -> None:
    async with Desk(folder) as desk:
        desk.leaves.broken = "it was cut"
        await desk.record(5)
        with pytest.raises(LedgerBroken, match="it was cut"):
            await desk.ledger.append("deleted", "recording 1", {})
        await desk.ledger.try_to_catch_up()
        assert desk.ledger.trouble == "it was cut"
        await desk.store.close()
        with pytest.raises(StoreUnavailable):
            await desk.ledger.append("deleted", "recording 1", {})
        await desk.ledger.try_to_catch_up()
        await desk.store.open()


FILES = ("recordings/1.wav", "recordings/2.wav", "ledger/log")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
async def test_one_altered_byte_anywhere(folder: Path, data: st.DataObject) -> None:
    path = folder / data.draw(st.sampled_from(FILES))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    spoilt = bytearray(whole)
    spoilt[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(spoilt)
    try:
        assert await problems(folder) != []
    finally:
        path.write_bytes(whole)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
async def test_a_log_cut_anywhere(folder: Path, data: st.DataObject) -> None:
    path = folder / "ledger" / "log"
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    try:
        assert await problems(folder) != []
    finally:
        path.write_bytes(whole)


async def test_killed_between_any_two_steps(folder: Path) -> None:
    """The row is there and its leaf is not, half, or whole without the index: the next start completes it."""
    async with Desk(folder) as desk:
        await desk.record(6)
        await desk.ledger.catch_up()
    path = folder / "ledger" / "log"
    done, (*_, last) = path.read_bytes(), texts(folder)
    for kept in (0, 1, HEADER.size, HEADER.size + len(last) // 2, HEADER.size + len(last)):
        path.write_bytes(done[: len(done) - HEADER.size - len(last) + kept])
        for leftover in (folder / "ledger").glob("index.db*"):
            leftover.unlink()
        async with Desk(folder) as desk:
            await desk.ledger.catch_up()
        assert texts(folder) == [*texts(folder)[:-1], last]
        assert await problems(folder) == []
