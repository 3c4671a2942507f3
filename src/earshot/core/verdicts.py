"""The verdict: what became of a call that was signalled. Every call gets exactly one, with its reason and warnings.

Pure: from the ended call and what sealing found to a verdict. The reasons are a closed list, so that they can be
counted and explained.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from earshot.engine.model import Call

REASONS = {
    "bye": "recorded: the phone system ended the call",
    "callstop": "recorded: the API ended the call",
    "restarted": "recorded: a second CALLSTART of the same call instance ended it",
    "silence": "recorded: no sound arrived for the set time",
    "not_resumed": "recorded: after a restart of the recorder the sound did not come back",
    "session_expired": "recorded: the session timer ran out",
    "cancelled": "the phone system withdrew the call before it began",
    "timeout": "recorded: the phone system stopped answering",
    "ended_by_us": "recorded: the recorder ended the session",
    "too_long": "recorded: the call was longer than any call may be",
    "out_of_disk_space": "the disk reserve was reached",
    "no_free_channel": "refused: every channel was busy",
    "no_free_port": "refused: every RTP port was busy",
    "draining": "refused: the recorder was shutting down",
    "overloaded": "refused: more calls came at once than could be taken in time",
    "not_acceptable": "refused: the phone system offered nothing that can be recorded",
    "max_length": "recorded: the recording was as long as it may be",
    "silence_limit": "recorded: there was silence for as long as there may be",
    "preempted": "recorded: a call of higher priority took its channel",
    "recordstop": "recorded: RECORDSTOP ended it",
    "schedule": "no schedule wanted it",
    "too_short": "it was shorter than its schedule keeps",
    "no_session": "announced by the API, but the phone system never offered its sound",
    "no_sound": "the phone system opened a session but not one packet of sound came",
}
"""Every reason a verdict can have, in words."""

REFUSED = frozenset(("no_free_channel", "no_free_port", "draining", "overloaded", "not_acceptable"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """`verdict` is recorded, not_recorded or failed; `reason` is a key of `REASONS`."""

    verdict: str
    reason: str
    warnings: tuple[str, ...] = ()


def was_refused(call: Call) -> bool:
    """Whether the call was signalled and turned away."""
    why = call.ended_by
    return why in REFUSED or (why == "out_of_disk_space" and call.stopped_us == call.started_us)


def verdict_of(call: Call, packets: int, warnings: Sequence[str], too_short: bool = False) -> Verdict:
    """The verdict of an ended call for which `packets` packets of sound were kept; `too_short` says that there was
    sound and a schedule has it thrown away."""
    reason = call.ended_by if call.ended_by in REASONS else "bye"
    if too_short:
        return Verdict("not_recorded", "too_short")
    if packets and call.cut in REASONS:
        reason = call.cut
    if packets:
        lenient = ("lenient",) if call.leniencies else ()
        restarted = ("interrupted",) if any(gap.why == "restart" for gap in call.gaps) else ()
        return Verdict("recorded", reason, tuple(dict.fromkeys((*warnings, *lenient, *restarted))))
    decided = call.decided
    if decided is not None and decided.winner is None:
        return Verdict("failed", decided.refused) if decided.refused else Verdict("not_recorded", "schedule")
    if not call.attachments:
        return Verdict("failed", reason if was_refused(call) else "no_session")
    return Verdict("failed", "no_sound")
