"""GET /exports: the exports that wait or run, as JSON, with how far each is.

The one rule: whoever does not see everything is shown what that very person or program asked for.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from earshot.api.exporting import Exports, ExportView
from earshot.api.exports import owner_of
from earshot.api.permissions import EXPORT, SYSTEM_STATUS
from earshot.web.permitted import actor_of, needs


class ExportList:
    """The routes of the list."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports

    def routes(self) -> list[BaseRoute]:
        """To be added to those of the HTTP port."""
        return [Route("/exports", needs(self.answer, EXPORT, SYSTEM_STATUS))]

    async def answer(self, request: Request) -> Response:
        """`{"exports": [...]}`, oldest first; `fraction` goes from 0 to 1."""
        actor = actor_of(request)
        views = self._exports.under_way()
        if not actor.sees.everything:
            views = [view for view in views if view.owner == owner_of(actor)]
        return JSONResponse({"exports": [_shown(view) for view in views]}, headers={"Cache-Control": "no-store"})


def _shown(view: ExportView) -> dict[str, object]:
    return {
        "job": view.number,
        "kind": view.kind,
        "format": view.format,
        "records": list(view.records),
        "owner": view.owner,
        "state": "running" if view.running else "waiting",
        "fraction": round(view.fraction, 3),
        "begun_at": view.begun_at,
        "waiting": view.waiting,
    }
