"""What has come over SIP and is not served yet, and in which order it will be.

Not here: sockets, and what is answered. The one rule: whatever ends, confirms or changes a session goes before what
would begin another, so that under overload calls are turned away at the door and never lost inside (RFC 7339 section
4.8, RFC 6357 section 8).
"""

import re
from collections import deque
from dataclasses import dataclass

from earshot.telephony.sip.dialog import Peer

_TO_TAG = re.compile(rb"^(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE | re.MULTILINE)
_INSIDE = (b"ACK ", b"BYE ", b"CANCEL ", b"UPDATE ", b"SIP/2.0 ")


def belongs_to_a_session(data: bytes) -> bool:
    """Whether a message is about a session that has begun, as far as a glance tells; wrong guesses cost its place."""
    return data.startswith(_INSIDE) or _TO_TAG.search(data) is not None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message and the monotonic second at which it was read."""

    data: bytes
    peer: Peer
    since: float


class Backlog:
    """Messages in the order in which they are to be served. `held_bytes` is their size."""

    def __init__(self) -> None:
        self._inside: deque[Waiting] = deque()
        self._outside: deque[Waiting] = deque()
        self._there: set[tuple[bytes, Peer]] = set()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._inside) + len(self._outside)

    def add(self, data: bytes, peer: Peer, now: float) -> bool:
        """Let a message wait. False for a datagram that waits already: it was sent again, and one answer is enough."""
        if not peer.reliable:
            if (data, peer) in self._there:
                return False
            self._there.add((data, peer))
        queue = self._inside if belongs_to_a_session(data) else self._outside
        queue.append(Waiting(data, peer, now))
        self.held_bytes += len(data)
        return True

    def take(self) -> Waiting | None:
        """The next to be served; None when nothing waits."""
        queue = self._inside or self._outside
        if not queue:
            return None
        taken = queue.popleft()
        self._there.discard((taken.data, taken.peer))
        self.held_bytes -= len(taken.data)
        return taken
