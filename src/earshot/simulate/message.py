"""SIP messages as the simulated phone system writes and reads them (RFC 3261 sections 7, 18.3, 20).

What lives here: rendering, parsing, the split of a TCP stream into messages, and header fields taken apart. What does
not: transactions and dialogs. The one rule: this is a second, independent implementation; the server's is not used.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from earshot.errors import BadInput

COMPACT = {
    "i": "call-id",
    "m": "contact",
    "e": "content-encoding",
    "l": "content-length",
    "c": "content-type",
    "f": "from",
    "s": "subject",
    "k": "supported",
    "t": "to",
    "v": "via",
    "x": "session-expires",
}
HEADER_LIMIT = 65_536
_ADDRESS = re.compile(r"<([^>]*)>")
_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s]+)", re.IGNORECASE)
_BRANCH = re.compile(r";\s*branch\s*=\s*([^;,\s]+)", re.IGNORECASE)
_HOST_PORT = re.compile(r"^sips?:(?:[^@]*@)?(\[[^\]]+\]|[^:;?>]+)(?::(\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """A request (`method`, `uri`) or a response (`status`, `reason`); headers in order, as (name, value)."""

    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order, lists split at their commas outside of quotes and brackets."""
        wanted = name.lower()
        return [part for key, value in self.headers if key.lower() == wanted for part in split_list(value)]

    def first(self, name: str) -> str:
        """The first value of a header, unsplit; empty if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via."""
        found = _BRANCH.search(self.first("via"))
        return found[1] if found else ""

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq; (0, "") if it cannot be read."""
        number, _, method = self.first("cseq").strip().partition(" ")
        return (int(number), method.strip().upper()) if number.isdigit() else (0, "")


def split_list(value: str) -> Iterator[str]:
    """The parts of a comma-separated header value."""
    depth, quoted, start = 0, False, 0
    for at, character in enumerate(value):
        if character == '"' and value[at - 1 : at] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (character == "<") - (character == ">")
            if character == "," and depth == 0:
                yield value[start:at].strip()
                start = at + 1
    yield value[start:].strip()


def tag_of(value: str) -> str:
    """The tag parameter of a From or To value; empty if there is none."""
    found = _TAG.search(value.rpartition(">")[2] or value)
    return found[1] if found else ""


def address_of(value: str) -> str:
    """The URI of a Contact, Route or From value."""
    found = _ADDRESS.search(value)
    return found[1] if found else value.split(";")[0].strip()


def host_and_port(uri: str) -> tuple[str, int]:
    """Host and port (5060 if it has none) of a SIP URI. Raises BadInput."""
    found = _HOST_PORT.match(uri.strip())
    if not found:
        raise BadInput(f"not a SIP URI: {uri!r}")
    return found[1].strip("[]"), int(found[2] or 5060)


def render(start_line: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    """The message on the wire; Content-Length is added and right."""
    lines = [start_line, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def parse(wire: bytes) -> Message:
    """Read one whole message. Raises BadInput."""
    head, separator, body = wire.partition(b"\r\n\r\n")
    if not separator:
        raise BadInput("a SIP message has an empty line after its headers")
    start, *lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadInput(f"not a header: {line!r}")
        plain = name.strip().lower()
        headers.append((COMPACT.get(plain, plain), value.strip()))
    length = next((value for name, value in headers if name == "content-length"), "")
    if length.isdigit():
        if int(length) > len(body):
            raise BadInput("the body is shorter than Content-Length says")
        body = body[: int(length)]
    parts = start.split(" ", 2)
    if len(parts) < 2:
        raise BadInput(f"not a start line: {start!r}")
    if parts[0].upper() == "SIP/2.0":
        if not parts[1].isdigit():
            raise BadInput(f"not a status line: {start!r}")
        return Message(tuple(headers), body, status=int(parts[1]), reason=parts[2] if len(parts) > 2 else "")
    return Message(tuple(headers), body, method=parts[0].upper(), uri=parts[1])


class StreamSplitter:
    """Cuts a TCP stream into messages by Content-Length; the blank lines of a keep-alive are skipped."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The whole messages that `data` completes. Raises BadInput if the stream cannot be followed any more."""
        self._waiting += data
        while True:
            while self._waiting.startswith((b"\r", b"\n")):
                del self._waiting[:1]
            end = self._waiting.find(b"\r\n\r\n")
            if end < 0:
                if len(self._waiting) > HEADER_LIMIT:
                    raise BadInput("the headers of a SIP message do not end")
                return
            found = re.search(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)", self._waiting[:end], re.IGNORECASE)
            if not found:
                raise BadInput("a SIP message over TCP has no Content-Length")
            total = end + 4 + int(found[1])
            if len(self._waiting) < total:
                return
            yield bytes(self._waiting[:total])
            del self._waiting[:total]
