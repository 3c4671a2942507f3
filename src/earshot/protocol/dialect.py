"""Where the specification contradicts itself or old clients may expect otherwise: the switches, as one frozen value.

What does not live here: any decision that is not switchable.
The one rule: every switch names the trap of reference.md that it comes from, and its default is that page's decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

CHANNEL_STATES: tuple[str, ...] = (
    "Idle",
    "OffHook",
    "Recording",
    "Playback",
    "Waiting",
    "Error",
    "Resetting",
    "PreparingToRecord",
    "FinishingRecording",
    "DialingForPlayback",
)
"""The words of a channel's STATE; the place of each is its number (reference.md 2.4)."""

LEGACY_TYPOS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("CALLSTART", "Could not find a device matching given parameters"): (
            "Could not find a device matching given prameters"
        ),
    }
)
"""(REQUESTTYPE, our RESULTMSG) to the misspelling of the specification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How answers are written.

    `strict_legacy` leaves RESULTTYPE, RESULTCODE and RESULTMSG out where the specification's example does (F10), and
    answers a blackout that missed some cores with API_OK (14.3, BLACKOUTSTART).
    `error_resulttype` writes the label or the word ERROR into RESULTTYPE of an error (F16, 1.3).
    `channel_state_style` shows a channel's STATE as a word or as a number (2.4).
    `legacy_typos` writes the misspelt messages of the specification (14.3, CALLSTART).
    `unixtime_from_local_clock` reads the local clock as UTC in LASTSTATECHANGEUNIXTIME (D5).
    """

    strict_legacy: bool = False
    error_resulttype: Literal["label", "ERROR"] = "label"
    channel_state_style: Literal["word", "number"] = "word"
    legacy_typos: bool = False
    unixtime_from_local_clock: bool = False

    def channel_state(self, number: int) -> str:
        """STATE of a channel, 0 to 9. Raises IndexError for any other number."""
        return CHANNEL_STATES[number] if self.channel_state_style == "word" else str(number)


MODERN = Dialect()
"""The defaults."""
