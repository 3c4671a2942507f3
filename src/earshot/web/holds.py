"""The pages of legal holds and of what was deleted, and the form that deletes a recording.

Nothing is decided here. The one rule: a refusal is a page that says why and leaves everything as it was.
"""

from datetime import datetime, tzinfo
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from earshot.api.permissions import ARCHIVE_ADMINISTRATION, AUDIT_TRAIL, DELETE, LEGAL_HOLD
from earshot.api.retention import Held, RetentionDesk, words
from earshot.errors import BadInput
from earshot.ports import NotFound
from earshot.ports.retention import Criteria
from earshot.web.bodies import BodyTooLarge, BodyTooSlow, read_form
from earshot.web.console import Console
from earshot.web.permitted import actor_of, page

ROWS: Final = 50
FORM_BYTES: Final = 64 * 1024
LARGEST: Final = 2**63 - 1
FIELDS: Final = (
    ("", "–"),
    ("device_id", "Device"),
    ("device_alias", "Agent number"),
    ("ani", "Caller (ANI)"),
    ("dnis", "Called (DNIS)"),
    ("call_id", "Call ID"),
    ("group", "ACD group"),
    ("gate", "Gate"),
    *((f"user{number}", f"User field {number}") for number in range(1, 16)),
)


class AtWork(Protocol):
    """The loop behind the pages."""

    @property
    def paused(self) -> str:
        """Why nothing is removed now; empty if that is not so."""
        ...

    @property
    def troubles(self) -> list[str]:
        """What cannot be done now, one sentence each."""
        ...


class HoldPages:
    """GET and POST of /holds, POST of /holds/{number}/lift, GET of /deleted, POST of /recordings/{id}/delete."""

    def __init__(self, desk: RetentionDesk, at_work: AtWork) -> None:
        self._desk = desk
        self._at_work = at_work

    def routes(self) -> list[BaseRoute]:
        """What stands behind the gate."""
        watchers = (ARCHIVE_ADMINISTRATION, AUDIT_TRAIL, DELETE, LEGAL_HOLD)
        return [
            Route("/holds", page(self.holds, LEGAL_HOLD), methods=["GET"]),
            Route("/holds", page(self.place, LEGAL_HOLD), methods=["POST"]),
            Route("/holds/{number:int}/lift", page(self.lift, LEGAL_HOLD), methods=["POST"]),
            Route("/deleted", page(self.deleted, *watchers), methods=["GET"]),
            Route("/recordings/{record_id:int}/delete", page(self.delete, DELETE), methods=["POST"]),
        ]

    async def holds(self, request: Request) -> Response:
        """All holds and the form for another."""
        return await self._holds(request)

    async def _holds(self, request: Request, refusal: str = "", notice: str = "") -> Response:
        found = await self._desk.kept.holds()
        values: dict[str, Any] = {
            "holds": [(one, words(one.criteria)) for one in found],
            "fields": FIELDS,
            "refusal": refusal,
            "notice": notice,
        }
        return _console(request).page(request, "holds.html", values, 422 if refusal else 200)

    async def place(self, request: Request) -> Response:
        """Place a hold."""
        form = await _form(request)
        try:
            numbers = [_number(word) for word in form.get("recordings", "").replace(",", " ").split()]
            criteria = _criteria(form, _console(request).zone)
            hold, missing = await self._desk.place(
                actor_of(request), form.get("name", ""), form.get("matter", ""), numbers, criteria
            )
        except BadInput as wrong:
            return await self._holds(request, refusal=str(wrong))
        notice = f"Hold {hold.number} stands on {hold.recordings} recordings."
        if missing:
            notice += f" Not there: {', '.join(map(str, missing))}."
        return await self._holds(request, notice=notice)

    async def lift(self, request: Request) -> Response:
        """Lift a hold."""
        form = await _form(request)
        try:
            await self._desk.lift(actor_of(request), request.path_params["number"], form.get("reason", ""))
        except (BadInput, NotFound) as wrong:
            return await self._holds(request, refusal=str(wrong))
        return RedirectResponse("/holds", 303)

    async def deleted(self, request: Request) -> Response:
        """What was deleted, highest number first: recordings, or with `what=screens` screen sessions."""
        text = request.query_params.get("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        screens = self._desk.screens if request.query_params.get("what") == "screens" else None
        listed = self._desk.kept.deletions if screens is None else screens.screen_deletions
        found = await listed(ROWS + 1, before)
        values = {
            "of_screens": screens is not None,
            "deletions": found[:ROWS],
            "older": found[ROWS - 1].record_id if len(found) > ROWS else 0,
            "is_newest": before is None,
            "paused": self._at_work.paused,
            "troubles": self._at_work.troubles,
        }
        return _console(request).page(request, "deleted.html", values)

    async def delete(self, request: Request) -> Response:
        """Delete a recording."""
        form, console = await _form(request), _console(request)
        record_id = request.path_params["record_id"]
        try:
            await self._desk.delete(actor_of(request), record_id, form.get("reason", ""))
        except Held as held:
            return console.sorry(request, 409, "On legal hold", f"{str(held).capitalize()}.")
        except BadInput as wrong:
            return console.sorry(request, 422, "Not deleted", f"{str(wrong).capitalize()}.")
        except NotFound:
            return console.sorry(request, 404, "No such recording", f"There is no recording {record_id}.")
        return RedirectResponse("/deleted", 303)


async def _form(request: Request) -> dict[str, str]:
    try:
        return await read_form(request, FORM_BYTES)
    except (BodyTooLarge, BodyTooSlow):
        return {}


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= LARGEST:
        raise BadInput(f"{text[:30]!r} is not the number of a recording")
    return int(text)


def _criteria(form: dict[str, str], zone: tzinfo | None) -> Criteria:
    name, value = form.get("field", ""), form.get("value", "").strip()
    if bool(name) != bool(value):
        raise BadInput("name a field together with its value")
    return Criteria(
        equals={name: value} if name else {},
        since=_moment(form.get("from", ""), zone),
        until=_moment(form.get("to", ""), zone),
    )


def _moment(text: str, zone: tzinfo | None) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text[:30]!r} is not a time") from None
    if not 1970 < moment.year < 9999:
        raise BadInput(f"{text[:30]!r} is not a time")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
