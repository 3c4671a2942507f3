"""Rules of what follows for a call from a decision: it is kept from now on, or not, with the options of the winner.

Which schedule wins is decided outside (`schedules`) and told, so that a replay decides nothing. The one rule: a
decision to record is never taken back by a later one; only its options change.
"""

from typing import Any

from earshot.engine.calls import announce, cut, remember
from earshot.engine.effects import Effect, KeepLeg, NameRecording
from earshot.engine.model import Call, Recording, State
from earshot.engine.schedule_values import CallDecided, CutRecording, Decided, SchedulesInForce


def schedules_in_force(state: State, told: SchedulesInForce, now_us: int) -> list[Effect]:
    state.scheduled = True
    return []


def call_decided(state: State, told: CallDecided, now_us: int) -> list[Effect]:
    decision = told.decision
    state.quotas.update(decision.quotas)
    call = state.calls.get(told.call)
    if call is None or call.phase != "open":
        return []
    if decision.winner is None and call.wanted:
        if call.decided is not None:
            call.decided.counted = dict(decision.counted)
        return []
    stamped = call.decided.options.stamped if call.decided is not None else {}
    call.decided = Decided(
        at=told.at,
        trigger=told.trigger,
        revision=told.revision,
        facts=dict(told.facts),
        winner=decision.winner,
        options=decision.options,
        matched=decision.matched,
        missed=decision.missed,
        draw=decision.draw,
        counted=dict(decision.counted),
        refused=decision.refused,
    )
    if decision.winner is None:
        return []
    if decision.options.stamped != stamped:
        remember(state, call)
    return [] if call.wanted else _record(call, told, now_us)


def _record(call: Call, told: CallDecided, now_us: int) -> list[Effect]:
    """Keep the call's sound from now on."""
    call.wanted = True
    call.cut = ""
    recording = call.recordings[0]
    if recording.object_name or recording.until_us is not None:
        recording = Recording(part=len(call.recordings), from_us=now_us)
        call.recordings.append(recording)
    recording.from_us = now_us
    recording.asked = told.trigger == "recordstart"
    recording.changes.update(told.changes)
    effects: list[Effect] = []
    for attachment in call.attachments:
        if attachment.until_us is None and not attachment.kept:
            attachment.kept = True
            attachment.from_us = now_us
            effects.append(KeepLeg(leg=attachment.facts.leg))
    if effects:
        effects += [NameRecording(call=call.key, part=recording.part), announce("RECORDSTART", call)]
    return effects


def cut_recording(state: State, told: CutRecording, now_us: int) -> list[Effect]:
    call = state.calls.get(told.call)
    if call is None or call.phase != "open" or not call.wanted:
        return []
    return cut(call, told.why, now_us)


SCHEDULE_RULES: dict[type[Any], Any] = {
    SchedulesInForce: schedules_in_force,
    CallDecided: call_decided,
    CutRecording: cut_recording,
}
