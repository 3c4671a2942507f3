"""Exports that wait and run: who gets on next, how far each is, and who waits for it.

No files and no processes here. The one rule: owners take turns, so that nobody's hundred exports stand before another's
one.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from earshot.api.export_cache import Entry
from earshot.api.exporting import ExportJob, ExportView
from earshot.media.export_task import ExportTask


@dataclass(eq=False, slots=True, kw_only=True)
class Work:
    """One file that is made, for as many as want it. `size` is what it will have, `ready` what can be read of it now.

    `failure` is set when it could not be made. `kept` says that it may serve others later, `abandoned`
    that nobody wants it any more; `entry` is the finished file.
    """

    number: int
    key: str
    job: ExportJob
    task: ExportTask
    size: int
    begun_at: float
    kept: bool
    sha256s: frozenset[str]
    ready: int = 0
    running: bool = False
    done: bool = False
    failure: Exception | None = None
    waiting: int = 0
    abandoned: bool = False
    entry: Entry | None = None
    _watchers: list["asyncio.Future[None]"] = field(default_factory=list)

    @property
    def fraction(self) -> float:
        """How much of it is made, from 0 to 1."""
        return 1.0 if self.done else min(self.ready / self.size, 1.0) if self.size else 0.0

    def changed(self) -> None:
        """Wake whoever waits for news."""
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)

    def fail(self, why: Exception) -> None:
        """It could not be made."""
        self.failure = why
        self.changed()

    async def news(self) -> None:
        """Wait for the next change."""
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        await watcher

    async def until(self, ready: int) -> None:
        """Wait until so many bytes can be read, or all. Raises why it could not be made."""
        while not self.done and self.ready < ready:
            if self.failure is not None:
                raise self.failure
            await self.news()

    def view(self) -> ExportView:
        """As the list of exports shows it."""
        return ExportView(
            number=self.number,
            kind=self.job.kind,
            format=self.job.format,
            records=tuple(row.record_id for row in self.job.rows),
            owner=self.job.owner,
            running=self.running,
            fraction=self.fraction,
            begun_at=self.begun_at,
            waiting=self.waiting,
        )


class FairQueue:
    """Works in the order in which they are done: owners in turn, each owner's in the order they came."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Work]] = OrderedDict()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, work: Work) -> None:
        """At the end of its owner's line."""
        self._lines.setdefault(work.job.owner, deque()).append(work)
        self._filled.set()

    def drop(self, work: Work) -> bool:
        """Take it out; False if it was not there."""
        line = self._lines.get(work.job.owner)
        if line is None or work not in line:
            return False
        line.remove(work)
        if not line:
            del self._lines[work.job.owner]
        return True

    async def next(self) -> Work:
        """The next one; waits for it."""
        while not self._lines:
            self._filled.clear()
            await self._filled.wait()
        owner, line = next(iter(self._lines.items()))
        work = line.popleft()
        if line:
            self._lines.move_to_end(owner)
        else:
            del self._lines[owner]
        return work
