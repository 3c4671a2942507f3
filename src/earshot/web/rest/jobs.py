"""Exports that take their time: asked for, watched, fetched later. What `/v1/exports` keeps in memory.

How files are made is behind `earshot.api.exporting.Exports`. The one rule: a finished file stays on the disk until it
is dropped, or nobody fetched it for `KEPT_S`; a restart forgets all of them.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from earshot.api.exporting import ExportedFile, ExportJob, Exports
from earshot.clock import Clock
from earshot.errors import EarshotError, OutOfDiskSpace
from earshot.protocol.results import INVALID_FORMAT, PROCESSING_ERROR
from earshot.tasks import Spawner

KEPT_S: Final = 3_600.0
MOST_OF_ONE: Final = 20
"""Jobs of one owner at a time."""
MOST: Final = 200

JobState = Literal["waiting", "finished", "failed"]


class TooManyJobs(Exception):
    """No more jobs are kept now."""


@dataclass(slots=True, kw_only=True)
class Job:
    """A job: `fraction` done from 0 to 1; `label` is a RESULTTYPE and `why` a sentence when it failed."""

    ident: str
    job: ExportJob
    asked_at: float
    state: JobState = "waiting"
    fraction: float = 0.0
    file: ExportedFile | None = None
    label: str = ""
    why: str = ""
    touched: float = 0.0
    reading: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Jobs:
    """All of them. `close` ends those that run and releases every file."""

    def __init__(self, exports: Callable[[], Exports | None], clock: Clock, spawner: Spawner) -> None:
        self._exports = exports
        self._clock = clock
        self._spawner = spawner
        self._jobs: dict[str, Job] = {}

    def look_for_room(self, owner: str) -> None:
        """Raises TooManyJobs where that owner may not begin another one now."""
        self._forget_old()
        own = [one for one in self._jobs.values() if one.job.owner == owner]
        if len(own) >= MOST_OF_ONE or len(self._jobs) >= MOST:
            raise TooManyJobs

    def begin(self, job: ExportJob) -> Job:
        """Begin a job. Raises TooManyJobs."""
        self.look_for_room(job.owner)
        made = Job(ident=secrets.token_hex(12), job=job, asked_at=self._clock.now(), touched=self._clock.monotonic())
        self._jobs[made.ident] = made
        made.task = self._spawner.spawn("rest export", self._run(made))
        return made

    def of(self, owner: str) -> list[Job]:
        """The jobs of one owner, oldest first."""
        self._forget_old()
        return [job for job in self._jobs.values() if job.job.owner == owner]

    def get(self, ident: str, owner: str) -> Job | None:
        """A job of that owner."""
        self._forget_old()
        job = self._jobs.get(ident)
        return job if job is not None and job.job.owner == owner else None

    def touch(self, job: Job) -> None:
        """Somebody fetches the file: keep it for longer."""
        job.touched = self._clock.monotonic()

    def drop(self, job: Job) -> None:
        """End it and release its file."""
        self._jobs.pop(job.ident, None)
        if job.task is not None:
            job.task.cancel()
        self._release(job)

    def close(self) -> None:
        """Drop all."""
        for job in list(self._jobs.values()):
            self.drop(job)

    def opened(self, job: Job) -> None:
        """A response reads from the file: it is not released before `closed`."""
        job.reading += 1
        self.touch(job)

    def closed(self, job: Job) -> None:
        """That response is over."""
        job.reading -= 1
        if job.ident not in self._jobs:
            self._release(job)

    def _release(self, job: Job) -> None:
        if job.file is not None and not job.reading:
            job.file.release()
            job.file = None

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for job in list(self._jobs.values()):
            if job.state != "waiting" and not job.reading and now - job.touched > KEPT_S:
                self.drop(job)

    async def _run(self, job: Job) -> None:
        try:
            exports = self._exports()
            if exports is None:
                raise EarshotError("Exports are not running")
            file = await exports.file(job.job, lambda fraction: self._progress(job, fraction))
        except FileNotFoundError:
            self._failed(job, "API_FILE_NOT_FOUND", "The media of a recording is gone")
        except ValueError as wrong:
            self._failed(job, INVALID_FORMAT, str(wrong))
        except OutOfDiskSpace as full:
            self._failed(job, "API_ERROR_OUT_OF_DISK_SPACE", str(full))
        except EarshotError as trouble:
            self._failed(job, PROCESSING_ERROR, str(trouble))
        else:
            job.file, job.state, job.fraction = file, "finished", 1.0
            job.touched = self._clock.monotonic()

    def _progress(self, job: Job, fraction: float) -> None:
        job.fraction = max(job.fraction, min(fraction, 1.0))

    def _failed(self, job: Job, label: str, why: str) -> None:
        job.state, job.label, job.why, job.touched = "failed", label, why, self._clock.monotonic()
