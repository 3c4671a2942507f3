"""The processes that make exports, as the process that records sees them: a task goes in, its progress comes out.

What they do is in `earshot.media.export_worker`. The one rule: a process that dies takes nothing with it but its task.
"""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

from earshot.errors import BadInput, EarshotError, OutOfDiskSpace
from earshot.media.export_task import Done, ExportTask

PROGRAM = (sys.executable, "-m", "earshot.media.export_worker")


class ExportFailed(EarshotError):
    """The export could not be made; the message says why."""


class ProcessDied(ExportFailed):
    """The process ended in the middle of a task."""


class ExportProcess:
    """One process, begun when the first task comes and again when it has died."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def perform(self, task: ExportTask, ready: Callable[[int], None]) -> Done:
        """Do a task; `ready` is told how many bytes of its file can be read.

        Raises FileNotFoundError when media is gone, OutOfDiskSpace, BadInput for media that is no WAV, ExportFailed.
        Cancelling it ends the process.
        """
        try:
            return await self._performed(task, ready)
        except BaseException as why:
            if not isinstance(why, FileNotFoundError | OutOfDiskSpace | BadInput):
                await self.close()
            raise

    async def _performed(self, task: ExportTask, ready: Callable[[int], None]) -> Done:
        process = self._process or await self._begun()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(task.to_json())
            await process.stdin.drain()
            while line := await process.stdout.readline():
                said = json.loads(line)
                if "ready" in said:
                    ready(said["ready"])
                elif "done" in said:
                    return Done(size=said["done"]["size"], altered=tuple(said["done"]["altered"]))
                else:
                    raise _failure(said["failed"], said["message"])
        except (BrokenPipeError, ConnectionResetError):
            pass
        raise ProcessDied("the export process ended unexpectedly")

    async def _begun(self) -> Process:
        # One thread each: there are as many of these processes as exports may run at a time.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = await asyncio.create_subprocess_exec(
            *PROGRAM, stdin=PIPE, stdout=PIPE, env=environment, start_new_session=True
        )
        return self._process

    def kill(self) -> None:
        """End what it does now; `perform` raises ProcessDied."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End the process, whatever it does, and wait until it has ended."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _failure(kind: str, message: str) -> Exception:
    known = {"gone": FileNotFoundError, "disk": OutOfDiskSpace, "bad": BadInput}
    return known.get(kind, ExportFailed)(message)
