"""API tokens and the audit trail.

The one rule: a token is in the answer that made it and nowhere else, and a token makes no tokens.
"""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from earshot.api.audit_export import FORMATS, every_entry
from earshot.api.permissions import API_TOKENS, AUDIT_TRAIL, USER_ADMINISTRATION
from earshot.api.tokens import LONGEST_DAYS, LONGEST_NAME, scopes_named
from earshot.errors import BadInput
from earshot.ports.audit import ApiToken, AuditEntry, AuditFilter
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import CursorText, In, Limit, Listed, Moment, Name, Out, Page, Text, opaque, place


class TokenOut(Out):
    """A token without itself. `scopes` null stands for everything that its user may do."""

    number: int
    name: str
    user_id: int
    scopes: list[str] | None
    created_at: Moment | None
    expires_at: Moment | None
    used_at: Moment | None
    revoked_at: Moment | None


class TokenNew(In):
    """What the token is for, what it may do, and after how many days it ends (0: never)."""

    name: Annotated[Name, Field(max_length=LONGEST_NAME)]
    scopes: Annotated[list[Name], Field(min_length=1, max_length=100, description="Permissions, or `all`.")]
    days: Annotated[int, Field(ge=0, le=LONGEST_DAYS)] = 90


class TokenMade(TokenOut):
    """A new token, shown this once."""

    token: str


class EntryOut(Out):
    """Who did what to what, when."""

    number: int
    at: Moment
    kind: Literal["person", "token", "protocol", "system"]
    actor: str
    user_id: int
    address: str
    act: str
    subject: str
    details: dict[str, str]


class AuditSearch(In):
    """The filters of the trail; all that are given must hold. A subject that ends in * stands for all that begin so."""

    actor: Text = ""
    act: Text = ""
    subject: Text = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    def filter(self, cursor: str = "") -> AuditFilter:
        """What the trail is asked."""
        return AuditFilter(
            since=self.since.timestamp() if self.since else None,
            until=self.until.timestamp() if self.until else None,
            actor=self.actor,
            act=self.act,
            subject=self.subject,
            before=place(cursor),
        )


class AuditPageSearch(AuditSearch):
    """The same by the page."""

    limit: Limit = 50
    cursor: CursorText = ""


class AuditFileSearch(AuditSearch):
    """The same as a file."""

    format: Literal["csv", "json"] = "csv"


class Oversight:
    """/v1/tokens and /v1/audit."""

    tag = "oversight"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/tokens", API_TOKENS, summary="List API tokens")
    async def tokens(self, request: Request) -> Listed[TokenOut]:
        """One's own; everybody's for those who administer users. Revoked ones, too."""
        actor = who(request)
        whose = None if actor.may(USER_ADMINISTRATION) else actor.user_id
        return Listed(items=[TokenOut(**self._facts(one)) for one in await self._desk.tokens.listed(whose)])

    @route("POST", "/v1/tokens", API_TOKENS, summary="Make an API token", status=201)
    async def make_token(self, request: Request, body: TokenNew) -> TokenMade:
        """For people alone, and for nothing that they may not do themselves."""
        actor = who(request)
        if actor.kind != "person":
            raise Problem(403, "A token makes no tokens; log in")
        try:
            scopes = scopes_named(body.scopes)
            made = await self._desk.tokens.create(
                actor, actor.user_id, body.name, self._own(actor.may, scopes), body.days
            )
        except BadInput as wrong:
            raise Problem(400, str(wrong), INVALID_FORMAT) from None
        return TokenMade(**self._facts(made[0]), token=made[1])

    @staticmethod
    def _own(may: Any, scopes: frozenset[str] | None) -> frozenset[str] | None:
        beyond = sorted(name for name in scopes or () if not may(name))
        if beyond:
            raise Problem(403, f"You may not do that yourself: {', '.join(beyond)}")
        return scopes

    @route("DELETE", "/v1/tokens/{number:int}", API_TOKENS, summary="Revoke an API token", status=204)
    async def revoke(self, request: Request, number: Annotated[int, Path(ge=1, le=LAST_NUMBER)]) -> Response:
        """For ever. Somebody else's only for those who administer users."""
        actor = who(request)
        whose = None if actor.may(USER_ADMINISTRATION) else actor.user_id
        if not await self._desk.tokens.revoke(actor, number, whose):
            raise not_found(f"token {number} that still works")
        return Response(status_code=204)

    @route("GET", "/v1/audit", AUDIT_TRAIL, summary="Search the audit trail, newest first")
    async def entries(self, request: Request, search: Annotated[AuditPageSearch, Query()]) -> Page[EntryOut]:
        """Pages follow each other by `next`."""
        entries = await self._desk.trail.entries(search.filter(search.cursor), search.limit + 1)
        last = entries[search.limit - 1] if len(entries) > search.limit else None
        rows = [self._entry(one) for one in entries[: search.limit]]
        return Page(items=rows, next=opaque((last.at, last.number) if last else None))

    @route("GET", "/v1/audit/export", AUDIT_TRAIL, summary="All that matches, as a file", response_class=Response)
    async def export(self, request: Request, search: Annotated[AuditFileSearch, Query()]) -> Response:
        """CSV or JSON of any length. That it was exported is noted as well."""
        media_type, write = FORMATS[search.format]
        narrowed = search.model_dump_json(exclude_defaults=True, exclude={"format"})
        detail = {"format": search.format.upper(), "search": "" if narrowed == "{}" else narrowed}
        await self._desk.context.audit.note(who(request), "exported", "audit trail", **detail)
        headers = {"Content-Disposition": f'attachment; filename="audit.{search.format}"'}
        pages = every_entry(self._desk.trail, search.filter())
        return StreamingResponse(write(pages), media_type=media_type, headers=headers)

    def _facts(self, token: ApiToken) -> dict[str, Any]:
        times = ("created_at", "expires_at", "used_at", "revoked_at")
        return {name: self._desk.time_or_none(getattr(token, name)) for name in times} | {
            "number": token.number,
            "name": token.name,
            "user_id": token.user_id,
            "scopes": None if token.scopes is None else sorted(token.scopes),
        }

    def _entry(self, entry: AuditEntry) -> EntryOut:
        names = ("number", "kind", "actor", "user_id", "address", "act", "subject")
        plain = {name: getattr(entry, name) for name in names}
        return EntryOut(**plain, at=self._desk.time(entry.at), details=dict(entry.details))
