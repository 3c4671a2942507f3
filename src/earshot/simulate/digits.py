"""Keys pressed during a call, as RFC 4733 telephone-events.

What lives here: the payloads of a row of digits, frame by frame. What does not: when they are sent. The one rule: a
frame is either an event or audio, never both.
"""

from dataclasses import dataclass

CODES = {digit: code for code, digit in enumerate("0123456789*#ABCD")}
FRAMES_PER_DIGIT = 5
END_REPEATS = 2
GAP_FRAMES = 3
VOLUME = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFrame:
    """The payload of one 20 ms frame of a pressed key; `first` frames carry the marker bit and fix the timestamp."""

    payload: bytes
    first: bool


def frames_of(digits: str, step: int) -> tuple[EventFrame | None, ...]:
    """100 ms of each digit, its end sent three times (RFC 4733 section 2.5.1.4), audio (None) between the digits.

    `step` is the timestamp units of one frame. Raises KeyError for a character that is no key.
    """
    row: list[EventFrame | None] = []
    for digit in digits:
        code = CODES[digit]
        for number in range(1, FRAMES_PER_DIGIT + END_REPEATS + 1):
            over = number >= FRAMES_PER_DIGIT
            duration = min(number, FRAMES_PER_DIGIT) * step
            flags = (0x80 if over else 0) | VOLUME
            payload = bytes((code, flags)) + duration.to_bytes(2, "big")
            row.append(EventFrame(payload=payload, first=number == 1))
        row.extend([None] * GAP_FRAMES)
    return tuple(row)
