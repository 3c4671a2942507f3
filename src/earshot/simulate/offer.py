"""What a simulated recording session offers, and what it reads in the answer: SDP and recording metadata.

What lives here: the SDP of a session recording client (RFC 4566, 3264, 7866 section 7), the metadata of RFC 7865 and
the multipart body of both. What does not: SIP headers. The one rule: pure functions of a `Session`.
"""

import base64
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from earshot.errors import BadInput
from earshot.simulate.codecs import CODECS, TELEPHONE_EVENT

SPLIT = "split"
MIXED = "mixed"
PLAIN = "plain"
SHAPES = (SPLIT, MIXED, PLAIN)
NAMESPACE = "urn:ietf:params:xml:ns:recording:1"
BOUNDARY = "earshot-recording-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a call: its number and name."""

    number: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A call as the recorder hears of it.

    `parties` are agent and customer; the stream of party n has label n + 1. `shape` is split (a stream for each),
    mixed (one stream of both) or plain (a stream for each, no metadata, parties in headers as Cisco CUBE sends them).
    `codecs` in order of preference. `inbound` calls are made by the customer.
    """

    parties: tuple[Party, Party]
    codecs: tuple[str, ...] = ("PCMU",)
    shape: str = SPLIT
    inbound: bool = True
    domain: str = "pbx.example.net"

    @property
    def streams(self) -> int:
        """How many streams are offered."""
        return 1 if self.shape == MIXED else len(self.parties)

    def aor(self, party: Party) -> str:
        """The address of record of a party."""
        return f"sip:{party.number}@{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One m-line of an answer. Port 0 means refused."""

    host: str
    port: int
    payload_types: tuple[int, ...]
    direction: str
    label: str


def sdp(session: Session, host: str, ports: Sequence[int], *, number: int, version: int, direction: str) -> bytes:
    """The offer: one m-line per stream, from `ports` on `host`. `number` and `version` are those of the o-line."""
    lines = ["v=0", f"o=src {number} {version} IN IP4 {host}", "s=recording", f"c=IN IP4 {host}", "t=0 0"]
    offered = [CODECS[name] for name in session.codecs]
    for label, port in enumerate(ports[: session.streams], 1):
        types = " ".join(str(codec.payload_type) for codec in offered)
        lines.append(f"m=audio {port} RTP/AVP {types} {TELEPHONE_EVENT}")
        for codec in offered:
            lines.append(f"a=rtpmap:{codec.payload_type} {codec.rtpmap}")
            if codec.fmtp:
                lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
        lines.append(f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/{offered[0].clock_rate}")
        lines += [f"a=fmtp:{TELEPHONE_EVENT} 0-15", "a=ptime:20", f"a={direction}", f"a=label:{label}"]
    return ("\r\n".join(lines) + "\r\n").encode()


def answered(body: bytes) -> tuple[Stream, ...]:
    """The streams of an SDP answer, in order. Raises BadInput."""
    text = body.decode("utf-8", "replace")
    top, *media = re.split(r"(?m)^m=", text)
    if not top.lstrip().startswith("v=0") or not media:
        raise BadInput("the answer is not SDP with media")
    return tuple(_stream(section, top) for section in media)


def _stream(section: str, top: str) -> Stream:
    first, *lines = section.splitlines()
    words = first.split()
    if len(words) < 4 or not words[1].split("/")[0].isdigit():
        raise BadInput(f"not an m-line: {first!r}")
    attributes = [line[2:] for line in lines if line.startswith("a=")]
    session_wide = [line[2:] for line in top.splitlines() if line.startswith("a=")]
    directions = [word for word in (*attributes, *session_wide) if word in _DIRECTIONS]
    host = re.search(r"(?m)^c=IN IP4 (\S+)", section) or re.search(r"(?m)^c=IN IP4 (\S+)", top)
    return Stream(
        host=host[1].split("/")[0] if host else "",
        port=int(words[1].split("/")[0]),
        payload_types=tuple(int(word) for word in words[3:] if word.isdigit()),
        direction=directions[0] if directions else "sendrecv",
        label=next((word.partition(":")[2] for word in attributes if word.startswith("label:")), ""),
    )


_DIRECTIONS = ("sendonly", "recvonly", "sendrecv", "inactive")


def metadata(session: Session, call_id: str, started: float) -> bytes:
    """The complete metadata of RFC 7865; ids are derived from `call_id`, `started` is Unix time."""
    when = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    session_id, group_id = _identifier(call_id, "session"), _identifier(call_id, "group")
    people = [(_identifier(call_id, f"party{n}"), party) for n, party in enumerate(session.parties)]
    streams = [_identifier(call_id, f"stream{n}") for n in range(session.streams)]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<recording xmlns="{NAMESPACE}">',
        "<datamode>complete</datamode>",
        f'<group group_id="{group_id}"><associate-time>{when}</associate-time></group>',
        f'<session session_id="{session_id}"><sipSessionID>{_session_ids(call_id)}</sipSessionID>'
        f"<group-ref>{group_id}</group-ref><start-time>{when}</start-time></session>",
    ]
    for person, party in reversed(people) if session.inbound else people:
        lines.append(
            f'<participant participant_id="{person}"><nameID aor={quoteattr(session.aor(party))}>'
            f'<name xml:lang="en">{escape(party.name)}</name></nameID></participant>'
        )
    for label, stream in enumerate(streams, 1):
        lines.append(f'<stream stream_id="{stream}" session_id="{session_id}"><label>{label}</label></stream>')
    associated = f"<associate-time>{when}</associate-time>"
    lines.append(f'<sessionrecordingassoc session_id="{session_id}">{associated}</sessionrecordingassoc>')
    for person, _ in people:
        lines.append(
            f'<participantsessionassoc participant_id="{person}" session_id="{session_id}">{associated}'
            "</participantsessionassoc>"
        )
    for own, (person, _) in enumerate(people):
        sent = streams[own % len(streams)]
        heard = streams[(own + 1) % len(streams)]
        lines.append(
            f'<participantstreamassoc participant_id="{person}"><send>{sent}</send><recv>{heard}</recv>{associated}'
            "</participantstreamassoc>"
        )
    return ("\r\n".join([*lines, "</recording>"]) + "\r\n").encode()


def body_of(session: Session, description: bytes, call_id: str, started: float) -> tuple[str, bytes]:
    """Content-Type and body of the INVITE: `multipart/mixed`, or SDP alone for the plain shape."""
    if session.shape == PLAIN:
        return "application/sdp", description
    parts = (
        (("Content-Type: application/sdp",), description),
        (
            ("Content-Type: application/rs-metadata", "Content-Disposition: recording-session"),
            metadata(session, call_id, started),
        ),
    )
    text = b"".join(
        f"--{BOUNDARY}\r\n".encode() + "\r\n".join((*headers, "", "")).encode() + content + b"\r\n"
        for headers, content in parts
    )
    return f'multipart/mixed;boundary="{BOUNDARY}"', text + f"--{BOUNDARY}--\r\n".encode()


def _identifier(call_id: str, what: str) -> str:
    return base64.b64encode(uuid.uuid5(uuid.NAMESPACE_URL, f"{call_id}/{what}").bytes).decode()


def _session_ids(call_id: str) -> str:
    # RFC 7989: the session identifiers of both ends, 32 hexadecimal digits each.
    near, far = (uuid.uuid5(uuid.NAMESPACE_URL, f"{call_id}/end{n}").hex for n in range(2))
    return f"{near};remote={far}"
