"""The page of screen sessions, and the pieces of their pictures.

The one rule: who may not see the agent's recordings is not shown that there was a session.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from earshot.api.media import MediaReply
from earshot.api.permissions import EXPORT, PLAYBACK
from earshot.ports import Storage
from earshot.ports.screens import ScreenRow, Screens
from earshot.vault import VaultError
from earshot.web.openings import Openings
from earshot.web.permitted import actor_of, may_see, refused
from earshot.web.replies import respond
from earshot.web.search import ROWS, read_cursor, written_cursor

REASON_WORDS = {
    "no_desktop": "no desktop agent was known for this agent",
    "desktop_away": "the desktop agent was away",
    "capture_failed": "the desktop agent could not capture",
    "capture_ended": "the desktop agent ended the capture",
    "out_of_disk_space": "the disk reserve was reached",
    "restart": "the recorder was restarted",
    "no_picture": "no picture arrived",
}


class ScreenPages:
    """GET of /screens and /screens/{number}/{segment}."""

    def __init__(self, screens: Screens, storage: Storage, openings: Openings) -> None:
        self._screens = screens
        self._storage = storage
        self._openings = openings

    async def listed(self, request: Request) -> Response:
        """The sessions, newest first, that the actor may see."""
        place = read_cursor(request.query_params.get("before", ""))
        session_id = request.query_params.get("session", "").strip()[:255]
        device_id = request.query_params.get("device", "").strip()[:255]
        sees = actor_of(request).sees
        rows = await self._screens.screens(ROWS + 1, place, session_id, device_id, sees)
        last = rows[ROWS - 1] if len(rows) > ROWS else None
        values = {
            "rows": rows[:ROWS],
            "older": written_cursor((last.session.started_at, last.number) if last is not None else None),
            "is_newest": place is None,
            "session": session_id,
            "device": device_id,
            "chosen": urlencode(
                [(name, said) for name, said in (("session", session_id), ("device", device_id)) if said]
            ),
            "reasons": REASON_WORDS,
        }
        response: Response = request.app.state.console.page(request, "screens.html", values)
        return response

    def _shown(self, request: Request, row: ScreenRow) -> bool:
        return may_see(actor_of(request), row.session.agent_id, row.session.variables)

    async def segment(self, request: Request) -> Response:
        """One piece of the picture, to look at or (`?download`) to keep."""
        number, wanted = request.path_params["number"], request.path_params["segment"]
        row = await self._screens.screen(number) if number < 2**63 else None
        found = [one for one in row.session.segments if one.number == wanted] if row is not None else []
        if row is None or not found or not self._shown(request, row):
            return PlainTextResponse("No such segment.\n", 404)
        actor, download = actor_of(request), "download" in request.query_params
        permission, act = (EXPORT, "exported") if download else (PLAYBACK, "watched")
        if not actor.may(permission):
            return refused(request, (permission,))
        await self._openings.note(actor, act, f"screen session {number}", request, segment=str(wanted))
        segment = found[0]
        reply = MediaReply(
            media_type=segment.media_type,
            file_name=segment.object_name.rsplit("/", 1)[-1],
            object_name=segment.object_name,
            size=segment.size,
            supports_range=True,
            etag=segment.sha256,
        )
        try:
            return await respond(reply, request, self._storage, inline=not download)
        except FileNotFoundError:
            return PlainTextResponse("The picture of this session is gone.\n", 404)
        except VaultError as why:
            return PlainTextResponse(f"The picture of this session cannot be read: {why}.\n", 500)
