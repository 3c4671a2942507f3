"""What every `LedgerRows` must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import StoreUnavailable
from earshot.ledger.leaves import AUDIT, SCREEN, SEALED, Leaf
from earshot.ports import FinishedCall, SealedRecording, Store
from earshot.ports.audit import AuditEntry, AuditLog
from earshot.ports.ledger import LedgerRows
from earshot.ports.screens import Screens, ScreenSegment, ScreenSession
from earshot.store.memory import MemoryStore
from earshot.store.memory_audit import MemoryAudit
from earshot.store.memory_ledger import MemoryLedgerRows
from earshot.store.memory_screens import MemoryScreens
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.ledger import SqlLedgerRows
from earshot.store.sql.screens import SqlScreens

AT = 1_000.5
KINDS = (SEALED, SCREEN, AUDIT)


@dataclass
class Rows:
    """What is written, and the rows that are read of it."""

    store: Store
    audit: AuditLog
    screens: Screens
    rows: LedgerRows

    async def recording(self, key: str) -> None:
        """A call with one recording."""
        sealed = SealedRecording(
            key=key,
            call_key=f"call-{key}",
            part=0,
            core=1,
            variables=CallVariables(device_id="200"),
            agent_id=None,
            recording_time=AT,
            duration_s=2.25,
            channels=1,
            sample_rate_hz=8000,
            object_name=f"{key}.wav",
            file_name=f"{key}.wav",
            media_type="audio/wav",
            audio_sha256=f"sha-{key}",
            audio_size=100,
        )
        call = FinishedCall(
            key=f"call-{key}",
            core=1,
            variables=sealed.variables,
            agent_id=None,
            started_at=AT,
            stopped_at=AT + 3,
            verdict="recorded",
            reason="",
            recordings=(sealed,),
        )
        await self.store.save_calls([call])

    async def session(self, key: str, segments: int) -> None:
        """A screen session."""
        made = tuple(
            ScreenSegment(
                number=number,
                object_name=f"{key}-{number}.mp4",
                media_type="video/mp4",
                sha256=f"sha-{key}-{number}",
                size=number,
                began_at=AT,
                duration_s=1.0,
            )
            for number in range(1, segments + 1)
        )
        session = ScreenSession(
            key=key,
            core=1,
            session_id="7",
            agent_id=1,
            started_at=AT,
            stopped_at=AT + 1,
            state="ended",
            verdict="captured",
            segments=made,
        )
        await self.screens.save_screen(session)

    async def entry(self, subject: str) -> None:
        """An audit entry."""
        made = AuditEntry(at=AT, kind="person", actor="Zoë", act="listened", subject=subject, details={"by": "web"})
        await self.audit.append([made])

    async def write(self, count: int) -> None:
        """So many rows of each kind."""
        for number in range(1, count + 1):
            await self.recording(f"r{number}")
            await self.session(f"s{number}", number)
            await self.entry(f"recording {number}")


@pytest.fixture(params=["memory", "sqlite"])
async def rows(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rows]:
    if request.param == "memory":
        store, audit, screens = MemoryStore(FakeClock()), MemoryAudit(), MemoryScreens()
        yield Rows(store, audit, screens, MemoryLedgerRows(store, audit, screens))
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    sql = SqlStore(database, FakeClock())
    yield Rows(sql, SqlAudit(database), SqlScreens(database), SqlLedgerRows(database, FakeClock()))
    await database.close()


async def test_a_recording_as_a_leaf(rows: Rows) -> None:
    await rows.recording("a")
    body = {
        "call": "call-a",
        "duration_us": 2_250_000,
        "media_type": "audio/wav",
        "record_id": 1,
        "recorded_at_us": 1_000_500_000,
        "recording": "a",
        "sha256": "sha-a",
        "size": 100,
    }
    assert await rows.rows.after(SEALED, 0, 10) == [
        Leaf(kind=SEALED, subject="recording 1", key="recording/a", row=1, body=body)
    ]


async def test_a_screen_session_as_a_leaf(rows: Rows) -> None:
    await rows.session("a", 2)
    segments = [{"number": number, "sha256": f"sha-a-{number}", "size": number} for number in (1, 2)]
    body = {"screen": "a", "segments": segments, "session_id": "7"}
    assert await rows.rows.after(SCREEN, 0, 10) == [
        Leaf(kind=SCREEN, subject="screen session 1", key="screen/a", row=1, body=body)
    ]


async def test_an_entry_as_a_leaf_says_nothing_of_what_it_says(rows: Rows) -> None:
    await rows.entry("recording 17")
    (leaf,) = await rows.rows.after(AUDIT, 0, 10)
    assert (leaf.subject, leaf.row, set(leaf.body)) == ("audit entry 1", 1, {"entry", "sha256"})
    assert leaf.key == f"audit/1/{leaf.body['sha256'][:32]}"
    assert b"Zo" not in leaf.text()


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_come_by_number_a_page_at_a_time_and_the_same_each_time(rows: Rows, kind: str) -> None:
    assert await rows.rows.after(kind, 0, 10) == []
    assert await rows.rows.last_row(kind) == 0
    await rows.write(3)
    found = await rows.rows.after(kind, 0, 10)
    assert [leaf.row for leaf in found] == [1, 2, 3]
    assert await rows.rows.after(kind, 0, 2) == found[:2]
    assert await rows.rows.after(kind, 2, 2) == found[2:]
    assert await rows.rows.after(kind, 3, 2) == []
    assert await rows.rows.after(kind, 0, 0) == []
    assert await rows.rows.last_row(kind) == 3
    assert all(Leaf.read(leaf.text()) == leaf and leaf.at_us == 0 for leaf in found)


async def test_other_kinds_are_no_rows(rows: Rows) -> None:
    for wrong in ("deleted", ""):
        with pytest.raises(ValueError, match="no rows"):
            await rows.rows.after(wrong, 0, 1)
        with pytest.raises(ValueError, match="no rows"):
            await rows.rows.last_row(wrong)


async def test_the_last_checkpoint_is_kept(rows: Rows) -> None:
    assert await rows.rows.checkpoint() == ""
    for note in ("earshot\n1\n", "earshot\n2\n\N{EM DASH} signed\n"):
        await rows.rows.keep_checkpoint(note)
        assert await rows.rows.checkpoint() == note


async def test_a_database_that_is_away_is_said_so(tmp_path: Path) -> None:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    rows = SqlLedgerRows(database, FakeClock())
    (tmp_path / "earshot.db").unlink()
    for asked in (rows.after(AUDIT, 0, 1), rows.last_row(AUDIT), rows.checkpoint(), rows.keep_checkpoint("x")):
        with pytest.raises(StoreUnavailable):
            await asked
    await database.close()
