"""Mail with recordings, and the queue that it waits in.

The one rule: who may get what by mail is decided by EMAIL and COMBINEDEMAIL.
"""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from earshot.api.delivery import Delivery
from earshot.api.permissions import EMAIL, SYSTEM_CONFIGURATION
from earshot.ports.outbox import MailKind, MailState
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import In, Limit, Moment, Number, Out, Outcome, Page, Text

MailId = Annotated[int, Path(ge=1, le=LAST_NUMBER)]


class MailOut(Out):
    """A mail in the queue, without its text."""

    number: int
    state: MailState
    to: str
    sender: str
    subject: str
    records: list[int]
    kind: MailKind
    format: str
    requested_by: str
    created_at: Moment
    expires_at: Moment
    next_attempt_at: Moment | None
    attempts: int
    last_error: str


class MailNew(In):
    """Recordings to be mailed: as they are (several as a ZIP), or `combined` into one file with a sender of its own."""

    records: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    to: Annotated[str, Field(min_length=3, max_length=4000, description="Addresses, by commas.")]
    format: Literal["WAV", "MP3", "VOX", "CAV"] = "MP3"
    combined: bool = False
    to_name: Text = ""
    from_address: Text = Field("", description="Of a combined one.")
    from_name: Text = Field("", description="Of a combined one.")


class Deliveries:
    """/v1/mails."""

    tag = "mail"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _delivery(self) -> Delivery:
        if self._desk.context.mail is None:
            raise Problem(503, "Mail is not running", "API_ERROR_CLIENT_NOT_FOUND")
        return self._desk.context.mail.delivery

    @route("POST", "/v1/mails", EMAIL, summary="Send recordings by e-mail")
    async def send(self, request: Request, body: MailNew) -> Outcome:
        """EMAIL, or COMBINEDEMAIL for `combined`. A message that begins with `Queued` says that it is tried later."""
        idents = ("IDENT", ",".join(map(str, body.records)))
        fields = [idents, ("TOADDRESS", body.to), ("MEDIA_FORMAT", body.format)]
        if not body.combined:
            return Outcome.of(await self._desk.perform(who(request), "EMAIL", fields))
        more = [("TONAME", body.to_name), ("FROMADDRESS", body.from_address), ("FROMNAME", body.from_name)]
        fields += [*more, ("UNIQUEID", "IDENT")]
        return Outcome.of(await self._desk.perform(who(request), "COMBINEDEMAIL", fields))

    @route("GET", "/v1/mails", SYSTEM_CONFIGURATION, summary="List the mail queue, newest first")
    async def listed(
        self,
        request: Request,
        state: Annotated[MailState | None, Query()] = None,
        limit: Limit = 50,
        cursor: Annotated[str, Query(max_length=19, pattern=r"^\d*$")] = "",
    ) -> Page[MailOut]:
        """Pages follow each other by `next`."""
        before = min(int(cursor), LAST_NUMBER) if cursor else None
        mails = await self._delivery().outbox.mails(state, limit + 1, before)
        time = self._desk.time
        rows = [
            MailOut(
                number=mail.number,
                state=mail.state,
                to=mail.to,
                sender=mail.from_,
                subject=mail.subject,
                records=list(mail.records),
                kind=mail.kind,
                format=mail.format,
                requested_by=mail.requested_by,
                created_at=time(mail.created_at),
                expires_at=time(mail.expires_at),
                next_attempt_at=time(mail.next_attempt_at) if mail.state in ("queued", "failed") else None,
                attempts=mail.attempts,
                last_error=mail.last_error,
            )
            for mail in mails[:limit]
        ]
        return Page(items=rows, next=str(rows[-1].number) if len(mails) > limit else None)

    @route("POST", "/v1/mails/{number:int}/retry", SYSTEM_CONFIGURATION, summary="Try a mail again now", status=202)
    async def retry(self, request: Request, number: MailId) -> Response:
        """One that failed or was given up."""
        delivery, context = self._delivery(), self._desk.context
        now = context.clock.now()
        async with context.audit.together():
            if not await delivery.outbox.retry(number, now, now + delivery.settings.give_up_s):
                raise await self._refusal(delivery, number, "waits for no retry")
            await context.audit.note(who(request), "changed", f"mail {number}", what="retry")
        delivery.wake()
        return Response(status_code=202)

    @route("DELETE", "/v1/mails/{number:int}", SYSTEM_CONFIGURATION, summary="Remove a mail", status=204)
    async def drop(self, request: Request, number: MailId) -> Response:
        """One that is not being sent."""
        delivery, context = self._delivery(), self._desk.context
        async with context.audit.together():
            if not await delivery.outbox.drop(number):
                raise await self._refusal(delivery, number, "is being sent")
            await context.audit.note(who(request), "deleted", f"mail {number}")
        return Response(status_code=204)

    async def _refusal(self, delivery: Delivery, number: int, why: str) -> Problem:
        known = await delivery.outbox.mail(number)
        return Problem(409, f"Mail {number} {why}") if known is not None else not_found(f"mail {number}")
