"""Where a message begins and ends in a stream of bytes, without reading a socket and without parsing the message.

A message ends at `</REQUEST>`, in any letter case, or, when its root element is another one, at that element's own
closing tag (reference.md F1, F2, F4). Between messages there may be CR, LF, NUL or nothing.
The one rule: what was searched is not searched again, so that the work is linear however the stream is cut, and the
outcome is the same for every way of cutting it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

DEFAULT_LIMIT = 1 << 20

Frame: TypeAlias = bytes
"""One whole message, from the first byte of its prolog to the end of its closing tag."""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that are no message: answered with API_INVALID_MESSAGE_FORMAT. `reason` is a sentence for the client."""

    reason: str


TOO_LARGE = BadFrame("The message is larger than this server accepts")
UNFINISHED = BadFrame("The message ends before its closing tag")
NOT_A_MESSAGE = BadFrame("This is not an XML message")

_GAP = re.compile(rb"[\s\0\xef\xbb\xbf]*")
_PLAIN_START = re.compile(rb"[\s\0\xef\xbb\xbf]*(<request>)", re.IGNORECASE)
_JUNK_END = re.compile(rb"[<\r\n\0]")
_ROOT = re.compile(rb"<([A-Za-z_:][\w:.\-]{0,127})[\s/>]")
_ROOT_SO_FAR = re.compile(rb"<(?:[A-Za-z_:][\w:.\-]{0,127})?")
_TAG_EDGE = re.compile(rb"[<>]")
_IN_REQUEST = re.compile(rb"<(?:/(request)\s{0,32}>|request[\s/>]|!--|!\[CDATA\[)", re.IGNORECASE)
_IN_OTHER = re.compile(rb"<(?:/([A-Z_:][\w:.\-]{0,127})\s{0,32}>|request[\s/>]|!--|!\[CDATA\[)", re.IGNORECASE)
_SHORTEST = len(b"<request></request>")
_USUAL_GAPS = frozenset((b"", b"\r\n", b"\n", b"\0", b"\r"))
_LONGEST_TOKEN = 170
_LOOK_BEHIND = 8
_LESS = ord("<")


