"""Schedules for people and programs: list, add, change, and the answer to "would this call be recorded, and why".

What a schedule means is for `earshot.engine.schedules`. The one rule: every change is in the audit trail, and whoever
decides by the schedules is told of it before the answer is sent.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, tzinfo
from typing import Any

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.engine.criteria import FIELDS, Facts
from earshot.engine.model import Call
from earshot.engine.schedule_documents import document_of, schedule_of
from earshot.engine.schedule_values import Schedule
from earshot.engine.schedules import Explained, explain
from earshot.engine.variables import USER_FIELDS, CallVariables
from earshot.errors import BadInput
from earshot.ports.schedules import KeptSchedule, NoSchedule, Schedules

ASKED = ("on_demand", "api_initiated")
WIRE_FIELDS = {
    "DEVICEID": "device",
    "DEVICEALIAS": "alias",
    "STATIONNAME": "station",
    "CALLDIRECTION": "direction",
    "CALLID": "call_id",
    "CALLINSTANCE": "call_instance",
    "SESSIONID": "session_id",
    "AGENTID": "agent",
    "GROUPNAME": "qa_group",
    "COREIDENT": "core",
    "ISTRUNK": "is_trunk",
}
"""Names of the protocol that an imagined call may be told in, beside those of `FIELDS` in any letter case."""


async def nobody_told() -> None:
    """For where nobody decides by these schedules."""


class ScheduleDesk:
    """All that is done with schedules by hand. `trail` gives the audit trail of the moment, `changed` is awaited after
    each change."""

    def __init__(
        self,
        store: Schedules,
        trail: Callable[[], AuditTrail],
        changed: Callable[[], Awaitable[None]] = nobody_told,
    ) -> None:
        self._store = store
        self._trail = trail
        self._changed = changed

    async def listed(self) -> Sequence[KeptSchedule]:
        """All of them, by number. Raises StoreUnavailable, as all of these do."""
        return await self._store.schedules()

    async def one(self, number: int) -> KeptSchedule:
        """The schedule of that number. Raises NoSchedule."""
        for kept in await self._store.schedules():
            if kept.schedule.number == number:
                return kept
        raise NoSchedule(f"There is no schedule {number}")

    async def add(self, actor: Actor, document: Mapping[str, Any]) -> Schedule:
        """Add the schedule of a JSON document; its number is given by us. Raises BadInput."""
        wanted, trail = replace(schedule_of(document), number=0), self._trail()
        async with trail.together():
            added = await self._store.add_schedule(wanted, actor.name)
            await trail.note(actor, "created", f"schedule {added.number}", **_written(document_of(added)))
        await self._changed()
        return added

    async def change(self, actor: Actor, number: int, changes: Mapping[str, Any]) -> Schedule:
        """Change what `changes` names. Raises NoSchedule, BadInput."""
        trail, before = self._trail(), (await self.one(number)).schedule
        wanted = replace(schedule_of(changes, base=before), number=number)
        old, new = document_of(before), document_of(wanted)
        different = {name: value for name, value in new.items() if value != old[name]}
        if different:
            async with trail.together():
                await self._store.change_schedule(wanted, actor.name)
                await trail.note(actor, "changed", f"schedule {number}", **_written(different))
            await self._changed()
        return wanted

    async def switch(self, actor: Actor, number: int, active: bool) -> Schedule:
        """Make it active or not. Raises NoSchedule."""
        return await self.change(actor, number, {"active": active})


def _written(document: Mapping[str, Any]) -> dict[str, str]:
    usual = document_of(Schedule(name=""))
    return {name: str(value) for name, value in document.items() if name != "number" and value != usual.get(name)}


# --- explaining -----------------------------------------------------------------------------------------------------


def pairs_of(texts: Iterable[str]) -> dict[str, str]:
    """The key=value pairs of an imagined call. Raises BadInput."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"{text!r} is not key=value")
        pairs[key.strip()] = value.strip()
    return pairs


def imagined(pairs: Mapping[str, str], now: float, zone: tzinfo, core: int = 1) -> Facts:
    """The facts of a call that is only imagined: fields by name, `at` a date and time (now unless given), `asked`
    on_demand or api_initiated. Raises BadInput for a name that is no field."""
    known: dict[str, tuple[str, ...]] = {}
    asked: set[str] = set()
    at = now
    for name, value in pairs.items():
        field = WIRE_FIELDS.get(name.upper(), name.lower())
        if field == "at":
            at = _moment(value, zone)
        elif field == "asked" and value.lower() in ASKED:
            asked.add(value.lower())
        elif (field == "agentinitiated" or field == "ctiinitiated") and value.upper() in ("Y", "N"):
            kind = ASKED[field == "ctiinitiated"]
            asked |= {kind} if value.upper() == "Y" else set()
        elif field in FIELDS:
            known[field] = tuple(part.strip() for part in value.split(",")) if field == "qa_group" else (value,)
        else:
            raise BadInput(f"There is no field {name!r}; there are {', '.join(sorted((*FIELDS, 'at', 'asked')))}")
    return _facts(known, at, asked, core)


