"""The plug points on one page: what Earshot needs of the outside, and the values that cross these borders.

Each port has at least two implementations (one for production, one in memory) and one contract suite in
tests/contracts that runs against all of them. Times are seconds since the Unix epoch unless a name says otherwise.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from earshot.actor import Visibility
from earshot.engine.blackout_values import BlackoutInput
from earshot.engine.inputs import Input
from earshot.engine.model import State
from earshot.engine.variables import CallVariables
from earshot.media.packets import LegFigures as LegFigures

# --- recordings and calls -----------------------------------------------------------------------------------------

VERDICTS = ("recorded", "not_recorded", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRecording:
    """A finished recording, ready for its row. `key` is unique for ever, so that storing it twice is storing it once.

    `part` is 0 for the scheduled recording of the call and 1, 2, ... for partial recordings (RECORDSTART).
    `object_name` is where the media lies in the Storage; `file_name` is what FILENAME shows. `peaks` holds
    (minimum, maximum) pairs per channel as signed bytes, channels interleaved, `peaks_per_second` pairs a second.
    `gaps` are (start_s, end_s, why) spans relative to the start; `why` is loss, hold, restart or blackout.
    """

    key: str
    call_key: str
    part: int
    core: int
    variables: CallVariables
    agent_id: int | None
    recording_time: float
    duration_s: float
    channels: int
    sample_rate_hz: int
    object_name: str
    file_name: str
    media_type: str
    audio_sha256: str
    audio_size: int
    peaks: bytes = b""
    peaks_per_second: int = 0
    legs: tuple[LegFigures, ...] = ()
    gaps: tuple[tuple[float, float, str], ...] = ()
    ended_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """A call that ended, with its one verdict. `key` is unique for ever.

    `announced_by` says who signalled it: any of "api" and "siprec". `leniencies` counts, by name, what of the
    signalling broke its standard and was accepted. `metadata` keeps the recording metadata as it came, `decision` what
    the schedules decided and from what (empty for a call that was never decided).
    """

    key: str
    core: int
    variables: CallVariables
    agent_id: int | None
    started_at: float
    stopped_at: float
    verdict: str
    reason: str
    warnings: tuple[str, ...] = ()
    announced_by: tuple[str, ...] = ()
    participants: tuple[dict[str, str], ...] = ()
    leniencies: dict[str, int] = field(default_factory=dict)
    metadata: tuple[str, ...] = ()
    recordings: tuple[SealedRecording, ...] = ()
    decision: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRow:
    """A recording as the store gives it back, with what it knows of the agent and the call's verdict."""

    record_id: int
    sealed: SealedRecording
    agent_first_name: str = ""
    agent_last_name: str = ""
    sys_user: str = ""
    crm_user: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter:
    """What CALLLIST and the pages filter by; all given conditions must hold (specification, CALLLIST).

    `equals` maps names of `CallVariables` (and user1 ... user15) to exact values. `since` is inclusive, `until`
    inclusive as well (reference.md D4). `before` is the keyset of the last row of the page before. `seen_by` leaves out
    what its holder may not see; None is nobody in particular, who sees everything.
    """

    equals: dict[str, str] = field(default_factory=dict)
    sys_user: str = ""
    crm_user: str = ""
    since: float | None = None
    until: float | None = None
    before: tuple[float, int] | None = None
    seen_by: Visibility | None = None


# --- people and places --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user; an agent when `is_agent`. Deleting sets `deleted` and frees the phones, the row stays."""

    user_id: int = 0
    username: str = ""
    employee_id: str = ""
    first_name: str = ""
    last_name: str = ""
    is_agent: bool = False
    active: bool = True
    deleted: bool = False
    added_at: float = 0.0
    modified_at: float = 0.0
    sys_user: str = ""
    sys_domain: str = ""
    email: str = ""
    crm_user: str = ""
    site_id: str = ""
    is_admin: bool = False
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A computer mapped to a device (IMPORTWORKSTATION)."""

    station: str
    device_id: str
    location_id: int = 1


class NotUnique(Exception):
    """A value that must be unique is taken: `field` names it (username, name, phone)."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"{field} {value!r} is taken")
        self.field = field
        self.value = value


