"""The state of one core: devices, calls, sessions. Mutable, owned by whoever calls `step`, never shared.

A call is open until it ends, then ended until its rows are stored, then gone. A session may outlive its call (the API
said CALLSTOP first) and a call may have several sessions (the two dialogs of a built-in bridge).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from earshot.engine.blackout_values import Blackout, Removal
from earshot.engine.chat_values import Chat
from earshot.engine.inputs import LegFacts
from earshot.engine.schedule_values import Decided, Quota
from earshot.engine.variables import CallVariables

Phase = Literal["open", "ended"]
NOTHING_KNOWN = CallVariables()


@dataclass(slots=True, kw_only=True)
class Attachment:
    """The span in which a leg's sound belonged to a call. `until_us` is None while it still does; `kept` says whether
    it was recorded."""

    facts: LegFacts
    from_us: int
    until_us: int | None = None
    kept: bool = True


@dataclass(slots=True, kw_only=True)
class Recording:
    """One recording of a call: part 0 is the scheduled one, 1 and up are partial (RECORDSTART) or begun anew.

    `asked` says that RECORDSTART had it begin, so that RECORDSTOP ends it.
    """

    part: int
    from_us: int
    until_us: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    object_name: str = ""
    file_name: str = ""
    asked: bool = False


@dataclass(slots=True, kw_only=True)
class Gap:
    """A span without sound whose reason is known: hold LEG, restart, blackout KEY."""

    from_us: int
    until_us: int | None
    why: str


@dataclass(slots=True, kw_only=True)
class Call:
    """One call instance on one device. What the API said wins over what the signalling said, and both over what a
    schedule says. `wanted` says whether it is recorded now, `cut` why its recording ended before the call did."""

    key: str
    device_id: str
    instance: str
    started_us: int
    phase: Phase = "open"
    stopped_us: int | None = None
    ended_by: str = ""
    announced_by: list[str] = field(default_factory=list)
    said_by_api: dict[str, Any] = field(default_factory=dict)
    said_by_signalling: dict[str, Any] = field(default_factory=dict)
    link: str = ""
    sessions: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    participants: list[dict[str, str]] = field(default_factory=list)
    leniencies: dict[str, int] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    variables: CallVariables = NOTHING_KNOWN
    wanted: bool = True
    decided: Decided | None = None
    cut: str = ""

    def merge(self) -> None:
        """Renew `variables` from what both sources said."""
        known: dict[str, Any] = {"device_id": self.device_id, "call_instance": self.instance}
        if self.decided is not None and self.decided.winner is not None:
            known.update(self.decided.options.stamped)
        self.variables = CallVariables.of(known, self.said_by_signalling, self.said_by_api)

    def meet(self, participants: Iterable[dict[str, str]]) -> None:
        """Keep who takes part, each address once; what is said of a party later completes what is known of it."""
        for told in participants:
            for place, known in enumerate(self.participants):
                if told == known or (told.get("aor") and told.get("aor") == known.get("aor")):
                    self.participants[place] = {**known, **{name: value for name, value in told.items() if value}}
                    break
            else:
                self.participants.append(told)

    @property
    def has_sound_source(self) -> bool:
        """True while a running session feeds this call."""
        return any(attachment.until_us is None for attachment in self.attachments)

    def recording_now(self) -> Recording | None:
        """The recording that runs, the scheduled one first; None when nothing is being kept."""
        if not self.wanted or not self.has_sound_source:
            return None
        return next((recording for recording in self.recordings if recording.until_us is None), None)


@dataclass(slots=True, kw_only=True)
class Session:
    """A running recording session and the call it feeds, if any."""

    key: str
    device_id: str
    link: str
    legs: tuple[LegFacts, ...]
    call: str | None
    opened_us: int = 0
    signalled: dict[str, Any] = field(default_factory=dict)
    participants: tuple[dict[str, str], ...] = ()
    metadata: tuple[str, ...] = ()
    leniencies: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Device:
    """A phone that was ever mentioned. `calls` are the keys of its open calls, oldest first.

    `last` holds the variables of the latest call and `last_started_us` / `last_stopped_us` its times, for the status
    commands, which show the last call when none is in progress.
    """

    device_id: str
    alias: str = ""
    station: str = ""
    known_by_api: bool = False
    calls: list[str] = field(default_factory=list)
    last: CallVariables | None = None
    last_started_us: int = 0
    last_stopped_us: int | None = None
    last_file_name: str = ""


@dataclass(slots=True, kw_only=True)
class State:
    """All a core knows. `number` counts calls and legs for their keys and never goes back.

    `blackouts` are those that are open or still to come by their key, `blacked_out` the keys by phone and device,
    `masked` the legs that are masked now, `removals` what is not yet removed of blackouts that reach back.
    `scheduled` says that schedules decide what is recorded (else everything is), `quotas` what they have counted.
    """

    core: int = 1
    number: int = 0
    devices: dict[str, Device] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    device_of_alias: dict[str, str] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    blackouts: dict[str, Blackout] = field(default_factory=dict)
    blacked_out: dict[str, list[str]] = field(default_factory=dict)
    masked: dict[int, bool] = field(default_factory=dict)
    removals: dict[int, Removal] = field(default_factory=dict)
    scheduled: bool = False
    quotas: dict[str, Quota] = field(default_factory=dict)

    def device(self, device_id: str) -> Device:
        """The device, made on its first mention."""
        device = self.devices.get(device_id)
        if device is None:
            device = self.devices[device_id] = Device(device_id=device_id)
        return device

    def open_call(self, device_id: str, instance: str | None) -> Call | None:
        """The open call of that instance; for None the last call on the device (specification, CALLSTOP)."""
        device = self.devices.get(device_id)
        if device is None or not device.calls:
            return None
        if instance is None:
            return self.calls[device.calls[-1]]
        for key in device.calls:
            call = self.calls[key]
            if call.instance == instance:
                return call
        return None

    def ended_call(self, device_id: str, instance: str | None) -> Call | None:
        """The last call of the device that has ended but is not stored yet."""
        found = None
        for call in self.calls.values():
            same = call.phase == "ended" and call.device_id == device_id
            if same and (instance is None or call.instance == instance):
                found = call
        return found
