"""Calls that ended, with their verdicts, and calls that run.

The one rule: nobody is shown a call whose recordings they would not be shown.
"""

from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.requests import Request

from earshot.api.live import CallState, ScreenStateWord
from earshot.api.permissions import LIVE_MONITORING, SEARCH, SYSTEM_STATUS
from earshot.ports import FinishedCall
from earshot.ports.access import shown
from earshot.web.pages import rows_of
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import CursorText, Limit, Listed, Moment, Out, Page, Variables, opaque, place
from earshot.web.updates import visible

Verdict = Literal["recorded", "not_recorded", "failed"]


class FinishedCallOut(Out):
    """A call that ended, with its one verdict; `reason` says how it came to it."""

    number: int
    key: str
    core: int
    agent_id: int | None
    started_at: Moment
    stopped_at: Moment
    verdict: Verdict
    reason: str
    warnings: list[str]
    announced_by: list[str]
    participants: list[dict[str, str]]
    leniencies: dict[str, int]
    variables: Variables


class CallDetail(FinishedCallOut):
    """A call with the RECORDIDs of its recordings, of those that may be seen."""

    recordings: list[int]


class VerdictCount(Out):
    """How many calls ended so."""

    verdict: str
    reason: str
    count: int


class LiveLegOut(Out):
    """One direction of sound of a call that runs."""

    side: str
    codec: str
    packets: int
    lost: int


class LiveCallOut(Out):
    """A call that runs. `blackout` says that its sound is thrown away now, `decision` what the schedules decided."""

    key: str
    device_id: str
    device_alias: str
    started_at: Moment
    state: CallState
    agent_id: int | None
    agent: str
    ani: str
    dnis: str
    direction: str
    group: str
    gate: str
    blackout: bool
    decision: str
    legs: list[LiveLegOut]
    warnings: list[str]


class LiveScreenOut(Out):
    """A screen session that runs; `reason` says why it is not captured."""

    key: str
    session_id: str
    started_at: Moment
    state: ScreenStateWord
    agent_id: int
    agent: str
    computer: str
    reason: str
    warnings: list[str]


class LiveNow(Out):
    """What goes on at one moment."""

    at: Moment
    calls: list[LiveCallOut]
    screens: list[LiveScreenOut]


class Calls:
    """/v1/calls and /v1/verdicts."""

    tag = "calls"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/calls", SYSTEM_STATUS, summary="List finished calls with their verdicts, newest first")
    async def listed(
        self,
        request: Request,
        verdict: Annotated[Verdict | None, Query()] = None,
        limit: Limit = 50,
        cursor: CursorText = "",
    ) -> Page[FinishedCallOut]:
        """Every call that was signalled is here, recorded or not, of those that the actor is shown."""
        found = await self._desk.context.store.calls(verdict, limit + 1, place(cursor), who(request).sees)
        onward = (found[limit - 1][1].started_at, found[limit - 1][0]) if len(found) > limit else None
        return Page(items=[self._shown(number, call) for number, call in found[:limit]], next=opaque(onward))

    @route("GET", "/v1/calls/live", SYSTEM_STATUS, LIVE_MONITORING, summary="Calls and screen sessions that run")
    async def live(self, request: Request) -> LiveNow:
        """A snapshot; `/v1/events` tells of changes."""
        now, time = visible(self._desk.live.snapshot(), who(request)), self._desk.time
        names = ("key", "device_id", "device_alias", "state", "agent_id", "agent", "ani", "dnis", "direction", "group")
        calls = [
            LiveCallOut(
                **{name: getattr(call, name) for name in (*names, "gate", "blackout", "decision")},
                started_at=time(call.started_at),
                legs=[LiveLegOut.model_validate(leg) for leg in call.legs],
                warnings=list(call.warnings),
            )
            for call in now.calls
        ]
        of_screens = ("key", "session_id", "state", "agent_id", "agent", "computer", "reason")
        screens = [
            LiveScreenOut(
                **{name: getattr(screen, name) for name in of_screens},
                started_at=time(screen.started_at),
                warnings=list(screen.warnings),
            )
            for screen in now.screens
        ]
        return LiveNow(at=time(now.at), calls=calls, screens=screens)

    @route("GET", "/v1/calls/{number:int}", SYSTEM_STATUS, summary="One finished call")
    async def one(self, request: Request, number: Annotated[int, Path(ge=1, le=LAST_NUMBER)]) -> CallDetail:
        """With the recordings that it left."""
        actor, store = who(request), self._desk.context.store
        call = await store.call(number)
        if call is None or not shown(call, actor.sees):
            raise not_found(f"call {number}")
        rows = await rows_of(store, call, actor.sees) if actor.may(SEARCH) else []
        return CallDetail(**dict(self._shown(number, call)), recordings=[row.record_id for row in rows])

    @route("GET", "/v1/verdicts", SYSTEM_STATUS, summary="How many calls ended in each verdict")
    async def verdicts(self, request: Request) -> Listed[VerdictCount]:
        """For those who see everybody's calls."""
        if not who(request).sees.everything:
            raise Problem(403, "Counts are for those who see everybody's calls")
        counts = await self._desk.context.store.verdict_counts()
        return Listed(
            items=[
                VerdictCount(verdict=verdict, reason=reason, count=count)
                for (verdict, reason), count in sorted(counts.items())
            ]
        )

    def _shown(self, number: int, call: FinishedCall) -> FinishedCallOut:
        return FinishedCallOut(
            number=number,
            key=call.key,
            core=call.core,
            agent_id=call.agent_id,
            started_at=self._desk.time(call.started_at),
            stopped_at=self._desk.time(call.stopped_at),
            verdict=call.verdict,  # type: ignore[arg-type]
            reason=call.reason,
            warnings=list(call.warnings),
            announced_by=list(call.announced_by),
            participants=list(call.participants),
            leniencies=call.leniencies,
            variables=Variables.of(call.variables),
        )
