"""A blackout after the fact: a span goes for good, from the recording, its copies and what a move left."""

import asyncio
import hashlib
import io
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from tests.acceptance.spoken import SECRET, calling
from tests.faults.evidence import is_heard, problems, sound_of, until_rows
from tests.rest.asking import Desk, a_desk
from tests.servers import Speaker, in_process

from earshot.actor import PROTOCOL, SYSTEM
from earshot.api.audit_trail import RecordedTrail
from earshot.api.blackouts_after import black_out_recording
from earshot.api.retention import Held
from earshot.capture.in_process import HEIGHT, encode, read_number
from earshot.clock import FakeClock
from earshot.config import load
from earshot.core.archiving import Archiving
from earshot.core.elsewhere import Elsewhere
from earshot.core.plausible import PlausibleClock
from earshot.core.removal import Removal as Removing
from earshot.core.resealing import Resealing, Rewritten
from earshot.core.retention import Retention, RetentionSettings
from earshot.core.turns import Turns
from earshot.engine.blackout_values import Asked, Removal
from earshot.engine.variables import CallVariables
from earshot.operations import create_user
from earshot.ports import CoreAway, SealedRecording, Storage
from earshot.ports.audit import AuditEntry, AuditFilter
from earshot.ports.blackouts import Decided, OnHold
from earshot.ports.retention import ActionKind, ArchiveAction, Criteria, Defaults, Deletion
from earshot.ports.screens import ScreenSegment, ScreenSession
from earshot.services.blackouts import NotedOnce
from earshot.storage.placed import PlacedStorage, placed_name
from earshot.store.sql import database_at
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.store.sql.retention import SqlRetention
from earshot.vault.master import write_new


async def a_recording(server: Speaker, device: str = "4100") -> SealedRecording:
    """A call of two seconds, loud from begin to end."""
    async with calling(server, device) as caller:
        caller.speech.text = SECRET
        await asyncio.sleep(2.0)
        await caller.hang_up()
    calls = await until_rows(server.data_dir, device)
    return next(call.recordings[0] for call in calls if call.variables.device_id == device)


async def now_of(server: Speaker, record_id: int = 1) -> SealedRecording:
    assert server.inside is not None
    row = await server.inside.store.recording(record_id)
    assert row is not None
    return row.sealed


async def a_screen(desk: Desk, recording: SealedRecording) -> ScreenSession:
    """A stored screen session at the same device, of four seconds: 80 pictures from a second before the call on."""
    path, began_at = desk.inside.folders.work / "screen.webm", recording.recording_time - 1.025
    encode(path, [(number, False) for number in range(80)], 20)
    data = path.read_bytes()
    name = "screens/a.webm"
    segment = ScreenSegment(
        number=1,
        object_name=name,
        media_type="video/webm",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        began_at=began_at,
        duration_s=4.0,
    )
    session = ScreenSession(
        key="screen",
        core=1,
        session_id="somebody's",
        agent_id=77,
        started_at=began_at,
        stopped_at=began_at + 4.0,
        state="ended",
        verdict="captured",
        variables=CallVariables(device_id=recording.variables.device_id),
        segments=(segment,),
    )
    await desk.inside.house.storage.put_file(name, path)
    await desk.context.screens.save_screen(session)
    return session


async def screen_of(desk: Desk) -> tuple[list[int], dict[str, Any]]:
    """What is seen of the first screen session, and what is said of it."""
    admin = await desk.admin()
    said = (await admin.get("/api/v1/screen-sessions/1")).json()
    film = await admin.get("/api/v1/screen-sessions/1/segments/1")
    assert hashlib.sha256(film.content).hexdigest() == said["segments"][0]["sha256"]
    with av.open(io.BytesIO(film.content), "r") as container:
        numbers = [read_number(frame.to_ndarray(format="yuv420p")[:HEIGHT]) for frame in container.decode(video=0)]
    assert len(numbers) == 80
    return [number for number in numbers if number is not None], said


