"""How values read on the pages: times, durations, sizes, names, directions, warnings. The Jinja2 filters.

No HTML here. The one rule: every function takes a plain value and gives back plain text, which the template escapes.
"""

from datetime import datetime, tzinfo
from typing import Final

from earshot.core.verdicts import REASONS
from earshot.ports import FinishedCall, RecordingRow

VERDICT_WORDS: Final = {"recorded": "Recorded", "not_recorded": "Not recorded", "failed": "Failed"}
WARNING_WORDS: Final = {
    "silent": ("Silent", "No voice was heard on either side."),
    "one-sided": ("One-sided", "Only one of the parties was heard."),
    "short": ("Short", "The recording is very short."),
    "lossy": ("Lossy", "Many packets never arrived."),
    "mixed": ("Mixed", "Both parties came in one stream: they cannot be told apart."),
    "undecodable": ("Undecodable", "Some of the sound came in a codec that could not be decoded."),
    "lenient": ("Lenient", "The signalling broke its standard and was accepted all the same."),
    "interrupted": ("Interrupted", "The recorder was down during a part of the call."),
}
GAP_WORDS: Final = {
    "loss": "packets lost",
    "hold": "on hold",
    "restart": "recorder restarted",
    "blackout": "blackout",
    "hidden": "blackout, kept and hidden",
}
SIDE_WORDS: Final = {"agent": "Agent", "other": "Other party", "mixed": "Both, mixed"}
DIRECTION_WORDS: Final = {"I": ("↘", "incoming"), "O": ("↗", "outgoing"), "": ("↔", "direction unknown")}


class Presenter:
    """The filters that depend on where the operator is: times are shown in `zone`, None for this machine's."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone

    def moment(self, seconds: float) -> datetime:
        """Local time with its zone."""
        return datetime.fromtimestamp(seconds, self._zone).astimezone(self._zone)

    def day(self, seconds: float) -> str:
        """Such as "Tue 4 Mar 2025"."""
        moment = self.moment(seconds)
        return f"{moment:%a} {moment.day} {moment:%b %Y}"

    def time_of_day(self, seconds: float) -> str:
        """Such as "14:02:59"."""
        return f"{self.moment(seconds):%H:%M:%S}"

    def zone_name(self, seconds: float) -> str:
        """Such as "CET" or "UTC+05:30"."""
        return self.moment(seconds).tzname() or ""

    def when(self, seconds: float) -> str:
        """Day, time and zone in one line."""
        return f"{self.day(seconds)}, {self.time_of_day(seconds)} {self.zone_name(seconds)}"

    def machine_time(self, seconds: float) -> str:
        """ISO 8601 with offset, for `<time datetime>`."""
        return self.moment(seconds).isoformat(timespec="seconds")


def duration(seconds: float) -> str:
    """Such as "0:07", "12:30" or "1:02:03"; whole seconds, rounded."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def size(count: int) -> str:
    """Bytes for people: "980 B", "1.2 MB" (powers of 1,000)."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""


def percent(part: int, whole: int) -> str:
    """`part` of `whole` as "0.3 %"; "–" of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def agent_name(row: RecordingRow) -> str:
    """First and last name of the agent, else the alias, else nothing."""
    name = f"{row.agent_first_name} {row.agent_last_name}".strip()
    return name or row.sealed.variables.device_alias


def other_party(item: RecordingRow | FinishedCall) -> str:
    """The number at the far end: who called on incoming calls, who was called on outgoing ones."""
    variables = item.sealed.variables if isinstance(item, RecordingRow) else item.variables
    first, second = (variables.dnis, variables.ani) if variables.direction == "O" else (variables.ani, variables.dnis)
    return first or (second if second != variables.device_id else "")


def direction_arrow(direction: str) -> str:
    """↘ for incoming, ↗ for outgoing."""
    return DIRECTION_WORDS.get(direction, DIRECTION_WORDS[""])[0]


def direction_word(direction: str) -> str:
    """The direction in a word, for tooltips and screen readers."""
    return DIRECTION_WORDS.get(direction, DIRECTION_WORDS[""])[1]


def verdict_word(verdict: str) -> str:
    """A verdict as a heading shows it."""
    return VERDICT_WORDS.get(verdict, verdict)


def reason_sentence(reason: str) -> str:
    """Why a call has its verdict, as a sentence without its full stop."""
    words = REASONS.get(reason, "").removeprefix("recorded: ").removeprefix("refused: ")
    return words[:1].upper() + words[1:] if words else plain(reason)


def warning_word(warning: str) -> str:
    """A warning as a badge shows it."""
    return WARNING_WORDS.get(warning, (plain(warning), ""))[0]


def warning_sentence(warning: str) -> str:
    """What a warning means."""
    return WARNING_WORDS.get(warning, ("", plain(warning)))[1]


def gap_word(why: str) -> str:
    """Why a span of a recording holds no sound."""
    return GAP_WORDS.get(why, plain(why))


def side_word(side: str) -> str:
    """Whose sound a leg carries."""
    return SIDE_WORDS.get(side, plain(side) if side else "Unknown")


def plain(name: str) -> str:
    """An internal name for people: "no_channel" becomes "No channel"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


PLAIN_FILTERS: Final = {
    function.__name__: function
    for function in (
        duration,
        size,
        percent,
        agent_name,
        other_party,
        direction_arrow,
        direction_word,
        verdict_word,
        warning_word,
        warning_sentence,
        gap_word,
        side_word,
        plain,
        reason_sentence,
    )
}
"""The filters that depend on nothing, by the names the templates use."""
