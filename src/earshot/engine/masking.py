"""Rules of blackouts: whom they cover, which legs are masked, what must be removed, and when they end.

A blackout of a call ends with it; one of an agent covers every call of that agent until its stop or its limit. A call
that is covered has a gap of it (blackout_gaps), open while it lasts. The one rule: a leg is masked before it is kept,
and what was written before masking could begin is removed; unless the blackout only hides.
"""

from collections.abc import Iterable
from typing import Any

from earshot.engine import blackouts
from earshot.engine.blackout_gaps import AFTER_THE_FACT, is_blackout, is_masked, key_of, why_of
from earshot.engine.blackout_values import (
    Blackout,
    BlackoutsDue,
    BlackOutSpan,
    MaskLeg,
    Removal,
    RemoveSound,
    SoundRemoved,
    StartAgentBlackout,
    StartBlackout,
    StopAgentBlackout,
    StopBlackout,
    UnmaskLeg,
    WakeForBlackouts,
)
from earshot.engine.blackouts import Span
from earshot.engine.effects import Announce, DropLeg, Effect, KeepLeg, SealCall
from earshot.engine.model import Call, Gap, State
from earshot.engine.variables import CallVariables

# --- what is told ---------------------------------------------------------------------------------------------------


def start_blackout(state: State, told: StartBlackout, now_us: int) -> list[Effect]:
    call = state.open_call(told.device_id, told.instance)
    moment_us = now_us + told.offset_us
    if call is None:
        return _black_out_ended(state, told, moment_us, now_us)
    return _start(state, Blackout(key=f"call {call.key}"), moment_us, now_us, told)


def _black_out_ended(state: State, told: StartBlackout, from_us: int, now_us: int) -> list[Effect]:
    """The last call is over: what of it lies after `from_us` is blacked out, sealed or not."""
    if from_us >= now_us:
        return []
    call = state.ended_call(told.device_id, told.instance)
    if call is not None:
        span = Span(from_us=from_us, until_us=now_us, hide=told.hide)
        return _remove(state, span, now_us, _cover(call, f"call {call.key}", span, now_us))
    number = _next_removal(state)
    state.removals[number] = Removal(
        number=number,
        from_us=from_us,
        until_us=now_us,
        last_of=told.device_id,
        instance=told.instance,
        hide=told.hide,
    )
    return [RemoveSound(number=number)]


def stop_blackout(state: State, told: StopBlackout, now_us: int) -> list[Effect]:
    call = state.open_call(told.device_id, told.instance)
    return _stop(state, f"call {call.key}", now_us + told.offset_us, now_us) if call is not None else []


def start_agent_blackout(state: State, told: StartAgentBlackout, now_us: int) -> list[Effect]:
    aliases = {name: state.devices[name].alias if name in state.devices else "" for name in told.devices}
    fresh = Blackout(key=told.agent, phones=told.phones, devices=aliases)
    return _start(state, fresh, now_us + told.offset_us, now_us, told)


def stop_agent_blackout(state: State, told: StopAgentBlackout, now_us: int) -> list[Effect]:
    return _stop(state, told.agent, now_us + told.offset_us, now_us)


def black_out_span(state: State, told: BlackOutSpan, now_us: int) -> list[Effect]:
    call = state.calls.get(told.call)
    span = Span(from_us=told.from_us, until_us=told.until_us)
    legs = _cover(call, AFTER_THE_FACT, span, now_us) if call is not None else {}
    number = _next_removal(state)
    state.removals[number] = Removal(
        number=number,
        from_us=told.from_us,
        until_us=told.until_us,
        legs=sorted(legs),
        calls=[told.call],
        screens=True,
        together=True,
        asked=told.asked,
    )
    return [RemoveSound(number=number)]


def blackouts_due(state: State, told: BlackoutsDue, now_us: int) -> list[Effect]:
    effects: list[Effect] = []
    for blackout in list(state.blackouts.values()):
        effects += _advance(state, blackout, now_us)
    return effects


def sound_removed(state: State, told: SoundRemoved, now_us: int) -> list[Effect]:
    state.removals.pop(told.number, None)
    return []