async def test_it_goes_for_those_who_may_and_not_under_a_hold(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "data") as desk:
        before = await a_recording(desk.server)
        sound = sound_of(desk.server.data_dir, before)
        assert is_heard(sound, 0.6, 1.1)
        span = {"from_s": 0.5, "to_s": 1.2, "reason": "a card number"}
        screen = await a_screen(desk, before)
        guest = await desk.with_token(await desk.agent("guest", "RECORDINGSEARCH"), "all")
        assert (await guest.post("/api/v1/recordings/1/blackouts", json=span)).status_code == 403
        other = await desk.with_token(await desk.agent("other", "BLACKOUTSAFTERTHEFACT"), "all")
        assert (await other.post("/api/v1/recordings/1/blackouts", json=span)).status_code == 404, "it is not theirs"
        admin = await desk.admin()
        for wrong in ({**span, "to_s": 0.5}, {**span, "reason": " "}, {**span, "from_s": 60, "to_s": 61}):
            assert (await admin.post("/api/v1/recordings/1/blackouts", json=wrong)).status_code == 422
        assert (await admin.post("/api/v1/recordings/77/blackouts", json=span)).status_code == 404
        retention = desk.context.retention
        assert retention is not None
        hold, _ = await retention.place(SYSTEM, "Case 1", recordings=[1])
        assert (await admin.post("/api/v1/recordings/1/blackouts", json=span)).status_code == 409
        assert (await now_of(desk.server)).audio_sha256 == before.audio_sha256
        assert (await screen_of(desk))[0] == list(range(80)), "nor are the screens touched"
        await retention.lift(SYSTEM, hold.number, "settled")

        answer = await admin.post("/api/v1/recordings/1/blackouts", json=span)
        assert answer.status_code == 200, answer.text
        after = await now_of(desk.server)
        assert answer.json()["audio_sha256"] == after.audio_sha256 != before.audio_sha256
        ((start_s, end_s),) = [(start, end) for start, end, why in after.gaps if why == "blackout"]
        assert (round(start_s, 3), round(end_s, 3)) == (0.5, 1.2)
        sound = sound_of(desk.server.data_dir, after)
        assert not sound[int(start_s * 8000) : int(end_s * 8000)].any()
        assert is_heard(sound, 0.2, 0.49) and is_heard(sound, 1.21, 1.5) and after.duration_s == before.duration_s
        peaks = (await admin.get("/api/v1/recordings/1/peaks")).json()
        assert [gap["why"] for gap in peaks["gaps"]] == ["blackout"], "the player marks it"
        seen, session = await screen_of(desk)
        assert seen == [*range(10), *range(65, 80)], "with a second before and after"
        spans = [(round(one["start_s"], 3), round(one["end_s"], 3)) for one in session["black_spans"]]
        assert spans == [(1.525, 2.225)]
        assert session["segments"][0]["sha256"] != screen.segments[0].sha256
        assert ("earshot", "rewritten", "screen session 1") in await desk.acts()
        acts = [act for _, act, subject in await desk.acts() if subject == "recording 1"]
        assert [act for act in acts if act in ("refused", "blacked out", "rewritten")] == [
            "refused",
            "blacked out",
            "rewritten",
        ]
        again = await admin.post("/api/v1/recordings/1/blackouts", json=span)
        assert again.json()["audio_sha256"] == after.audio_sha256, "what is gone is gone"
        await by_the_form(desk)
    assert await problems(tmp_path / "data") == []


async def test_a_hold_on_a_screen_session_alone_refuses_it_and_is_noted_once(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "data") as desk:
        before = await a_recording(desk.server)
        await a_screen(desk, before)
        retention, admin = desk.context.retention, await desk.admin()
        assert retention is not None
        hold, _ = await retention.place(SYSTEM, "Case 1", criteria=Criteria(agent_id=77))
        assert hold.recordings == 0
        span = {"from_s": 0.5, "to_s": 1.2, "reason": "a card number"}
        answer = await admin.post("/api/v1/recordings/1/blackouts", json=span)
        assert answer.status_code == 409 and "legal hold 1" in answer.text
        assert await now_of(desk.server) == before and (await screen_of(desk))[0] == list(range(80))
        told = {"what": "blackout after the fact", "span": "0.500-1.200", "reason": "a card number"}
        log = SqlAudit(desk.inside.database)
        asked = [one for one in await log.entries(AuditFilter(subject="recording 1"), 50) if one.user_id == 1]
        assert [(one.act, one.details) for one in asked] == [("refused", {**told, "holds": "1"})]
        await retention.lift(SYSTEM, hold.number, "settled")
        assert (await admin.post("/api/v1/recordings/1/blackouts", json=span)).status_code == 200
        done, *more = [one for one in await log.entries(AuditFilter(subject="recording 1"), 50) if one.user_id == 1]
        assert (done.act, done.actor, done.kind) == ("blacked out", asked[0].actor, "token") and more == asked
        assert done.address == asked[0].address != ""
        first, *_ = [act for _, act, subject in await desk.acts() if subject == "recording 1" and act != "refused"]
        assert first == "blacked out", "it is noted before anything is touched"


