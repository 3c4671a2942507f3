"""The gaps of a sealed recording: what was found in the sound, what the core knows the reason of, what is hidden.

Times are seconds from the start of the recording. The one rule: a gap whose reason is known stands for those that were
found in its place; a hidden span (Standard mode) has sound and explains nothing.
"""

from collections.abc import Iterable

from earshot.core.seal_job import SealJob
from earshot.engine.blackout_gaps import HIDDEN, WHY, hidden_of, is_blackout
from earshot.engine.model import Call
from earshot.media.render import Gap
from earshot.media.spans import merged

MICROSECONDS = 1_000_000


def gaps_of(call: Call, job: SealJob, found: Iterable[Gap]) -> tuple[Gap, ...]:
    """The gaps of the recording that `job` rendered, `found` in its sound, sorted."""
    found = tuple(found)
    known = {
        (*_span(gap.from_us, gap.until_us or job.stop_us, job), gap.why.split()[0])
        for gap in call.gaps
        if not is_blackout(gap)
    }
    known = {(start, end, why) for start, end, why in known if end > start}
    known |= {gap for gap in found if gap[2] == WHY}
    spans = merged([_span(begin, end, job) for begin, end in hidden_of(call)], 0.0)
    hidden = [(start, end, HIDDEN) for start, end in spans if end > start]
    return tuple(sorted({*known, *hidden, *(gap for gap in found if not explained(gap, known))}))


def _span(from_us: int, until_us: int, job: SealJob) -> tuple[float, float]:
    """The span within the recording, in seconds from its start; empty or less outside."""
    start_us, stop_us = max(from_us, job.start_us), min(until_us, job.stop_us)
    return (start_us - job.start_us) / MICROSECONDS, (stop_us - job.start_us) / MICROSECONDS


def explained(gap: Gap, known: Iterable[Gap]) -> bool:
    """Whether most of a gap that was found in the sound is one whose reason is known: a restart is no hold."""
    start, stop, _ = gap
    overlaps = (min(stop, until) - max(start, since) for since, until, _ in known)
    return sum(overlap for overlap in overlaps if overlap > 0) > (stop - start) / 2