class NotFound(Exception):
    """The row that a change speaks of does not exist."""


class Store(Protocol):
    """The database. Every method may raise `earshot.errors.StoreUnavailable`; each change is one transaction."""

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        ...

    async def close(self) -> None: ...

    async def save_calls(self, calls: Sequence[FinishedCall]) -> list[tuple[int, ...]]:
        """Store finished calls and their recordings in one transaction.

        Returns, call by call, the RECORDIDs of its recordings. A key that is stored already is left as it is and its
        RECORDIDs are returned: saving is idempotent.
        """
        ...

    async def recordings(self, wanted: RecordingFilter, limit: int) -> list[RecordingRow]:
        """Recordings that match, newest first (recording_time, then record_id, descending).

        `peaks`, `legs` and `gaps` are left empty: a list does not show them, and they are most of a row.
        Raises ValueError for an unknown name in `equals`.
        """
        ...

    async def recording(self, record_id: int) -> RecordingRow | None:
        """One recording, complete."""
        ...

    async def newest_recording(self, field: str, value: str, seen_by: Visibility | None = None) -> RecordingRow | None:
        """The most recent recording whose `field` has `value`, of those that `seen_by` shows; `field` is a name of
        `CallVariables`, user1 to user15, record_id, agent_id, sys_user, crm_user, file_name or audio_sha256.
        Raises ValueError for any other."""
        ...

    async def last_recording_of_device(self, device_id: str, call_instance: str | None) -> int | None:
        """RECORDID of the last recording of the device (of that call instance, unless None)."""
        ...

    async def update_recording(self, record_id: int, changes: dict[str, Any]) -> bool:
        """Set call variables of a sealed recording; keys as in `CallVariables.changed`, ValueError for others.
        False if there is none."""
        ...

    def all_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """(object_name, audio_sha256, audio_size) of every recording by RECORDID, for `earshot check`."""
        ...

    async def calls(
        self,
        verdict: str | None,
        limit: int,
        before: tuple[float, int] | None = None,
        seen_by: Visibility | None = None,
    ) -> list[tuple[int, FinishedCall]]:
        """Finished calls with their row numbers, newest first (started_at, then row number, descending; `before` is
        that pair of the last row of the page before), of those that `seen_by` shows. Without their recordings and
        `metadata`: see `call`."""
        ...

    async def call(self, number: int) -> FinishedCall | None:
        """One finished call by its row number, with its metadata and its recordings, complete."""
        ...

    async def call_number(self, key: str) -> int | None:
        """The row number of the finished call `key`, for `call`."""
        ...

    async def verdict_counts(self) -> dict[tuple[str, str], int]:
        """How many calls ended in each (verdict, reason)."""
        ...

    async def users(self, include_deleted: bool = False) -> list[User]:
        """All users with their phones, by USERID."""
        ...

    async def add_user(self, user: User, password_hash: str | None = None) -> int:
        """Returns USERID; the one of `user` is ignored. Raises NotUnique("username") whatever the letter case, ("name")
        for the same first and last name, or ("phone"). Whoever has a phone is an agent."""
        ...

    async def modify_user(self, user_id: int, changes: dict[str, Any], password_hash: str | None = None) -> None:
        """Keys are field names of `User`; `phones` replaces the list; a new password ends the user's logins.
        Raises NotFound (also for a deleted user), NotUnique, or ValueError for a field that is not to be changed."""
        ...

    async def delete_user(self, user_id: int) -> None:
        """Soft: sets `deleted`, frees the phones, ends the logins. Raises NotFound."""
        ...

    async def assign_phone(self, phone: str, user_id: int) -> None:
        """Raises NotFound for the user, NotUnique("phone") if it belongs to another. Sets the agent flag."""
        ...

    async def free_phone(self, phone: str, user_id: int) -> bool:
        """False if the phone was not this user's."""
        ...

    async def stations(self) -> list[Station]:
        """All mappings, oldest first."""
        ...

    async def map_station(self, station: Station) -> Station:
        """Delete entries with either the device or the station name, then add; returns what is stored."""
        ...

    async def password_hash(self, username: str) -> tuple[User, str] | None:
        """The active user and hash for a login; None if there is none or no password was set."""
        ...

    async def add_login(self, token_sha256: str, user_id: int, expires_at: float) -> None:
        """Keep a login until `expires_at`; what expired before is forgotten. Raises NotFound for the user."""
        ...

    async def login(self, token_sha256: str, now: float) -> User | None:
        """The user of a login that has not expired, as long as the user is active."""
        ...

    async def extend_login(self, token_sha256: str, expires_at: float) -> None:
        """Let a login last until `expires_at`. No error if there is none, and none begins by it."""
        ...

    async def end_login(self, token_sha256: str) -> None:
        """No error if there is none."""
        ...


