"""Retention: archive actions, legal holds, deletions.

The one rule: nothing is decided here; `earshot.api.retention` refuses and notes, whoever asks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from earshot.api.permissions import ARCHIVE_ADMINISTRATION, AUDIT_TRAIL, DELETE, LEGAL_HOLD
from earshot.api.retention import LONGEST_TEXT, Held, NotAllowed, RetentionDesk
from earshot.errors import BadInput
from earshot.ports import NotFound
from earshot.ports.retention import LONGEST_DAYS, ArchiveAction, Criteria, Deletion, Hold
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem
from earshot.web.rest.values import In, Limit, Listed, Moment, Name, Out, Text

Number = Annotated[int, Path(ge=1, le=LAST_NUMBER)]
RecordId = Annotated[int, Field(ge=1, le=LAST_NUMBER)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
Kind = Literal["purge", "move", "copy"]


class ActionOut(Out):
    """An archive action; `number` is ARCHIVEACTION. `next_action` (0: none) follows after `days`."""

    number: int
    name: str
    kind: Kind
    destination: str
    next_action: int
    days: int
    active: bool


class ActionNew(In):
    """An archive action. `destination`, for move and copy, is an absolute folder of the server, or a
    bucket: `s3://bucket/prefix`."""

    name: Name
    kind: Kind
    destination: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f]*$")] = ""
    next_action: Annotated[int, Field(ge=0, le=LAST_NUMBER)] = 0
    days: Annotated[int, Field(ge=0, le=LONGEST_DAYS)] = 0


class ActionChange(In):
    """Whether it may be performed."""

    active: bool


class CriteriaIn(In):
    """Which recordings a hold covers beside those it lists: all that is given must hold."""

    equals: Annotated[dict[Name, Text], Field(max_length=30, examples=[{"device_id": "200"}])] = Field(
        default_factory=dict
    )
    agent_id: Annotated[int, Field(ge=0, le=LAST_NUMBER)] = 0
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class CriteriaOut(Out):
    """The same, as it is kept."""

    equals: dict[str, str]
    agent_id: int
    since: Moment | None
    until: Moment | None


class HoldOut(Out):
    """A legal hold; it stands until it is lifted. `recordings` is how many it stood on when it was placed."""

    number: int
    name: str
    matter: str
    criteria: CriteriaOut
    placed_by: str
    placed_at: Moment
    lifted_by: str
    lifted_at: Moment | None
    lift_reason: str
    recordings: int


class HoldNew(In):
    """What it is called, the matter it serves, and what it covers: recordings by number, criteria, or both."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
    matter: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)] = ""
    recordings: Annotated[list[RecordId], Field(max_length=10_000)] = Field(default_factory=list)
    criteria: CriteriaIn = Field(default_factory=CriteriaIn)


class HoldPlaced(HoldOut):
    """The hold, and those of the recordings that are not there."""

    missing: list[int]


class Because(In):
    """Why; it stays on record."""

    reason: Reason


class DeletionOut(Out):
    """What is left of a recording. `finished_at` is null while its files are being removed."""

    record_id: int
    audio_sha256: str
    audio_size: int
    decided_at: Moment
    finished_at: Moment | None
    by: str
    reason: str
    rule: str
    step: str


class ScreenDeletionOut(Out):
    """What is left of a screen session; `sha256` are those of the pieces of its picture, in their order."""

    number: int
    started_at: Moment
    duration_s: float
    sha256: list[str]
    size: int
    decided_at: Moment
    finished_at: Moment | None
    by: str
    reason: str
    rule: str
    step: str


