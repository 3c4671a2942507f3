"""Spans of time in seconds: collecting many, merging neighbours, intersecting lists. Pure arithmetic.

The one rule: a list of spans is sorted and free of overlaps, and no longer than it is useful.
"""

from collections.abc import Sequence
from functools import reduce

Span = tuple[float, float]
MERGE_S = 0.5
MOST = 2000


class Spans:
    """Collects spans that come roughly in order; neighbours closer than half a second become one.

    Beyond `MOST` spans the distance that is bridged is doubled, so that a bad line does not fill memory.
    """

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._merge_s = MERGE_S

    def add(self, start_s: float, end_s: float) -> None:
        """Note one span; an empty one is ignored."""
        if end_s <= start_s:
            return
        self._spans.append((start_s, end_s))
        while len(self._spans) > MOST:
            self._spans = merged(self._spans, self._merge_s)
            if len(self._spans) > MOST // 2:
                self._merge_s *= 2

    def result(self, duration_s: float) -> list[Span]:
        """The spans within [0, duration_s], merged."""
        clipped = [(max(start, 0.0), min(end, duration_s)) for start, end in self._spans]
        return merged([span for span in clipped if span[1] > span[0]], self._merge_s)


def merged(spans: Sequence[Span], distance_s: float) -> list[Span]:
    """Sorted, with spans that lie at most `distance_s` apart made one."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start - out[-1][1] <= distance_s:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def intersection(lists: Sequence[Sequence[Span]]) -> list[Span]:
    """The time that every list covers."""
    return reduce(_both, lists[1:], list(lists[0])) if lists else []


def without(span: Span, holes: Sequence[Span], least_s: float) -> list[Span]:
    """What of `span` no hole covers, in pieces longer than `least_s`. The holes are sorted."""
    pieces: list[Span] = []
    start, end = span
    for begin, until in holes:
        if until > start and begin < end:
            pieces.append((start, begin))
            start = max(start, until)
    pieces.append((start, end))
    return [piece for piece in pieces if piece[1] - piece[0] > least_s]


def _both(left: Sequence[Span], right: Sequence[Span]) -> list[Span]:
    out: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if end > start:
            out.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return out
