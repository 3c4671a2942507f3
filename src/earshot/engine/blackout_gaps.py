"""The gaps that blackouts leave in a call: which they are, and whether their sound is removed or kept and hidden.

A blackout's gap says `blackout KEY` where its sound goes, and `hidden KEY` where it is kept for those permitted
(Standard mode). The one rule: a call is masked only by what removes; status and events make no difference.
"""

from earshot.engine.blackouts import Span
from earshot.engine.model import Call, Gap

WHY = "blackout"
HIDDEN = "hidden"
AFTER_THE_FACT = "after the fact"
"""The key of what a person had removed of a recording."""
WORDS = (WHY, HIDDEN)


def why_of(span: Span, key: str) -> str:
    """What the gap of a blackout under `key` is called."""
    return f"{HIDDEN if span.hide else WHY} {key}"


def key_of(gap: Gap) -> str:
    """The key of the blackout that left the gap; empty for any other gap."""
    return gap.why.partition(" ")[2] if is_blackout(gap) else ""


def is_blackout(gap: Gap) -> bool:
    """Whether the gap is a blackout's, of either kind."""
    return gap.why.partition(" ")[0] in WORDS


def is_blacked_out(call: Call) -> bool:
    """Whether a blackout of either kind is open on the call now."""
    return any(gap.until_us is None and is_blackout(gap) for gap in call.gaps)


def is_masked(call: Call) -> bool:
    """Whether what the call hears now is thrown away."""
    return any(gap.until_us is None and _is(gap, WHY) for gap in call.gaps)


def masks_of(call: Call) -> tuple[tuple[int, int], ...]:
    """The (from, until) of a call's blackouts that remove, sorted; one that is still open ends with the call."""
    return _spans_of(call, WHY)


def hidden_of(call: Call) -> tuple[tuple[int, int], ...]:
    """The same of those whose sound is kept."""
    return _spans_of(call, HIDDEN)


def _is(gap: Gap, word: str) -> bool:
    return gap.why.partition(" ")[0] == word


def _spans_of(call: Call, word: str) -> tuple[tuple[int, int], ...]:
    last_us = call.stopped_us or call.started_us
    return tuple(sorted((gap.from_us, gap.until_us or last_us) for gap in call.gaps if _is(gap, word)))
