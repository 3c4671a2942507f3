"""Recordings: the list, one, its call variables, its media and its waveform.

The one rule: what the asker is not shown is answered as if it were not there.
"""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from earshot.api.blackouts_after import black_out_recording
from earshot.api.exports import media_of
from earshot.api.hearing import WAV, heard, may_hear, shown_to, wav_reply
from earshot.api.media import MediaReply
from earshot.api.permissions import BLACKOUTS_AFTER, EXPORT, PLAYBACK, SEARCH, UPDATE
from earshot.api.retention import Held
from earshot.engine.variables import USER_INDEX
from earshot.errors import BadInput
from earshot.ports import CoreAway, NotFound, RecordingFilter, RecordingRow
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.peaks import picture
from earshot.web.recording import file_name
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.files import file_problems, sent
from earshot.web.rest.frame import route
from earshot.web.rest.problems import NO_RECORDING, Problem, not_found
from earshot.web.rest.values import (
    CallFields,
    CursorText,
    Days,
    In,
    Limit,
    Moment,
    Out,
    Outcome,
    Page,
    Text,
    Variables,
    opaque,
    parameters,
    place,
)
from earshot.web.search import cursor_of

RecordId = Annotated[int, Path(ge=1, le=LAST_NUMBER, description="RECORDID")]
LONGEST_S = 30 * 86_400


class AgentOf(Out):
    """The agent of a recording; `user_id` is null where none is known."""

    user_id: int | None
    first_name: str
    last_name: str
    sys_user: str
    crm_user: str


class Recording(Out):
    """A recording. `part` is 0 for the recording of the whole call, 1 and up for partial ones."""

    id: int
    call_key: str
    part: int
    core: int
    recorded_at: Moment
    duration_s: float
    channels: int
    sample_rate_hz: int
    file_name: str
    media_type: str
    audio_sha256: str
    audio_size: int
    ended_by: str
    warnings: list[str]
    agent: AgentOf
    variables: Variables


class Gap(Out):
    """A span without sound, in seconds from the start; `why` is loss, hold, restart, blackout, or hidden (a blackout
    whose sound is kept for those with HEARINGBLACKOUTS)."""

    start_s: float
    end_s: float
    why: str


class Leg(Out):
    """What was received of one direction of sound; counts are packets."""

    label: str
    side: str
    participant: str
    codec: str
    received: int
    lost: int
    late: int
    duplicated: int
    reordered: int
    ssrc_changes: int
    clock_jumps: int
    comfort_noise: int
    digits: str
    silent: bool


class RecordingDetail(Recording):
    """A recording with its gaps and legs."""

    gaps: list[Gap]
    legs: list[Leg]


class Peaks(Out):
    """The waveform: for each channel minimum, maximum, minimum, ... from -128 to 127. `mixed` is for one channel."""

    duration: float
    mixed: bool
    channels: list[list[int]]
    gaps: list[dict[str, Any]]


class RecordingChange(CallFields):
    """Call variables to be changed; what is not given stays."""

    device_id: Text | None = Field(None, min_length=1)
    device_alias: Text | None = None
    keep_days: Days | None = None


class RecordingSearch(In):
    """The filters of the list; all that are given must hold."""

    device_id: Text = ""
    device_alias: Text = ""
    group: Text = ""
    gate: Text = ""
    ani: Text = ""
    dnis: Text = ""
    call_id: Text = ""
    session_id: Text = ""
    user_field: Annotated[int | None, Field(ge=1, le=15, description="Which USERn `user_value` is.")] = None
    user_value: Text = ""
    sys_user: Text = ""
    crm_user: Text = ""
    since: AwareDatetime | None = Field(None, description="Recorded at or after this moment (RFC 3339).")
    until: AwareDatetime | None = Field(None, description="Recorded at or before this moment (RFC 3339).")
    limit: Limit = 50
    cursor: CursorText = ""

    def filter(self, desk: Desk, request: Request) -> RecordingFilter:
        """What the store is asked."""
        names = ("device_id", "device_alias", "group", "gate", "ani", "dnis", "call_id", "session_id")
        equals = {name: getattr(self, name) for name in names if getattr(self, name)}
        if self.user_value and self.user_field:
            equals[tuple(USER_INDEX)[self.user_field - 1]] = self.user_value
        return RecordingFilter(
            equals=equals,
            sys_user=self.sys_user,
            crm_user=self.crm_user,
            since=self.since.timestamp() if self.since else None,
            until=self.until.timestamp() if self.until else None,
            before=place(self.cursor),
            seen_by=who(request).sees,
        )


