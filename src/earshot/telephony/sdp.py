"""Session descriptions (RFC 4566/8866) and the offer/answer of a recorder (RFC 3264, RFC 7866 section 7).

Not here: ports (they are given) and dialogs. The one rule: every media line of an offer has its place in the answer,
and every codec we can decode stays in, because clients send what they like of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from earshot.errors import BadInput

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DIRECTIONS: frozenset[str] = frozenset(("sendrecv", "sendonly", "recvonly", "inactive"))
HELD_HOSTS = frozenset(("0.0.0.0", "::"))

MAX_MEDIA_LINES = 64


class BadSdp(BadInput):
    """The body is no session description at all."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of a media line; `name` as in `CODECS`, or as it came when we do not know it."""

    payload_type: int
    name: str
    clock_hz: int
    channels: int = 1
    fmtp: str = ""


STATIC = {
    0: Codec(0, "PCMU", 8000),
    2: Codec(2, "G726-32", 8000),
    8: Codec(8, "PCMA", 8000),
    9: Codec(9, "G722", 8000),
    13: Codec(13, "CN", 8000),
    18: Codec(18, "G729", 8000),
    19: Codec(19, "CN", 8000),
}
"""Payload types that need no rtpmap (RFC 3551; 19 is the comfort noise of older phones)."""

CODECS = {
    "PCMU": "PCMU",
    "PCMA": "PCMA",
    "G722": "G722",
    "G729": "G729",
    "G729A": "G729",
    "G729B": "G729",
    "G729AB": "G729",
    "G726-32": "G726-32",
    "G721": "G726-32",
    "OPUS": "opus",
    "CN": "CN",
    "TELEPHONE-EVENT": "telephone-event",
}
"""Encoding names we can keep, in capitals, and the one name we use for each."""

SUPPORTED = frozenset(CODECS.values())
VOICE = SUPPORTED - {"CN", "telephone-event"}


@dataclass(frozen=True, slots=True)
class MediaLine:
    """One `m=` section. `host` and `direction` are already those of the session where the section has none itself."""

    kind: str
    port: int
    transport: str
    formats: tuple[str, ...]
    host: str
    direction: Direction
    codecs: tuple[Codec, ...] = ()
    label: str = ""
    ptime: str = ""
    rtcp_mux: bool = False
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def held(self) -> bool:
        """Whether nothing will be sent for now: inactive, recvonly, or the address 0.0.0.0 (RFC 3264 section 8.4)."""
        return self.direction in ("inactive", "recvonly") or self.host in HELD_HOSTS

    @property
    def usable(self) -> bool:
        """Whether we can record it: audio over plain RTP with a codec we can decode."""
        plain = self.transport.upper() in ("RTP/AVP", "RTP/AVPF")
        return self.port > 0 and self.kind == "audio" and plain and any(codec.name in VOICE for codec in self.codecs)


