"""A blackout after the fact: a person has a span of a recording removed for good.

What is removed, and that it is, is for the cores; here is who may. A hold on a recording is looked for before the cores
are told, and by the core again, with those on screens, in the transaction that decides what is altered; who asked is
noted after that, by what was decided, and before anything is touched. The one rule: it is refused while a legal hold
is on anything of the call, and noted once.
"""

import math

from earshot.actor import Actor
from earshot.api.context import Context
from earshot.api.permissions import BLACKOUTS_AFTER
from earshot.api.retention import Held, NotAllowed
from earshot.engine.blackout_values import Asked, BlackOutSpan
from earshot.errors import BadInput
from earshot.ports import NotFound, RecordingFilter, RecordingRow
from earshot.ports.access import shown
from earshot.ports.blackouts import OnHold

MICROSECONDS = 1_000_000
LONGEST_REASON = 500
MOST_PARTS = 100
BLACKED_OUT = "blacked out"
REFUSED = "refused"
AFTER_THE_FACT = "blackout after the fact"
"""What the audit trail calls them."""


async def black_out_recording(
    context: Context, actor: Actor, record_id: int, from_s: float, to_s: float, reason: str
) -> RecordingRow:
    """Remove what lies between two moments (seconds from the start) from the recording and from all others of its call,
    wherever they lie; gives the recording as it is then. When this returns, it is gone.

    Raises NotAllowed, NotFound (also for one that the actor is not shown), BadInput, Held, CoreAway (it is not gone
    yet, and tried again until it is), StoreUnavailable.
    """
    if not actor.may(BLACKOUTS_AFTER):
        raise NotAllowed(BLACKOUTS_AFTER)
    row = await _row(context, actor, record_id)
    said = "".join(letter if letter.isprintable() else " " for letter in reason).strip()
    if not said or len(said) > LONGEST_REASON:
        raise BadInput(f"a reason is needed, of at most {LONGEST_REASON} characters")
    if not (math.isfinite(from_s) and math.isfinite(to_s)) or not 0 <= from_s < to_s:
        raise BadInput("the span begins at 0 or later and ends after it begins")
    if from_s >= row.sealed.duration_s:
        raise BadInput(f"the recording is only {row.sealed.duration_s:.3f} seconds long")
    to_s = min(to_s, row.sealed.duration_s)
    span = f"{from_s:.3f}-{to_s:.3f}"
    await _no_hold(context, actor, row, span, said)
    asked = Asked(
        record_id=record_id,
        span=span,
        reason=said,
        at=context.clock.now(),
        kind=actor.kind,
        name=actor.name,
        user_id=actor.user_id,
        address=actor.address,
    )
    told = BlackOutSpan(
        call=row.sealed.call_key,
        from_us=math.floor((row.sealed.recording_time + from_s) * MICROSECONDS),
        until_us=math.ceil((row.sealed.recording_time + to_s) * MICROSECONDS),
        asked=asked,
    )
    links = context.cores.links
    core = next((link for link in links if link.ident == row.sealed.core), links[0])
    try:
        await core.black_out(told)
    except OnHold as held:
        raise Held(record_id, held.holds) from None
    return await _row(context, actor, record_id)


async def _row(context: Context, actor: Actor, record_id: int) -> RecordingRow:
    row = await context.store.recording(record_id) if 0 < record_id < 2**63 else None
    if row is None or not shown(row.sealed, actor.sees):
        raise NotFound(f"there is no recording {record_id}")
    return row


async def _no_hold(context: Context, actor: Actor, row: RecordingRow, span: str, reason: str) -> None:
    """Raises Held, which is noted, if any recording of the same call is under a legal hold."""
    if context.retention is None:
        return
    number = await context.store.call_number(row.sealed.call_key)
    call = await context.store.call(number) if number is not None else None
    times = [one.recording_time for one in call.recordings] if call is not None else []
    times.append(row.sealed.recording_time)
    same = RecordingFilter(equals={"device_id": row.sealed.variables.device_id}, since=min(times), until=max(times))
    numbers = {row.record_id}
    for other in await context.store.recordings(same, MOST_PARTS):
        if other.sealed.call_key == row.sealed.call_key:
            numbers.add(other.record_id)
    for record_id in sorted(numbers):
        holds = [hold.number for hold in await context.retention.kept.holds_of(record_id)]
        if holds:
            told = {"span": span, "reason": reason, "holds": ", ".join(map(str, holds))}
            await context.audit.note(actor, REFUSED, f"recording {row.record_id}", what=AFTER_THE_FACT, **told)
            raise Held(record_id, holds)
