"""The structured SIP headers: addresses, URIs, parameters, Via, CSeq, Session-Expires (RFC 3261 section 20, 4028).

Not here: the list of headers of a message (message.py). The one rule: parsing is by hand and lenient; what cannot be
read at all raises BadHeader, and nothing else is ever raised.
"""

import re
from dataclasses import dataclass

from earshot.errors import BadInput

Params = tuple[tuple[str, str | None], ...]
"""Parameters in order: name in lower case, value without quotes, None for a bare name."""

MAX_CSEQ = 2**31 - 1

_SPACED_SLASH = re.compile(r"\s*/\s*")
_PLAIN_VALUE = re.compile(r'[^ \t",;<>()\\]+')


class BadHeader(BadInput):
    """A header that the protocol cannot do without is unreadable."""


def _quoted_end(text: str, start: int) -> int:
    """Index after the closing quote of the string that opens at `start`; the end of `text` if it never closes."""
    place = start + 1
    while place < len(text):
        if text[place] == "\\":
            place += 2
        elif text[place] == '"':
            return place + 1
        else:
            place += 1
    return len(text)


def split_outside(text: str, separator: str) -> list[str]:
    """`text` cut at `separator`, which does not count inside quotes and angle brackets; pieces are stripped."""
    if separator not in text:
        return [text.strip()]
    if '"' not in text and "<" not in text:
        return [piece.strip() for piece in text.split(separator)]
    pieces, begin, place, depth = [], 0, 0, 0
    while place < len(text):
        char = text[place]
        if char == '"':
            place = _quoted_end(text, place)
            continue
        if char == "<":
            depth = 1
        elif char == ">":
            depth = 0
        elif char == separator and not depth:
            pieces.append(text[begin:place].strip())
            begin = place + 1
        place += 1
    pieces.append(text[begin:].strip())
    return pieces


def split_list(values: list[str]) -> list[str]:
    """Header lines that may each hold several comma-separated values, as single values; empty ones are left out."""
    return [piece for value in values for piece in split_outside(value, ",") if piece]


def unquoted(text: str) -> str:
    """`text` without surrounding quotes and without the backslashes of quoted pairs."""
    text = text.strip()
    if '"' not in text or len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner, out, place = text[1:-1], [], 0
    if "\\" not in inner:
        return inner
    while place < len(inner):
        if inner[place] == "\\" and place + 1 < len(inner):
            place += 1
        out.append(inner[place])
        place += 1
    return "".join(out)


def parse_params(text: str) -> Params:
    """`;a=b;c` as parameters; the leading semicolon may be missing."""
    if not text:
        return ()
    params: list[tuple[str, str | None]] = []
    for piece in split_outside(text, ";"):
        name, equals, value = piece.partition("=")
        if name := name.strip().lower():
            params.append((name, unquoted(value) if equals else None))
    return tuple(params)


def param(params: Params, name: str) -> str | None:
    """The value of parameter `name`, empty for a bare one, None if it is not there."""
    for found, value in params:
        if found == name:
            return value or ""
    return None


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP, SIPS or tel URI in its parts; `host` is empty for tel, `port` 0 when not given."""

    scheme: str
    user: str
    host: str
    port: int = 0
    params: Params = ()


def split_host_port(text: str) -> tuple[str, int]:
    """`host[:port]` with IPv6 in brackets (which are taken off); port 0 when absent or unreadable."""
    text = text.strip()
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.strip().removeprefix(":")
    else:
        host, _, port = text.partition(":")
    port = port.strip()
    usable = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536
    return host.strip(), int(port) if usable else 0


def join_host_port(host: str, port: int) -> str:
    """`host:port`, IPv6 in brackets; no port when it is 0."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def parse_uri(text: str) -> Uri:
    """The parts of a URI. Never raises: what has no scheme is taken for `user@host` or a bare host."""
    text = text.strip().strip("<>")
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in ("sip", "sips", "tel"):
        scheme, rest = "", text
    scheme = scheme.lower()
    if scheme == "tel":
        user, _, tail = rest.partition(";")
        return Uri(scheme, user.strip(), "", 0, parse_params(tail))
    user, at, place = rest.rpartition("@")
    place = place.partition("?")[0]
    hostport, _, tail = place.partition(";")
    host, port = split_host_port(hostport)
    return Uri(scheme, user.split(":")[0].strip() if at else "", host, port, parse_params(tail))


