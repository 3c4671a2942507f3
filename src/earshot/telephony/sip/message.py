"""SIP requests and responses as values: a lenient parser, a strict writer, and the framing of byte streams.

Not here: what a header means (headers.py) and what to answer (uas.py). The one rule: whatever can be understood is
understood, and each departure from RFC 3261 is named in `leniencies`; only a start line that is not SIP raises.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from earshot.errors import BadInput

COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""One-letter header names (RFC 3261 section 7.3.3 and the registry of header fields)."""

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_START_LINE = re.compile(rb"^(?:[!-~]+[ \t]+[^\r\n]*SIP/\d+\.\d+|SIP/\d+\.\d+[ \t]+\d{3}[^\r\n]*)[ \t]*\r?\n?\Z", re.I)


class NotSip(BadInput):
    """The bytes have no SIP start line: there is nothing to answer."""


class StreamTooLarge(BadInput):
    """A message on a stream is over the limit. `head` is what could be read of it, for a 513 answer."""

    def __init__(self, head: bytes) -> None:
        super().__init__("the message is larger than this server takes")
        self.head = head


class Headers:
    """Header fields in the order they came, found by name in any letter case. Immutable."""

    __slots__ = ("_index", "items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items = tuple(items)
        self._index: dict[str, list[str]] = {}

    def _found(self, name: str) -> list[str]:
        """The values of `name`. The index is made when it is first asked: nobody asks the headers of an answer."""
        if not self._index:
            for other, value in self.items:
                self._index.setdefault(other.lower(), []).append(value)
        return self._index.get(name.lower(), [])

    def first(self, name: str) -> str:
        """The first value of `name`, empty if there is none."""
        found = self._found(name)
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        """Every value of `name`, in order, one entry a header line."""
        return list(self._found(name))

    def __contains__(self, name: str) -> bool:
        return bool(self._found(name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        return f"Headers({self.items!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """A SIP request. `leniencies` names what broke the standard and was accepted; `charset` is utf-8 or latin-1."""

    method: str
    uri: str
    headers: Headers
    body: bytes = b""
    version: str = "SIP/2.0"
    charset: str = "utf-8"
    leniencies: tuple[str, ...] = field(default=(), compare=False)

    def __bytes__(self) -> bytes:
        return _written(f"{self.method} {self.uri} {self.version}", self.headers, self.body, self.charset)


@dataclass(frozen=True, slots=True)
class Response:
    """A SIP response; the fields are those of `Request`."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    version: str = "SIP/2.0"
    charset: str = "utf-8"
    leniencies: tuple[str, ...] = field(default=(), compare=False)

    def __bytes__(self) -> bytes:
        return _written(f"{self.version} {self.status} {self.reason}", self.headers, self.body, self.charset)


Message = Request | Response


def _written(start_line: str, headers: Headers, body: bytes, charset: str) -> bytes:
    lines = [start_line]
    lines += [f"{name}: {value}" for name, value in headers.items if name != "Content-Length"]
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "\r\n".join(lines).encode(charset, "replace") + body


def parse(data: bytes) -> Message:
    """One whole message: a UDP datagram, or a frame of `StreamFramer`. Raises NotSip, nothing else."""
    noted: list[str] = []
    stripped = data.lstrip(b"\r\n")
    end = _BLANK_LINE.search(stripped)
    head, body = (stripped[: end.start()], stripped[end.end() :]) if end else (stripped.rstrip(b"\r\n"), b"")
    if not end:
        noted.append("no_blank_line")
    charset = "utf-8"
    try:
        text = head.decode()
    except UnicodeDecodeError:
        charset = "latin-1"
        text = head.decode(charset)
        noted.append("not_utf8")
    if text.count("\r\n") != text.count("\n"):
        noted.append("bare_line_feed")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", " ")
    lines = text.split("\n")
    headers = Headers(_header_fields(lines[1:], noted))
    body = _cut_body(headers.first("Content-Length"), body, noted)
    return _with_start_line(lines[0], headers, body, charset, noted)


def _header_fields(lines: list[str], noted: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if fields:
                name, value = fields[-1]
                fields[-1] = (name, f"{value} {line.strip()}".strip())
            else:
                noted.append("header_without_name")
            continue
        name, colon, value = line.partition(":")
        name = name.rstrip()
        if not colon or not name:
            noted.append("header_without_name")
            continue
        if len(name) == 1:
            name = COMPACT.get(name.lower(), name)
        fields.append((name, value.strip()))
    return fields


def _cut_body(content_length: str, body: bytes, noted: list[str]) -> bytes:
    if not content_length:
        return body
    if not (content_length.isascii() and content_length.isdigit() and len(content_length) < 10):
        noted.append("bad_content_length")
        return body
    length = int(content_length)
    if length < len(body):
        if body[length:].strip():
            noted.append("content_length_too_short")
        return body[:length]
    if length > len(body):
        noted.append("content_length_too_long")
    return body


def _with_start_line(line: str, headers: Headers, body: bytes, charset: str, noted: list[str]) -> Message:
    words = line.split()
    if len(words) >= 2 and words[0].upper().startswith("SIP/") and _is_status(words[1]):
        reason = line.split(None, 2)[2] if len(words) > 2 else ""
        return Response(int(words[1]), reason.strip(), headers, body, words[0].upper(), charset, tuple(noted))
    if len(words) < 3 or not words[-1].upper().startswith("SIP/"):
        raise NotSip("no SIP start line")
    if line != " ".join(words):
        noted.append("spaces_in_start_line")
    if len(words) > 3:
        noted.append("spaces_in_request_uri")
    method, uri = words[0], "".join(words[1:-1])
    if uri.startswith("<") and uri.endswith(">"):
        noted.append("request_uri_in_brackets")
        uri = uri[1:-1]
    return Request(method, uri, headers, body, words[-1].upper(), charset, tuple(noted))


def _is_status(word: str) -> bool:
    return len(word) == 3 and word.isascii() and word.isdigit() and "1" <= word[0] <= "6"


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing taken from a stream: a whole message, or with `ping` a keep-alive that wants one CRLF (RFC 5626)."""

    data: bytes
    ping: bool = False


class StreamFramer:
    """Cuts a byte stream into messages by Content-Length (RFC 3261 section 18.3).

    Bytes that do not begin a message are skipped up to the next start line and counted in `skipped_bytes`.
    """

    def __init__(self, max_head_bytes: int = MAX_HEAD_BYTES, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._buffer = bytearray()
        self._max_head = max_head_bytes
        self._max_body = max_body_bytes
        self.skipped_bytes = 0

    def receive(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. Raises StreamTooLarge; the stream is then of no further use."""
        self._buffer += data
        frames: list[Frame] = []
        while self._skip_to_message(frames):
            end = _BLANK_LINE.search(self._buffer)
            if end is None:
                if len(self._buffer) > self._max_head:
                    raise StreamTooLarge(bytes(self._buffer[: self._max_head]))
                break
            length = self._body_length(end)
            if len(self._buffer) < end.end() + length:
                break
            frames.append(Frame(bytes(self._buffer[: end.end() + length])))
            del self._buffer[: end.end() + length]
        return frames

    def _body_length(self, end: re.Match[bytes]) -> int:
        if end.start() > self._max_head:
            raise StreamTooLarge(bytes(self._buffer[: self._max_head]))
        found = _CONTENT_LENGTH.search(self._buffer, 0, end.start() + 1)
        text = found.group(1).strip() if found else b""
        if not (text.isdigit() and len(text) < 10):
            return 0
        if int(text) > self._max_body:
            raise StreamTooLarge(bytes(self._buffer[: end.end()]))
        return int(text)

    def _skip_to_message(self, frames: list[Frame]) -> bool:
        """Drop keep-alives and junk before the next start line; False while there is no complete line."""
        while True:
            if self._buffer.startswith(b"\r\n\r\n"):
                frames.append(Frame(b"\r\n\r\n", ping=True))
                del self._buffer[:4]
                continue
            if bytes(self._buffer[:4]) in (b"\r", b"\r\n", b"\r\n\r"):
                return False
            blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
            del self._buffer[:blank]
            line_end = self._buffer.find(b"\n")
            if line_end < 0:
                if len(self._buffer) > self._max_head:
                    raise StreamTooLarge(b"")
                return False
            if _START_LINE.match(bytes(self._buffer[: line_end + 1])):
                return True
            self.skipped_bytes += line_end + 1
            del self._buffer[: line_end + 1]