BLACKOUT_RULES: dict[type[Any], Any] = {
    StartBlackout: start_blackout,
    StopBlackout: stop_blackout,
    StartAgentBlackout: start_agent_blackout,
    StopAgentBlackout: stop_agent_blackout,
    BlackOutSpan: black_out_span,
    BlackoutsDue: blackouts_due,
    SoundRemoved: sound_removed,
}

# --- begin and end --------------------------------------------------------------------------------------------------


def _start(
    state: State, fresh: Blackout, moment_us: int, now_us: int, told: StartBlackout | StartAgentBlackout
) -> list[Effect]:
    blackout = state.blackouts.setdefault(fresh.key, fresh)
    if blackout is not fresh:
        blackout.phones = tuple(dict.fromkeys((*blackout.phones, *fresh.phones)))
        blackout.devices.update(fresh.devices)
    _index(state, blackout)
    span = blackouts.start(blackout.spans, moment_us, now_us, told.longest_us, told.hide)
    effects: list[Effect] = []
    if span is not None and span.begun:  # it reaches further back than before
        effects += _begin(state, blackout, span, now_us)
    return effects + _advance(state, blackout, now_us)


def _stop(state: State, key: str, moment_us: int, now_us: int) -> list[Effect]:
    blackout = state.blackouts.get(key)
    if blackout is None:
        return []
    blackouts.stop(blackout.spans, moment_us)
    return _advance(state, blackout, now_us)


def _advance(state: State, blackout: Blackout, now_us: int) -> list[Effect]:
    """Begin and end what is due of one blackout, and forget it when nothing of it is left."""
    effects: list[Effect] = []
    for span in list(blackout.spans):
        if not span.begun and (blackouts.is_empty(span) or span.from_us > now_us):
            if blackouts.is_empty(span):
                blackout.spans.remove(span)
            continue
        if not span.begun:
            span.begun = True
            effects += [*_begin(state, blackout, span, now_us), _announce(state, "BLACKOUTSTART", blackout)]
        end_us = span.end_us
        if end_us is not None and end_us <= now_us:
            blackout.spans.remove(span)
            effects.append(_announce(state, "BLACKOUTSTOP", blackout))
            if not any(other.begun and other.hide == span.hide for other in blackout.spans):
                _close(_covered(state, blackout), why_of(span, blackout.key), now_us)
    if not blackout.spans:
        _forget(state, blackout)
    due_us = blackouts.next_due(blackout.spans)
    return [*effects, WakeForBlackouts(at_us=due_us)] if due_us is not None else effects


def _begin(state: State, blackout: Blackout, span: Span, now_us: int) -> list[Effect]:
    """Cover every call that the span reaches, and have removed what it had before now."""
    legs: dict[int, None] = {}
    for call in _covered(state, blackout):
        legs.update(_cover(call, blackout.key, span, now_us))
    return _remove(state, span, now_us, legs, blackout)


def _cover(call: Call, key: str, span: Span, now_us: int) -> dict[int, None]:
    """Give the call its gap; returns the legs whose sound since the begin of the span must be removed."""
    stopped_us = call.stopped_us if call.phase == "ended" else None
    begin_us = min((one.from_us for one in call.attachments), default=call.started_us)
    if stopped_us is not None and stopped_us <= span.from_us:
        return {}
    why = why_of(span, key)
    open_gap = next((gap for gap in call.gaps if gap.why == why and gap.until_us is None), None)
    if open_gap is not None:
        open_gap.from_us = min(open_gap.from_us, span.from_us)
    else:
        end_us = span.end_us
        over = end_us if end_us is not None and end_us <= now_us else None
        until_us = over if stopped_us is None else min(stopped_us, over or stopped_us)
        if until_us is None or until_us > begin_us:
            call.gaps.append(Gap(from_us=span.from_us, until_us=until_us, why=why))
    reached = (one for one in call.attachments if one.until_us is None or one.until_us > span.from_us)
    return dict.fromkeys(one.facts.leg for one in reached) if span.from_us < now_us else {}