@dataclass(frozen=True, slots=True)
class NameAddr:
    """From, To, Contact, Route: `"display" <uri>;params` (RFC 3261 section 20.10)."""

    display: str
    uri: str
    params: Params = ()

    @property
    def tag(self) -> str:
        """The tag parameter, empty if there is none."""
        return param(self.params, "tag") or ""

    def __str__(self) -> str:
        shown = '"' + self.display.replace("\\", "\\\\").replace('"', '\\"') + '" ' if self.display else ""
        return f"{shown}<{self.uri}>" + _params_text(self.params)

    def with_tag(self, tag: str) -> "NameAddr":
        """The same address with this tag and no other."""
        kept = tuple(item for item in self.params if item[0] != "tag")
        return NameAddr(self.display, self.uri, (*kept, ("tag", tag)) if tag else kept)


def _params_text(params: Params) -> str:
    return "".join(f";{name}" if value is None else f";{name}={_param_value(value)}" for name, value in params)


def _param_value(value: str) -> str:
    if _PLAIN_VALUE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_name_addr(text: str) -> NameAddr:
    """One address. Raises BadHeader if there is no URI in it."""
    text = text.strip()
    start = _quoted_end(text, 0) if text.startswith('"') else 0
    opening = text.find("<", start)
    if opening >= 0:
        closing = text.find(">", opening)
        closing = len(text) if closing < 0 else closing
        uri = text[opening + 1 : closing].strip()
        display, tail = unquoted(text[:opening]), text[closing + 1 :]
    else:
        uri, _, tail = text[start:].strip().partition(";")
        uri, display = uri.strip(), unquoted(text[:start]) if start else ""
    if not uri:
        raise BadHeader("an address without a URI")
    return NameAddr(display, uri, parse_params(tail))


@dataclass(frozen=True, slots=True)
class Via:
    """One hop: `SIP/2.0/UDP host:port;params` (RFC 3261 section 20.42)."""

    transport: str
    host: str
    port: int
    params: Params = ()

    @property
    def branch(self) -> str:
        """The branch parameter, empty if there is none."""
        return param(self.params, "branch") or ""

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {join_host_port(self.host, self.port)}" + _params_text(self.params)

    def received_from(self, host: str, port: int) -> "Via":
        """The same with `received`, and `rport` filled in where it was asked for (RFC 3581)."""
        asked = param(self.params, "rport") is not None
        if not asked and host == self.host:
            return self
        kept = [(name, str(port) if name == "rport" else value) for name, value in self.params if name != "received"]
        return Via(self.transport, self.host, self.port, (*kept, ("received", host)))


def parse_via(text: str) -> Via:
    """One Via value. Raises BadHeader."""
    text = text.strip()
    if " /" in text or "/ " in text:
        text = _SPACED_SLASH.sub("/", text)
    protocol, _, tail = text.partition(" ")
    parts = protocol.split("/")
    if len(parts) != 3 or not parts[2] or not tail.strip():
        raise BadHeader(f"unreadable Via {text[:80]!r}")
    hostport, _, params = tail.partition(";")
    host, port = split_host_port(hostport)
    if not host:
        raise BadHeader("a Via without a host")
    return Via(parts[2].upper(), host, port, parse_params(params))


@dataclass(frozen=True, slots=True)
class CSeq:
    """Sequence number and method (RFC 3261 section 20.16)."""

    number: int
    method: str


def parse_cseq(text: str) -> CSeq:
    """Raises BadHeader unless it begins with a number below 2**31; the method may be missing."""
    words = text.split()
    if not words or not (words[0].isascii() and words[0].isdigit() and len(words[0]) <= 10):
        raise BadHeader(f"unreadable CSeq {text[:80]!r}")
    if int(words[0]) > MAX_CSEQ:
        raise BadHeader("CSeq out of range")
    return CSeq(int(words[0]), words[1].upper() if len(words) > 1 else "")


def parse_seconds(text: str) -> tuple[int, Params]:
    """`90;refresher=uac` as Session-Expires and Min-SE have it: seconds, 0 when unreadable, and parameters."""
    number, _, tail = text.partition(";")
    number = number.strip()
    usable = number.isascii() and number.isdigit() and len(number) <= 9
    return int(number) if usable else 0, parse_params(tail)


def tokens(values: list[str]) -> list[str]:
    """Supported, Require, Allow: the option tags or methods of all lines, in lower case."""
    return [piece.lower() for piece in split_list(values)]
