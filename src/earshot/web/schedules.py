"""The page of schedules: what decides what is recorded, and whether a call would be, and why.

What a schedule means is for the engine. The one rule: what a person changes here counts from the next call on.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from earshot.api.context import Context
from earshot.api.explaining import explained
from earshot.api.schedules import ScheduleDesk
from earshot.engine.criteria import words_of
from earshot.engine.schedule_values import DAYS, Schedule
from earshot.engine.schedules import share_of
from earshot.errors import BadInput
from earshot.ports.schedules import NoSchedule
from earshot.web.console import Console
from earshot.web.permitted import actor_of

KINDS: Final = {
    "percentage": "Percentage",
    "set_number": "Set number",
    "api_initiated": "API initiated",
    "on_demand": "On demand",
    "agent_percentage": "Agent percentage",
    "desktop": "Desktop only",
}
LONGEST_QUESTION: Final = 2000


class SchedulePages:
    """GET of /schedules, POST of /schedules/{number}/activate and /schedules/{number}/deactivate."""

    def __init__(self, desk: ScheduleDesk, context: Context, zone: Any) -> None:
        self._desk = desk
        self._context = context
        self._zone = zone

    async def listed(self, request: Request) -> Response:
        """All schedules, and below them the answer to what was asked."""
        console: Console = request.app.state.console
        kept = await self._desk.listed()
        asked = request.query_params.get("call", "").strip()[:LONGEST_QUESTION]
        rows = [(one, _facts(one.schedule)) for one in kept]
        rows.sort(key=lambda row: (-row[0].schedule.priority, row[0].schedule.number))
        answer: dict[str, Any] | None = None
        wrong = ""
        if asked:
            try:
                schedules, sees = [one.schedule for one in kept], actor_of(request).sees
                answer = await explained(self._context, schedules, self._zone, sees, asked)
            except BadInput as refused:
                wrong = str(refused)
        values = {"rows": rows, "kinds": KINDS, "asked": asked, "answer": answer, "wrong": wrong}
        return console.page(request, "schedules.html", values, 400 if wrong else 200)

    async def switch(self, request: Request) -> Response:
        """Make a schedule active or not."""
        console: Console = request.app.state.console
        number, word = request.path_params["number"], request.path_params["switch"]
        if word not in ("activate", "deactivate") or number >= 2**63:
            return console.sorry(request, 404, "No such page", "There is nothing at this address.")
        try:
            await self._desk.switch(actor_of(request), number, word == "activate")
        except NoSchedule as missing:
            return console.sorry(request, 404, "No such schedule", f"{missing}.")
        return RedirectResponse("/schedules", 303)


def _facts(schedule: Schedule) -> list[str]:
    """What is worth saying of a schedule on one line each."""
    said = [words_of(one) for one in schedule.criteria]
    if share := share_of(schedule):
        said.append(f"takes {share}")
    if len(schedule.days) < len(DAYS):
        said.append(", ".join(schedule.days))
    if schedule.from_time or schedule.until_time:
        said.append(f"{schedule.from_time or '00:00'} to {schedule.until_time or '24:00'} {schedule.zone}".strip())
    limits = (
        ("at least", schedule.min_length_s),
        ("at most", schedule.max_length_s),
        ("silence", schedule.silence_limit_s),
    )
    said += [f"{word} {seconds} s" for word, seconds in limits if seconds]
    if schedule.keep_days >= 0:
        said.append(f"kept {schedule.keep_days} days")
    if schedule.screen:
        said.append("with screen")
    return said