async def test_who_asked_is_noted_once_however_often_it_is_tried(tmp_path: Path) -> None:
    """Killed right after it was noted, a core comes to it again."""
    database, clock = database_at(f"sqlite:///{tmp_path / 'earshot.db'}"), FakeClock(1_700_000_000.0)
    await database.open()
    log = SqlAudit(database)
    note = NotedOnce(log, lambda: RecordedTrail(log, clock))
    asked = Asked(
        record_id=1, span="0.500-1.200", reason="a name", at=clock.now(), kind="person", name="anna", user_id=3
    )
    for holds in ((7, 2), (), ()):
        await note(asked, holds)
        await note(asked, holds)
        clock.advance(1.0)
    await note(replace(asked, at=clock.now()), ())
    entries = [(one.act, one.actor, one.user_id) for one in await log.entries(AuditFilter(), 50)]
    assert entries == [("blacked out", "anna", 3), ("blacked out", "anna", 3), ("refused", "anna", 3)]
    await database.close()


async def by_the_form(desk: Desk) -> None:
    """The same on the page of the recording, where another span is named."""
    await create_user(load(data_dir=desk.server.data_dir), "anna", "correct horse battery", admin=True)
    person = desk.client(**{"sec-fetch-site": "same-origin"})
    await person.post("/login", data={"username": "anna", "password": "correct horse battery"})
    assert 'action="/recordings/1/blackout"' in (await person.get("/recordings/1")).text
    form = {"from": "0:00.1", "to": "0:00.3", "reason": "a name"}
    for wrong, status in (({**form, "from": "a"}, 422), ({**form, "reason": ""}, 422), ({**form, "to": "0"}, 422)):
        assert (await person.post("/recordings/1/blackout", data=wrong)).status_code == status
    assert (await person.post("/recordings/77/blackout", data=form)).status_code == 404
    done = await person.post("/recordings/1/blackout", data=form)
    assert (done.status_code, done.headers["location"]) == (303, "/recordings/1")
    assert [(round(start, 2), round(end, 2)) for start, end, _ in (await now_of(desk.server)).gaps] == [
        (0.1, 0.3),
        (0.5, 1.2),
    ]
    assert (await person.get("/recordings/1")).text.count("</span>blackout") == 2


