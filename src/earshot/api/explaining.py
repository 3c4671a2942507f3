"""Whether a call was recorded, or would be, and why: the answer to what somebody asks about one call.

The one rule: nobody is told of a call whose recordings they would not be shown.
"""

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from earshot.actor import Visibility
from earshot.api.context import Context
from earshot.api.schedules import decision_document, explanation, imagined, pairs_of, remembered, told_of
from earshot.api.sight import shows_call
from earshot.engine.schedule_values import Schedule
from earshot.errors import BadInput
from earshot.ports.access import shown


async def explained(
    context: Context, schedules: Iterable[Schedule], zone: tzinfo, sees: Visibility, asked: str
) -> dict[str, Any]:
    """`asked` is the number or the key of a call, or key=value pairs of an imagined one. Raises BadInput,
    StoreUnavailable."""
    core = context.cores.links[0].ident
    schedules = list(schedules)
    if "=" in asked:
        facts = imagined(pairs_of(asked.split()), context.clock.now(), zone, core)
        return {**explanation(schedules, facts, zone), "is_real": False, "missed": []}
    decision = await _decision(context, sees, asked)
    told = told_of(decision)
    now = explanation(schedules, remembered(decision, core), zone)["schedules"] if decision else []
    return {"missed": [], **told, "schedules": now, "is_real": True}


async def _decision(context: Context, sees: Visibility, asked: str) -> dict[str, Any]:
    for link in context.cores.links:
        call = link.state.calls.get(asked)
        if call is not None and shows_call(context, sees, call):
            return decision_document(call.decided)
    is_number = asked.isascii() and asked.isdigit() and len(asked) < 19
    number = int(asked) if is_number else await context.store.call_number(asked)
    finished = await context.store.call(number) if number is not None else None
    if finished is None or not shown(finished, sees):
        raise BadInput(f"There is no call {asked[:80]}")
    return finished.decision
