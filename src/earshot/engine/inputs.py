"""Everything the engine can be told. Inputs are what the journal keeps: replaying them rebuilds the state.

Imperative names are requests of the API, past tense is what happened on the wire or in the process. All times are
journal time: microseconds since the Unix epoch on a clock that never goes back.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from earshot.engine.blackout_values import BLACKOUT_INPUTS, BlackoutInput
from earshot.engine.chat_values import CHAT_INPUTS, ChatInput
from earshot.engine.schedule_values import SCHEDULE_INPUTS, ScheduleInput

Side = Literal["agent", "other", "mixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecFacts:
    """One payload type of a stream, as the session description says (RFC 3264, RFC 4566)."""

    name: str
    clock_hz: int
    channels: int = 1
    fmtp: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFacts:
    """One RTP stream of a session: where it arrives and whose sound it is. `leg` is unique for ever on its core."""

    leg: int
    port: int
    label: str = ""
    side: Side = "mixed"
    participant: str = ""
    codecs: dict[int, CodecFacts] = field(default_factory=dict)
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCall:
    """CALLSTART, its device resolved. `changes` are call variables by the names of `CallVariables`."""

    device_id: str
    instance: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCall:
    """CALLSTOP. `instance` None means the last call on the device (specification, CALLSTOP)."""

    device_id: str
    instance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCall:
    """CALLUPDATE of a call in progress, or of one that has ended and is not stored yet when `ended_too`."""

    device_id: str
    instance: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    ended_too: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecording:
    """RECORDSTART: an additional, partial recording of a call; starts a call when the device has none."""

    device_id: str
    instance: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording:
    """RECORDSTOP: ends the partial recording and stores `changes` on it."""

    device_id: str
    instance: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    """A recording session (one SIP dialog, RFC 7866) was accepted. `link` ties the dialogs of one call together."""

    session: str
    device_id: str
    signalled: dict[str, Any] = field(default_factory=dict)
    link: str = ""
    legs: tuple[LegFacts, ...] = ()
    participants: tuple[dict[str, str], ...] = ()
    metadata: tuple[str, ...] = ()
    leniencies: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged:
    """A re-INVITE, UPDATE or new metadata: `legs` are all legs the session has from now on."""

    session: str
    legs: tuple[LegFacts, ...] = ()
    signalled: dict[str, Any] = field(default_factory=dict)
    participants: tuple[dict[str, str], ...] = ()
    metadata: tuple[str, ...] = ()
    leniencies: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed:
    """The dialog ended: `why` is bye, cancelled, no_ack, session_expired, silence or not_resumed.

    `leniencies` counts, by name, what of the whole dialog broke a standard and was accepted.
    """

    session: str
    why: str
    leniencies: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingNamed:
    """The object name of a recording was chosen (by the core, which knows the storage)."""

    call: str
    part: int
    object_name: str
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStored:
    """The call and its recordings have their rows; nothing of it is needed here any more."""

    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused:
    """A call was signalled and could not be recorded at all: `why` is no_free_channel, out_of_disk_space, ...

    `said` are the call variables as whoever signalled it (`by`: siprec or api) gave them.
    """

    device_id: str
    why: str
    said: dict[str, Any] = field(default_factory=dict)
    by: Literal["siprec", "api"] = "siprec"
    instance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderResumed:
    """The process runs again after it was down since `down_since_us`: open calls get a gap."""

    down_since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """End one call for a reason of the recorder's own, such as too_long."""

    call: str
    why: str


Input = (
    StartCall
    | StopCall
    | UpdateCall
    | StartRecording
    | StopRecording
    | SessionOpened
    | SessionChanged
    | SessionClosed
    | RecordingNamed
    | CallRefused
    | CallStored
    | RecorderResumed
    | EndCall
    | ChatInput
    | BlackoutInput
    | ScheduleInput
)

INPUT_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        StartCall,
        StopCall,
        UpdateCall,
        StartRecording,
        StopRecording,
        SessionOpened,
        SessionChanged,
        SessionClosed,
        RecordingNamed,
        CallRefused,
        CallStored,
        RecorderResumed,
        EndCall,
        *CHAT_INPUTS,
        *BLACKOUT_INPUTS,
        *SCHEDULE_INPUTS,
    )
}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def from_record(kind: str, body: dict[str, Any]) -> Input:
    """The input that a journal record holds. Raises KeyError for an unknown kind, ValueError for a wrong body."""
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(INPUT_TYPES[kind])
    made: Input = adapter.validate_python(body)
    return made
