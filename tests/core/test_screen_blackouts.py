"""Screens that a blackout reaches back into: picture by picture, stored, running and on their way."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import pytest
from tests.faults.core_parts import Core

from earshot.capture.in_process import HEIGHT, encode, read_number
from earshot.core.chat_intake import Intake
from earshot.core.chat_rows import session_of
from earshot.core.resealing import Resealing
from earshot.core.screen_blackouts import RewrittenPicture, ScreenBlackouts, whose
from earshot.engine.blackout_values import Removal
from earshot.engine.chat_values import (
    AgentFacts,
    AnnounceChat,
    CaptureBegan,
    Chat,
    SaveChat,
    SegmentKept,
    StartCapture,
    StartChat,
    StopCapture,
    StopChat,
)
from earshot.engine.variables import CallVariables
from earshot.ports.blackouts import OnHold, SealedMedia
from earshot.ports.capture import SegmentFinished, segment_file
from earshot.ports.retention import Criteria, Hold
from earshot.ports.screens import ScreenSegment, ScreenSession
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.store.database import Database
from earshot.store.sql import database_at
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screens import SqlScreens
from earshot.vault.files import opened
from earshot.vault.keyring import Keyring

AT = 1_000_000.0
SECOND = 1_000_000
FPS = 10
PIECE_S = 2.0
CALL = SealedMedia(
    record_id=1,
    call_key="c",
    recording_time=AT,
    duration_s=10.0,
    object_name="c.wav",
    media_type="audio/wav",
    audio_sha256="",
    gaps=(),
    agent_id=7,
    session_id="s",
)


@cache
def film_of(first: int) -> bytes:
    """Two seconds of pictures, whose numbers count from `first`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "piece.webm"
        encode(path, [(number, False) for number in range(first, first + 20)], FPS)
        return path.read_bytes()


class Office:
    """Screens in a database and on a disk; `black` is what takes pictures out of them."""

    def __init__(self, root: Path, database: Database, keyring: Keyring | None = None) -> None:
        self.root, self.keyring = root, keyring
        self.screens = SqlScreens(database)
        self.retention, self.sealed = SqlRetention(database), SqlBlackouts(database)
        local = LocalStorage(root / "recordings")
        self.storage = local if keyring is None else EncryptedStorage(local, keyring)
        self.core = Core()
        self.noted: list[RewrittenPicture] = []
        self.folder = root / "capture"
        for folder in (self.folder, root / "work"):
            folder.mkdir(exist_ok=True)
        self.black = ScreenBlackouts(
            self.screens,
            self.core.recorder,
            self.storage,
            folder=self.folder,
            work=root / "work",
            noted=self._noted,
            keyring=keyring,
        )

    async def _noted(self, rewritten: RewrittenPicture) -> None:
        self.noted.append(rewritten)

    async def put(self, name: str, first: int) -> ScreenSegment:
        """A piece of two seconds in the storage, whose pictures count from `first`."""
        path = self.root / "work" / "piece.webm"
        data = film_of(first)
        path.write_bytes(data)
        await self.storage.put_file(name, path)
        return ScreenSegment(
            number=first // 20 + 1,
            object_name=name,
            media_type="video/webm",
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            began_at=AT + first / FPS,
            duration_s=PIECE_S,
        )

    async def session(self, key: str, session_id: str = "", agent_id: int = 7, device_id: str = "") -> int:
        """Three pieces, six seconds; its number."""
        pieces = [await self.put(f"screens/{key}-{first}.webm", first) for first in (0, 20, 40)]
        session = ScreenSession(
            key=key,
            core=1,
            session_id=session_id,
            agent_id=agent_id,
            started_at=AT,
            stopped_at=AT + 6.0,
            state="ended",
            verdict="captured",
            variables=CallVariables(device_id=device_id),
            segments=tuple(pieces),
        )
        return await self.screens.save_screen(session)

    async def stored(self, number: int) -> ScreenSession:
        row = await self.screens.screen(number)
        assert row is not None
        return row.session

    async def plain(self, name: str) -> bytes:
        return b"".join([chunk async for chunk in self.storage.read(name)])

    async def seen(self, number: int) -> list[int]:
        """The numbers of the pictures that are not black, of all pieces, each of which is what the row says."""
        found: list[int] = []
        for segment in (await self.stored(number)).segments:
            data = await self.plain(segment.object_name)
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (segment.sha256, segment.size)
            found += shown(data, self.root / "look.webm")
        return found


def shown(data: bytes, path: Path) -> list[int]:
    path.write_bytes(data)
    with av.open(str(path)) as container:
        pictures = [read_number(frame.to_ndarray(format="yuv420p")[:HEIGHT]) for frame in container.decode(video=0)]
    assert len(pictures) == 20, "as long as before"
    return [number for number in pictures if number is not None]


