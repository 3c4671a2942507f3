"""The recorder core: takes inputs, keeps them in the journal, lets the engine decide, and performs what it decides.

Everything that changes the state goes through `apply`, in one order: journal, engine, effects. What the process needs
beside calls to go on after a restart (SIP dialogs) is journalled as notes under a name.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import orjson
import structlog

from earshot.core.channels import Board, Channels
from earshot.core.sound import Sound
from earshot.engine.blackout_values import BlackoutInput, MaskLeg, RemoveSound, UnmaskLeg, WakeForBlackouts
from earshot.engine.effects import Announce, DropLeg, Effect, KeepLeg, NameRecording, SealCall
from earshot.engine.inputs import (
    CallRefused,
    CallStored,
    EndCall,
    Input,
    RecordingNamed,
    SessionChanged,
    SessionOpened,
)
from earshot.engine.model import Call, State
from earshot.engine.schedule_values import DecideCall, Decided, FreeChannel
from earshot.engine.step import step
from earshot.ports import ChannelView, CoreAway

log = structlog.get_logger(__name__)

OUT_OF_DISK_SPACE = "API_ERROR_OUT_OF_DISK_SPACE"
MICROSECONDS = 1_000_000
NUMBERED = (SessionOpened, SessionChanged)
"""The inputs that hold dictionaries with numbers for keys, which cost more to write: codecs by payload type."""

Listener = Callable[[Announce, int], None]


class Journal(Protocol):
    """What the recorder needs of the journal writer."""

    def append_event(self, event: dict[str, Any]) -> int: ...


class Recorder:
    """One core. `name_recording(call, part)` gives (object name, file name); `seal` is told which calls have ended."""

    def __init__(
        self,
        state: State,
        journal: Journal,
        sound: Sound,
        *,
        now_us: Callable[[], int],
        channels: int,
        name_recording: Callable[[Call, int], tuple[str, str]],
    ) -> None:
        self.state = state
        self.journal = journal
        self.sound = sound
        self.now_us = now_us
        self.busy = Channels(channels, now_us())
        self._take_channels()
        self.notes: dict[str, dict[str, Any] | orjson.Fragment] = {}
        self.listeners: list[Listener] = []
        self.seal: Callable[[str], None] = lambda _: None
        self.release_leg: Callable[[int], None] = lambda _: None
        self.take_channel: Callable[[Call, int], bool] = self._take_any_channel
        self.finds_channel: Callable[[str, dict[str, Any]], bool] = lambda device, said: self.has_free_channel()
        self.judge: Callable[[Call], Decided | None] = lambda call: call.decided
        self.blackouts: Callable[[BlackoutInput], Awaitable[None]] = self._cannot_black_out
        self.blackouts_failing: dict[int, str] = {}
        self.draining = False
        self.refusal = ""
        self._name_recording = name_recording
        self._leg = now_us()
        calls = state.calls.values()
        self._users_of_leg = Counter(one.facts.leg for call in calls for one in call.attachments if one.kept)
        self._performers: dict[type[Any], Callable[[Any, int], None]] = {
            KeepLeg: self._keep,
            DropLeg: lambda effect, _: self.sound.keep(effect.leg, False),
            MaskLeg: lambda effect, now_us: self.sound.mask(effect.leg, True, now_us),
            UnmaskLeg: lambda effect, _: self.sound.mask(effect.leg, False),
            RemoveSound: lambda effect, _: None,
            WakeForBlackouts: lambda effect, _: None,
            NameRecording: self._name,
            SealCall: self._sealing,
            Announce: self._announce,
            DecideCall: lambda effect, _: None,
            FreeChannel: lambda effect, now_us: self.busy.give_back(effect.call, now_us),
        }

    def _take_channels(self) -> None:
        """Calls that were being recorded when the process before ended have their channels from the start."""
        for call in self.state.calls.values():
            if call.phase == "open" and call.attachments and call.wanted:
                kind = call.decided.options.kind if call.decided is not None else ""
                self.busy.take(call.key, call.device_id, call.variables.device_alias, self.now_us(), kind)

    def lay_out(self, boards: Sequence[Board]) -> None:
        """Have the channels of these voice boards; calls that are being recorded take theirs."""
        self.busy.lay_out(boards, self.now_us())
        self._take_channels()

    def _take_any_channel(self, call: Call, now_us: int) -> bool:
        return self.busy.take(call.key, call.device_id, call.variables.device_alias, now_us)

    # --- as the API sees it (ports.CoreLink) ------------------------------------------------------------------------

    @property
    def ident(self) -> int:
        return self.state.core

    def tell(self, told: Input) -> None:
        if self.draining:
            raise CoreAway("the recorder is shutting down")
        self.apply(told)

    async def black_out(self, told: BlackoutInput) -> None:
        await self.blackouts(told)

    async def _cannot_black_out(self, told: BlackoutInput) -> None:
        raise CoreAway("blackouts are not set up on this core")

    def refuses_new_calls(self) -> str:
        return self.refusal

    def now(self) -> float:
        return self.now_us() / MICROSECONDS

    def channels(self) -> list[ChannelView]:
        return [
            ChannelView(
                number=channel.number,
                state=channel.state,
                device_id=channel.device_id,
                device_alias=channel.device_alias,
                changed_at=channel.changed_us / MICROSECONDS,
            )
            for channel in self.busy.all
        ]

    def leg_figures(self, leg: int) -> tuple[int, float]:
        return self.sound.packets(leg), self.sound.last_heard_us(leg) / MICROSECONDS

    # --- inputs and effects -----------------------------------------------------------------------------------------

    def apply(self, told: Input) -> None:
        """Journal the input, let the engine answer it, perform the effects."""
        now_us = self.now_us()
        body: Input | orjson.Fragment = told
        if isinstance(told, NUMBERED):
            body = orjson.Fragment(orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS))
        self.journal.append_event({"input": type(told).__name__, "at": now_us, "body": body})
        self._perform(step(self.state, told, now_us), now_us)

    def _perform(self, effects: list[Effect], now_us: int) -> None:
        for effect in effects:
            self._performers[type(effect)](effect, now_us)

    def perform_with(self, kind: type[Any], performer: Callable[[Any, int], None]) -> None:
        """Have effects of this kind performed by `performer(effect, now_us)`, for a part beside the recorder."""
        self._performers[kind] = performer

    def _keep(self, effect: KeepLeg, now_us: int) -> None:
        self._users_of_leg[effect.leg] += 1
        self.sound.keep(effect.leg, True)

    def _name(self, effect: NameRecording, now_us: int) -> None:
        call = self.state.calls[effect.call]
        self.take_channel(call, now_us)
        object_name, file_name = self._name_recording(call, effect.part)
        self.apply(RecordingNamed(call=call.key, part=effect.part, object_name=object_name, file_name=file_name))

    def _sealing(self, effect: SealCall, now_us: int) -> None:
        self.busy.give_back(effect.call, now_us)
        self.seal(effect.call)

    def _announce(self, effect: Announce, now_us: int) -> None:
        for listener in self.listeners:
            listener(effect, now_us)

    # --- for the signalling -----------------------------------------------------------------------------------------

    def next_leg(self) -> int:
        """A number that no leg of this core ever had: journal time, made unique."""
        self._leg = max(self._leg + 1, self.now_us())
        return self._leg

    def note(self, name: str, body: dict[str, Any] | None) -> None:
        """Keep `body` in the journal under `name`, or forget it (None), so that a restart finds it again."""
        if body is None:
            self.notes.pop(name, None)
            self.journal.append_event({"note": name, "body": None})
        else:
            # Each checkpoint writes every note again: as text, that costs a copy.
            self.notes[name] = text = orjson.Fragment(orjson.dumps(body))
            self.journal.append_event({"note": name, "body": text})

    def resume_leg(self, leg: int, wanted: bool) -> None:
        """After a restart: the leg's port is open again. What was masked is masked before anything is kept."""
        self.sound.mask(leg, leg in self.state.masked)
        self.sound.keep(leg, wanted)

    def has_free_channel(self) -> bool:
        """Whether one more call can be recorded."""
        return self.busy.busy < len(self.busy.all)

    def refuse_call(self, device_id: str, signalled: dict[str, Any], why: str) -> None:
        """A call that was signalled and cannot be recorded still gets its verdict."""
        log.error("call_refused", device=device_id, why=why)
        self.apply(CallRefused(device_id=device_id, said=signalled, why=why))

    # --- life of the process ----------------------------------------------------------------------------------------

    def checkpoint(self) -> list[dict[str, Any]]:
        """Events from which all of this can be rebuilt: the state and the notes."""
        state = orjson.Fragment(orjson.dumps(self.state, option=orjson.OPT_NON_STR_KEYS))
        notes: list[dict[str, Any]] = [{"note": name, "body": body} for name, body in self.notes.items()]
        return [{"state": state}, *notes]

    def end_overdue(self, longest_call_s: float) -> None:
        """End open calls that nobody ended for `longest_call_s`."""
        before_us = self.now_us() - int(longest_call_s * MICROSECONDS)
        for call in [call for call in self.state.calls.values() if call.phase == "open"]:
            if call.started_us < before_us:
                self.apply(EndCall(call=call.key, why="too_long"))

    def end_all(self, why: str) -> None:
        """End every open call, as when the disk is nearly full."""
        for call in [call for call in self.state.calls.values() if call.phase == "open"]:
            self.apply(EndCall(call=call.key, why=why))

    def call_stored(self, key: str) -> None:
        """The rows of the call are in the store: forget it, and free the legs that nothing else needs."""
        call = self.state.calls.get(key)
        legs = [one.facts.leg for one in call.attachments if one.kept] if call is not None else []
        self.apply(CallStored(call=key))
        if legs:
            self._users_of_leg.subtract(legs)
            self.release_unneeded(legs)

    def release_unneeded(self, legs: Iterable[int]) -> None:
        """Let the journal forget those legs that no running session and no unsealed call needs."""
        for leg in set(legs):
            if not self.sound.is_open(leg) and not self._users_of_leg[leg]:
                del self._users_of_leg[leg]
                self.release_leg(leg)