class FrameReader:
    """Cuts a stream into messages. Feed it bytes; it keeps what is not finished, at most `max_bytes` and one feed.

    A message over `max_bytes` is given up once with a `BadFrame`; its rest is skipped up to its end, or up to the
    next `<REQUEST>`. A `<REQUEST>` inside an unfinished message gives up that message and begins a new one. Text that
    is no message is answered once per line.
    """

    __slots__ = ("_at", "_buffer", "_closing", "_given_up", "_out", "_root_seen", "_start", "_state", "max_bytes")

    def __init__(self, max_bytes: int = DEFAULT_LIMIT) -> None:
        self.max_bytes = max_bytes
        self._out: list[Frame | BadFrame] = []
        self._reset()

    def _reset(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._state = "gap"
        self._start = self._at = 0
        self._closing = b""
        self._root_seen = self._given_up = False

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._state not in ("gap", "junk")

    @property
    def between_messages(self) -> bool:
        """Whether what comes next begins a message, so that a whole one need not be fed."""
        return self._state == "gap"

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes of the stream; return what they complete, in order. Never raises."""
        out = self._out = []
        if self._state == "gap":  # nothing is kept in a gap
            self._at = self._take_plain_messages(data)
            if data[self._at :] in _USUAL_GAPS:
                self._at = 0
                return out
            self._buffer = data
        elif self._buffer:
            self._buffer += data
        else:
            self._buffer = data
        while _STEPS[self._state](self):
            pass
        if self.pending and not self._given_up and len(self._buffer) - self._start > self.max_bytes:
            out.append(TOO_LARGE)
            self._given_up = True
        self._trim()
        return out

    def flush(self) -> list[Frame | BadFrame]:
        """The stream has paused for too long, or ended: give up what is unfinished and begin anew."""
        lost = self.pending and not self._given_up
        self._reset()
        return [UNFINISHED] if lost else []

    def _take_plain_messages(self, data: bytes) -> int:
        """The common case at full speed: whole messages without attributes, comments or CDATA. Returns their end."""
        at = 0
        while len(data) - at >= _SHORTEST:
            begin = _PLAIN_START.match(data, at)
            end = _IN_REQUEST.search(data, begin.end()) if begin is not None else None
            if begin is None or end is None or end.lastindex is None:
                break
            start, at = begin.start(1), end.end()
            self._out.append(data[start:at] if at - start <= self.max_bytes else TOO_LARGE)
        return at

    def _trim(self) -> None:
        """Forget the bytes that nothing needs any more."""
        if not self.pending:
            cut = self._at
        elif self._given_up:
            cut = max(self._at - _LOOK_BEHIND, 0)
        else:
            cut = self._start
        if cut >= len(self._buffer):
            self._buffer = b""
        elif isinstance(self._buffer, bytearray):
            del self._buffer[:cut]
        else:
            self._buffer = bytearray(self._buffer[cut:])
        self._at -= cut
        self._start -= cut

    # --- the states: each step returns whether it got on, or False when it needs more bytes -----------------------

    def _go(self, state: str, at: int) -> bool:
        self._state = state
        self._at = at
        return True

    def _wait(self, at: int) -> bool:
        self._at = at
        return False

    def _end(self, state: str, at: int) -> bool:
        self._given_up = False
        return self._go(state, at)

    def _fail(self, reason: BadFrame, known_at: int, state: str, at: int) -> bool:
        """Give up the message; `known_at` is how far one had to read to know that it is bad."""
        if not self._given_up:
            self._out.append(reason if known_at - self._start <= self.max_bytes else TOO_LARGE)
        return self._end(state, at)

    def _finish(self, stop: int) -> bool:
        if not self._given_up:
            whole = stop - self._start <= self.max_bytes
            self._out.append(bytes(self._buffer[self._start : stop]) if whole else TOO_LARGE)
        return self._end("gap", stop)

    def _skip_gap(self) -> int:
        gap = _GAP.match(self._buffer, self._at)
        return gap.end() if gap is not None else self._at

    def _gap(self) -> bool:
        at = self._start = self._skip_gap()
        if at >= len(self._buffer):
            return self._wait(at)
        if self._buffer[at] == _LESS:
            return self._go("prolog", at)
        self._out.append(NOT_A_MESSAGE)
        return self._go("junk", at)

    def _junk(self) -> bool:
        end = _JUNK_END.search(self._buffer, self._at)
        return self._wait(len(self._buffer)) if end is None else self._go("gap", end.start())

    def _prolog(self) -> bool:
        buffer, at = self._buffer, self._skip_gap()
        ahead = bytes(buffer[at : at + 4])
        if not ahead:
            return self._wait(at)
        if ahead[0] != _LESS:
            return self._fail(NOT_A_MESSAGE, at + 1, "junk", at)
        if ahead[1:2] == b"?":
            return self._go("instruction", at + 2)
        if ahead == b"<!--":
            return self._go("prolog comment", at + 4)
        if ahead in (b"<", b"<!", b"<!-"):
            return self._wait(at)
        if ahead[1:2] == b"!":
            self._closing, self._root_seen = b"request", False
            return self._go("body", at + 2)
        return self._go("root", at)

    def _root(self) -> bool:
        root = _ROOT.match(self._buffer, self._at)
        if root is not None:
            self._closing, self._root_seen = root.group(1).lower(), True
            return self._go("root tag", root.end() - 1)
        so_far = _ROOT_SO_FAR.match(self._buffer, self._at)
        read = so_far.end() if so_far is not None else self._at
        if read == len(self._buffer):
            return self._wait(self._at)
        return self._fail(NOT_A_MESSAGE, read + 1, "junk", self._at + 1)

    def _root_tag(self) -> bool:
        edge = _TAG_EDGE.search(self._buffer, self._at)
        if edge is None:
            return self._wait(len(self._buffer))
        at = edge.start()
        if self._buffer[at] == _LESS:
            return self._fail(NOT_A_MESSAGE, at + 1, "gap", at)
        if self._buffer[at - 1] == ord("/"):
            return self._finish(at + 1)
        return self._go("body", at + 1)

    def _body(self) -> bool:
        buffer = self._buffer
        pattern = _IN_REQUEST if self._closing == b"request" else _IN_OTHER
        token = pattern.search(buffer, self._at)
        if token is None:
            last = buffer.rfind(b"<", max(self._at, len(buffer) - _LONGEST_TOKEN))
            return self._wait(last if last >= 0 else len(buffer))
        if token.lastindex is not None:
            ends = token.group(1).lower() in (self._closing, b"request")
            return self._finish(token.end()) if ends else self._go("body", token.end())
        word = token.group()
        if word == b"<!--":
            return self._go("comment", token.end())
        if word[1:2] == b"!":
            return self._go("cdata", token.end())
        if self._root_seen:
            return self._fail(UNFINISHED, token.end(), "gap", token.start())
        self._root_seen = True
        return self._go("body", token.end())

    def _until(self, mark: bytes, then: str) -> bool:
        found = self._buffer.find(mark, self._at)
        if found < 0:
            return self._wait(max(self._at, len(self._buffer) - len(mark) + 1))
        return self._go(then, found + len(mark))


_STEPS: MappingProxyType[str, Callable[[FrameReader], bool]] = MappingProxyType(
    {
        "gap": FrameReader._gap,
        "junk": FrameReader._junk,
        "prolog": FrameReader._prolog,
        "instruction": lambda reader: reader._until(b"?>", "prolog"),
        "prolog comment": lambda reader: reader._until(b"-->", "prolog"),
        "root": FrameReader._root,
        "root tag": FrameReader._root_tag,
        "body": FrameReader._body,
        "comment": lambda reader: reader._until(b"-->", "body"),
        "cdata": lambda reader: reader._until(b"]]>", "body"),
    }
)
"""What each state does with the bytes it has."""
