"""Capture: what Earshot asks of desktop agents, and what they report.

A desktop agent runs in the Windows (or other) session of a person. It says hello, tells what window is in front, and
captures the picture when it is asked to. The one rule: everything that crosses this border is a flat value that becomes
JSON and comes back the same (`document_of`, `value_of`), so that a network can lie between. Times are seconds since the
Unix epoch.

A segment is a finished file of its own. Whoever carries it (the agent itself where it shares the disk, else the
transport) puts it into the intake folder under `segment_file` before it is reported; Earshot takes it from there.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from earshot.errors import BadInput

# --- who and where ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """An agent is there: on which computer, in whose session, how it is reached. `capturing` names the captures that
    it already runs, as after a lost connection."""

    computer: str
    username: str
    domain: str = ""
    address: str = ""
    version: str = ""
    capturing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    """What is known of one desktop. `status` is what its agent says (AVAILABLE, LOCKED, ...), or AWAY when nothing
    was heard of it for too long; `updated_at` is when something last was."""

    computer: str
    username: str
    domain: str = ""
    address: str = ""
    version: str = ""
    status: str = "AVAILABLE"
    title: str = ""
    updated_at: float = 0.0


AWAY = "AWAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Whose desktop is looked for: by the name in Windows, or by the computers at the agent's phones (their names or
    addresses). See reference.md 8."""

    username: str = ""
    domain: str = ""
    stations: tuple[str, ...] = ()


# --- what Earshot asks ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartScreen:
    """Capture the picture from now on. `capture` names it for ever; its segments count from `first_segment`."""

    capture: str
    session_id: str
    first_segment: int = 1
    black: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateScreen:
    """From now on the picture is black, or is seen again."""

    capture: str
    black: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopScreen:
    """Finish the segment that runs, report it, then report `ScreenStopped`."""

    capture: str


Order = StartScreen | UpdateScreen | StopScreen

# --- what agents report -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSeen:
    """What the person's session is doing: AVAILABLE, LOCKED or a word of the agent's own."""

    status: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSeen:
    """The title of the window in front."""

    title: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenStarted:
    """The first picture was taken."""

    capture: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFinished:
    """Segment `number` lies in the intake folder. `sha256` (hexadecimal) and `size` (bytes) are of the whole file."""

    capture: str
    number: int
    media_type: str
    sha256: str
    size: int
    began_at: float
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFailed:
    """The picture cannot be captured, or cannot be any more; `why` is for people."""

    capture: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenStopped:
    """Everything that was captured has been reported."""

    capture: str


Report = StatusSeen | WindowSeen | ScreenStarted | SegmentFinished | ScreenFailed | ScreenStopped
Message = Hello | Order | Report

MESSAGES: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (
        Hello,
        StartScreen,
        UpdateScreen,
        StopScreen,
        StatusSeen,
        WindowSeen,
        ScreenStarted,
        SegmentFinished,
        ScreenFailed,
        ScreenStopped,
    )
}
EXTENSIONS = {"video/webm": ".webm", "video/mp4": ".mp4", "video/x-matroska": ".mkv", "image/png": ".png"}
"""The kinds of picture that are taken in, and how their files end."""

MOST_SEGMENTS = 1_000_000
_CAPTURE = re.compile(r"[0-9A-Za-z-]{1,100}")


def document_of(message: Message) -> dict[str, Any]:
    """`message` as a JSON object; its kind is under "kind"."""
    return {"kind": type(message).__name__, **asdict(message)}


def value_of(document: dict[str, Any]) -> Message:
    """The message that `document_of` wrote. Raises BadInput."""
    rest = dict(document)
    adapter = MESSAGES.get(str(rest.pop("kind", "")))
    if adapter is None:
        raise BadInput("a message of a kind that desktop agents do not speak")
    try:
        made: Message = adapter.validate_python(rest)
    except ValueError as wrong:
        raise BadInput(f"a message of a desktop agent is malformed: {wrong}") from None
    return made


def segment_file(capture: str, number: int, media_type: str) -> str:
    """The name of a segment in the intake folder. Raises BadInput for what no agent of ours would send."""
    extension = EXTENSIONS.get(media_type)
    if extension is None or not _CAPTURE.fullmatch(capture) or not 0 < number <= MOST_SEGMENTS:
        raise BadInput(f"no segment can be called {capture!r}, {number}, {media_type!r}")
    return f"{capture}-{number:06}{extension}"


class DesktopLink(Protocol):
    """One agent as Earshot reaches it."""

    def send(self, order: Order) -> None:
        """Pass the order on; returns at once, what becomes of it is reported."""
        ...


class Desktops(Protocol):
    """All agents: where they report, and where Earshot asks."""

    def connected(self, hello: Hello, link: DesktopLink) -> str:
        """An agent is there, and `link` leads to it; returns the name of its desktop for `reported`. One that was
        there before is the same desktop. Raises BadInput for over-long or empty names."""
        ...

    def reported(self, desktop: str, report: Report) -> None:
        """An agent said something. What an unknown desktop says is ignored."""
        ...

    def disconnected(self, desktop: str, link: DesktopLink) -> None:
        """The agent went away; nothing happens if another link has taken its place."""
        ...

    def find(self, sought: Sought) -> tuple[str, Desktop] | None:
        """The desktop of that person: one that is there before one that is away, the newest first."""
        ...

    def send(self, desktop: str, order: Order) -> bool:
        """Pass an order to the agent of that desktop; False if none is there."""
        ...

    def named(self, desktop: str) -> Desktop | None:
        """What is known of that desktop."""
        ...

    def windows(self, computer: str, username: str) -> Sequence[Desktop]:
        """The desktops of that computer and of that user (AND; empty means any), the newest first."""
        ...

    def listen(self, on_hello: Callable[[str, Hello], None], on_report: Callable[[str, Report], None]) -> None:
        """Who is told what agents say."""
        ...
