"""Which party of a recorded call is ours, and what that makes of ANI, DNIS and direction.

Not here: the lists of devices and stations (they come as a question). The one rule: what we know for certain beats
what a number looks like, and what nobody said stays empty.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote

from earshot.telephony.recording_metadata import Participant
from earshot.telephony.recording_session import CallFacts
from earshot.telephony.sip.headers import parse_uri

EXTENSION: Final = re.compile(r"\d{2,6}")
"""What the number of a phone of ours looks like when nothing is known of it; the whole number must match."""

_SEPARATORS = re.compile(r"[-.()\s]")
_NUMBER = re.compile(r"[\d*#]+")

ORIGINATED = frozenset(("origcall", "orig", "originating", "outgoing", "outbound"))
TERMINATED = frozenset(("termcall", "term", "terminating", "incoming", "inbound"))
"""What vendors write in callType when the recorded party began the call, and when it was called."""

How = Literal["signalled", "known", "recorded_party", "pattern", "first", "none"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Our party: its index (None without participants), its number as DEVICEID, and the call's variables.

    `direction` is "I" when the other party called us, "O" when we called, "" when nobody said. `how` tells what
    decided.
    """

    index: int | None
    device: str
    ani: str
    dnis: str
    direction: Literal["", "I", "O"]
    how: How


@lru_cache(maxsize=4096)
def number_of(aor: str) -> str:
    """The user part of an address without scheme, parameters and plus; the host when there is no user."""
    uri = parse_uri(aor)
    user = unquote(uri.user or uri.host).partition(";")[0].strip().removeprefix("+")
    bare = _SEPARATORS.sub("", user).removeprefix("+")
    return bare if _NUMBER.fullmatch(bare) else user


def identify(
    participants: Sequence[Participant],
    facts: CallFacts,
    is_known: Callable[[str], bool],
    pattern: re.Pattern[str] = EXTENSION,
) -> Identity:
    """Decide which participant is ours: the one the signalling itself names, a known device, phone or station, the
    party the vendor calls recorded, the first whose whole number matches `pattern`, else the first."""
    numbers = [number_of(participant.aor) for participant in participants]
    index, how = _ours(participants, numbers, facts, is_known, pattern)
    if index is None:
        return Identity(None, "", number_of(facts.ani), number_of(facts.dnis), "", how)
    others = [place for place in range(len(numbers)) if place != index and not participants[place].left]
    other = numbers[others[0]] if others else ""
    ours = numbers[index]
    ani, dnis = number_of(facts.ani), number_of(facts.dnis)
    direction = _direction(facts, index, ours, ani)
    if direction == "O":
        return Identity(index, ours, ani or ours, dnis or other, direction, how)
    if direction == "I":
        return Identity(index, ours, ani or other, dnis or ours, direction, how)
    first, second = (ours, other) if index == 0 else (other, ours)
    return Identity(index, ours, ani or first, dnis or second, direction, how)


def _ours(
    participants: Sequence[Participant],
    numbers: list[str],
    facts: CallFacts,
    is_known: Callable[[str], bool],
    pattern: re.Pattern[str],
) -> tuple[int | None, How]:
    if not participants:
        return None, "none"
    if facts.ours is not None and facts.ours < len(participants):
        return facts.ours, "signalled"
    for index, number in enumerate(numbers):
        if number and is_known(number):
            return index, "known"
    recorded = number_of(facts.vendor.get("recordedParty") or facts.vendor.get("userID", ""))
    for index, number in enumerate(numbers):
        if recorded and recorded in (number, participants[index].id):
            return index, "recorded_party"
    present = [index for index, participant in enumerate(participants) if not participant.left]
    for index in present:
        if pattern.fullmatch(numbers[index]):
            return index, "pattern"
    return (present or [0])[0], "first"


def _direction(facts: CallFacts, index: int, ours: str, ani: str) -> Literal["", "I", "O"]:
    if facts.caller is not None:
        return "O" if facts.caller == index else "I"
    kind = facts.vendor.get("callType", "").lower()
    if kind in ORIGINATED:
        return "O"
    if kind in TERMINATED:
        return "I"
    if ani:
        return "O" if ani == ours else "I"
    return ""