class Storage(Protocol):
    """Where sealed media lies. Names are relative paths with forward slashes; every method raises ValueError for one
    that is not (`earshot.storage.names.checked`)."""

    async def put_file(self, name: str, source: Path) -> None:
        """Take over `source` (a finished file on the same machine) as object `name`: durable when this returns.
        The source is gone afterwards. An object of that name is replaced."""
        ...

    async def exists(self, name: str) -> bool: ...

    async def size(self, name: str) -> int:
        """Raises FileNotFoundError."""
        ...

    def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Bytes [start, stop) in chunks; what lies beyond the end is left out. Raises FileNotFoundError at the first
        chunk."""
        ...

    def local_path(self, name: str) -> Path | None:
        """Where the file of the object lies on this machine, if it does. It may be encrypted: it is opened with
        `earshot.vault.files.opened`."""
        ...

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """Overwrite the keys of encrypted objects, durably: nobody can read them any more. Nothing is done to objects
        that have none, are not there, or cannot be changed in place. Gives those that may still have one, with why."""
        ...

    async def delete(self, name: str) -> None:
        """No error if it is not there."""
        ...

    async def delete_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """Remove many objects in one go, durably: no error for those that are not there. Gives those that may still be
        there, each with why (names that are none too); all others are gone."""
        ...

    def names(self) -> AsyncIterator[tuple[str, int]]:
        """(name, size in bytes) of every object."""
        ...


# --- cores --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """A channel as CHANNELS shows it: `state` is a word of reference.md 2.4, `changed_at` seconds since the epoch."""

    number: int
    state: str
    device_id: str = ""
    device_alias: str = ""
    changed_at: float = 0.0


class CoreAway(Exception):
    """The core did not take the input: it drains, is down, or cannot write its journal. The message says why."""


class CoreLink(Protocol):
    """One core as the API sees it."""

    @property
    def ident(self) -> int:
        """The number of the core (COREIDENT)."""
        ...

    @property
    def state(self) -> State:
        """What the core knows now. To be read only."""
        ...

    def tell(self, told: Input) -> None:
        """Give the core an input. Raises CoreAway."""
        ...

    async def black_out(self, told: BlackoutInput) -> None:
        """Give the core an input about a blackout, and wait until it is durable and what it reaches back to is removed
        everywhere. Raises CoreAway when either cannot be had now; the core goes on trying. Raises
        `earshot.ports.blackouts.OnHold` for a span of a call of which a part is held: nothing is removed."""
        ...

    def refuses_new_calls(self) -> str:
        """Why no new call can begin (a label of the protocol such as API_ERROR_OUT_OF_DISK_SPACE); empty if it can."""
        ...

    def now(self) -> float:
        """Journal time of the core in seconds since the Unix epoch."""
        ...

    def leg_figures(self, leg: int) -> tuple[int, float]:
        """(packets received, seconds since the epoch of the last one; 0.0 if none) of a running leg."""
        ...

    def channels(self) -> Sequence[ChannelView]:
        """The channels of the core and what each does now."""
        ...