def _remove(
    state: State, span: Span, now_us: int, legs: Iterable[int], blackout: Blackout | None = None
) -> list[Effect]:
    """Ask that what was written of the span before now be removed; nothing for a span that begins now."""
    until_us = min(now_us, span.end_us if span.end_us is not None else now_us)
    if span.from_us >= until_us:
        return []
    wanted = set(legs)
    ended = [
        call.key
        for call in state.calls.values()
        if call.phase == "ended" and any(one.facts.leg in wanted for one in call.attachments)
    ]
    of_agent = blackout is not None and not blackout.key.startswith("call ")
    if not wanted and not of_agent:
        return []
    number = _next_removal(state)
    state.removals[number] = Removal(
        number=number,
        from_us=span.from_us,
        until_us=until_us,
        legs=sorted(wanted),
        calls=ended,
        agent=blackout.key if blackout is not None and of_agent else "",
        phones=blackout.phones if blackout is not None else (),
        devices=dict(blackout.devices) if blackout is not None else {},
        hide=span.hide,
        screens=of_agent,
    )
    return [RemoveSound(number=number)]


def _next_removal(state: State) -> int:
    state.number += 1
    return state.number


def _close(calls: Iterable[Call], why: str, now_us: int) -> None:
    for call in calls:
        for gap in call.gaps:
            if gap.until_us is None and gap.why == why:
                gap.until_us = now_us


def _announce(state: State, event: str, blackout: Blackout) -> Announce:
    call = next((one for one in _covered(state, blackout) if one.phase == "open"), None)
    if call is not None:
        return Announce(event=event, call=call.key, variables=call.variables, announced_by=("api",))
    device = next(iter((*blackout.devices, *blackout.phones)), "")
    alias = state.devices[device].alias if device in state.devices else ""
    variables = CallVariables(device_id=device, device_alias=alias)
    return Announce(event=event, call="", variables=variables, announced_by=("api",))


def _forget(state: State, blackout: Blackout) -> None:
    state.blackouts.pop(blackout.key, None)
    for number in (*blackout.phones, *blackout.devices):
        keys = [key for key in state.blacked_out.get(number, ()) if key != blackout.key]
        if keys:
            state.blacked_out[number] = keys
        else:
            state.blacked_out.pop(number, None)


def _index(state: State, blackout: Blackout) -> None:
    for number in (*blackout.phones, *blackout.devices):
        keys = state.blacked_out.setdefault(number, [])
        if blackout.key not in keys:
            keys.append(blackout.key)


# --- whom it covers -------------------------------------------------------------------------------------------------


def _covered(state: State, blackout: Blackout) -> list[Call]:
    """The calls that are not stored yet and that the blackout covers now."""
    if blackout.key.startswith("call "):
        call = state.calls.get(blackout.key.removeprefix("call "))
        return [call] if call is not None else []
    return [call for call in state.calls.values() if _is_of(state, call, blackout)]


def _is_of(state: State, call: Call, blackout: Blackout) -> bool:
    """Whether it is the agent's call: by one of the agent's numbers, or because it is where the agent was and nobody
    else has come since. In doubt it is."""
    device = call.device_id
    if device in blackout.phones:
        return True
    alias = _alias(state, call)
    return alias in blackout.phones or (device in blackout.devices and alias in ("", blackout.devices[device]))


def _alias(state: State, call: Call) -> str:
    device = state.devices.get(call.device_id)
    return call.variables.device_alias or (device.alias if device is not None else "")


def _of_call(state: State, call: Call) -> list[Blackout]:
    """The blackouts of agents that cover the call, by the numbers it is known under."""
    numbers = (call.device_id, _alias(state, call))
    keys = dict.fromkeys(key for number in numbers for key in state.blacked_out.get(number, ()))
    found = (state.blackouts[key] for key in keys if key in state.blackouts)
    return [blackout for blackout in found if _is_of(state, call, blackout)]


# --- after every input ----------------------------------------------------------------------------------------------