class Archive:
    """A server with an archive that is a folder; nothing is moved or copied but by `carry`."""

    def __init__(self, server: Speaker, folder: Path) -> None:
        assert server.inside is not None
        self.server, self.folder, self.inside = server, folder, server.inside
        self.kept = SqlRetention(self.inside.database)
        self.number = 0

    @property
    def storage(self) -> PlacedStorage:
        assert isinstance(self.inside.house.storage, PlacedStorage)
        return self.inside.house.storage

    async def made(self, kind: ActionKind) -> SealedRecording:
        """A recording whose `kind` is due; the archive is known."""
        desk = self.inside.context.retention
        assert desk is not None
        action = ArchiveAction(name="Cellar", kind=kind, destination=str(self.folder))
        self.number = (await desk.add_action(SYSTEM, action)).number
        self.storage.know({self.number: str(self.folder)})
        before = await a_recording(self.server)
        row = await self.inside.store.recording(1)
        assert row is not None
        async with asyncio.timeout(20):
            while await self.kept.kept(1) is None:
                await self.kept.stamp(Defaults(), 10)
        await self.server.command("CALLUPDATE", RECORDID=1, KEEPDAYS=0, ARCHIVEACTION=self.number)
        return before

    async def carry(self, storage: PlacedStorage | None = None, turns: Turns | None = None) -> bool:
        """Perform what is due, over `storage`; whether it was done. With other `turns` nobody is waited for."""
        action = next(one for one in await self.kept.actions() if one.number == self.number)
        (due,) = await self.kept.due(self.inside.clock.now() + 10, 10)
        house = self.inside.house
        archiving = Archiving(
            self.kept,
            storage or self.storage,
            house.folders.work,
            house.clock,
            keyring=house.keyring,
            turns=turns or house.turns,
        )
        return await archiving.perform(due, action)

    async def black_out(self) -> SealedRecording:
        row = await black_out_recording(self.inside.context, PROTOCOL, 1, 0.5, 1.2, "a card number")
        return row.sealed

    async def noted(self) -> list[AuditEntry]:
        """What the audit trail has of who asked for blackouts, newest first."""
        entries = await SqlAudit(self.inside.database).entries(AuditFilter(subject="recording 1"), 50)
        return [one for one in entries if one.act in ("blacked out", "refused")]

    def media(self) -> list[Path]:
        """Every file with sound, wherever it lies."""
        roots = (self.server.data_dir / "recordings", self.folder)
        return [path for root in roots for path in root.rglob("*.wav")]

    async def assert_gone(self, sealed: SealedRecording, files: int) -> None:
        """Nothing of the span is in any of the files, each of which is what the row says."""
        found = self.media()
        assert len(found) == files
        for path in found:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sealed.audio_sha256
            with wave.open(str(path)) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
            assert not sound[4001:9600].any() and sound[2000:3900].any()


class Interrupted:
    """A storage at which something happens right after an object was put whose name begins so."""

    def __init__(self, storage: Storage, begins: str, then: Callable[[], Awaitable[object]]) -> None:
        self._storage, self._begins, self._then = storage, begins, then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def put_file(self, name: str, source: Path) -> None:
        await self._storage.put_file(name, source)
        if name.startswith(self._begins):
            await self._then()


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with in_process(tmp_path / "data", retention_interval_s=3600.0) as server:
        yield Archive(server, tmp_path / "cellar")


async def test_a_copy_is_rewritten_before_it_is_answered(archive: Archive) -> None:
    before = await archive.made("copy")
    assert await archive.carry()
    sealed = await archive.black_out()
    assert sealed.audio_sha256 != before.audio_sha256
    await archive.assert_gone(sealed, files=2)
    assert [copy.audio_sha256 for copy in await archive.kept.copies(1)] == [sealed.audio_sha256]


async def test_a_copy_of_what_was_lost_is_not_forgotten(archive: Archive) -> None:
    await archive.made("copy")
    assert await archive.carry()
    lost = next(path for path in archive.media() if archive.folder not in path.parents)
    data = lost.read_bytes()
    lost.unlink()
    with pytest.raises(CoreAway, match="bring them back"):
        await archive.black_out()
    lost.write_bytes(data)
    await archive.assert_gone(await archive.black_out(), files=2)


async def test_a_round_of_retention_brings_nothing_back_into_a_copy(archive: Archive) -> None:
    """It leaves copies of what was rewritten to the blackout, which alone knows what must be gone by its answer."""
    await archive.made("copy")
    assert await archive.carry()
    (copy,) = await archive.kept.copies(1)
    await archive.kept.copy_renewed(copy, "of what it was before an earlier blackout")
    house, sealed = archive.inside.house, list[SealedRecording]()

    class Slow:
        """An archive that takes what a round brings after the blackout only."""

        def __getattr__(self, name: str) -> Any:
            return getattr(archive.storage, name)

        async def put_file(self, name: str, source: Path) -> None:
            sealed.append(await archive.black_out())
            await archive.storage.put_file(name, source)

    storage = cast(PlacedStorage, Slow())

    async def nothing(deletions: Sequence[Deletion]) -> set[int]:
        return {one.record_id for one in deletions}

    async def newest() -> float | None:
        return None

    retention = Retention(
        archive.kept,
        house.clock,
        RetentionSettings(),
        plausible=PlausibleClock(house.clock, 3600.0),
        removal=Removing(archive.kept, storage, house.clock, noting=nothing, steps=()),
        archiving=Archiving(archive.kept, storage, house.folders.work, house.clock),
        newest=newest,
        free=lambda: 1 << 40,
        places=lambda roots: None,
    )
    await retention.round()
    sealed = sealed or [await archive.black_out()]
    await archive.assert_gone(sealed[0], files=2)
    assert [copy.audio_sha256 for copy in await archive.kept.copies(1)] == [sealed[0].audio_sha256]


