"""The sealing processes: recordings are rendered beside the process that receives sound, never in it.

Not here: what is rendered (seal_job) and what follows from a failure (sealing). The one rule: a process that dies takes
nothing with it but the work it was doing; the next job begins with new processes.
"""

import asyncio
import os
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context

from earshot.core.seal_job import Sealed, SealJob, begin_worker, seal


class SealingPool:
    """Up to `workers` processes, begun when they are first needed."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    async def render(self, job: SealJob) -> Sealed:
        """Do the job in a sealing process. Raises what `seal` raises, and BrokenExecutor when the process died."""
        pool = self._begun()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, seal, job)
        except BrokenExecutor:
            if self._pool is pool:
                self.close()
            raise

    def warm_up(self) -> None:
        """Begin a process before there is work for it: that takes it seconds."""
        self._begun().submit(os.getpid)

    def _begun(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=get_context("spawn"), initializer=begin_worker, initargs=(os.getpid(),)
            )
        return self._pool

    def close(self) -> None:
        """End the processes at once; what they were doing is done again when it is asked for again."""
        if self._pool is not None:
            # A polite shutdown would wait for the job at hand, and that may be a recording of twelve hours.
            processes = list((getattr(self._pool, "_processes", None) or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            self._pool = None
