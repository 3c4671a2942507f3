"""From a screen session that has ended to its row: the verdict, the spans, the retention. Pure.

The one rule: what was captured decides the verdict; what went wrong on the way is the reason and the warnings.
"""

from dataclasses import replace

from earshot.engine.chat_values import Chat, SegmentKept
from earshot.media.spans import Span, merged
from earshot.ports.screens import ScreenSegment, ScreenSession, ScreenState, ScreenVerdict

MICROSECONDS = 1_000_000
UNSET = -1


def session_of(chat: Chat, core: int, *, keep_days: int = UNSET, archive_action: int = UNSET) -> ScreenSession:
    """The row of an ended session; `keep_days` and `archive_action` are those of sessions that were given none."""
    assert chat.stopped_us is not None
    state, verdict, reason = _verdict(chat)
    known = chat.variables
    known = replace(
        known,
        keep_days=keep_days if known.keep_days == UNSET else known.keep_days,
        archive_action=archive_action if known.archive_action == UNSET else known.archive_action,
    )
    return ScreenSession(
        key=chat.key,
        core=core,
        session_id=chat.session_id,
        agent_id=chat.agent.agent_id,
        started_at=chat.started_us / MICROSECONDS,
        stopped_at=chat.stopped_us / MICROSECONDS,
        state=state,
        verdict=verdict,
        reason=reason,
        ended_by=chat.ended_by,
        computer=chat.computer,
        username=chat.username,
        variables=known,
        warnings=tuple(chat.warnings),
        black_spans=_black(chat, chat.stopped_us),
        segments=tuple(segment_of(one) for one in sorted(chat.segments, key=lambda segment: segment.number)),
    )


def _black(chat: Chat, stopped_us: int) -> tuple[Span, ...]:
    """Where the picture is black, in seconds from the start of the session."""
    spans = [(one.from_us, one.until_us or stopped_us) for one in (*chat.black_spans, *chat.dark_spans)]
    within = [(max(begin, chat.started_us), min(end, stopped_us)) for begin, end in spans]
    seconds = [
        ((begin - chat.started_us) / MICROSECONDS, (end - chat.started_us) / MICROSECONDS)
        for begin, end in within
        if begin <= end
    ]
    return tuple(merged(seconds, 0.0))


def _verdict(chat: Chat) -> tuple[ScreenState, ScreenVerdict, str]:
    if chat.segments:
        return "ended", "captured", chat.missing
    if chat.captured_once or chat.missing == "capture_failed":
        return "failed", "failed", chat.missing or "no_picture"
    return "ended", "not_captured", chat.missing or "no_desktop"


def segment_of(kept: SegmentKept) -> ScreenSegment:
    """A segment as the row has it."""
    return ScreenSegment(
        number=kept.number,
        object_name=kept.object_name,
        media_type=kept.media_type,
        sha256=kept.sha256,
        size=kept.size,
        began_at=kept.began_us / MICROSECONDS,
        duration_s=kept.duration_s,
    )