@dataclass(frozen=True, slots=True)
class Sdp:
    """A session description. `raw` is the text as it came."""

    origin: str
    session_name: str
    host: str
    direction: Direction
    media: tuple[MediaLine, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    raw: str = ""

    @property
    def version(self) -> int:
        """The version of the `o=` line, 0 when unreadable."""
        words = self.origin.split()
        usable = len(words) > 2 and words[2].isascii() and words[2].isdigit() and len(words[2]) < 40
        return int(words[2]) if usable else 0

    @property
    def usable_lines(self) -> tuple[int, ...]:
        """Indexes of the media lines that want a port of ours."""
        return tuple(index for index, line in enumerate(self.media) if line.usable)


def parse_sdp(data: bytes | str) -> Sdp:
    """Read a description, however untidy. Raises BadSdp when there is neither `v=` nor `m=` in it."""
    text = data if isinstance(data, str) else _decoded(data)
    sections: list[list[tuple[str, str]]] = [[]]
    for line in text.splitlines():
        kind, equals, value = line.strip().partition("=")
        kind = kind.strip().lower()
        if not equals or len(kind) != 1:
            continue
        if kind == "a":
            sections[-1].append((kind, value))
            continue
        if kind == "m":
            if len(sections) > MAX_MEDIA_LINES:
                break
            sections.append([])
        sections[-1].append((kind, value.strip()))
    session = sections[0]
    if len(sections) == 1 and not any(kind == "v" for kind, _ in session):
        raise BadSdp("not a session description")
    attributes = _attributes(session)
    host = _host(session, "")
    direction = _direction(attributes, "sendrecv")
    media = tuple(_media_line(section, host, direction) for section in sections[1:])
    return Sdp(_first(session, "o"), _first(session, "s"), host, direction, media, attributes, text)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _first(section: list[tuple[str, str]], wanted: str) -> str:
    return next((value for kind, value in section if kind == wanted), "")


def _attributes(section: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for kind, text in section:
        if kind == "a":
            name, _, value = text.partition(":")
            pairs.append((name.strip().lower(), value.strip()))
    return tuple(pairs)


def _host(section: list[tuple[str, str]], inherited: str) -> str:
    words = _first(section, "c").split()
    return words[-1].partition("/")[0] if words else inherited


def _direction(attributes: tuple[tuple[str, str], ...], inherited: Direction) -> Direction:
    for name, _ in attributes:
        if name in DIRECTIONS:
            return name  # type: ignore[return-value]
    return inherited


def _media_line(section: list[tuple[str, str]], host: str, direction: Direction) -> MediaLine:
    words = section[0][1].split()
    attributes = _attributes(section)
    named = dict(attributes)
    formats = tuple(words[3:])
    return MediaLine(
        kind=words[0].lower() if words else "",
        port=_port(words[1]) if len(words) > 1 else 0,
        transport=words[2] if len(words) > 2 else "",
        formats=formats,
        host=_host(section, host),
        direction=_direction(attributes, direction),
        codecs=_codecs(formats, tuple(pair for pair in attributes if pair[0] in ("rtpmap", "fmtp"))),
        label=named.get("label", ""),
        ptime=named.get("ptime", ""),
        rtcp_mux="rtcp-mux" in named,
        attributes=attributes,
    )


def _number(text: str, most: int) -> int:
    usable = text.isascii() and text.isdigit() and len(text) <= 9
    return int(text) if usable and int(text) <= most else -1


def _port(text: str) -> int:
    return max(_number(text.partition("/")[0], 65535), 0)


@lru_cache(maxsize=1024)
def _codecs(formats: tuple[str, ...], maps: tuple[tuple[str, str], ...]) -> tuple[Codec, ...]:
    """The payload types of a media line in its order, once each; those that nothing explains are left out. `maps` are
    its rtpmap and fmtp lines. One phone system says the same in every call."""
    mapped: dict[int, tuple[str, int, int]] = {}
    fmtp: dict[int, str] = {}
    for name, value in maps:
        number, _, rest = value.partition(" ")
        payload_type = _number(number, 127)
        if payload_type < 0:
            continue
        if name == "fmtp":
            fmtp[payload_type] = rest.strip()
            continue
        parts = [part.strip() for part in rest.split("/")]
        clock_hz = _number(parts[1], 10**9) if len(parts) > 1 else 8000
        channels = _number(parts[2], 255) if len(parts) > 2 else 1
        mapped[payload_type] = (CODECS.get(parts[0].upper(), parts[0]), max(clock_hz, 0), max(channels, 1))
    codecs: dict[int, Codec] = {}
    for text in formats:
        payload_type = _number(text, 127)
        if payload_type in mapped:
            codecs[payload_type] = Codec(payload_type, *mapped[payload_type], fmtp.get(payload_type, ""))
        elif payload_type in STATIC:
            static = STATIC[payload_type]
            codecs[payload_type] = Codec(payload_type, static.name, static.clock_hz, 1, fmtp.get(payload_type, ""))
    return tuple(codecs.values())


def build_answer(offer: Sdp, ports: Mapping[int, int], host: str, version: int, session_id: int = 1) -> str | None:
    """Our answer to `offer`; `ports` maps indexes of `offer.usable_lines` to our ports.

    Lines that are not in `ports` are refused with port 0. None when the offer has media but none that we record:
    that is a 488 (RFC 3261 section 21.4.26).
    """
    wanted = [line for line in offer.media if line.port > 0]
    accepted = {index for index in offer.usable_lines if ports.get(index)}
    if not offer.media or (wanted and not accepted):
        return None
    lines = _session_lines(host, version, session_id)
    for index, line in enumerate(offer.media):
        lines += _answer_lines(line, ports[index]) if index in accepted else [_refused(line)]
    return "\r\n".join(lines) + "\r\n"


def _session_lines(host: str, version: int, session_id: int) -> list[str]:
    family = "IP6" if ":" in host else "IP4"
    return [
        "v=0",
        f"o=earshot {session_id} {version} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
    ]


def _answer_lines(line: MediaLine, port: int) -> list[str]:
    kept = [codec for codec in line.codecs if codec.name in SUPPORTED]
    lines = [f"m=audio {port} {line.transport} {' '.join(str(codec.payload_type) for codec in kept)}"]
    lines += _codec_lines(kept)
    if line.label:
        lines.append(f"a=label:{line.label}")
    if line.ptime:
        lines.append(f"a=ptime:{line.ptime}")
    lines.append("a=inactive" if line.held else "a=recvonly")
    return lines


def _codec_lines(codecs: Sequence[Codec]) -> list[str]:
    lines = []
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        lines.append(f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_hz}{channels}")
        if codec.fmtp:
            lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
    return lines


def _refused(line: MediaLine) -> str:
    return f"m={line.kind or 'audio'} 0 {line.transport or 'RTP/AVP'} {' '.join(line.formats) or '0'}"


OFFERED = (
    STATIC[0],
    STATIC[8],
    STATIC[9],
    STATIC[18],
    STATIC[2],
    Codec(96, "opus", 48000, 2),
    STATIC[13],
    Codec(101, "telephone-event", 8000, 1, "0-15"),
)
"""What we offer to a client that leaves the offer to us."""


def build_offer(ports: Sequence[int], host: str, version: int, session_id: int = 1, labels: Sequence[str] = ()) -> str:
    """An offer of ours for an INVITE without SDP: one receive-only line a port, every codec we can decode."""
    lines = _session_lines(host, version, session_id)
    formats = " ".join(str(codec.payload_type) for codec in OFFERED)
    for index, port in enumerate(ports):
        lines.append(f"m=audio {port} RTP/AVP {formats}")
        lines += _codec_lines(OFFERED)
        if index < len(labels) and labels[index]:
            lines.append(f"a=label:{labels[index]}")
        lines.append("a=recvonly")
    return "\r\n".join(lines) + "\r\n"


def summary(ours: str) -> tuple[int, tuple[int, ...], tuple[str, ...]]:
    """Version, ports and labels, line by line, of a description that we wrote ourselves."""
    version, ports, labels = 0, [], []
    for line in ours.splitlines():
        if line.startswith("o="):
            version = int(line.split()[2])
        elif line.startswith("m="):
            ports.append(int(line.split()[1]))
            labels.append("")
        elif line.startswith("a=label:") and labels:
            labels[-1] = line.removeprefix("a=label:")
    return version, tuple(ports), tuple(labels)


def offered_again(previous: str, version: int) -> str:
    """Our last description as a new offer: the same lines and ports, nothing on hold (RFC 3261 section 14.2)."""
    lines = []
    for line in previous.splitlines():
        if line.startswith("o="):
            words = line.split()
            words[2] = str(version)
            line = " ".join(words)
        lines.append("a=recvonly" if line == "a=inactive" else line)
    return "\r\n".join(lines) + "\r\n"
