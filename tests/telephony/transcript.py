"""Plays a transcript of SIP against the server core and compares every output, line by line.

`>> udp` begins a message of the client (until the next marker; `>> udp lf` keeps line feeds bare). `<< 200 INVITE | x`
is an answer or request of ours that holds each text (with `!` before it: does not). `!! Event facts` is an event.
`@@ command` moves the scene: wait SECONDS, restart, hold-answers, accept, refuse STATUS, end, tcp. `== fact: value` is
compared with the recording session at the end. In messages `{length}` is the length of the body, `{tag}` our last tag.
"""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earshot.telephony.identify import Identity, identify
from earshot.telephony.recording_session import RecordingSession, described
from earshot.telephony.sdp import build_answer, build_offer
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.events import (
    AckMissing,
    MetadataArrived,
    OfferAnswered,
    Output,
    Send,
    SessionEnded,
    SessionOffered,
)
from earshot.telephony.sip.headers import parse_name_addr
from earshot.telephony.sip.message import Request, Response, parse
from earshot.telephony.sip.uas import UserAgentServer

MARKERS = (">> ", "<< ", "!! ", "@@ ", "== ")


@dataclass
class Stage:
    """The server under test, an application that accepts everything, and a clock that moves when told to."""

    now: float = 1000.0
    peer: Peer = field(default_factory=lambda: Peer("udp", "192.0.2.10", 5070))
    answers_held: bool = False
    known: frozenset[str] = frozenset()
    key: str = ""
    sessions: dict[str, RecordingSession] = field(default_factory=dict)
    offered_leniencies: set[str] = field(default_factory=set)
    sent: list[bytes] = field(default_factory=list)
    tag: str = ""
    waiting: SessionOffered | None = None

    def __post_init__(self) -> None:
        self.serial = itertools.count(1)
        self.uas = self.new_server()

    def new_server(self) -> UserAgentServer:
        return UserAgentServer(lambda: f"tok{next(self.serial)}", lambda peer: ("192.0.2.1", 5060))

    def receive(self, data: bytes) -> list[str]:
        return self.lines(self.uas.receive(data, self.peer, self.now))

    def wait(self, seconds: float) -> list[str]:
        until, lines = self.now + seconds, []
        while (deadline := self.uas.next_deadline()) is not None and deadline <= until:
            self.now = max(deadline, self.now)
            lines += self.lines(self.uas.tick(self.now))
        self.now = until
        return lines

    def restart(self) -> list[str]:
        states = json.loads(json.dumps([dialog.to_state() for dialog in self.uas.dialogs]))
        self.uas = self.new_server()
        self.uas.restore(states, self.now)
        return []

    def lines(self, outputs: list[Output]) -> list[str]:
        shown = []
        for output in outputs:
            if isinstance(output, Send):
                shown.append(self.sent_line(output.data))
                continue
            self.key = output.dialog_key
            shown.append(self.event_line(output))
            if isinstance(output, SessionOffered):
                self.waiting = output
                self.offered_leniencies.update(output.leniencies)
                if not self.answers_held:
                    shown += self.accept()
        return shown

    def sent_line(self, data: bytes) -> str:
        self.sent.append(data)
        message = parse(data)
        assert set(message.leniencies) <= {"not_utf8"}, f"we sent {message.leniencies}: {data!r}"
        if isinstance(message, Request):
            return f"<< {message.method}"
        words = message.headers.first("CSeq").split()
        if words[1:] == ["INVITE"]:
            self.tag = parse_name_addr(message.headers.first("To") or "<sip:none>").tag or self.tag
        return f"<< {message.status} {words[1] if len(words) > 1 else '-'}"

    def event_line(self, output: Any) -> str:
        before = self.sessions.get(output.dialog_key)
        detail = ""
        if isinstance(output, SessionOffered):
            media = output.offer
            detail = f" {output.kind} {len(media.media) if media else 'no-sdp'}"
            self.sessions[output.dialog_key] = described(before, media, output.metadata, output.request)
        elif isinstance(output, OfferAnswered):
            detail = f" {len(output.answer.media) if output.answer else 'no-sdp'}"
            self.sessions[output.dialog_key] = described(before, output.answer, (), None)
        elif isinstance(output, MetadataArrived):
            detail = f" {len(output.metadata)}"
            self.sessions[output.dialog_key] = described(before, None, output.metadata, output.request)
        elif isinstance(output, SessionEnded):
            detail = f" {output.reason}"
        elif isinstance(output, AckMissing):
            detail = ""
        return f"!! {type(output).__name__}{detail}"

    def accept(self) -> list[str]:
        offered = self.waiting
        assert offered is not None
        dialog = self.uas.dialog(offered.dialog_key)
        assert dialog is not None
        version = dialog.sdp_version + 1
        if offered.offer is None:
            sdp: str | None = build_offer([10000], "192.0.2.1", version)
        else:
            ports = {index: 10000 + 2 * index for index in offered.offer.usable_lines}
            sdp = build_answer(offered.offer, ports, "192.0.2.1", version)
        if sdp is None:
            return self.lines(self.uas.refuse(offered.dialog_key, 488, self.now))
        return self.lines(self.uas.accept(offered.dialog_key, sdp, self.now))

    def command(self, words: list[str]) -> list[str]:
        match words:
            case ["wait", seconds]:
                return self.wait(float(seconds))
            case ["restart"]:
                return self.restart()
            case ["hold-answers"]:
                self.answers_held = True
            case ["accept"]:
                return self.accept()
            case ["refuse", status]:
                return self.lines(self.uas.refuse(self.key, int(status), self.now))
            case ["end"]:
                return self.lines(self.uas.end(self.key, self.now))
            case ["out-of-service"]:
                self.uas.out_of_service = "No channel is free"
            case ["tcp"]:
                self.peer = Peer("tcp", "192.0.2.10", 40000, "1")
            case ["known", *numbers]:
                self.known = frozenset(numbers)
            case _:
                raise ValueError(f"no such command: {words}")
        return []

    def facts(self) -> dict[str, str]:
        session = self.sessions.get(self.key) or RecordingSession()
        ours: Identity = identify(session.participants, session.facts, self.known.__contains__)
        streams = session.streams
        return {
            "streams": str(len(streams)),
            "labels": ",".join(stream.label for stream in streams),
            "mixed": ",".join("yes" if stream.mixed else "no" for stream in streams),
            "held": ",".join("yes" if stream.held else "no" for stream in streams),
            "heard": ",".join(stream.participant.aor if stream.participant else "-" for stream in streams),
            "codecs": " ".join(f"{number}:{codec.name}" for item in streams for number, codec in item.codecs.items()),
            "names": ",".join(participant.name for participant in session.participants),
            "left": ",".join(participant.aor for participant in session.participants if participant.left),
            "parties": str(len(session.participants)),
            "device": ours.device,
            "ani": ours.ani,
            "dnis": ours.dnis,
            "direction": ours.direction,
            "how": ours.how,
            "link": session.facts.link_id,
            "end": session.facts.end,
            "leniencies": ",".join(sorted(self.uas.leniencies)),
            "metadata-leniencies": ",".join(session.leniencies),
            "dialogs": str(len(self.uas.dialogs)),
            **{f"vendor {name}": value for name, value in session.facts.vendor.items()},
            **{f"id {name}": value for name, value in session.facts.identifiers.items()},
        }


