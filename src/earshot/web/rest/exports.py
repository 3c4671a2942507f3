"""Exports as jobs: begin one, follow it, fetch the file with ranges, drop it.

The one rule: a job is its owner's alone; what the owner may not see is as if it were not there.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from earshot.actor import Actor
from earshot.api.exporting import ExportedFile, ExportJob, ExportKind
from earshot.api.exports import owner_of
from earshot.api.hearing import heard, hidden_spans, may_hear
from earshot.api.media import MediaReply
from earshot.api.permissions import EXPORT, HEARING_BLACKOUTS, SYSTEM_STATUS
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.replies import respond
from earshot.web.rest.desk import Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.jobs import Job, Jobs, JobState, TooManyJobs
from earshot.web.rest.problems import STATUSES, Problem, not_found
from earshot.web.rest.values import In, Listed, Moment, Number, Out

Ident = Annotated[str, Path(max_length=64)]


class ExportNew(In):
    """Recordings to be exported: one as a file, several `combined` into one or as a ZIP (`multi`)."""

    records: Annotated[list[Number], Field(min_length=1, max_length=10_000)]
    kind: ExportKind = "single"
    format: Literal["WAV", "MP3", "VOX", "CAV"] = "WAV"
    password: SecretStr | None = Field(None, min_length=1, max_length=255, description="Encrypts a CAV.")


class ExportOut(Out):
    """A job. `fraction` goes from 0 to 1; `file` is where the finished file is, for an hour after it was fetched."""

    id: str
    state: JobState
    fraction: float
    kind: ExportKind
    format: str
    records: list[int]
    asked_at: Moment
    size: int | None
    file: str | None
    resulttype: str
    why: str


class RunningExport(Out):
    """An export that anybody waits for, from whichever door."""

    number: int
    kind: ExportKind
    format: str
    records: list[int]
    owner: str
    running: bool
    fraction: float
    begun_at: Moment
    waiting: int


class ExportJobs:
    """/v1/exports."""

    tag = "exports"

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self._desk = desk
        self._jobs = jobs

    @route("POST", "/v1/exports", EXPORT, summary="Begin an export", status=202)
    async def begin(self, request: Request, body: ExportNew) -> ExportOut:
        """All recordings must be there and shown to you. Each is noted as exported."""
        actor, exports = who(request), self._desk.context.exports
        records = sorted(set(body.records))
        if exports is None:
            raise Problem(503, "Exports are not running")
        if len(records) > exports.most_recordings:
            raise Problem(400, f"One export may have {exports.most_recordings} recordings", INVALID_FORMAT)
        if body.kind == "single" and len(records) > 1:
            raise Problem(400, "Several recordings are of the kind combined or multi", INVALID_FORMAT)
        if body.password is not None and (body.format != "CAV" or body.kind != "single"):
            raise Problem(400, "A password is for one recording as CAV", INVALID_FORMAT)
        rows = [await self._desk.recording(actor, record) for record in records]
        password = body.password.get_secret_value() if body.password else ""
        job = ExportJob(
            rows=tuple(rows),
            kind=body.kind,
            format=body.format,
            password=password,
            owner=owner_of(actor),
            hears=may_hear(actor),
        )
        try:
            self._jobs.look_for_room(job.owner)
            await self._note(actor, job)
            return self._shown(self._jobs.begin(job))
        except TooManyJobs:
            raise Problem(429, "Too many exports are kept; drop some", headers={"Retry-After": "60"}) from None

    async def _note(self, actor: Actor, job: ExportJob) -> None:
        """Before it begins: what is made may be fetched by its owner."""
        audit = self._desk.context.audit
        detail = {"format": job.format, "kind": job.kind, "encrypted": "yes" if job.password else ""}
        async with audit.together():
            for row in job.rows:
                await audit.note(actor, "exported", f"recording {row.record_id}", **detail, **heard(actor, row))

    @route("GET", "/v1/exports", EXPORT, summary="List your exports")
    async def listed(self, request: Request) -> Listed[ExportOut]:
        """Oldest first. A restart of the server forgets them."""
        return Listed(items=[self._shown(job) for job in self._jobs.of(owner_of(who(request)))])

    @route("GET", "/v1/exports/running", EXPORT, SYSTEM_STATUS, summary="Exports that wait or run, from every door")
    async def running(self, request: Request) -> Listed[RunningExport]:
        """Those of others only for those who see everybody's recordings."""
        actor, exports = who(request), self._desk.context.exports
        views = exports.under_way() if exports is not None else ()
        return Listed(
            items=[
                RunningExport(
                    number=view.number,
                    kind=view.kind,
                    format=view.format,
                    records=list(view.records),
                    owner=view.owner,
                    running=view.running,
                    fraction=view.fraction,
                    begun_at=self._desk.time(view.begun_at),
                    waiting=view.waiting,
                )
                for view in views
                if actor.sees.everything or view.owner == owner_of(actor)
            ]
        )

    @route("GET", "/v1/exports/{ident}", EXPORT, summary="One export")
    async def one(self, request: Request, ident: Ident) -> ExportOut:
        """How far it is."""
        return self._shown(self._job(request, ident))

    @route("GET", "/v1/exports/{ident}/file", EXPORT, summary="The finished file", head=True, response_class=Response)
    async def file(self, request: Request, ident: Ident) -> Response:
        """With ranges. 409 while it is not finished."""
        job = self._job(request, ident)
        if job.state == "failed":
            raise Problem(STATUSES.get(job.label, 400), job.why, job.label)
        if job.file is None:
            raise Problem(409, "The export is not finished", headers={"Retry-After": "1"})
        actor, rows = who(request), job.job.rows
        if job.job.hears and not may_hear(actor) and any(hidden_spans(row.sealed) for row in rows):
            raise Problem(403, f"What is hidden is in this file: it needs the permission {HEARING_BLACKOUTS}")
        made = job.file
        reply = MediaReply(
            media_type=made.media_type,
            file_name=made.file_name,
            ranged=_Held(made, job, self._jobs),
            size=made.size,
            supports_range=True,
            etag=job.ident,
        )
        return await respond(reply, request, self._desk.context.storage)

    @route("DELETE", "/v1/exports/{ident}", EXPORT, summary="Drop an export", status=204)
    async def drop(self, request: Request, ident: Ident) -> Response:
        """Ends it where it runs."""
        self._jobs.drop(self._job(request, ident))
        return Response(status_code=204)

    def _job(self, request: Request, ident: str) -> Job:
        job = self._jobs.get(ident, owner_of(who(request)))
        if job is None:
            raise not_found("export of that number")
        return job

    def _shown(self, job: Job) -> ExportOut:
        return ExportOut(
            id=job.ident,
            state=job.state,
            fraction=round(job.fraction, 3),
            kind=job.job.kind,
            format=job.job.format,
            records=[row.record_id for row in job.job.rows],
            asked_at=self._desk.time(job.asked_at),
            size=job.file.size if job.file else None,
            file=f"/api/v1/exports/{job.ident}/file" if job.file else None,
            resulttype=job.label,
            why=job.why,
        )


class _Held:
    """The file of a job, which stays there until it is released. Implements `RangedBytes`."""

    def __init__(self, made: ExportedFile, job: Job, jobs: Jobs) -> None:
        self._made, self._job, self._jobs = made, job, jobs
        self._is_held = True
        jobs.opened(job)

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """See `RangedBytes.read`."""
        return self._made.read(start, stop)

    def release(self) -> None:
        """See `RangedBytes.release`."""
        if self._is_held:
            self._is_held = False
            self._jobs.closed(self._job)