async def test_an_encrypted_copy_is_rewritten_with_a_key_of_its_own(tmp_path: Path) -> None:
    write_new(tmp_path / "master.key")
    settings = {"master_key_file": tmp_path / "master.key", "retention_interval_s": 3600.0}
    async with in_process(tmp_path / "data", **settings) as server:
        archive = Archive(server, tmp_path / "cellar")
        await archive.made("copy")
        assert await archive.carry()
        sealed = await archive.black_out()
        (copy,) = await archive.kept.copies(1)
        for name in (sealed.object_name, copy.object_name):
            media = b"".join([chunk async for chunk in archive.storage.read(name)])
            assert hashlib.sha256(media).hexdigest() == sealed.audio_sha256
        raw = [path.read_bytes() for path in archive.media()]
        assert len(raw) == len(set(raw)) == 2 and not any(one.startswith(b"RIFF") for one in raw)


async def test_a_moved_recording_is_rewritten_where_it_lies_and_what_the_move_left_is_gone(archive: Archive) -> None:
    """The archive is away at first: that is an error, until it is back."""
    await archive.made("move")
    assert await archive.carry()
    assert len(archive.media()) == 2, "the old object waits to be removed"
    away = archive.folder.with_name("away")
    archive.folder.rename(away)
    with pytest.raises(CoreAway):
        await archive.black_out()
    assert archive.inside.recorder.blackouts_failing
    (first,) = await archive.noted()
    assert (first.act, first.details["reason"]) == ("blacked out", "a card number")
    away.rename(archive.folder)
    async with asyncio.timeout(20):
        while archive.inside.recorder.blackouts_failing:
            await asyncio.sleep(0.05)
    sealed = await now_of(archive.server)
    assert sealed.object_name.startswith(placed_name(archive.number, ""))
    await archive.assert_gone(sealed, files=1)
    assert await archive.noted() == [first], "each try is no other act"


