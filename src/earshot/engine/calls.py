"""Rules of calls as the API speaks of them, and the steps every call goes through: begin, attach, end.

A start or stop never causes an error, whatever the state (specification, Recording Control Functions): a stop without
a call changes nothing, a second start of the same call instance stops the first.
"""

from earshot.engine.effects import Announce, DropLeg, Effect, KeepLeg, NameRecording, SealCall
from earshot.engine.inputs import (
    CallRefused,
    CallStored,
    EndCall,
    RecordingNamed,
    StartCall,
    StartRecording,
    StopCall,
    StopRecording,
    UpdateCall,
)
from earshot.engine.model import Attachment, Call, Device, Gap, Recording, Session, State
from earshot.engine.schedule_values import DecideCall, FreeChannel, Trigger


def announce(event: str, call: Call) -> Announce:
    return Announce(event=event, call=call.key, variables=call.variables, announced_by=tuple(call.announced_by))


# --- steps every call goes through ----------------------------------------------------------------------------------


def begin(state: State, device: Device, instance: str, by: str, now_us: int) -> Call:
    """A new open call on the device, with its scheduled recording. What is known of it is still to be remembered, and
    where schedules decide, whether it is wanted is still to be decided (`to_decide`)."""
    state.number += 1
    key = f"{state.core}-{now_us}-{state.number}"
    call = Call(key=key, device_id=device.device_id, instance=instance, started_us=now_us, announced_by=[by])
    call.recordings.append(Recording(part=0, from_us=now_us))
    call.wanted = not state.scheduled
    state.calls[key] = call
    device.calls.append(key)
    return call


def remember(state: State, call: Call) -> None:
    """Something was said of the call: renew its merged variables, and what its device shows."""
    call.merge()
    show(state, call)


def show(state: State, call: Call) -> None:
    """Keep on the device what the status commands show of its latest call."""
    device = state.device(call.device_id)
    variables = call.variables
    if variables.device_alias and variables.device_alias != device.alias:
        if state.device_of_alias.get(device.alias) == device.device_id:
            del state.device_of_alias[device.alias]
        device.alias = variables.device_alias
    if variables.device_alias:
        state.device_of_alias[variables.device_alias] = device.device_id
    if variables.station:
        device.station = variables.station
    device.last = variables
    device.last_started_us = call.started_us
    device.last_stopped_us = call.stopped_us
    device.last_file_name = call.recordings[0].file_name if call.recordings else ""


def attach(state: State, call: Call, session: Session, now_us: int) -> list[Effect]:
    """Give the call the sound of the session; what no schedule wants is not kept."""
    first = call.wanted and not any(one.kept for one in call.attachments)
    session.call = call.key
    if session.key not in call.sessions:
        call.sessions.append(session.key)
    call.link = call.link or session.link
    call.said_by_signalling.update(session.signalled)
    call.meet(session.participants)
    call.metadata.extend(session.metadata)
    remember(state, call)
    effects: list[Effect] = []
    for facts in session.legs:
        call.attachments.append(Attachment(facts=facts, from_us=now_us, kept=call.wanted))
        if facts.held:
            call.gaps.append(Gap(from_us=now_us, until_us=None, why=f"hold {facts.leg}"))
        if call.wanted:
            effects.append(KeepLeg(leg=facts.leg))
    if first and session.legs:
        for recording in call.recordings:
            if recording.until_us is None:
                effects.append(NameRecording(call=call.key, part=recording.part))
        effects.append(announce("RECORDSTART", call))
    return effects


def detach(call: Call, session: Session, now_us: int) -> list[Effect]:
    """Take the sound of the session away from the call."""
    effects: list[Effect] = []
    mine = {facts.leg for facts in session.legs}
    for attachment in call.attachments:
        if attachment.until_us is None and attachment.facts.leg in mine:
            attachment.until_us = now_us
            effects.append(DropLeg(leg=attachment.facts.leg))
    for name, count in session.leniencies.items():
        call.leniencies[name] = call.leniencies.get(name, 0) + count
    session.leniencies = {}
    session.call = None
    return effects


def end(state: State, call: Call, why: str, now_us: int) -> list[Effect]:
    """End the call: its sessions run on without it, its recordings close, it waits to be sealed."""
    effects: list[Effect] = []
    for key in call.sessions:
        session = state.sessions.get(key)
        if session is not None and session.call == call.key:
            effects += detach(call, session, now_us)
    for recording in call.recordings:
        if recording.until_us is None:
            recording.until_us = now_us
    for gap in call.gaps:
        if gap.until_us is None:
            gap.until_us = now_us
    call.phase = "ended"
    call.stopped_us = now_us
    call.ended_by = why
    state.device(call.device_id).calls.remove(call.key)
    show(state, call)
    if call.attachments and call.wanted:
        effects.append(announce("RECORDSTOP", call))
    effects += [announce("CALLSTOP", call), SealCall(call=call.key)]
    return effects


def waiting_session(state: State, device_id: str) -> Session | None:
    """The newest session of the device that feeds no open call."""
    found = None
    for session in state.sessions.values():
        if session.device_id == device_id and session.call is None:
            found = session
    return found


# --- what the API asks ----------------------------------------------------------------------------------------------


def _call_to_adopt(state: State, device: Device, told: StartCall) -> Call | None:
    """The call the signalling began and the API now speaks of: the one that matches best, else the latest."""
    candidates = [state.calls[key] for key in device.calls if "api" not in state.calls[key].announced_by]
    if not candidates:
        return None
    for name in ("call_id", "ani", "dnis"):
        value = told.changes.get(name)
        matching = [call for call in candidates if value and call.said_by_signalling.get(name) == value]
        if matching:
            return matching[-1]
    return candidates[-1]


