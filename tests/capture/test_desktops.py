"""Desktops: the messages of agents, what the registry remembers, and the agent in this process."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.capture import registry as registry_module
from earshot.capture.in_process import HEIGHT, InProcessAgent, encode, read_number
from earshot.capture.probing import duration_of
from earshot.capture.registry import Registry
from earshot.clock import FakeClock, SystemClock
from earshot.errors import BadInput
from earshot.ports.capture import (
    AWAY,
    MESSAGES,
    Hello,
    Message,
    Order,
    Report,
    ScreenFailed,
    ScreenStarted,
    ScreenStopped,
    SegmentFinished,
    Sought,
    StartScreen,
    StatusSeen,
    StopScreen,
    UpdateScreen,
    WindowSeen,
    document_of,
    segment_file,
    value_of,
)
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
messages = st.one_of(
    st.builds(Hello, computer=texts, username=texts, capturing=st.lists(texts, max_size=3).map(tuple)),
    st.builds(StartScreen, capture=texts, session_id=texts, first_segment=st.integers(1, 99), black=st.booleans()),
    st.builds(UpdateScreen, capture=texts, black=st.booleans()),
    st.builds(StopScreen, capture=texts),
    st.builds(StatusSeen, status=texts, at=numbers),
    st.builds(WindowSeen, title=texts, at=numbers),
    st.builds(ScreenStarted, capture=texts, at=numbers),
    st.builds(
        SegmentFinished,
        capture=texts,
        number=st.integers(1, 99),
        media_type=texts,
        sha256=texts,
        size=st.integers(0, 2**40),
        began_at=numbers,
        duration_s=numbers,
    ),
    st.builds(ScreenFailed, capture=texts, why=texts),
    st.builds(ScreenStopped, capture=texts),
)


@given(messages)
def test_every_message_survives_a_network(message: Message) -> None:
    assert value_of(json.loads(json.dumps(document_of(message)))) == message


@pytest.mark.parametrize(
    "document",
    [{}, {"kind": "Nothing"}, {"kind": "Hello"}, {"kind": "StopScreen", "capture": ["a"]}, {"kind": ["Hello"]}],
)
def test_what_is_no_message_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        value_of(document)


def test_every_kind_of_message_is_tried() -> None:
    assert len(MESSAGES) == 10


@pytest.mark.parametrize(
    ("capture", "number", "media_type"),
    [
        ("../../etc/passwd", 1, "video/webm"),
        ("", 1, "video/webm"),
        ("a/b", 1, "video/webm"),
        ("a", 0, "video/webm"),
        ("a", 10**9, "video/webm"),
        ("a", 1, "text/html"),
        ("a\0", 1, "video/webm"),
    ],
)
def test_no_segment_leaves_the_intake_folder(capture: str, number: int, media_type: str) -> None:
    with pytest.raises(BadInput):
        segment_file(capture, number, media_type)


# --- the registry -------------------------------------------------------------------------------------------------


class Link:
    def __init__(self) -> None:
        self.orders: list[Order] = []

    def send(self, order: Order) -> None:
        self.orders.append(order)


def hello(computer: str, username: str, **more: Any) -> Hello:
    return Hello(computer=computer, username=username, **more)


def test_what_was_reported_last_is_shown() -> None:
    clock = FakeClock()
    desktops = Registry(clock, away_after_s=90)
    link = Link()
    name = desktops.connected(hello("CEDDY-PC", "ceddy", domain="uptivity.com", address="10.100.5.91"), link)
    clock.advance(5)
    desktops.reported(name, WindowSeen(title="Internet Explorer", at=clock.now()))
    desktops.reported(name, StatusSeen(status="locked", at=clock.now()))
    (seen,) = desktops.windows("ceddy-pc", "CEDDY")
    assert (seen.title, seen.status, seen.updated_at) == ("Internet Explorer", "LOCKED", clock.now())
    clock.advance(91)
    assert desktops.windows("", "ceddy")[0].status == AWAY
    assert desktops.send(name, StopScreen(capture="a")) is False
    desktops.reported(name, StatusSeen(status="", at=clock.now()))
    assert desktops.windows("", "ceddy")[0].status == "LOCKED"
    desktops.disconnected(name, Link())
    assert desktops.send(name, StopScreen(capture="a")) is True
    desktops.disconnected(name, link)
    assert desktops.windows("", "ceddy")[0].status == AWAY
    assert link.orders == [StopScreen(capture="a")]


@pytest.mark.parametrize(
    ("computer", "username", "found"),
    [
        ("PC1", "", ["PC1"]),
        ("pc1.uptivity.com", "", ["PC1"]),
        ("10.0.0.2", "", ["PC2"]),
        ("", "jdoe", ["PC2", "PC1"]),
        ("PC1", "jdoe", ["PC1"]),
        ("PC1", "sally", []),
        ("", "UPTIVITY\\jdoe", ["PC2", "PC1"]),
        ("", "jdoe@uptivity.com", ["PC2", "PC1"]),
        ("", "OTHER\\jdoe", ["PC1"]),
        ("nobody", "", []),
    ],
)
def test_windows_are_found_by_computer_and_user(computer: str, username: str, found: list[str]) -> None:
    clock = FakeClock()
    desktops = Registry(clock)
    desktops.connected(hello("PC1", "jdoe"), Link())
    clock.advance(1)
    desktops.connected(hello("PC2", "JDOE", domain="uptivity.com", address="10.0.0.2"), Link())
    assert [seen.computer for seen in desktops.windows(computer, username)] == found


def test_whose_desktop_it_is() -> None:
    clock = FakeClock()
    desktops = Registry(clock, away_after_s=90)

    def computer(**sought: Any) -> str:
        found = desktops.find(Sought(**sought))
        return f"{found[1].computer} {found[1].status}" if found else ""

    assert computer(username="jdoe", stations=("PC1",)) == ""
    desktops.connected(hello("PC1", "guest"), Link())
    assert computer(username="jdoe", stations=("PC1",)) == "PC1 AVAILABLE", "by the station when the name is not there"
    old, link = desktops.connected(hello("PC2", "jdoe", domain="A"), Link()), Link()
    assert computer(username="jdoe", stations=("PC1",)) == "PC2 AVAILABLE", "the name weighs more"
    assert computer(username="jdoe", domain="B", stations=("PC1",)) == "PC1 AVAILABLE", "of the same domain"
    assert computer(username="B\\jdoe") == ""
    clock.advance(60)
    desktops.connected(hello("PC3", "jdoe", domain="A"), link)
    assert computer(username="jdoe") == "PC3 AVAILABLE", "the newest"
    clock.advance(60)
    desktops.disconnected(desktops.connected(hello("PC3", "jdoe", domain="A"), link), link)
    desktops.reported(old, StatusSeen(status="", at=clock.now()))
    assert computer(username="jdoe") == "PC2 AVAILABLE", "one that is there before one that is away"
    clock.advance(91)
    assert computer(username="jdoe", stations=("PC1",)) == "PC2 AWAY"
    assert computer(username="", stations=("",)) == ""


def test_hostile_agents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "MOST_DESKTOPS", 2)
    desktops = Registry(FakeClock())
    for bad in (hello("", "x"), hello("  ", "x"), hello("x" * 256, "x"), hello("x", "x" * 256)):
        with pytest.raises(BadInput):
            desktops.connected(bad, Link())
    first = Link()
    name = desktops.connected(hello("A", "a"), first)
    desktops.connected(hello("B", "b"), Link())
    with pytest.raises(BadInput, match="more than 2"):
        desktops.connected(hello("C", "c"), Link())
    desktops.disconnected(name, first)
    other = desktops.connected(hello("C", "c"), Link())
    desktops.reported(other, WindowSeen(title="x" * 10**6, at=0))
    desktops.reported("nobody", WindowSeen(title="x", at=0))
    assert [len(seen.title) for seen in desktops.windows("", "")] == [0, 1_000]


# --- the agent in this process ------------------------------------------------------------------------------------


def shown(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [read_number(frame.to_ndarray()[:HEIGHT]) for frame in container.decode(video=0)]


def test_a_segment_holds_the_frames_that_were_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a-000001.webm"
    encode(path, [(number, number % 5 == 0) for number in range(1021, 1031)], 5)
    assert shown(path) == [None if number % 5 == 0 else number for number in range(1021, 1031)]
    assert duration_of(path) == pytest.approx(2.0, abs=0.3)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    for junk in (b"", b"junk", path.read_bytes()[:100]):
        path.write_bytes(junk)
        with pytest.raises(ValueError, match="a-000001"):
            duration_of(path)


def test_with_a_keyring_it_is_encrypted_from_the_first_byte(tmp_path: Path) -> None:
    seen: dict[bool, set[bytes]] = {True: set(), False: set()}
    for keyring in (None, Keyring((b"k" * 32,))):

        def frames(keyring: Keyring | None = keyring) -> Iterator[tuple[int, bool]]:
            """Look at what lies there before each frame."""
            for number in range(120):
                for path in tmp_path.iterdir():
                    seen[keyring is not None] |= {word for word in (b"webm", b"V_VP8") if word in path.read_bytes()}
                yield number, False

        path = tmp_path / f"a-{keyring is not None}.webm"
        encode(path, frames(), 20, keyring)
        seen[keyring is not None] |= {word for word in (b"webm", b"V_VP8") if word in path.read_bytes()}
        assert duration_of(path, keyring) == pytest.approx(6.0, abs=0.3)
        path.unlink()
    assert seen == {False: {b"webm", b"V_VP8"}, True: set()}


class Ear:
    """Hears what agents report, in order."""

    def __init__(self, desktops: Registry) -> None:
        self.heard: asyncio.Queue[Report] = asyncio.Queue()
        desktops.listen(lambda desktop, greeting: None, lambda desktop, report: self.heard.put_nowait(report))

    async def next(self, *kinds: type[Any]) -> Any:
        async with asyncio.timeout(30):
            while not isinstance(report := await self.heard.get(), kinds):
                pass
            return report


async def test_the_agent_captures_in_numbered_files_until_it_is_stopped(tmp_path: Path) -> None:
    desktops, spawner = Registry(SystemClock()), Spawner()
    ear = Ear(desktops)
    agent = InProcessAgent(
        desktops, hello("PC1", "a"), intake=tmp_path, clock=SystemClock(), spawner=spawner, fps=20, segment_s=0.25
    )
    agent.start()
    agent.send(StopScreen(capture="unknown"))
    assert (await ear.next(ScreenStopped)).capture == "unknown"
    agent.send(StartScreen(capture="1-2-3", session_id="82738", first_segment=7))
    await ear.next(ScreenStarted)
    first = await ear.next(SegmentFinished)
    agent.send(UpdateScreen(capture="1-2-3", black=True))
    second, third = await ear.next(SegmentFinished), await ear.next(SegmentFinished)
    agent.send(StopScreen(capture="1-2-3"))
    last = await ear.next(ScreenStopped, SegmentFinished)
    while isinstance(last, SegmentFinished):
        last = await ear.next(ScreenStopped, SegmentFinished)
    assert [one.number for one in (first, second, third)] == [7, 8, 9]
    frames: list[int | None] = []
    for one in (first, second, third):
        path = tmp_path / segment_file("1-2-3", one.number, one.media_type)
        assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) == (one.sha256, one.size)
        frames += shown(path)
        assert one.duration_s == pytest.approx(0.25)
    assert frames[:5] == [0, 1, 2, 3, 4]
    assert frames[-5:] == [None] * 5, "black from the order on"
    agent.stop()
    await spawner.close()
    assert desktops.windows("PC1", "")[0].status == AWAY


async def test_an_agent_whose_disk_does_not_take_it_says_so(tmp_path: Path) -> None:
    desktops, spawner = Registry(SystemClock()), Spawner()
    ear = Ear(desktops)
    agent = InProcessAgent(
        desktops, hello("PC1", "a"), intake=tmp_path / "gone", clock=SystemClock(), spawner=spawner, segment_s=0.1
    )
    agent.start()
    agent.send(StartScreen(capture="1-2-3", session_id="82738"))
    assert (await ear.next(ScreenFailed)).capture == "1-2-3"
    await spawner.close()
