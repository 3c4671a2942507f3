"""A supervised spawner: the only place where tasks are created, and where their failures are seen.

A bare `asyncio.create_task` loses exceptions and may be garbage-collected; this one names the task, keeps it alive,
and logs what it dies of.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Spawner:
    """Owns background tasks; `close()` cancels and awaits them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start `work` as a task called `name`. A failure is logged, never swallowed silently."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:
            log.error("task_failed", task=task.get_name(), exc_info=failure)

    async def close(self) -> None:
        """Cancel every task that still runs and wait until it has ended."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
