"""The documents of the event port: one `EVENT` per line, in the vocabulary of the requests (reference.md 3; ours)."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

EVENT_TYPES = ("CALLSTART", "CALLSTOP", "CALLUPDATE", "RECORDSTART", "RECORDSTOP", "RECORDINGSAVED")


def write_event(kind: str, event_time: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """`<EVENT><TYPE>...</TYPE><EVENTTIME>...</EVENTTIME>...</EVENT>` on one line, ended by CRLF."""
    inner = "".join(f"<{tag}>{_text(value)}</{tag}>" for tag, value in fields)
    return f"<EVENT><TYPE>{kind}</TYPE><EVENTTIME>{event_time}</EVENTTIME>{inner}</EVENT>\r\n".encode()


def _text(value: str) -> str:
    return escape("".join(char if char >= " " else " " for char in value))
