"""Screen sessions as they are kept: one row for each CHATSTART, with the segments of its picture.

The one rule: a session has its row when it has ended, whether anything captured it or not. Times are seconds since the
Unix epoch.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from earshot.actor import Visibility
from earshot.engine.variables import CallVariables

ScreenState = Literal["running", "ended", "failed"]
"""running: it has no row yet; ended: it was captured, or there was nothing to capture; failed: the capture failed."""

ScreenVerdict = Literal["captured", "not_captured", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSegment:
    """One piece of the picture: a file of its own in the Storage. `number` counts from 1, numbers may be missing."""

    number: int
    object_name: str
    media_type: str
    sha256: str
    size: int
    began_at: float
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSession:
    """A screen session. `key` is unique for ever, so that saving it twice is saving it once.

    `reason` says why it was not captured, or not to the end (no_desktop, desktop_away, capture_failed,
    out_of_disk_space, restart, capture_ended); `ended_by` is chatstop or too_long. `warnings` are interrupted, crowded,
    segment_spoilt and incomplete. `black_spans` are (start_s, end_s) from the start of the session.
    """

    key: str
    core: int
    session_id: str
    agent_id: int
    started_at: float
    stopped_at: float
    state: ScreenState
    verdict: ScreenVerdict
    reason: str = ""
    ended_by: str = ""
    computer: str = ""
    username: str = ""
    variables: CallVariables = field(default_factory=CallVariables)
    warnings: tuple[str, ...] = ()
    black_spans: tuple[tuple[float, float], ...] = ()
    segments: tuple[ScreenSegment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenRow:
    """A session as the store gives it back: its number, and the name of the agent where the user is known."""

    number: int
    session: ScreenSession
    agent_first_name: str = ""
    agent_last_name: str = ""
    agent_username: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Which screen sessions show what happened in some calls: those of a SESSIONID, of an agent (USERID), of a device
    or an agent's number, of a computer (in small letters)."""

    session_ids: frozenset[str] = frozenset()
    agents: frozenset[int] = frozenset()
    numbers: frozenset[str] = frozenset()
    computers: frozenset[str] = frozenset()

    def show(self, session_id: str, agent_id: int, variables: CallVariables, computer: str) -> bool:
        """Whether a session is one of them."""
        return (
            session_id in self.session_ids
            or agent_id in self.agents
            or variables.device_id in self.numbers
            or variables.device_alias in self.numbers
            or computer.casefold() in self.computers
        )


class Screens(Protocol):
    """Where finished screen sessions are kept. Every method may raise `earshot.errors.StoreUnavailable`."""

    async def save_screen(self, session: ScreenSession) -> int:
        """Store the session with its segments in one transaction; returns its number. A key that is stored already, or
        was and is deleted, is left as it is, and its number returned."""
        ...

    async def screens(
        self,
        limit: int,
        before: tuple[float, int] | None = None,
        session_id: str = "",
        device_id: str = "",
        seen_by: Visibility | None = None,
    ) -> Sequence[ScreenRow]:
        """Sessions, newest first (started_at, then number, descending; `before` is that pair of the last row of the
        page before), all or those of one SESSIONID, of one DEVICEID, and those that `seen_by` shows."""
        ...

    async def screens_of(self, whose: Whose, since: float, until: float) -> Sequence[ScreenRow]:
        """Those of somebody that ran between two times, by number."""
        ...

    async def renew_screen(
        self, number: int, files: Mapping[int, tuple[str, int]], black_spans: tuple[tuple[float, float], ...]
    ) -> bool:
        """Say in one transaction what the files of some segments are now (SHA-256 and size by the segment's number),
        and where the picture is black. False if there is no such session any more."""
        ...

    async def screen(self, number: int) -> ScreenRow | None:
        """One session."""
        ...

    def all_screen_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """(object_name, sha256, size) of every segment, for `earshot check`."""
        ...
