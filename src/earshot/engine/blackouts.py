"""The arithmetic of blackouts: spans of time that begin and end at moments, some of which are still to come. Pure.

Here live spans and what a start and a stop do to them. Not here: calls, agents and legs (masking). The one rule: a
doubt is settled for masking: a start can only begin a span earlier, and only a stop or the limit ends one.

All times are microseconds of journal time. A moment is the arrival of a command plus its TIMEOFFSET.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Span:
    """[from_us, end) of a blackout. `until_us` is when a stop said it ends (None: nobody has), `limit_us` when it ends
    without one (None: never). `begun` says that it is in force, `hide` that its sound is kept for those permitted."""

    from_us: int
    until_us: int | None = None
    limit_us: int | None = None
    begun: bool = False
    hide: bool = False

    @property
    def end_us(self) -> int | None:
        """When it ends, as far as that is known now."""
        known = [moment for moment in (self.until_us, self.limit_us) if moment is not None]
        return min(known) if known else None

    def covers(self, moment_us: int) -> bool:
        """Whether the moment lies within."""
        end_us = self.end_us
        return self.from_us <= moment_us and (end_us is None or moment_us < end_us)

    @property
    def due_us(self) -> int | None:
        """When something happens to it next: it begins, or it ends."""
        return self.end_us if self.begun else self.from_us


def start(spans: list[Span], moment_us: int, now_us: int, longest_us: int, hide: bool = False) -> Span | None:
    """A start for `moment_us`, told at `now_us`: the span that is new or begins earlier than before; None for a start
    within a span, which keeps the first; but one that only hides does not keep a removing one from beginning.

    `longest_us` bounds the span from its begin, or from now when it reaches back; 0 means without a limit.
    """
    if any(span.covers(moment_us) and (hide or not span.hide) for span in spans):
        return None
    for span in spans:
        if span.hide == hide and span.until_us is None and moment_us < span.from_us:
            span.from_us = moment_us
            return span
    limit_us = max(moment_us, now_us) + longest_us if longest_us else None
    made = Span(from_us=moment_us, limit_us=limit_us, hide=hide)
    spans.append(made)
    return made


def stop(spans: Sequence[Span], moment_us: int) -> Span | None:
    """A stop for `moment_us`: the span it ends, never before its begin (specification, BLACKOUTSTOP); with it, one of
    the other kind that it lies within. None when none is open, or when all end sooner anyway."""
    ended = list({span.hide: span for span in spans if span.covers(moment_us)}.values())
    ended = ended or [span for span in spans if span.until_us is None][-1:]
    for span in ended:
        span.until_us = max(span.from_us, moment_us)
    return ended[-1] if ended else None


def is_empty(span: Span) -> bool:
    """Whether it ends where it begins: nothing is to be masked."""
    end_us = span.end_us
    return end_us is not None and end_us <= span.from_us


def next_due(spans: Sequence[Span]) -> int | None:
    """When something happens next to any of them."""
    return min((due for span in spans if (due := span.due_us) is not None), default=None)
