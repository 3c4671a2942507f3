"""The figures of the running system for /metrics, read when somebody asks."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from earshot.ports import CoreLink, FinishedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A number that goes up and down: its name after `earshot_`, what it means, where it is read, and what is said
    beside it."""

    name: str
    meaning: str
    read: Callable[[], float]
    labels: Mapping[str, str] = field(default_factory=dict)

    def family(self) -> Metric:
        """What Prometheus is shown."""
        family = GaugeMetricFamily(f"earshot_{self.name}", self.meaning, labels=list(self.labels))
        family.add_metric(list(self.labels.values()), self.read())
        return family


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers that only grow, one per value of `label`."""

    name: str
    meaning: str
    label: str
    read: Callable[[], Mapping[str, int]]


class Gauges:
    """A Prometheus collector of gauges alone: those that the parts of the system hang in, looked at when asked."""

    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        """All families (prometheus_client calls this)."""
        for gauge in self._gauges:
            yield gauge.family()


class Figures:
    """A Prometheus collector. Verdicts are counted since the start of the process, as they are stored."""

    def __init__(self, core: CoreLink, gauges: Iterable[Gauge], counts: Iterable[Counts]) -> None:
        self._core = core
        self._gauges = tuple(gauges)
        self._counts = tuple(counts)
        self._verdicts: Counter[tuple[str, str]] = Counter()

    def call_stored(self, finished: FinishedCall, record_ids: tuple[int, ...]) -> None:
        """A call got its verdict."""
        self._verdicts[finished.verdict, finished.reason] += 1

    def collect(self) -> Iterable[Metric]:
        """All families (prometheus_client calls this)."""
        calls = Counter(call.phase for call in list(self._core.state.calls.values()))
        states = GaugeMetricFamily("earshot_calls", "Calls by phase", labels=["phase"])
        for phase in ("open", "ended"):
            states.add_metric([phase], calls[phase])
        yield states
        verdicts = CounterMetricFamily("earshot_verdicts", "Calls that ended", labels=["verdict", "reason"])
        for (verdict, reason), count in self._verdicts.items():
            verdicts.add_metric([verdict, reason], count)
        yield verdicts
        for gauge in self._gauges:
            yield gauge.family()
        for counts in self._counts:
            family = CounterMetricFamily(f"earshot_{counts.name}", counts.meaning, labels=[counts.label])
            for value, count in list(counts.read().items()):
                family.add_metric([str(value)], count)
            yield family
