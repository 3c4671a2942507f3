"""Schedules: what decides which calls are recorded.

The one rule: a document is read as the command line and the database read it, and refused in the same words.
"""

import json
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import Field
from starlette.requests import Request

from earshot.api.explaining import explained
from earshot.api.permissions import SCHEDULING
from earshot.api.schedules import ScheduleDesk
from earshot.engine.schedule_values import Schedule
from earshot.errors import BadInput
from earshot.ports.schedules import NoSchedule
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import In, Out

Number = Annotated[int, Path(ge=1, le=LAST_NUMBER)]
LONGEST_QUESTION: Final = 2_000
A_SCHEDULE: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Schedule"}}},
    }
}


class ScheduleList(Out):
    """All schedules, by number."""

    items: list[Schedule]


class Question(In):
    """The number or the key of a call, or `name=value` pairs of an imagined one, with blanks between them."""

    call: Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION, examples=["device=200 group=Sales"])]


class Judged(Out):
    """What one schedule says of the call: `takes` is the share of matching calls that it takes, empty for all."""

    number: int
    name: str
    priority: int
    matches: bool
    why: str
    takes: str


class Explanation(Out):
    """`recorded` is yes, sometimes or no; of a real call `schedules` judge it as they are today."""

    recorded: str
    sentence: str
    is_real: bool
    winner: dict[str, Any] | None = None
    schedules: list[Judged]


class Schedules:
    """/v1/schedules."""

    tag = "schedules"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _schedules(self) -> ScheduleDesk:
        found = self._desk.context.schedules
        if found is None:
            raise Problem(503, "There are no schedules in this process")
        return found

    @route("GET", "/v1/schedules", SCHEDULING, summary="List schedules")
    async def listed(self, request: Request) -> ScheduleList:
        """Complete, by number. None is ever deleted: those that are not active decide nothing."""
        return ScheduleList(items=[kept.schedule for kept in await self._schedules.listed()])

    @route("GET", "/v1/schedules/{number:int}", SCHEDULING, summary="One schedule")
    async def one(self, request: Request, number: Number) -> Schedule:
        """Complete."""
        try:
            return (await self._schedules.one(number)).schedule
        except NoSchedule:
            raise not_found(f"schedule {number}") from None

    @route("POST", "/v1/schedules", SCHEDULING, summary="Add a schedule", status=201, openapi_extra=A_SCHEDULE)
    async def add(self, request: Request) -> Schedule:
        """What is left out is as usual; the number is given here. It decides from the next call on."""
        try:
            return await self._schedules.add(who(request), await _document(request))
        except BadInput as wrong:
            raise Problem(400, str(wrong), INVALID_FORMAT) from None

    @route("PATCH", "/v1/schedules/{number:int}", SCHEDULING, summary="Change a schedule", openapi_extra=A_SCHEDULE)
    async def change(self, request: Request, number: Number) -> Schedule:
        """Only what is given is changed; the number stays."""
        try:
            return await self._schedules.change(who(request), number, await _document(request))
        except BadInput as wrong:
            raise Problem(400, str(wrong), INVALID_FORMAT) from None
        except NoSchedule:
            raise not_found(f"schedule {number}") from None

    @route("POST", "/v1/schedules/{number:int}/activate", SCHEDULING, summary="Have a schedule decide again")
    async def activate(self, request: Request, number: Number) -> Schedule:
        """From the next call on."""
        return await self._switch(request, number, True)

    @route("POST", "/v1/schedules/{number:int}/deactivate", SCHEDULING, summary="Have a schedule decide nothing")
    async def deactivate(self, request: Request, number: Number) -> Schedule:
        """It stays, so that what it decided can be explained."""
        return await self._switch(request, number, False)

    async def _switch(self, request: Request, number: int, active: bool) -> Schedule:
        try:
            return await self._schedules.switch(who(request), number, active)
        except NoSchedule:
            raise not_found(f"schedule {number}") from None

    @route("POST", "/v1/schedules/explain", SCHEDULING, summary="Whether a call is recorded, and why")
    async def explain(self, request: Request, body: Question) -> Explanation:
        """By which schedule, and why not by the others. Nothing is changed. A call that the actor is not shown does not
        exist."""
        schedules = [kept.schedule for kept in await self._schedules.listed()]
        sees, asked = who(request).sees, body.call.strip()
        try:
            told = await explained(self._desk.context, schedules, self._desk.zone, sees, asked)
        except BadInput as wrong:
            raise Problem(400, str(wrong), INVALID_FORMAT) from None
        return Explanation(**{name: told[name] for name in Explanation.model_fields if name in told})


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


async def _document(request: Request) -> dict[str, Any]:
    try:
        document = json.loads(await request.body(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem(400, "The body is no JSON", INVALID_FORMAT) from None
    if not isinstance(document, dict):
        raise Problem(400, "A schedule is a JSON object", INVALID_FORMAT)
    return document
