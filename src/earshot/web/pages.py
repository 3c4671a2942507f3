"""The pages that show lists: what is going on now, the recordings, the calls with their verdicts.

No player and no sound here (`recording` has them). The one rule: an empty list says what to do next, and
nobody is shown what is not theirs to see.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from earshot.actor import Actor, Visibility
from earshot.api.permissions import LIVE_MONITORING, SEARCH, SYSTEM_STATUS
from earshot.api.schedules import told_of
from earshot.ports import VERDICTS, FinishedCall, RecordingFilter, RecordingRow, Store
from earshot.web.console import Console
from earshot.web.permitted import actor_of, may_see
from earshot.web.recording import facts
from earshot.web.search import (
    FIELDS,
    ROWS,
    WARNINGS,
    Cursor,
    find,
    read_cursor,
    read_search,
    written_cursor,
)

LATEST: Final = 6
"""Recordings below the live calls."""


class Pages:
    """GET of /, /recordings, /calls, /calls/{number} and the legacy player path."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def now(self, request: Request) -> Response:
        """The dashboard. What is live comes by the event stream; the latest recordings are in the page."""
        actor = actor_of(request)
        live = any(map(actor.may, (SYSTEM_STATUS, LIVE_MONITORING)))
        rows = await self._latest(actor) if actor.may(SEARCH) else []
        return self._console.page(request, "now.html", {"rows": rows, "live": live, "found": actor.may(SEARCH)})

    async def latest(self, request: Request) -> Response:
        """The table of the latest recordings alone, for the dashboard to renew."""
        return self._console.page(request, "_recordings.html", {"rows": await self._latest(actor_of(request))})

    async def _latest(self, actor: Actor) -> list[RecordingRow]:
        newest = read_search({}, [])
        return (await find(self._console.store, newest, self._console.zone, actor.sees)).rows[:LATEST]

    async def recordings(self, request: Request) -> Response:
        """The list of recordings with its filters."""
        query = request.query_params
        search = read_search(query, query.getlist("back"))
        page = await find(self._console.store, search, self._console.zone, actor_of(request).sees)
        values: dict[str, Any] = {"page": page, "rows": page.rows, "search": search}
        return self._console.page(request, "recordings.html", values | {"fields": FIELDS, "warnings": WARNINGS})

    async def calls(self, request: Request) -> Response:
        """Every call that was signalled, with what became of it."""
        query = request.query_params
        verdict = query.get("verdict", "")
        verdict = verdict if verdict in VERDICTS else ""
        place = read_cursor(query.get("before", ""))
        actor = actor_of(request)
        rows, onward = await self._calls(verdict, place, actor)
        counts = await self._console.store.verdict_counts() if actor.sees.everything else {}
        values = {
            "rows": rows,
            "older": written_cursor(onward),
            "is_newest": place is None,
            "verdict": verdict,
            "verdicts": VERDICTS,
            "counted": actor.sees.everything,
            "totals": {name: sum(n for (known, _), n in counts.items() if known == name) for name in VERDICTS},
            "reasons": sorted(
                ((reason, n) for (known, reason), n in counts.items() if known == verdict and reason),
                key=lambda pair: -pair[1],
            ),
        }
        return self._console.page(request, "calls.html", values)

    async def _calls(
        self, verdict: str, place: Cursor | None, actor: Actor
    ) -> tuple[list[tuple[int, FinishedCall]], Cursor | None]:
        """A page of calls that the actor may see, and where the next one begins."""
        found = await self._console.store.calls(verdict or None, ROWS + 1, place, actor.sees)
        onward = (found[ROWS - 1][1].started_at, found[ROWS - 1][0]) if len(found) > ROWS else None
        return found[:ROWS], onward

    async def call(self, request: Request) -> Response:
        """One call: who, when, how it ended and why, and the recordings it left."""
        number, actor = request.path_params["number"], actor_of(request)
        call = await self._console.store.call(number) if number < 2**63 else None
        if call is None or not may_see(actor, call.agent_id, call.variables):
            return self._console.sorry(request, 404, "No such call", f"There is no call {number}.")
        rows = await rows_of(self._console.store, call, actor.sees) if actor.may(SEARCH) else []
        values = {"number": number, "call": call, "rows": rows, "facts": facts(call.variables)}
        return self._console.page(request, "call.html", values | {"decided": told_of(call.decision)})

    async def legacy_player(self, request: Request) -> Response:
        """The path that PLAYBACKLINK gives out (reference.md 11); the meaning of its flag was never published."""
        return RedirectResponse(f"/recordings/{request.path_params['record_id']}", 302)


async def rows_of(store: Store, call: FinishedCall, sees: Visibility) -> list[RecordingRow]:
    """The rows of a call's recordings, in their order, as far as they are still there and may be seen."""
    if not call.recordings:
        return []
    times = [sealed.recording_time for sealed in call.recordings]
    of_device = RecordingFilter(
        equals={"device_id": call.recordings[0].variables.device_id}, since=min(times), until=max(times), seen_by=sees
    )
    rows = await store.recordings(of_device, 100)
    return [row for row in reversed(rows) if row.sealed.call_key == call.key]