class SpanToRemove(In):
    """What is to be removed, in seconds from the start of the recording, and why: for the audit trail."""

    from_s: Annotated[float, Field(ge=0, le=LONGEST_S)]
    to_s: Annotated[float, Field(gt=0, le=LONGEST_S)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class BlackedOut(Out):
    """The recording as it is now: other bytes, the same length."""

    id: int
    audio_sha256: str
    gaps: list[Gap]


class Recordings:
    """/v1/recordings and what lies below it."""

    tag = "recordings"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/recordings", SEARCH, summary="List recordings, newest first")
    async def listed(self, request: Request, search: Annotated[RecordingSearch, Query()]) -> Page[Recording]:
        """Pages follow each other by `next`; rows that arrive meanwhile do not shift them."""
        wanted = search.filter(self._desk, request)
        rows = await self._desk.context.store.recordings(wanted, search.limit + 1)
        more = cursor_of(rows[search.limit - 1]) if len(rows) > search.limit else None
        return Page(items=[Recording(**self._facts(row)) for row in rows[: search.limit]], next=opaque(more))

    @route("GET", "/v1/recordings/{record_id:int}", SEARCH, PLAYBACK, summary="One recording")
    async def one(self, request: Request, record_id: RecordId) -> RecordingDetail:
        """With its gaps and what was received of its legs."""
        row = shown_to(who(request), await self._desk.recording(who(request), record_id))
        gaps = [Gap(start_s=start, end_s=end, why=why) for start, end, why in row.sealed.gaps]
        legs = [Leg.model_validate(leg) for leg in row.sealed.legs]
        return RecordingDetail(**self._facts(row), gaps=gaps, legs=legs)

    @route("PATCH", "/v1/recordings/{record_id:int}", UPDATE, summary="Change the call variables of a recording")
    async def change(self, request: Request, record_id: RecordId, body: RecordingChange) -> Outcome:
        """The CALLUPDATE of a finished recording."""
        fields = [("RECORDID", str(record_id)), *parameters(body)]
        return Outcome.of(await self._desk.perform(who(request), "CALLUPDATE", fields))

    @route("POST", "/v1/recordings/{record_id:int}/blackouts", BLACKOUTS_AFTER, summary="Remove a span of a recording")
    async def black_out(self, request: Request, record_id: RecordId, body: SpanToRemove) -> BlackedOut:
        """It becomes silence in the recording, in every copy and in all other recordings of the call, and cannot be
        brought back. When this answers, it is gone; 503 says that it is not gone everywhere yet. 409: a legal hold."""
        context, actor = self._desk.context, who(request)
        try:
            row = await black_out_recording(context, actor, record_id, body.from_s, body.to_s, body.reason)
        except NotFound:
            raise not_found(f"recording {record_id}", NO_RECORDING) from None
        except BadInput as wrong:
            raise Problem(422, str(wrong), INVALID_FORMAT) from None
        except Held as held:
            numbers = ", ".join(map(str, held.holds))
            raise Problem(409, f"Nothing of it is removed: it is under legal hold {numbers}") from None
        except CoreAway as away:
            raise Problem(503, f"It is not gone everywhere yet: {away}", "API_ERROR_RECORDER_NOT_RUNNING") from None
        gaps = [Gap(start_s=start, end_s=end, why=why) for start, end, why in row.sealed.gaps]
        return BlackedOut(id=record_id, audio_sha256=row.sealed.audio_sha256, gaps=gaps)

    @route("GET", "/v1/recordings/{record_id:int}/peaks", SEARCH, PLAYBACK, summary="The waveform of a recording")
    async def peaks(self, request: Request, record_id: RecordId) -> Peaks:
        """At most 1,600 columns, whatever the length."""
        row = await self._desk.recording(who(request), record_id)
        return Peaks.model_validate(picture(shown_to(who(request), row).sealed))

    @route(
        "GET",
        "/v1/recordings/{record_id:int}/media",
        PLAYBACK,
        EXPORT,
        summary="The media of a recording",
        head=True,
        response_class=Response,
    )
    async def media(
        self,
        request: Request,
        record_id: RecordId,
        format: Literal["wav", "mp3", "vox", "cav"] = "wav",
        download: bool = False,
    ) -> Response:
        """The file, or the part of it that a Range names. `download` and the formats vox and cav count as an export and
        need RECORDINGEXPORT; else it counts as listening and needs RECORDINGPLAYBACK. An encrypted CAV is made by
        `/v1/exports`."""
        actor, exported = who(request), download or format in ("vox", "cav")
        if not actor.may(EXPORT if exported else PLAYBACK):
            raise Problem(403, f"This needs the permission {EXPORT if exported else PLAYBACK}")
        row = await self._desk.recording(actor, record_id)
        act, form = ("exported", {"format": format.upper()}) if exported else ("listened", {})
        subject = f"recording {row.record_id}"
        await self._desk.openings.note(actor, act, subject, request, **form, **heard(actor, row))
        with file_problems():
            reply = await self._reply(row, format, hears=may_hear(actor))
        return await sent(reply, request, self._desk, inline=not exported)

    async def _reply(self, row: RecordingRow, format: str, *, hears: bool) -> MediaReply:
        if format == "wav" and row.sealed.media_type == WAV:
            return await wav_reply(self._desk.context.storage, row, file_name(row, "wav"), hears=hears)
        reply = await media_of(self._desk.context, row, format.upper(), hears=hears)
        if reply is None:
            raise FileNotFoundError
        return reply

    def _facts(self, row: RecordingRow) -> dict[str, Any]:
        sealed = row.sealed
        names = ("call_key", "part", "core", "duration_s", "channels", "sample_rate_hz", "file_name", "media_type")
        more = ("audio_sha256", "audio_size", "ended_by")
        return {name: getattr(sealed, name) for name in (*names, *more)} | {
            "id": row.record_id,
            "recorded_at": self._desk.time(sealed.recording_time),
            "warnings": list(row.warnings),
            "agent": AgentOf(
                user_id=sealed.agent_id,
                first_name=row.agent_first_name,
                last_name=row.agent_last_name,
                sys_user=row.sys_user,
                crm_user=row.crm_user,
            ),
            "variables": Variables.of(sealed.variables),
        }
