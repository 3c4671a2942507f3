"""Screen sessions as values: what the engine can be told of them, what it keeps, and what it wants done.

A screen session (CHATSTART to CHATSTOP) is the recording of an agent's desktop without sound. The rules are in
`chats`; `inputs`, `effects` and `model` take these up beside those of calls. The one rule: everything here becomes JSON
and comes back the same, because the journal keeps it. Times are journal time, microseconds.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from earshot.engine.variables import CallVariables

Phase = Literal["open", "ended"]
Capturing = Literal["none", "running", "finished"]
NOTHING_KNOWN = CallVariables()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """Whose desktop is captured: the USERID, and by what the desktop is found (reference.md 8): the name in Windows,
    its domain, and the computers that stand at the agent's phones."""

    agent_id: int
    sys_user: str = ""
    sys_domain: str = ""
    stations: tuple[str, ...] = ()


# --- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChat:
    """CHATSTART, its agent resolved. `changes` are call variables by the names of `CallVariables`; `refusal` says why
    nothing can be captured now (out_of_disk_space), empty if it can."""

    session_id: str
    agent: AgentFacts
    changes: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateChat:
    """CHATUPDATE of a session in progress."""

    session_id: str
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChat:
    """CHATSTOP."""

    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndChat:
    """End one session for a reason of the recorder's own, such as too_long."""

    chat: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackenChats:
    """The screen of that agent must not be seen from now on, or may be seen again."""

    agent_id: int
    black: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkenChat:
    """What was seen in [from_us, until_us) must go from the pictures of that session, whenever they come."""

    chat: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureMissing:
    """There is nothing to capture the session with now: `why` is no_desktop, desktop_away or capture_failed."""

    chat: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBegan:
    """The desktop of that computer and Windows user is being captured; `crowded`: more at a time than is good for
    one computer."""

    chat: str
    computer: str
    username: str
    crowded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureLost:
    """What captured it went away in the middle: `why` is restart or desktop_away. It may come back."""

    chat: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentKept:
    """A piece of the picture has arrived whole and goes into the storage under `object_name`."""

    chat: str
    number: int
    object_name: str
    media_type: str
    sha256: str
    size: int
    began_us: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRewritten:
    """A blackout took pictures from a piece that had arrived: its file is this one now."""

    chat: str
    number: int
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSpoilt:
    """A piece of the picture was announced and did not arrive, or not as it was announced."""

    chat: str
    number: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFinished:
    """Nothing more will come; `why` is stopped, or silent when the desktop did not say so in time."""

    chat: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatStored:
    """The session has its row; nothing of it is needed here any more."""

    chat: str


ChatInput = (
    StartChat
    | UpdateChat
    | StopChat
    | EndChat
    | BlackenChats
    | DarkenChat
    | CaptureMissing
    | CaptureBegan
    | CaptureLost
    | SegmentKept
    | SegmentRewritten
    | SegmentSpoilt
    | CaptureFinished
    | ChatStored
)
CHAT_INPUTS: tuple[type[Any], ...] = (
    StartChat,
    UpdateChat,
    StopChat,
    EndChat,
    BlackenChats,
    DarkenChat,
    CaptureMissing,
    CaptureBegan,
    CaptureLost,
    SegmentKept,
    SegmentRewritten,
    SegmentSpoilt,
    CaptureFinished,
    ChatStored,
)


# --- what the state holds ---------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class DarkSpan:
    """A span in which the picture is black on purpose."""

    from_us: int
    until_us: int | None = None


@dataclass(slots=True, kw_only=True)
class Chat:
    """One screen session. It is open until it ends, then ended until its picture is in and its row is stored.

    `capturing` is none before anything captures it and after that went away, running, or finished. `missing` says why
    nothing captures it; `warnings` are interrupted, crowded, segment_spoilt and incomplete. `black_spans` are those in
    which the desktop was told to be black, `dark_spans` those that were blacked out afterwards.
    """

    key: str
    session_id: str
    agent: AgentFacts
    started_us: int
    phase: Phase = "open"
    stopped_us: int | None = None
    ended_by: str = ""
    capturing: Capturing = "none"
    captured_once: bool = False
    missing: str = ""
    refused: bool = False
    computer: str = ""
    username: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    variables: CallVariables = NOTHING_KNOWN
    segments: list[SegmentKept] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    black_spans: list[DarkSpan] = field(default_factory=list)
    dark_spans: list[DarkSpan] = field(default_factory=list)

    @property
    def is_black(self) -> bool:
        """Whether the picture is black now."""
        return bool(self.black_spans) and self.black_spans[-1].until_us is None

    @property
    def next_segment(self) -> int:
        """The number of the next piece of the picture, from 1."""
        return max((segment.number for segment in self.segments), default=0) + 1

    def warn(self, warning: str) -> None:
        """Note the warning once."""
        if warning not in self.warnings:
            self.warnings.append(warning)


# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCapture:
    """Find the agent's desktop and have it captured."""

    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCapture:
    """Tell the desktop that captures it what has changed: the variables, or that the picture must be black."""

    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCapture:
    """Tell the desktop to stop, and wait for what it still has."""

    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveChat:
    """The session is complete: give it its row."""

    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceChat:
    """CHATSTART, CHATUPDATE or CHATSTOP happened."""

    event: str
    chat: str


ChatEffect = StartCapture | UpdateCapture | StopCapture | SaveChat | AnnounceChat