def to_decide(state: State, call: Call, trigger: Trigger) -> list[Effect]:
    """Have the call decided, where schedules decide: as soon as there is sound to decide of, or RECORDSTART asks.

    What never gets a session takes no place in a quota; whether it was wanted is judged at its end.
    """
    if state.scheduled and (call.sessions or trigger == "recordstart"):
        return [DecideCall(call=call.key, trigger=trigger)]
    return []


def start_call(state: State, told: StartCall, now_us: int, trigger: Trigger = "start") -> list[Effect]:
    device = state.device(told.device_id)
    device.known_by_api = True
    running = state.open_call(told.device_id, told.instance)
    effects: list[Effect] = []
    if running is not None and "api" in running.announced_by:
        effects += end(state, running, "restarted", now_us)
    call = _call_to_adopt(state, device, told)
    if call is not None:
        call.announced_by.append("api")
        call.instance = told.instance
        call.said_by_api.update(told.changes)
        device.calls.remove(call.key)
        device.calls.append(call.key)
        remember(state, call)
        return [*effects, announce("CALLSTART", call), *to_decide(state, call, trigger)]
    call = begin(state, device, told.instance, "api", now_us)
    call.said_by_api = told.changes.copy()
    remember(state, call)
    effects.append(announce("CALLSTART", call))
    session = waiting_session(state, told.device_id)
    if session is not None:
        call.announced_by.append("siprec")
        effects += attach(state, call, session, now_us)
    return effects + to_decide(state, call, trigger)


def stop_call(state: State, told: StopCall, now_us: int) -> list[Effect]:
    call = state.open_call(told.device_id, told.instance)
    return end(state, call, "callstop", now_us) if call is not None else []


def update_call(state: State, told: UpdateCall, now_us: int) -> list[Effect]:
    call = state.open_call(told.device_id, told.instance)
    if call is None and told.ended_too:
        call = state.ended_call(told.device_id, told.instance)
    if call is None:
        return []
    call.said_by_api.update(told.changes)
    remember(state, call)
    return [announce("CALLUPDATE", call)]


def start_recording(state: State, told: StartRecording, now_us: int) -> list[Effect]:
    call = state.open_call(told.device_id, told.instance)
    if call is None:
        # With no call on the device, start one (reference.md 14.3, RECORDSTART: our decision).
        start = StartCall(device_id=told.device_id, instance=told.instance or "", changes=told.changes)
        return start_call(state, start, now_us, "recordstart")
    if state.scheduled and not call.wanted:
        return [DecideCall(call=call.key, trigger="recordstart", changes=dict(told.changes))]
    if any(_by_request(recording) and recording.until_us is None for recording in call.recordings):
        return []
    recording = Recording(part=len(call.recordings), from_us=now_us, changes=dict(told.changes))
    call.recordings.append(recording)
    effects: list[Effect] = [announce("RECORDSTART", call)]
    if call.attachments:
        effects.append(NameRecording(call=call.key, part=recording.part))
    return effects


def _by_request(recording: Recording) -> bool:
    """Whether RECORDSTART had it begin."""
    return recording.asked or recording.part > 0


def stop_recording(state: State, told: StopRecording, now_us: int) -> list[Effect]:
    call = state.open_call(told.device_id, told.instance)
    if call is None:
        return []
    for recording in call.recordings:
        if _by_request(recording) and recording.until_us is None:
            recording.changes.update(told.changes)
            if recording.asked:  # nothing else of the call is recorded
                return cut(call, "recordstop", now_us)
            recording.until_us = now_us
            return [announce("RECORDSTOP", call)]
    return []


def cut(call: Call, why: str, now_us: int) -> list[Effect]:
    """End the recordings of a call that goes on: its sound belongs to it still, and is not kept."""
    for recording in call.recordings:
        if recording.until_us is None:
            recording.until_us = now_us
    effects: list[Effect] = []
    for attachment in [one for one in call.attachments if one.kept and one.until_us is None]:
        attachment.until_us = now_us
        call.attachments.append(Attachment(facts=attachment.facts, from_us=now_us, kept=False))
        effects.append(DropLeg(leg=attachment.facts.leg))
    call.wanted = False
    call.cut = why
    return [*effects, FreeChannel(call=call.key), announce("RECORDSTOP", call)]


# --- what the core reports ------------------------------------------------------------------------------------------


def recording_named(state: State, told: RecordingNamed, now_us: int) -> list[Effect]:
    call = state.calls.get(told.call)
    if call is not None:
        call.recordings[told.part].object_name = told.object_name
        call.recordings[told.part].file_name = told.file_name
        if told.part == 0:
            state.device(call.device_id).last_file_name = told.file_name
    return []


def call_stored(state: State, told: CallStored, now_us: int) -> list[Effect]:
    state.calls.pop(told.call, None)
    return []


def end_call(state: State, told: EndCall, now_us: int) -> list[Effect]:
    call = state.calls.get(told.call)
    return end(state, call, told.why, now_us) if call is not None and call.phase == "open" else []


def call_refused(state: State, told: CallRefused, now_us: int) -> list[Effect]:
    """A call that was refused begins and ends at once, so that it gets its verdict like any other."""
    call = begin(state, state.device(told.device_id), told.instance, told.by, now_us)
    (call.said_by_api if told.by == "api" else call.said_by_signalling).update(told.said)
    remember(state, call)
    return end(state, call, told.why, now_us)