async def test_a_hold_that_is_placed_in_between_is_not_overridden(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was looked for, then came the hold, then the core decided: nothing is altered, and the trail says that alone.
    A blackout in real time that reaches back into what is held waits until it is lifted; one that was decided goes
    through."""
    before, retention = await a_recording(archive.server), archive.inside.context.retention
    assert retention is not None
    decide = SqlBlackouts.decide

    async def held_first(store: SqlBlackouts, *what: Any, **more: Any) -> Decided:
        await retention.place(SYSTEM, "Case 1", recordings=[1])
        return await decide(store, *what, **more)

    with monkeypatch.context() as patch, pytest.raises(Held):
        patch.setattr(SqlBlackouts, "decide", held_first)
        await archive.black_out()
    assert await now_of(archive.server) == before and not archive.inside.recorder.state.removals
    (refused,) = await archive.noted()
    assert (refused.act, refused.details["holds"], refused.actor) == ("refused", "1", "xml")

    answer = await archive.server.command("BLACKOUTSTART", DEVICEID="4100", TIMEOFFSET=-60)
    assert b"API_ERROR_RECORDER_NOT_RUNNING" in answer
    assert await now_of(archive.server) == before
    assert list(archive.inside.recorder.blackouts_failing.values()) == ["recording 1 is under legal hold 1"]
    waits = "A blackout waits until it may be applied: recording 1 is under legal hold 1."
    assert waits in archive.inside.house.said()
    await retention.lift(SYSTEM, 1, "settled")
    async with asyncio.timeout(20):
        while archive.inside.recorder.blackouts_failing:
            await asyncio.sleep(0.05)
    sealed = await now_of(archive.server)
    assert sealed.audio_sha256 != before.audio_sha256
    assert not sound_of(archive.server.data_dir, sealed).any(), "all of it lies within the minute"


async def test_a_hold_that_comes_after_the_decision_is_too_late(archive: Archive) -> None:
    await archive.made("copy")
    assert await archive.carry()
    retention = archive.inside.context.retention
    assert retention is not None
    store = SqlBlackouts(archive.inside.database)

    class Late(SqlBlackouts):
        async def decide(self, *what: Any, **more: Any) -> Decided:
            decided = await super().decide(*what, **more)
            if not decided.begun and retention is not None:
                await retention.place(SYSTEM, "Case 1", recordings=[1])
            return decided

    async def noted(rewritten: Rewritten) -> None:
        return None

    async def away(rewritten: object) -> None:
        raise OSError(19, "the archive is away")

    work = archive.inside.folders.work
    resealing = Resealing(Late(archive.inside.database), archive.storage, work, noted)
    elsewhere, resealing.elsewhere = Elsewhere(store, archive.kept, archive.storage, work).renew, away
    row = await now_of(archive.server)
    start_us = int(row.recording_time * 1e6)
    removal = Removal(
        number=9, from_us=start_us + 500_000, until_us=start_us + 1_200_000, calls=[row.call_key], together=True
    )
    with pytest.raises(OSError, match="away"):
        await resealing.remove(removal)
    resealing.elsewhere = elsewhere
    assert await resealing.remove(removal) == 1
    await archive.assert_gone(await now_of(archive.server), files=2)
    with pytest.raises(OnHold):
        await resealing.remove(replace(removal, until_us=removal.until_us + 100_000))


@pytest.mark.parametrize("kind", ["move", "copy"])
async def test_a_blackout_in_the_middle_of_a_move(archive: Archive, kind: ActionKind) -> None:
    """The old sound lies in the archive and no row says so when the blackout comes: the move is given up for it, and
    nothing is there any more when the blackout is answered."""
    await archive.made(kind)
    blackouts: list[asyncio.Task[SealedRecording]] = []
    turns = archive.inside.house.turns

    async def black_out() -> None:
        assert len(archive.media()) == 2
        blackouts.append(asyncio.create_task(archive.black_out()))
        while not turns.is_awaited(1):
            await asyncio.sleep(0.01)

    interrupted = Interrupted(archive.storage, placed_name(archive.number, ""), black_out)
    assert not await archive.carry(cast(PlacedStorage, interrupted))
    sealed = await blackouts[0]
    await archive.assert_gone(sealed, files=1)
    assert await archive.kept.leftovers(10) == []
    assert await archive.carry()
    await archive.assert_gone(sealed, files=2)


async def test_a_blackout_in_the_middle_of_a_move_of_another_process(archive: Archive) -> None:
    """One that waits for nobody: what it put is gone when the blackout is answered, and it says of itself that it
    failed."""
    await archive.made("move")
    sealed: list[SealedRecording] = []

    async def black_out() -> None:
        sealed.append(await archive.black_out())

    interrupted = Interrupted(archive.storage, placed_name(archive.number, ""), black_out)
    assert not await archive.carry(cast(PlacedStorage, interrupted), Turns())
    await archive.assert_gone(sealed[0], files=1)


async def test_a_move_in_the_middle_of_a_blackout(archive: Archive) -> None:
    """The recording was moved while its media were written anew: what was moved is rewritten too."""
    before = await archive.made("move")
    (due,) = await archive.kept.due(archive.inside.clock.now() + 10, 10)
    target = placed_name(archive.number, before.object_name)
    source = archive.inside.folders.work / "old"
    source.write_bytes(archive.media()[0].read_bytes())
    moves: list[bool] = []

    async def move() -> None:
        if not moves:
            moves.append(True)
            await archive.storage.put_file(target, source)
            moves[0] = await archive.kept.moved(due, target, replace(due.kept, due_at=None, done=1))

    store = SqlBlackouts(archive.inside.database)

    async def noted(rewritten: Rewritten) -> None:
        return None

    interrupted = cast(Storage, Interrupted(archive.storage, before.object_name, move))
    resealing = Resealing(store, interrupted, archive.inside.folders.work, noted)
    work = archive.inside.folders.work
    resealing.elsewhere = Elsewhere(store, archive.kept, archive.storage, work).renew
    start_us = int(before.recording_time * 1e6)
    removal = Removal(number=9, from_us=start_us + 500_000, until_us=start_us + 1_200_000, calls=[before.call_key])
    assert await resealing.remove(removal) == 1
    assert moves == [True]
    sealed = await now_of(archive.server)
    assert sealed.object_name == target
    await archive.assert_gone(sealed, files=1)
