"""The times of the protocol: how the specification writes them, whatever this machine's locale is.

What does not live here: Unix times, which need no writing, and any clock.
The one rule: a local time is written from a datetime that knows its zone; nothing here asks the machine for one.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_SLASHED = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AP]M)?)?(?:\s*([+-])(\d{2}):?(\d{2}))?",
    re.IGNORECASE | re.ASCII,
)
_NAMED = re.compile(
    r"([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d{4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AP]M)", re.IGNORECASE | re.ASCII
)


def legacy_time(moment: datetime) -> str:
    """`moment` as `2/1/2011 11:49:32 AM`: no zone, no zero padding (reference.md D1)."""
    half = "PM" if moment.hour >= 12 else "AM"
    hour = moment.hour % 12 or 12
    return f"{moment.month}/{moment.day}/{moment.year} {hour}:{moment.minute:02}:{moment.second:02} {half}"


def legacy_time_with_offset(moment: datetime) -> str:
    """`moment`, which must know its zone, as `10/30/2006 4:05:38 PM -05:00` (reference.md D2)."""
    minutes = _offset_minutes(moment)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"{legacy_time(moment)} {sign}{hours:02}:{rest:02}"


def database_time(moment: datetime) -> str:
    """`moment` as `Feb 2 2011 4:53PM`, with single spaces (reference.md D3)."""
    half = "PM" if moment.hour >= 12 else "AM"
    return f"{MONTHS[moment.month - 1]} {moment.day} {moment.year} {moment.hour % 12 or 12}:{moment.minute:02}{half}"


def parse_legacy_time(text: str, zone: tzinfo) -> datetime | None:
    """The moment that `text` names in any of the forms above, or in ISO 8601; None when it is none of them.

    A time without an offset is local time in `zone`. Runs of spaces count as one (the database pads with them).
    """
    text = " ".join(text.split())
    try:
        return _slashed(text, zone) or _named(text, zone) or _iso(text, zone)
    except (ValueError, OverflowError):
        return None


def uptime(seconds: float) -> str:
    """A span as `0 days, 18 hours, 24 minutes, 37 seconds.` with its final dot (reference.md D6)."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days} days, {hour} hours, {minute} minutes, {second} seconds."


def unix_seconds(moment: datetime, *, from_local_clock: bool = False) -> int:
    """Whole Unix seconds of `moment`; `from_local_clock` reads the wall clock as UTC (reference.md D5)."""
    return int((moment.replace(tzinfo=UTC) if from_local_clock else moment).timestamp())


def _offset_minutes(moment: datetime) -> int:
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time with an offset needs a zone")
    return round(offset.total_seconds() / 60)


def _hour(text: str, half: str | None) -> int:
    hour = int(text)
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"{hour} is not an hour of twelve")
    return hour % 12 + (12 if half.upper() == "PM" else 0)


def _slashed(text: str, zone: tzinfo) -> datetime | None:
    match = _SLASHED.fullmatch(text)
    if match is None:
        return None
    month, day, year, hour, minute, second, half, sign, off_hours, off_minutes = match.groups()
    if sign:
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    hours = _hour(hour, half) if hour else 0
    return datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0), tzinfo=zone)


def _named(text: str, zone: tzinfo) -> datetime | None:
    match = _NAMED.fullmatch(text)
    if match is None:
        return None
    name, day, year, hour, minute, second, half = match.groups()
    month = MONTHS.index(name.capitalize()) + 1
    return datetime(int(year), month, int(day), _hour(hour, half), int(minute), int(second or 0), tzinfo=zone)


def _iso(text: str, zone: tzinfo) -> datetime | None:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
