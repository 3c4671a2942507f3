"""Screen sessions that ended, and the segments of their pictures.

The one rule: who may not see the agent's recordings is not shown that there was a session.
"""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from earshot.actor import Actor
from earshot.api.media import MediaReply
from earshot.api.permissions import EXPORT, PLAYBACK, SEARCH
from earshot.ports.screens import ScreenRow, ScreenVerdict
from earshot.web.permitted import may_see
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.files import sent
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import CursorText, Limit, Moment, Out, Page, Text, Variables, opaque, place

SessionNumber = Annotated[int, Path(ge=1, le=LAST_NUMBER)]


class Segment(Out):
    """One piece of the picture."""

    number: int
    media_type: str
    sha256: str
    size: int
    began_at: Moment
    duration_s: float


class Span(Out):
    """A span in which the picture is black, in seconds from the start."""

    start_s: float
    end_s: float


class ScreenSessionOut(Out):
    """A screen session; `reason` says why it was not captured, or not to the end."""

    number: int
    session_id: str
    agent_id: int
    agent_first_name: str
    agent_last_name: str
    started_at: Moment
    stopped_at: Moment
    verdict: ScreenVerdict
    reason: str
    ended_by: str
    computer: str
    warnings: list[str]
    black_spans: list[Span]
    segments: list[Segment]
    variables: Variables


class ScreenSessions:
    """/v1/screen-sessions."""

    tag = "screens"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/screen-sessions", SEARCH, summary="List screen sessions, newest first")
    async def listed(
        self,
        request: Request,
        session_id: Text = "",
        device_id: Text = "",
        limit: Limit = 50,
        cursor: CursorText = "",
    ) -> Page[ScreenSessionOut]:
        """Those that run are in `/v1/calls/live`."""
        screens, sees = self._desk.context.screens, who(request).sees
        found = await screens.screens(limit + 1, place(cursor), session_id, device_id, sees)
        last = found[limit - 1] if len(found) > limit else None
        onward = (last.session.started_at, last.number) if last is not None else None
        return Page(items=[self._shown(row) for row in found[:limit]], next=opaque(onward))

    @route("GET", "/v1/screen-sessions/{number:int}", SEARCH, summary="One screen session")
    async def one(self, request: Request, number: SessionNumber) -> ScreenSessionOut:
        """With its segments."""
        return self._shown(await self._row(request, number))

    @route(
        "GET",
        "/v1/screen-sessions/{number:int}/segments/{segment:int}",
        PLAYBACK,
        EXPORT,
        summary="One piece of the picture",
        head=True,
        response_class=Response,
    )
    async def segment(
        self, request: Request, number: SessionNumber, segment: SessionNumber, download: bool = False
    ) -> Response:
        """With ranges; `download` counts as an export."""
        actor, permission = who(request), EXPORT if download else PLAYBACK
        if not actor.may(permission):
            raise Problem(403, f"This needs the permission {permission}")
        row = await self._row(request, number)
        piece = next((one for one in row.session.segments if one.number == segment), None)
        if piece is None:
            raise not_found(f"segment {segment} of screen session {number}")
        act, subject = "exported" if download else "watched", f"screen session {number}"
        await self._desk.openings.note(actor, act, subject, request, segment=str(segment))
        reply = MediaReply(
            media_type=piece.media_type,
            file_name=piece.object_name.rsplit("/", 1)[-1],
            object_name=piece.object_name,
            size=piece.size,
            supports_range=True,
            etag=piece.sha256,
        )
        return await sent(reply, request, self._desk, inline=not download)

    async def _row(self, request: Request, number: int) -> ScreenRow:
        row = await self._desk.context.screens.screen(number)
        if row is None or not _shows(who(request), row):
            raise not_found(f"screen session {number}")
        return row

    def _shown(self, row: ScreenRow) -> ScreenSessionOut:
        session, time = row.session, self._desk.time
        plain = {name: getattr(session, name) for name in ("session_id", "agent_id", "verdict", "reason", "ended_by")}
        return ScreenSessionOut(
            **plain,
            number=row.number,
            agent_first_name=row.agent_first_name,
            agent_last_name=row.agent_last_name,
            started_at=time(session.started_at),
            stopped_at=time(session.stopped_at),
            computer=session.computer,
            warnings=list(session.warnings),
            black_spans=[Span(start_s=start, end_s=end) for start, end in session.black_spans],
            segments=[
                Segment(
                    number=one.number,
                    media_type=one.media_type,
                    sha256=one.sha256,
                    size=one.size,
                    began_at=time(one.began_at),
                    duration_s=one.duration_s,
                )
                for one in session.segments
            ],
            variables=Variables.of(session.variables),
        )


def _shows(actor: Actor, row: ScreenRow) -> bool:
    return may_see(actor, row.session.agent_id, row.session.variables)