def follow(state: State, told: Any, effects: list[Effect], now_us: int) -> list[Effect]:
    """What blackouts make of any input: calls that began or changed hands are covered or no longer, blackouts of calls
    that ended are over, and legs are masked before they are kept. Nothing to do without a blackout."""
    if not state.blackouts and not state.masked:
        return effects
    extra: list[Effect] = []
    for effect in effects:
        if isinstance(effect, SealCall):
            blackout = state.blackouts.get(f"call {effect.call}")
            if blackout is not None:
                begun = any(span.begun for span in blackout.spans)
                extra += [_announce_end(state, effect.call)] if begun else []
                _forget(state, blackout)
    touched = _touched(state, told, effects)
    for call in touched:
        extra += _attribute(state, call, now_us)
    return _with_masks(state, touched, [*effects, *extra])


def _announce_end(state: State, key: str) -> Announce:
    call = state.calls[key]
    return Announce(event="BLACKOUTSTOP", call=key, variables=call.variables, announced_by=("api",))


def _touched(state: State, told: Any, effects: list[Effect]) -> list[Call]:
    """The open calls that an input can have changed."""
    if isinstance(told, (StartAgentBlackout, StopAgentBlackout, BlackoutsDue)):
        covered = (call for call in state.calls.values() if call.phase == "open" and call.gaps)
        return [call for call in covered if any(map(is_blackout, call.gaps))]
    keys: dict[str, None] = {}
    device = state.devices.get(getattr(told, "device_id", ""))
    if device is not None:
        keys.update(dict.fromkeys(device.calls))
    session = state.sessions.get(getattr(told, "session", ""))
    if session is not None and session.call:
        keys[session.call] = None
    keys.update((effect.call, None) for effect in effects if isinstance(effect, Announce) and effect.call)
    return [state.calls[key] for key in keys if key in state.calls and state.calls[key].phase == "open"]


def _attribute(state: State, call: Call, now_us: int) -> list[Effect]:
    """Settle which agents' blackouts cover the call, now that something was said of it."""
    effects: list[Effect] = []
    now_covering = {blackout.key: blackout for blackout in _of_call(state, call)}
    for gap in call.gaps:
        key = key_of(gap)
        other = key and gap.until_us is None and not key.startswith("call ")
        if other and key not in now_covering:
            gap.until_us = now_us
    has = {gap.why for gap in call.gaps if gap.until_us is None}
    for blackout in now_covering.values():
        for span in {one.hide: one for one in reversed(blackout.spans) if one.begun}.values():
            if why_of(span, blackout.key) not in has:
                legs = _cover(call, blackout.key, span, now_us)
                earlier = Span(from_us=max(span.from_us, call.started_us), until_us=now_us, hide=span.hide)
                effects += _remove(state, earlier, now_us, legs)
    return effects


def _with_masks(state: State, touched: list[Call], effects: list[Effect]) -> list[Effect]:
    """The effects with legs unmasked after they are dropped, and masked before they are kept."""
    wanted: dict[int, bool] = {}
    for call in touched:
        hidden = is_masked(call)
        for one in call.attachments:
            if one.until_us is None:
                wanted[one.facts.leg] = wanted.get(one.facts.leg, False) or hidden
    kept = {effect.leg for effect in effects if isinstance(effect, KeepLeg)}
    done: list[Effect] = []
    for leg, hidden in wanted.items():
        if hidden != (leg in state.masked) and leg not in kept:
            done.append(_masked(state, leg, hidden))
    for effect in effects:
        if isinstance(effect, KeepLeg) and wanted.get(effect.leg, False) != (effect.leg in state.masked):
            done.append(_masked(state, effect.leg, wanted.get(effect.leg, False)))
        done.append(effect)
        if isinstance(effect, DropLeg) and effect.leg in state.masked and effect.leg not in wanted:
            done.append(_masked(state, effect.leg, False))
    return done


def _masked(state: State, leg: int, hidden: bool) -> Effect:
    if hidden:
        state.masked[leg] = True
        return MaskLeg(leg=leg)
    state.masked.pop(leg, None)
    return UnmaskLeg(leg=leg)
