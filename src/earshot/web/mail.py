"""The page of the mail queue: what waits, what was sent, what was given up and why; retry and drop.

Nothing is sent here. The one rule: what a person does to a mail is in the audit trail.
"""

from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from earshot.api.audit import AuditTrail
from earshot.api.delivery import Delivery
from earshot.api.permissions import SYSTEM_CONFIGURATION
from earshot.clock import Clock
from earshot.ports.outbox import MAIL_STATES, MailState
from earshot.web.console import Console
from earshot.web.permitted import actor_of, page

ROWS: Final = 50
LARGEST: Final = 2**63 - 1
STATE_WORDS: Final[dict[MailState, tuple[str, str]]] = {
    "queued": ("Queued", "fair"),
    "sending": ("Sending", "fair"),
    "sent": ("Sent", "good"),
    "failed": ("To be tried again", "fair"),
    "dead": ("Given up", "bad"),
}
"""A state as a heading shows it, and the colour of its badge."""


class Noted(Protocol):
    """Whoever has the audit trail: it is opened after the pages are made."""

    @property
    def audit(self) -> AuditTrail:
        """The trail of the moment."""
        ...


class MailPages:
    """GET of /mail, POST of /mail/{number}/retry and /mail/{number}/drop."""

    def __init__(self, delivery: Delivery, noted: Noted, clock: Clock) -> None:
        self._delivery = delivery
        self._noted = noted
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        """What stands behind the gate."""
        one = "/mail/{number:int}"
        return [
            Route("/mail", page(self.queue, SYSTEM_CONFIGURATION), methods=["GET"]),
            Route(one + "/retry", page(self.retry, SYSTEM_CONFIGURATION), methods=["POST"]),
            Route(one + "/drop", page(self.drop, SYSTEM_CONFIGURATION), methods=["POST"]),
        ]

    async def queue(self, request: Request) -> Response:
        """The list, newest first, all or of one state."""
        outbox = self._delivery.outbox
        asked = request.query_params.get("state", "")
        state: MailState | None = next((one for one in MAIL_STATES if one == asked), None)
        before = _number(request.query_params.get("before", ""))
        mails = await outbox.mails(state, ROWS + 1, before)
        counts = await outbox.counts()
        values = {
            "mails": mails[:ROWS],
            "older": mails[ROWS - 1].number if len(mails) > ROWS else 0,
            "is_newest": before is None,
            "state": state or "",
            "words": STATE_WORDS,
            "totals": {one: counts.get(one, 0) for one in MAIL_STATES},
            "has_server": self._delivery.has_server,
        }
        return _console(request).page(request, "mail.html", values)

    async def retry(self, request: Request) -> Response:
        """Let a mail that failed or was given up be tried now."""
        number, audit, now = request.path_params["number"], self._noted.audit, self._clock.now()
        ends = now + self._delivery.settings.give_up_s
        async with audit.together():
            known = number <= LARGEST and await self._delivery.outbox.retry(number, now, ends)
            if known:
                await audit.note(actor_of(request), "changed", f"mail {number}", what="retry")
        if not known:
            return _console(request).sorry(request, 409, "Not now", f"Mail {number} is not one that waits for a retry.")
        self._delivery.wake()
        return RedirectResponse("/mail", 303)

    async def drop(self, request: Request) -> Response:
        """Remove a mail."""
        number, audit = request.path_params["number"], self._noted.audit
        async with audit.together():
            known = number <= LARGEST and await self._delivery.outbox.drop(number)
            if known:
                await audit.note(actor_of(request), "deleted", f"mail {number}")
        if not known:
            return _console(request).sorry(request, 409, "Not now", f"Mail {number} is not there, or is being sent.")
        return RedirectResponse("/mail", 303)


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
