"""Schedules in the core: gathers what is known of a call, has it decided, and tells the engine; ends what is too long.

Rules live in `engine.schedules` and `engine.scheduling`. The one rule: a call is decided from memory, without waiting
for anybody, and what was decided is in the journal before its first packet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

import structlog

from earshot.core.recorder import MICROSECONDS, Recorder
from earshot.core.verdicts import was_refused
from earshot.engine.criteria import Facts, asked_for, facts_document
from earshot.engine.directory import Directory
from earshot.engine.inputs import StopRecording
from earshot.engine.model import Call, Recording
from earshot.engine.schedule_values import (
    RECORD_EVERYTHING,
    CallDecided,
    CutRecording,
    DecideCall,
    Decided,
    Decision,
    FreeChannel,
    Options,
    Schedule,
    SchedulesInForce,
    Trigger,
)
from earshot.engine.schedules import Decider, compile_schedules
from earshot.engine.variables import CallVariables

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What decisions need of agents and QA groups, by phone: names of the groups, and (user name, USERID)."""

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    agents: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the core decides with: the wall clock (seconds since the epoch), the zone of schedules that name none, a
    draw (above 0, at most 100), the directory of the moment, and whether priority takes channels away."""

    wall: Callable[[], float]
    zone: tzinfo
    draw: Callable[[], float]
    directory: Callable[[], Directory]
    preempt: bool = False


class Scheduling:
    """The schedules of one core. `use` may be called at any time and counts from the next call on."""

    def __init__(self, recorder: Recorder, around: Surroundings) -> None:
        self._recorder = recorder
        self._around = around
        self.schedules: tuple[Schedule, ...] = ()
        self.people = People()
        self._decider: Decider
        self.use([RECORD_EVERYTHING], 0)

    def use(self, schedules: Sequence[Schedule], revision: int) -> None:
        """Decide by these from now on."""
        self.schedules = tuple(schedules)
        zone, core = self._around.zone, self._recorder.ident
        self._decider = compile_schedules(schedules, core=core, zone=zone, revision=revision)

    @property
    def zone(self) -> tzinfo:
        """That of schedules which name none."""
        return self._around.zone

    @property
    def revision(self) -> int:
        """Which set of schedules is in force."""
        return self._decider.revision

    def start(self) -> None:
        """Schedules are in force from here on; calls that a crash left undecided are decided first."""
        recorder = self._recorder
        recorder.perform_with(DecideCall, self._decide)
        recorder.perform_with(FreeChannel, lambda effect, now_us: recorder.busy.give_back(effect.call, now_us))
        recorder.take_channel = self._take_channel
        recorder.finds_channel = self.finds_channel
        recorder.judge = self.judge
        if not recorder.state.scheduled:
            recorder.apply(SchedulesInForce())
        for call in list(recorder.state.calls.values()):
            if call.phase == "open" and call.sessions and not call.wanted and call.decided is None:
                self._decide(DecideCall(call=call.key, trigger="start"), recorder.now_us())

    # --- deciding ---------------------------------------------------------------------------------------------------

    def facts(self, variables: CallVariables, trigger: Trigger) -> Facts:
        """What is known of a call with these variables."""
        device, alias = variables.device_id, variables.device_alias
        agent = self._around.directory().agent_on(device, alias)
        found = (agent.username, str(agent.user_id)) if agent is not None else ()
        if not found:
            found = self.people.agents.get(alias) or self.people.agents.get(device) or ()
        groups = {name for phone in (device, alias) if phone for name in self.people.groups.get(phone, ())}
        return Facts(
            variables=variables,
            at=self._around.wall(),
            agent=found,
            groups=tuple(sorted(groups)),
            core=self._recorder.ident,
            asked=asked_for(trigger, variables),
        )

    def _decide(self, effect: DecideCall, now_us: int) -> None:
        call = self._recorder.state.calls.get(effect.call)
        if call is None or call.phase != "open":
            return
        facts = self.facts(call.variables.changed(effect.changes), effect.trigger)
        before = call.decided or Decided(draw=self._around.draw())
        decision = self._decider.decide(facts, self._recorder.state.quotas, before.draw, before.counted)
        if decision.winner is not None and not call.wanted and call.has_sound_source:
            decision = self._with_channel(call, decision, now_us)
        log.debug(
            "call_decided",
            call=call.key,
            device=call.device_id,
            trigger=effect.trigger,
            winner=decision.winner.name if decision.winner else "none",
            matched=[one.number for one in decision.matched],
        )
        self._recorder.apply(
            CallDecided(
                call=call.key,
                trigger=effect.trigger,
                at=facts.at,
                revision=self.revision,
                decision=decision,
                facts=facts_document(facts),
                changes=effect.changes,
            )
        )

    def judge(self, call: Call) -> Decided | None:
        """The decision of an ended call. That of one which only the API announced is made now, for its verdict (a call
        that nobody wanted is no failure), and counts for no quota."""
        if call.decided is not None or "siprec" in call.announced_by or was_refused(call):
            return call.decided
        facts = self.facts(call.variables, "end")
        decision = self._decider.decide(facts, self._recorder.state.quotas, self._around.draw())
        return Decided(
            at=facts.at,
            trigger="end",
            revision=self.revision,
            facts=facts_document(facts),
            winner=decision.winner,
            options=decision.options,
            matched=decision.matched,
            missed=decision.missed,
            draw=decision.draw,
        )

    # --- channels ---------------------------------------------------------------------------------------------------

    def _with_channel(self, call: Call, decision: Decision, now_us: int) -> Decision:
        """The decision, if there is a channel for it; else that the call is not recorded, for want of one."""
        if self._found_channel(call, decision.options, now_us):
            return decision
        log.error("no_free_channel", call=call.key, device=call.device_id)
        return replace(decision, winner=None, refused="no_free_channel")

    def _take_channel(self, call: Call, now_us: int) -> bool:
        options = call.decided.options if call.decided is not None else Options()
        return self._found_channel(call, options, now_us)

    def _found_channel(self, call: Call, options: Options, now_us: int) -> bool:
        """Take a channel for the call, that of one of lower priority if it must be and may."""
        variables = call.variables
        alias, kind = variables.device_alias, options.kind
        busy = self._recorder.busy
        if busy.take(call.key, call.device_id, alias, now_us, kind):
            return True
        loser = self._loser(call.device_id, alias, kind, priority_of(variables, options))
        if loser is None:
            return False
        log.warning("call_preempted", call=loser.key, device=loser.device_id, by=call.key)
        self._recorder.apply(CutRecording(call=loser.key, why="preempted"))
        return busy.take(call.key, call.device_id, alias, now_us, kind)

    def _loser(self, device_id: str, alias: str, kind: str, priority: int) -> Call | None:
        """The call whose channel one of `priority` may have: the least important, of these the newest."""
        if not self._around.preempt:
            return None
        calls = self._recorder.state.calls
        candidates = [calls[key] for key in self._recorder.busy.taken_from(device_id, alias, kind) if key in calls]
        lower = [call for call in candidates if _priority(call) < priority]
        return min(lower, key=lambda call: (_priority(call), -call.started_us), default=None)

    def finds_channel(self, device_id: str, signalled: Mapping[str, Any]) -> bool:
        """Whether a call that is being signalled need not be refused for want of a channel."""
        busy = self._recorder.busy
        alias = str(signalled.get("device_alias", ""))
        if busy.has_free():
            return True
        known = self._recorder.state.open_call(device_id, None)
        waits = known is not None and not known.has_sound_source
        if known is not None and waits and known.wanted and known.decided is not None:
            options, variables = known.decided.options, known.variables
        else:
            said = known.said_by_api if known is not None and waits else {}
            variables = CallVariables.of({"device_id": device_id}, signalled, said)
            facts = self.facts(variables, "start")
            decision = self._decider.decide(facts, self._recorder.state.quotas, self._around.draw())
            if decision.winner is None:
                return True
            options = decision.options
        alias = variables.device_alias
        return busy.has_free(device_id, alias, options.kind) or (
            self._loser(device_id, alias, options.kind, priority_of(variables, options)) is not None
        )

    # --- limits -----------------------------------------------------------------------------------------------------

    def round(self) -> None:
        """End what has been recorded for longer, or been silent for longer, than it may."""
        now_us = self._recorder.now_us()
        for call in list(self._recorder.state.calls.values()):
            if call.phase != "open" or call.recording_now() is None:
                continue
            why = self._over(call, now_us)
            if why:
                log.info("recording_ended", call=call.key, why=why)
                self._recorder.apply(CutRecording(call=call.key, why=why))
            elif any(_is_partial_over(one, now_us) for one in call.recordings):
                self._recorder.apply(StopRecording(device_id=call.device_id, instance=call.instance))

    def _over(self, call: Call, now_us: int) -> str:
        options = call.decided.options if call.decided is not None else Options()
        longest_s = call.variables.max_record_time or options.max_length_s
        silent_s = call.variables.max_record_silence or options.silence_limit_s
        began_us = min((one.from_us for one in call.attachments if one.kept and one.until_us is None), default=now_us)
        main = next((one for one in call.recordings if one.until_us is None), None)
        if main is not None:
            began_us = max(began_us, main.from_us)
        if longest_s and now_us - began_us >= longest_s * MICROSECONDS:
            return "max_length"
        if silent_s and not _is_held(call) and now_us - self._heard_us(call, began_us) >= silent_s * MICROSECONDS:
            return "silence_limit"
        return ""

    def _heard_us(self, call: Call, began_us: int) -> int:
        """When sound was last due or there: packets came, or a hold ended."""
        heard = [self._recorder.sound.last_heard_us(one.facts.leg) for one in call.attachments if one.until_us is None]
        resumed = [gap.until_us or 0 for gap in call.gaps if gap.why.startswith(("hold", "restart"))]
        return max([began_us, *heard, *resumed])


def priority_of(variables: CallVariables, options: Options) -> int:
    """How important a recording is: PRIORITY of the API where it is a number, else that of the schedule."""
    text = variables.priority.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else options.priority


def _priority(call: Call) -> int:
    return priority_of(call.variables, call.decided.options if call.decided is not None else Options())


def _is_held(call: Call) -> bool:
    """Whether every leg of the call is on hold now."""
    legs = {f"hold {one.facts.leg}" for one in call.attachments if one.until_us is None}
    return bool(legs) and legs <= {gap.why for gap in call.gaps if gap.until_us is None}


def _is_partial_over(recording: Recording, now_us: int) -> bool:
    longest_s = int(recording.changes.get("max_record_time") or 0)
    is_open = recording.until_us is None and (recording.part > 0 or recording.asked)
    return bool(longest_s) and is_open and now_us - recording.from_us >= longest_s * MICROSECONDS
