"""Rules of recording sessions: which call a session feeds, what changes in mid-call, what its end means.

A session and a CALLSTART for the same device become one call, whichever comes first. Sessions with the same link (the
two dialogs of a built-in bridge, RFC 7866 section 3) feed one call.
"""

from dataclasses import replace

from earshot.engine.calls import announce, attach, begin, detach, end, remember, to_decide
from earshot.engine.effects import DropLeg, Effect, KeepLeg
from earshot.engine.inputs import LegFacts, RecorderResumed, SessionChanged, SessionClosed, SessionOpened, Side
from earshot.engine.model import Attachment, Call, Gap, Session, State


def _call_for(state: State, told: SessionOpened) -> Call | None:
    """The open call this session belongs to: by link, else one of the device that waits for its sound."""
    if told.link:
        for call in state.calls.values():
            if call.phase == "open" and call.link == told.link:
                return call
    device = state.devices.get(told.device_id)
    waiting = [state.calls[key] for key in device.calls] if device is not None else []
    waiting = [call for call in waiting if not call.has_sound_source]
    for name in ("call_id", "ani", "dnis"):
        value = told.signalled.get(name)
        matching = [call for call in waiting if value and call.said_by_api.get(name) == value]
        if matching:
            return matching[-1]
    return waiting[-1] if waiting else None


def session_opened(state: State, told: SessionOpened, now_us: int) -> list[Effect]:
    session = Session(
        key=told.session,
        device_id=told.device_id,
        link=told.link,
        legs=told.legs,
        call=None,
        opened_us=now_us,
        signalled=dict(told.signalled),
        participants=told.participants,
        metadata=told.metadata,
        leniencies=dict(told.leniencies),
    )
    state.sessions[told.session] = session
    call = _call_for(state, told)
    if call is not None:
        if call.has_sound_source:
            session.legs = _other_side(call, told)
        if "siprec" not in call.announced_by:
            call.announced_by.append("siprec")
        effects = attach(state, call, session, now_us)
        return effects if call.wanted else effects + to_decide(state, call, "session")
    device = state.device(told.device_id)
    call = begin(state, device, "", "siprec", now_us)
    effects = attach(state, call, session, now_us)
    return [announce("CALLSTART", call), *effects, *to_decide(state, call, "start")]


def _other_side(call: Call, told: SessionOpened) -> tuple[LegFacts, ...]:
    """The second dialog of one call carries the side that the first does not."""
    taken = {attachment.facts.side for attachment in call.attachments if attachment.until_us is None}
    free: Side = "other" if "agent" in taken else "agent"
    return tuple(replace(facts, side=free) if facts.side in taken else facts for facts in told.legs)


def session_changed(state: State, told: SessionChanged, now_us: int) -> list[Effect]:
    session = state.sessions.get(told.session)
    if session is None:
        return []
    before = {facts.leg: facts for facts in session.legs}
    after = {facts.leg: facts for facts in told.legs}
    if session.link:  # its sides were settled against the other dialog of the same call
        after = {leg: replace(facts, side=before[leg].side) if leg in before else facts for leg, facts in after.items()}
    session.legs = tuple(after.values())
    session.leniencies = dict(told.leniencies)
    session.signalled.update(told.signalled)
    session.participants += tuple(one for one in told.participants if one not in session.participants)
    session.metadata += told.metadata
    call = state.calls.get(session.call) if session.call else None
    if call is None:
        return []
    call.said_by_signalling.update(told.signalled)
    call.meet(told.participants)
    call.metadata.extend(told.metadata)
    effects: list[Effect] = []
    for attachment in call.attachments:
        leg = attachment.facts.leg
        if leg not in before or attachment.until_us is not None:
            continue
        if leg not in after:
            attachment.until_us = now_us
            effects.append(DropLeg(leg=leg))
        else:
            _hold_or_resume(call, leg, before[leg].held, after[leg].held, now_us)
            attachment.facts = after[leg]
    for leg in after.keys() - before.keys():
        call.attachments.append(Attachment(facts=after[leg], from_us=now_us, kept=call.wanted))
        if call.wanted:
            effects.append(KeepLeg(leg=leg))
    remember(state, call)
    return [*effects, announce("CALLUPDATE", call)]


def _hold_or_resume(call: Call, leg: int, was_held: bool, is_held: bool, now_us: int) -> None:
    why = f"hold {leg}"
    if is_held and not was_held:
        call.gaps.append(Gap(from_us=now_us, until_us=None, why=why))
    elif was_held and not is_held:
        for gap in call.gaps:
            if gap.why == why and gap.until_us is None:
                gap.until_us = now_us


def session_closed(state: State, told: SessionClosed, now_us: int) -> list[Effect]:
    session = state.sessions.pop(told.session, None)
    if session is None:
        return []
    call = state.calls.get(session.call) if session.call else None
    if call is None:
        return [DropLeg(leg=facts.leg) for facts in session.legs]
    session.leniencies = dict(told.leniencies)
    effects = detach(call, session, now_us)
    if not call.has_sound_source:
        effects += end(state, call, told.why, now_us)
    return effects


def recorder_resumed(state: State, told: RecorderResumed, now_us: int) -> list[Effect]:
    """Calls that ran when the process went down run on, with the time it was down marked as a gap."""
    for call in state.calls.values():
        if call.phase == "open" and call.attachments:
            call.gaps.append(Gap(from_us=told.down_since_us, until_us=now_us, why="restart"))
    return []
