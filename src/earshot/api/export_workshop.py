"""The workshop of exports: takes works in turn, has a process make each, and tells those who wait.

What a work is made of is decided in `exporter`. The one rule: whatever happens to a work, those who wait for it hear of
it, and the next one begins.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence

import structlog

from earshot.api.export_cache import ExportCache
from earshot.api.export_processes import ExportFailed, ExportProcess, ProcessDied
from earshot.api.export_queue import FairQueue, Work
from earshot.errors import EarshotError

log = structlog.get_logger(__name__)

IDLE_S = 60.0
"""After so many seconds without work a process ends: it takes 20 to 50 MB."""


class Workshop:
    """Works that wait or run, by the key of their file."""

    def __init__(self, cache: ExportCache, publish: Callable[[str, Sequence[tuple[str, str]]], None]) -> None:
        self.works: dict[str, Work] = {}
        self._cache = cache
        self._publish = publish
        self._queue = FairQueue()
        self._running: dict[Work, ExportProcess] = {}

    def begin(self, work: Work) -> None:
        """Put it into its owner's line."""
        self.works[work.key] = work
        self._queue.put(work)

    def unclaimed(self, work: Work) -> None:
        """Nobody waits for it any more: it need not begin, and goes on only for the cache while nobody else waits."""
        if self._queue.drop(work):
            self._ended(work)
        elif work in self._running and (not work.kept or len(self._queue)):
            work.abandoned = True
            self._running[work].kill()

    async def keep_working(self) -> None:
        """Do one work after the other, endlessly, with a process that ends while there is none."""
        process = ExportProcess()
        try:
            while True:
                try:
                    async with asyncio.timeout(IDLE_S):
                        work = await self._queue.next()
                except TimeoutError:
                    await process.close()
                    continue
                await self._make(work, process)
        finally:
            await process.close()

    async def _make(self, work: Work, process: ExportProcess) -> None:
        """Make one file; whatever happens, those who wait are told."""
        self._running[work] = process
        work.running = True
        self._tell("EXPORTSTARTED", work)
        try:
            await self._made(work, process)
        except (EarshotError, OSError, ValueError) as why:
            if not work.abandoned:
                log.warning("export_failed", job=work.number, format=work.job.format, why=str(why))
            work.fail(why)
        except asyncio.CancelledError:
            work.fail(ProcessDied("the server stops"))
            raise
        except Exception as why:
            log.exception("export_failed", job=work.number, format=work.job.format)
            work.fail(ExportFailed(f"the export failed: {why}"))
        finally:
            del self._running[work]
            self._ended(work)
            self._tell("EXPORTFINISHED", work, ("STATE", "failed" if work.failure else "done"))

    async def _made(self, work: Work, process: ExportProcess) -> None:
        def ready(size: int) -> None:
            work.ready = size
            work.changed()

        try:
            done = await process.perform(work.task, ready)
        except ProcessDied:
            if work.abandoned or work.ready:
                raise
            done = await process.perform(work.task, ready)
        if done.altered:
            log.error("media_is_not_as_sealed", recordings=done.altered, job=work.number)
        if done.size != work.size:
            raise ProcessDied(f"the export has {done.size} bytes instead of {work.size}")
        kept = work.kept and not done.altered
        work.entry = self._cache.add(
            work.key,
            done.size,
            work.sha256s,
            kept=kept,
            holders=work.waiting,
            encrypted_with=bytes.fromhex(work.task.out_key),
        )
        work.ready = done.size
        work.done = True
        work.changed()

    def _ended(self, work: Work) -> None:
        """It waits and runs no more."""
        if self.works.get(work.key) is work:
            del self.works[work.key]
        if not work.done:
            self._cache.unfinished(work.key).unlink(missing_ok=True)
        shutil.rmtree(self._cache.folder / f"{work.number}.src", ignore_errors=True)

    def _tell(self, kind: str, work: Work, *more: tuple[str, str]) -> None:
        idents = ",".join(str(row.record_id) for row in work.job.rows)
        self._publish(kind, [("RECORDID", idents), ("FORMAT", work.job.format), ("JOB", str(work.number)), *more])