class Keeping:
    """/v1/archive-actions, /v1/holds, /v1/deletions, /v1/screen-deletions, and DELETE of /v1/recordings/{record_id}."""

    tag = "retention"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _retention(self) -> RetentionDesk:
        found = self._desk.context.retention
        if found is None:
            raise Problem(503, "There is no retention in this process")
        return found

    # --- archive actions --------------------------------------------------------------------------------------------

    @route("GET", "/v1/archive-actions", ARCHIVE_ADMINISTRATION, summary="List archive actions")
    async def actions(self, request: Request) -> Listed[ActionOut]:
        """Action 1 is Purge and built in."""
        return Listed(items=[ActionOut.model_validate(one) for one in await self._retention.kept.actions()])

    @route("POST", "/v1/archive-actions", ARCHIVE_ADMINISTRATION, summary="Add an archive action", status=201)
    async def add_action(self, request: Request, body: ActionNew) -> ActionOut:
        """It is never deleted, only made inactive. The folder is made, and folder or bucket marked as an archive."""
        wanted = ArchiveAction(**dict(body))
        with refusals():
            try:
                return ActionOut.model_validate(await self._retention.add_action(who(request), wanted))
            except OSError as failure:
                raise BadInput(f"the destination cannot be used: {failure.strerror}") from None

    @route("PATCH", "/v1/archive-actions/{number:int}", ARCHIVE_ADMINISTRATION, summary="Switch an archive action")
    async def switch_action(self, request: Request, number: Number, body: ActionChange) -> ActionOut:
        """Recordings wait for one that is not active. Purge cannot be switched off."""
        with refusals():
            await self._retention.set_action_active(who(request), number, body.active)
            for one in await self._retention.kept.actions():
                if one.number == number:
                    return ActionOut.model_validate(one)
            raise NotFound(f"there is no archive action {number}")

    # --- legal holds ------------------------------------------------------------------------------------------------

    @route("GET", "/v1/holds", LEGAL_HOLD, summary="List legal holds")
    async def holds(
        self, request: Request, every: Annotated[bool, Query(description="Those that were lifted as well.")] = False
    ) -> Listed[HoldOut]:
        """Those that stand."""
        found = await self._retention.kept.holds(standing=not every)
        return Listed(items=[HoldOut(**self._hold(one)) for one in found])

    @route("POST", "/v1/holds", LEGAL_HOLD, summary="Place a legal hold", status=201)
    async def place(self, request: Request, body: HoldNew) -> HoldPlaced:
        """What it covers is removed by nobody and nothing; criteria cover recordings that come later, too."""
        asked = body.criteria
        criteria = Criteria(
            equals=asked.equals,
            agent_id=asked.agent_id,
            since=asked.since.timestamp() if asked.since else None,
            until=asked.until.timestamp() if asked.until else None,
        )
        with refusals():
            hold, missing = await self._retention.place(who(request), body.name, body.matter, body.recordings, criteria)
        return HoldPlaced(**self._hold(hold), missing=missing)

    @route("POST", "/v1/holds/{number:int}/lift", LEGAL_HOLD, summary="Lift a legal hold", status=204)
    async def lift(self, request: Request, number: Number, body: Because) -> Response:
        """What is due by then goes in the next round of retention."""
        with refusals():
            await self._retention.lift(who(request), number, body.reason)
        return Response(status_code=204)

    def _hold(self, hold: Hold) -> dict[str, Any]:
        time, wanted = self._desk.time_or_none, hold.criteria
        criteria = CriteriaOut(
            equals=dict(wanted.equals), agent_id=wanted.agent_id, since=time(wanted.since), until=time(wanted.until)
        )
        plain = ("number", "name", "matter", "placed_by", "lifted_by", "lift_reason", "recordings")
        return {
            **{name: getattr(hold, name) for name in plain},
            "criteria": criteria,
            "placed_at": self._desk.time(hold.placed_at),
            "lifted_at": time(hold.lifted_at),
        }

    # --- deletions --------------------------------------------------------------------------------------------------

    @route("DELETE", "/v1/recordings/{record_id:int}", DELETE, summary="Delete a recording for good")
    async def delete(
        self,
        request: Request,
        record_id: Number,
        reason: Annotated[str, Query(min_length=1, max_length=LONGEST_TEXT, description="Why; it stays on record.")],
    ) -> DeletionOut:
        """It is gone from every list when this answers; its files follow at once. 409 while it is on legal hold."""
        with refusals():
            return self._deletion(await self._retention.delete(who(request), record_id, reason))

    @route(
        "GET",
        "/v1/deletions",
        ARCHIVE_ADMINISTRATION,
        AUDIT_TRAIL,
        DELETE,
        LEGAL_HOLD,
        summary="What was deleted, highest RECORDID first",
    )
    async def deletions(
        self,
        request: Request,
        limit: Limit = 50,
        before: Annotated[int | None, Query(ge=1, le=LAST_NUMBER, description="RECORDIDs below this one.")] = None,
    ) -> Listed[DeletionOut]:
        """When, by whom and why; nothing that says whose recordings they were."""
        return Listed(items=[self._deletion(one) for one in await self._retention.kept.deletions(limit, before)])

    @route(
        "GET",
        "/v1/screen-deletions",
        ARCHIVE_ADMINISTRATION,
        AUDIT_TRAIL,
        DELETE,
        LEGAL_HOLD,
        summary="Which screen sessions were deleted, highest number first",
    )
    async def screen_deletions(
        self,
        request: Request,
        limit: Limit = 50,
        before: Annotated[int | None, Query(ge=1, le=LAST_NUMBER, description="Numbers below this one.")] = None,
    ) -> Listed[ScreenDeletionOut]:
        """When, by whom and why; nothing that says whose screens they were."""
        screens = self._retention.screens
        found = [] if screens is None else await screens.screen_deletions(limit, before)
        return Listed(items=[self._screen_deletion(one) for one in found])

    def _screen_deletion(self, one: Deletion) -> ScreenDeletionOut:
        return ScreenDeletionOut(
            **{name: getattr(one, name) for name in ("duration_s", "by", "reason", "rule", "step")},
            number=one.record_id,
            started_at=self._desk.time(one.recording_time),
            sha256=one.audio_sha256.split(),
            size=one.audio_size,
            decided_at=self._desk.time(one.decided_at),
            finished_at=self._desk.time_or_none(one.finished_at),
        )

    def _deletion(self, one: Deletion) -> DeletionOut:
        plain = ("record_id", "audio_sha256", "audio_size", "by", "reason", "rule", "step")
        return DeletionOut(
            **{name: getattr(one, name) for name in plain},
            decided_at=self._desk.time(one.decided_at),
            finished_at=self._desk.time_or_none(one.finished_at),
        )


@contextmanager
def refusals() -> Iterator[None]:
    """Brings what the desk refuses to problems."""
    try:
        yield
    except NotAllowed as refused:
        raise Problem(403, _sentence(refused)) from None
    except NotFound as missing:
        raise Problem(404, _sentence(missing)) from None
    except Held as held:
        raise Problem(409, _sentence(held)) from None
    except BadInput as wrong:
        raise Problem(400, _sentence(wrong), INVALID_FORMAT) from None


def _sentence(refusal: Exception) -> str:
    text = str(refusal)
    return text[:1].upper() + text[1:]