def _moment(text: str, zone: tzinfo) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a date and time such as 2026-11-22T09:30") from None
    if not 1970 < moment.year < 9000:
        raise BadInput(f"{text!r} is too far away")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def remembered(decision: Mapping[str, Any], core: int = 1) -> Facts:
    """The facts that a real call was decided from, as its row keeps them."""
    told = dict(decision.get("facts", {}))
    asked = set(told.pop("asked", ()))
    known = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in told.items()}
    return _facts(known, float(decision.get("at", 0.0)), asked, core)


def _facts(known: Mapping[str, tuple[str, ...]], at: float, asked: set[str], core: int) -> Facts:
    def text(name: str) -> str:
        return next(iter(known.get(name, ())), "")

    told = text("core")
    if told and not (told.isascii() and told.isdigit() and len(told) < 10):
        raise BadInput(f"core is a number, not {told}")
    users = {f"user{number}": text(f"user{number}") for number in range(1, USER_FIELDS + 1)}
    same = {name: text(name) for name in _SAME_NAMES}
    variables = CallVariables.of({"device_id": text("device"), "device_alias": text("alias")}, same, users)
    number = int(told) if told else core
    groups, agent = known.get("qa_group", ()), known.get("agent", ())
    return Facts(variables=variables, at=at, agent=agent, groups=groups, core=number, asked=frozenset(asked))


_SAME_NAMES = (
    *("station", "group", "gate", "ani", "dnis", "direction", "call_id", "call_instance", "session_id"),
    *("is_trunk", "priority"),
)


def explanation(schedules: Iterable[Schedule], facts: Facts, zone: tzinfo) -> dict[str, Any]:
    """Whether such a call would be recorded (yes, sometimes, no), by which schedule, and why not by the others."""
    rows = explain(schedules, facts, zone)
    matching = [row for row in rows if not row.why]
    surely = next((row for row in matching if not row.share), None)
    recorded = "yes" if surely else "sometimes" if matching else "no"
    return {
        "recorded": recorded,
        "winner": _winner(matching),
        "sentence": _sentence(recorded, matching),
        "schedules": [
            {
                "number": row.schedule.number,
                "name": row.schedule.name,
                "priority": row.schedule.priority,
                "matches": not row.why,
                "why": row.why,
                "takes": row.share,
            }
            for row in rows
        ],
    }


def _winner(matching: Sequence[Explained]) -> dict[str, Any] | None:
    if not matching:
        return None
    first = matching[0].schedule
    return {"number": first.number, "name": first.name, "priority": first.priority}


def _sentence(recorded: str, matching: Sequence[Explained]) -> str:
    if recorded == "no":
        return "Not recorded: no schedule matches."
    first = matching[0]
    if not first.share:
        return f"Recorded by schedule {first.schedule.number}, {first.schedule.name}."
    says = f"Schedule {first.schedule.number}, {first.schedule.name}, takes {first.share}"
    surely = next((row.schedule for row in matching if not row.share), None)
    if surely is not None:
        return f"{says}; the others are recorded by schedule {surely.number}, {surely.name}."
    return f"{says}; others are recorded only if another schedule takes them."


NEVER_DECIDED = (
    "It was not decided: no sound has come yet that could be recorded, there were no schedules then, or it was refused."
)


NOT_YET = "Nothing was decided yet: that is done when there is sound that could be recorded."


def decided_now(call: Call) -> str:
    """What was decided of an open call, as a sentence; empty where no schedules decide."""
    if call.decided is None:
        return "" if call.wanted else NOT_YET
    said: str = told_of(decision_document(call.decided))["sentence"]
    return f"{said} The recording has ended: {call.cut.replace('_', ' ')}." if call.cut and not call.wanted else said


def told_of(decision: Mapping[str, Any]) -> dict[str, Any]:
    """What was decided of a real call, as its row or the core keeps it, for people."""
    if not decision:
        return {"recorded": "yes", "sentence": NEVER_DECIDED}
    winner = decision.get("winner")
    by = (
        f"Recorded by schedule {winner['number']}, {winner['name']}."
        if winner
        else "Not recorded: no schedule took it."
    )
    if winner and decision.get("trigger") == "end":
        by = f"Schedule {winner['number']}, {winner['name']}, would have recorded it: no sound came."
    refused = decision.get("refused", "")
    return {
        "recorded": "yes" if winner else "no",
        "sentence": f"Not recorded: {refused}." if refused else by,
        **{name: decision.get(name) for name in ("winner", "matched", "missed", "options", "facts", "at", "trigger")},
        "draw": decision.get("draw"),
        "revision": decision.get("revision"),
    }


def decision_document(decided: Any) -> dict[str, Any]:
    """What an open call remembers of its decision, as a document."""
    return asdict(decided) if decided is not None else {}
