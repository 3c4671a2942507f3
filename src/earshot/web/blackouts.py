"""The form on a recording's page that removes a span of it for good.

What it does is for `api.blackouts_after`. The one rule: a refusal is a page that says why and leaves all as it was.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from earshot.api.blackouts_after import black_out_recording
from earshot.api.context import Context
from earshot.api.permissions import BLACKOUTS_AFTER
from earshot.api.retention import Held
from earshot.errors import BadInput
from earshot.ports import CoreAway, NotFound
from earshot.web.bodies import BodyTooLarge, BodyTooSlow, read_form
from earshot.web.console import Console
from earshot.web.permitted import actor_of, page

FORM_BYTES: Final = 16 * 1024


class BlackoutPages:
    """POST of /recordings/{record_id}/blackout."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[BaseRoute]:
        """What stands behind the gate."""
        path = "/recordings/{record_id:int}/blackout"
        return [Route(path, page(self.black_out, BLACKOUTS_AFTER), methods=["POST"])]

    async def black_out(self, request: Request) -> Response:
        """Remove the span `from` to `to` (seconds from the start, or minutes:seconds)."""
        console: Console = request.app.state.console
        record_id = request.path_params["record_id"]
        try:
            form = await read_form(request, FORM_BYTES)
            begin, end = seconds_in(form.get("from", "")), seconds_in(form.get("to", ""))
            await black_out_recording(self._context, actor_of(request), record_id, begin, end, form.get("reason", ""))
        except (BodyTooLarge, BodyTooSlow):
            return console.sorry(request, 413, "Not blacked out", "The form did not arrive.")
        except Held as held:
            numbers = ", ".join(map(str, held.holds))
            return console.sorry(request, 409, "On legal hold", f"Nothing of it is removed: legal hold {numbers}.")
        except BadInput as wrong:
            return console.sorry(request, 422, "Not blacked out", f"{str(wrong).capitalize()}.")
        except NotFound:
            return console.sorry(request, 404, "No such recording", f"There is no recording {record_id}.")
        except CoreAway as away:
            sentence = f"It is not gone everywhere yet, and is tried again until it is: {away}."
            return console.sorry(request, 503, "Not blacked out yet", sentence)
        return RedirectResponse(f"/recordings/{record_id}", 303)


def seconds_in(text: str) -> float:
    """Seconds of "75.5", "1:15.5" or "1:02:03". Raises BadInput."""
    seconds = 0.0
    for part in text.strip().split(":"):
        digits = part.replace(".", "", 1)
        if not (digits.isascii() and digits.isdigit()) or len(part) > 12:
            raise BadInput(f"{text[:30]!r} is not a moment such as 75.5 or 1:15")
        seconds = seconds * 60 + float(part)
    return seconds