def message_bytes(lines: list[str], stage: Stage, bare_line_feeds: bool, hexadecimal: bool) -> bytes:
    """The lines of a `>>` block as they go over the wire."""
    text = "\n".join(lines).strip("\n")
    if hexadecimal:
        return bytes.fromhex(text)
    head, _, body = text.partition("\n\n")
    newline = "\n" if bare_line_feeds else "\r\n"
    wire_body = (body.rstrip("\n") + "\n").replace("\n", newline).encode() if body.strip() else b""
    head = head.replace("{length}", str(len(wire_body))).replace("{tag}", stage.tag)
    return (head + "\n\n").replace("\n", newline).encode() + wire_body


def play(path: Path) -> int:
    """Play one file; returns how many expectations it held. Raises AssertionError where the server does otherwise."""
    stage = Stage()
    blocks: list[list[str]] = []
    for line in path.read_text().split("\n"):
        if line.startswith(MARKERS):
            blocks.append([line])
        elif blocks:
            blocks[-1].append(line)
    pending: list[str] = []
    expected = 0
    shown_at = 0
    for block in blocks:
        marker, rest = block[0][:2], block[0][3:].strip()
        if marker in (">>", "@@", "=="):
            assert not pending, f"{path.name}: not expected before {block[0]!r}: {pending}"
        if marker == ">>":
            flags = rest.split()
            shown_at = len(stage.sent)
            pending = stage.receive(message_bytes(block[1:], stage, "lf" in flags, "hex" in flags))
        elif marker == "@@":
            shown_at = len(stage.sent)
            pending = stage.command(rest.split())
        elif marker == "==":
            name, _, value = rest.partition(":")
            expected += 1
            assert stage.facts().get(name.strip(), "") == value.strip(), f"{path.name}: {name}: {stage.facts()}"
        else:
            wanted, *texts = [piece.strip() for piece in block[0].split(" | ")]
            expected += 1
            assert pending, f"{path.name}: nothing came, expected {block[0]!r}"
            got = pending.pop(0)
            assert got == wanted, f"{path.name}: expected {wanted!r}, got {got!r} then {pending}"
            if marker == "<<":
                written = stage.sent[shown_at].decode()
                shown_at += 1
                for text in texts:
                    present = text.removeprefix("!") in written
                    assert present is not text.startswith("!"), f"{path.name}: {text!r} in {written}"
    assert not pending, f"{path.name}: not expected at the end: {pending}"
    return expected


def response_of(data: bytes) -> Response:
    """The response in these bytes."""
    message = parse(data)
    assert isinstance(message, Response)
    return message
