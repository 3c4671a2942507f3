"""A supervised spawner: the only place where tasks are created, and where their failures are seen.

A bare `asyncio.create_task` loses exceptions and may be garbage-collected; this one names the task, keeps it alive,
and logs what it dies of.
"""

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")

PR_SET_NAME = 15


class Spawner:
    """Owns background tasks; `close()` cancels and awaits them all. `on_failure` is told the name of a task that
    failed, for tasks without which nothing makes sense any more."""

    def __init__(self, on_failure: Callable[[str], None] = lambda _: None) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure

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
            self._on_failure(task.get_name())

    async def close(self) -> None:
        """Cancel every task that still runs and wait until it has ended."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def in_pieces(items: Sequence[T], size: int = 25) -> AsyncIterator[Sequence[T]]:
    """`items` in slices, with a turn for everybody else between two: for work that is long only because it is much."""
    for start in range(0, len(items), size):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + size]


def one_thread(name: str) -> ThreadPoolExecutor:
    """An executor of one thread that `top -H` shows by this name (15 letters of it)."""
    return ThreadPoolExecutor(1, name, initializer=_name_thread, initargs=(name,))


def _name_thread(name: str) -> None:
    # Python names its threads for itself only; the system knows them by this call.
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)
