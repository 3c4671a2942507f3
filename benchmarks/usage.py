"""What a process has used, read from outside under /proc: processor time of each thread and of its children, memory.

The one rule: nothing of the measured process takes part in the measuring, so what is shown includes all it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EVENT_LOOP = "event loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Seconds of processor time so far: of each thread by its name (the first is the event loop), and of the child
    processes together."""

    threads: Mapping[str, float]
    children_s: float

    @property
    def own_s(self) -> float:
        """Of the process without its children."""
        return sum(self.threads.values())

    @property
    def total_s(self) -> float:
        """Of the process and its children."""
        return self.own_s + self.children_s

    def since(self, before: "Usage") -> "Usage":
        """What was used between the two readings."""
        return Usage(
            threads={name: spent - before.threads.get(name, 0.0) for name, spent in self.threads.items()},
            children_s=self.children_s - before.children_s,
        )


def usage_of(pid: int) -> Usage:
    """The processor time of a running process. Raises OSError when it is gone."""
    threads: dict[str, float] = {}
    children_s = 0.0
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        name = EVENT_LOOP if task.name == str(pid) else _name_of(task)
        threads[name] = threads.get(name, 0.0) + _ran_s(task)
        children_s += sum(_all_threads_s(int(child)) for child in (task / "children").read_text().split())
    return Usage(threads=threads, children_s=children_s)


def resident_mb(pid: int) -> float:
    """Resident memory of one process in MiB."""
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _name_of(task: Path) -> str:
    """Threads without a name of their own carry that of the program."""
    name = (task / "comm").read_text().strip()
    return "other threads" if name.startswith(("python", "earshot")) else name


def _ran_s(task: Path) -> float:
    """schedstat counts nanoseconds on the processor, user and system together."""
    return int((task / "schedstat").read_text().split()[0]) / 1e9


def _all_threads_s(pid: int) -> float:
    try:
        return sum(_ran_s(task) for task in (Path("/proc") / str(pid) / "task").iterdir())
    except OSError:
        return 0.0