def removal(from_s: float, until_s: float, **more: object) -> Removal:
    made = Removal(
        number=1,
        from_us=int((AT + from_s) * SECOND),
        until_us=int((AT + until_s) * SECOND),
        calls=["c"],
        screens=True,
        together=True,
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def office(tmp_path: Path, database: Database) -> Office:
    return Office(tmp_path, database)


DARK = {*range(22, 44)}
"""The pictures of a removal from 3.25 to 3.35 s: a second more at either end."""
REST = [number for number in range(60) if number not in DARK]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_pictures_of_the_span_are_black_and_no_others(
    tmp_path: Path, database: Database, encrypted: bool
) -> None:
    office = Office(tmp_path, database, Keyring((bytes(range(32)),)) if encrypted else None)
    number, other = await office.session("a"), await office.session("b", session_id="t", agent_id=8)
    before, untouched = await office.stored(number), await office.stored(other)
    told = removal(3.25, 3.35)
    assert await office.black.reached(told, [CALL]) == [number]
    await office.black.darken(told, [CALL], ())
    assert await office.seen(number) == REST
    after = await office.stored(number)
    assert [(round(start, 3), round(end, 3)) for start, end in after.black_spans] == [(3.25, 3.35)]
    assert after.segments[0] == before.segments[0], "what the span does not reach is left byte for byte"
    assert [(one.segment, one.before, one.after) for one in office.noted] == [
        (place, before.segments[place - 1].sha256, after.segments[place - 1].sha256) for place in (2, 3)
    ]
    assert await office.stored(other) == untouched
    assert list((tmp_path / "work").iterdir()) == []
    again = len(office.noted)
    await office.black.darken(told, [CALL], ())
    assert len(office.noted) == again and await office.black.reached(replace(told, together=False), [CALL]) == []


async def test_killed_before_the_row_knows_it_goes_on(office: Office) -> None:
    """The first piece is black on the disk and noted, the second neither; the row knows of none."""
    number = await office.session("a")
    before = await office.stored(number)

    async def killed(rewritten: RewrittenPicture) -> None:
        office.noted.append(rewritten)
        if len(office.noted) == 2:
            raise asyncio.CancelledError

    office.black._noted = killed
    with pytest.raises(asyncio.CancelledError):
        await office.black.darken(removal(3.25, 3.35), [CALL], ())
    assert await office.stored(number) == before
    await office.black.darken(removal(3.25, 3.35), [CALL], ())
    assert await office.seen(number) == REST
    assert office.noted[2:] == office.noted[:2], "the same files, so that the log has each but once"


async def test_what_is_held_stays_and_a_session_that_is_deleted_meanwhile_does_not_come_back(office: Office) -> None:
    held, doomed = await office.session("a", "s"), await office.session("b", "s")
    told = removal(3.25, 3.35)

    async def deleted(rewritten: RewrittenPicture) -> None:
        async with office.screens._database.write() as connection:
            await connection.exec_driver_sql("DELETE FROM screen_segments WHERE screen = 2")
            await connection.exec_driver_sql("DELETE FROM screens WHERE ident = 2")

    office.black._noted = deleted
    await office.black.darken(told, [CALL], {held})
    assert await office.seen(held) == list(range(60)) and doomed == 2
    assert not await office.storage.exists("screens/b-20.webm")


async def test_a_hold_on_a_session_of_the_call_refuses_all_of_it(office: Office) -> None:
    await office.session("a", "s")
    hold, _ = await office.retention.place(Hold(name="Case", criteria=Criteria(agent_id=7)), [])
    resealing = Resealing(office.sealed, office.storage, office.root / "work", lambda rewritten: asyncio.sleep(0))
    resealing.pictures = office.black
    by_schedule = await office.session("b", "earshot/call/c", agent_id=8)
    with pytest.raises(OnHold, match="screen session"):
        # no recording: the store has none of call c, whose screen was begun by its schedule
        await office.retention.place(Hold(name="Case 2", criteria=Criteria(agent_id=8)), [])
        await resealing.remove(removal(3.25, 3.35))
    assert await office.seen(by_schedule) == list(range(60))
    waiting = removal(3.25, 3.35, together=False, agent="agent 7", calls=[])
    with pytest.raises(OnHold, match=f"hold {hold.number}"):
        await resealing.remove(waiting)
    assert await office.seen(1) == list(range(60))
    await office.retention.lift(hold.number, "me", "over", AT)
    await resealing.remove(waiting)
    assert await office.seen(1) == REST and await office.seen(by_schedule) == list(range(60))


# --- sessions that run ------------------------------------------------------------------------------------------------


async def running(office: Office) -> Chat:
    """A session of agent 7 that began at AT, with a piece in the storage and one on its way there."""
    recorder = office.core.recorder
    for effect in (AnnounceChat, StartCapture, StopCapture, SaveChat):  # there is no desktop
        recorder.perform_with(effect, lambda effect, now_us: None)
    recorder.apply(StartChat(session_id="s", agent=AgentFacts(agent_id=7)))
    (chat,) = recorder.state.chats.values()
    chat.started_us = int(AT * SECOND)
    recorder.apply(CaptureBegan(chat=chat.key, computer="PC1", username="jdoe"))
    for first in (0, 20):
        name = f"screens/{first}.webm"
        piece = await office.put(name, first)
        recorder.apply(
            SegmentKept(
                chat=chat.key,
                number=piece.number,
                object_name=name,
                media_type=piece.media_type,
                sha256=piece.sha256,
                size=piece.size,
                began_us=int(piece.began_at * SECOND),
                duration_s=piece.duration_s,
            )
        )
    path = office.storage.local_path("screens/20.webm")
    assert path is not None
    path.replace(office.folder / segment_file(chat.key, 2, "video/webm"))
    return chat


@pytest.mark.parametrize("keyring", [None, Keyring((bytes(32),))], ids=["plain", "encrypted"])
async def test_a_session_that_runs_with_what_is_still_to_come(
    tmp_path: Path, database: Database, keyring: Keyring | None
) -> None:
    """One piece is stored, one could not be yet, one is being captured when the blackout reaches into all three."""
    office = Office(tmp_path, database, keyring)
    chat = await running(office)
    told = removal(1.25, 4.55, together=False, calls=[], agent="agent 7")
    assert await office.black.reached(told, []) == []
    await office.black.darken(told, [], ())
    stored = await office.plain("screens/0.webm")
    with opened(office.folder / segment_file(chat.key, 2, "video/webm"), keyring) as file:
        waiting = file.read()
    look = office.root / "look.webm"
    assert shown(stored, look) == [0, 1] and shown(waiting, look) == []
    assert [one.sha256 for one in chat.segments] == [hashlib.sha256(one).hexdigest() for one in (stored, waiting)]

    path = office.folder / segment_file(chat.key, 3, "video/webm")
    data = film_of(40)
    path.write_bytes(data)

    async def settled() -> None:
        return None

    intake = Intake(
        office.core.recorder,
        office.storage,
        office.folder,
        zone=UTC,
        settled=settled,
        duration_of=lambda path: PIECE_S,
        darken=office.black.darken_arrived,
        keyring=keyring,
    )
    report = SegmentFinished(
        capture=chat.key,
        number=3,
        media_type="video/webm",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        began_at=AT + 4.0,
        duration_s=PIECE_S,
    )
    await intake.take(chat, report)
    assert shown(await office.plain(chat.segments[2].object_name), look) == [56, 57, 58, 59]
    assert chat.segments[2].sha256 != report.sha256 and not path.exists()

    office.core.recorder.apply(StopChat(session_id="s"))
    chat.stopped_us = int((AT + 6.0) * SECOND)
    row = session_of(chat, 1)
    assert [(round(start, 3), round(end, 3)) for start, end in row.black_spans] == [(1.25, 4.55)]


# --- whose they are ---------------------------------------------------------------------------------------------------


def test_whose_screens_belong_to_a_call() -> None:
    nobody = replace(CALL, agent_id=None, session_id="", device_id="200", device_alias="3545", station="PC9")
    by_agent, by_place = whose(removal(0, 1), [CALL]), whose(removal(0, 1), [nobody])
    blank = CallVariables()
    assert by_agent.show("s", 9, blank, "") and by_agent.show("x", 7, blank, "") and not by_agent.show("", 9, blank, "")
    assert by_agent.show("earshot/call/c", 9, blank, ""), "begun by the schedule of the call"
    assert not by_agent.show("x", 9, CallVariables(device_id="200"), "PC9"), "the agent is known: it is somebody else's"
    assert by_place.show("x", 9, CallVariables(device_id="200"), "")
    assert by_place.show("x", 9, CallVariables(device_alias="3545"), "")
    assert by_place.show("x", 9, blank, "pc9") and not by_place.show("x", 9, blank, "")
    of_agent = whose(removal(0, 1, agent="agent 7", phones=("777",), calls=[]), [nobody])
    assert of_agent.show("x", 7, blank, "") and not of_agent.show("x", 9, CallVariables(device_alias="777"), "")
    of_device = whose(removal(0, 1, agent="device 200", devices={"200": ""}, calls=[]), [])
    assert of_device.show("x", 9, CallVariables(device_id="200"), "")
