"""Cost per packet of a running process, window by window: the median is what to quote, the best shows the noise.

Not here: who sends (voices.py) and how processor time is read (usage.py). The one rule: processor time, not wall time,
over the packets that were sent in the same window.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.usage import Usage, usage_of

WINDOW_S = 2.0
SEALING_PROCESSES = "sealing processes"
PACKETS_PER_CALL_S = 100
"""Two legs of 50 packets a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was used and what was sent in one window of `seconds`."""

    used: Usage
    packets: int
    seconds: float

    def us_per_packet(self, thread: str = "") -> float:
        """Microseconds of processor time per packet: of one thread, or of the process without its children."""
        spent = self.used.threads.get(thread, 0.0) if thread else self.used.own_s
        return spent / self.packets * 1e6


async def windows(pid: int, packets: Callable[[], int], seconds: float) -> list[Window]:
    """Watch a process for so long."""
    measured = []
    before, sent, at = usage_of(pid), packets(), time.monotonic()
    for _ in range(max(1, round(seconds / WINDOW_S))):
        await asyncio.sleep(WINDOW_S)
        now, so_far, then = usage_of(pid), packets(), time.monotonic()
        measured.append(Window(used=now.since(before), packets=max(1, so_far - sent), seconds=then - at))
        before, sent, at = now, so_far, then
    return measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Microseconds per packet: median, best and worst window, and the medians of the threads. `packets_per_s` is what
    was really sent: less than it should be when the load generator had no core for itself."""

    median: float
    best: float
    worst: float
    packets_per_s: float
    by_thread: dict[str, float]

    @property
    def percent_of_core_per_call(self) -> float:
        """Of a call with two legs of 50 packets a second."""
        return self.median * PACKETS_PER_CALL_S / 1e6 * 100


def cost_of(measured: Sequence[Window]) -> Cost:
    """The cost in these windows; threads that cost nothing worth showing are left out."""
    totals = [window.us_per_packet() for window in measured]
    names = {name for window in measured for name in window.used.threads}
    by_thread = {name: statistics.median(window.us_per_packet(name) for window in measured) for name in names}
    return Cost(
        median=statistics.median(totals),
        best=min(totals),
        worst=max(totals),
        packets_per_s=sum(window.packets for window in measured) / sum(window.seconds for window in measured),
        by_thread={name: cost for name, cost in sorted(by_thread.items(), key=lambda item: -item[1]) if cost >= 0.005},
    )


def beyond_ingest(used: Usage, cost: Cost, packets: int) -> dict[str, float]:
    """Seconds of processor time beside what receiving `packets` cost, by thread and in the child processes."""
    names = used.threads.keys() | cost.by_thread.keys()
    beyond = {
        name: used.threads.get(name, 0.0) - cost.by_thread.get(name, 0.0) / 1e6 * packets for name in sorted(names)
    }
    return {**beyond, SEALING_PROCESSES: used.children_s}
