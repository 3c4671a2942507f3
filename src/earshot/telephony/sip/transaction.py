"""SIP transactions as pure state machines (RFC 3261 section 17, RFC 6026), each a table of moves.

Not here: what to answer, and which transaction a message belongs to (uas.py, uac.py). The one rule: a move that is
not in the table changes nothing and sends nothing.
"""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["invite_server", "server", "invite_client", "client"]


@dataclass(frozen=True, slots=True)
class Timers:
    """The timers of RFC 3261 table 4, in seconds, all from three numbers.

    `t1_s` is the estimate of a round trip, `t2_s` the longest interval between repeats of a non-INVITE request or of
    an INVITE's answer, `t4_s` how long a message can stay in the network.
    """

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    def duration_s(self, name: str, reliable: bool) -> float | None:
        """How long timer `name` runs at first; None when it is not used over this kind of transport."""
        unit, on_stream = TIMER_TABLE[name]
        if reliable and on_stream == "off":
            return None
        if reliable and on_stream == "zero":
            return 0.0
        return {"T1": self.t1_s, "64*T1": 64 * self.t1_s, "T4": self.t4_s, "32": 32.0}[unit]


TIMER_TABLE: Final = {
    "A": ("T1", "off"),  # INVITE request repeated, doubling
    "B": ("64*T1", "same"),  # INVITE request given up
    "D": ("32", "zero"),  # wait for repeats of the answer to an INVITE
    "E": ("T1", "off"),  # other request repeated, doubling up to T2
    "F": ("64*T1", "same"),  # other request given up
    "G": ("T1", "off"),  # refusal of an INVITE repeated, doubling up to T2
    "H": ("64*T1", "same"),  # wait for the ACK of a refusal
    "I": ("T4", "zero"),  # wait for repeats of the ACK
    "J": ("64*T1", "zero"),  # wait for repeats of a request other than INVITE
    "K": ("T4", "zero"),  # wait for repeats of an answer to a request other than INVITE
    "L": ("64*T1", "same"),  # wait for repeats of an accepted INVITE (RFC 6026)
    "M": ("64*T1", "same"),  # wait for repeats of the 2xx to our INVITE (RFC 6026)
}
"""Timer: its length, and what becomes of it over a reliable transport."""

REPEATING: Final = {"A": None, "E": "t2_s", "G": "t2_s"}
"""Timers that start again, doubled, up to this bound."""

Move = tuple[str, tuple[str, ...], str]
"""Next state, timers started on entering it (all others stop when the state changes), what to do (see `happened`)."""

MOVES: Final[dict[Role, dict[tuple[str, str], Move]]] = {
    "invite_server": {
        ("proceeding", "request"): ("proceeding", (), "send"),
        ("proceeding", "1xx"): ("proceeding", (), "send"),
        ("proceeding", "2xx"): ("accepted", ("L",), "send"),
        ("proceeding", "final"): ("completed", ("G", "H"), "send"),
        ("completed", "request"): ("completed", (), "send"),
        ("completed", "G"): ("completed", (), "send"),
        ("completed", "ack"): ("confirmed", ("I",), ""),
        ("completed", "H"): ("terminated", (), "failed"),
        ("confirmed", "I"): ("terminated", (), ""),
        ("accepted", "L"): ("terminated", (), ""),
    },
    "server": {
        ("proceeding", "request"): ("proceeding", (), "send"),
        ("proceeding", "2xx"): ("completed", ("J",), "send"),
        ("proceeding", "final"): ("completed", ("J",), "send"),
        ("completed", "request"): ("completed", (), "send"),
        ("completed", "J"): ("terminated", (), ""),
    },
    "invite_client": {
        ("start", "begin"): ("calling", ("A", "B"), "send"),
        ("calling", "A"): ("calling", (), "send"),
        ("calling", "B"): ("terminated", (), "failed"),
        ("calling", "1xx"): ("proceeding", (), ""),
        ("calling", "2xx"): ("accepted", ("M",), "answered"),
        ("proceeding", "2xx"): ("accepted", ("M",), "answered"),
        ("accepted", "2xx"): ("accepted", (), "repeated"),
        ("calling", "final"): ("completed", ("D",), "answered"),
        ("proceeding", "final"): ("completed", ("D",), "answered"),
        ("completed", "final"): ("completed", (), "repeated"),
        ("completed", "D"): ("terminated", (), ""),
        ("accepted", "M"): ("terminated", (), ""),
    },
    "client": {
        ("start", "begin"): ("calling", ("E", "F"), "send"),
        ("calling", "E"): ("calling", (), "send"),
        ("calling", "F"): ("terminated", (), "failed"),
        ("calling", "1xx"): ("proceeding", ("E", "F"), ""),
        ("proceeding", "E"): ("proceeding", (), "send"),
        ("proceeding", "F"): ("terminated", (), "failed"),
        ("calling", "2xx"): ("completed", ("K",), "answered"),
        ("calling", "final"): ("completed", ("K",), "answered"),
        ("proceeding", "2xx"): ("completed", ("K",), "answered"),
        ("proceeding", "final"): ("completed", ("K",), "answered"),
        ("completed", "K"): ("terminated", (), ""),
    },
}


def status_class(status: int) -> str:
    """The event that a response is: 1xx, 2xx or final."""
    return "1xx" if status < 200 else "2xx" if status < 300 else "final"


class Transaction:
    """One transaction. `message` is what it repeats: our response (servers) or our request (clients)."""

    __slots__ = ("_moves", "_running", "_timers", "message", "reliable", "role", "state")

    def __init__(self, role: Role, reliable: bool, timers: Timers) -> None:
        self.role = role
        self.reliable = reliable
        self.state = "start" if role.endswith("client") else "proceeding"
        self.message = b""
        self._timers = timers
        self._moves = MOVES[role]
        self._running: dict[str, tuple[float, float]] = {}

    def happened(self, event: str, now: float) -> str:
        """Take an event. Returns what is to be done: "send" the message, "answered", "repeated", "failed", or ""."""
        move = self._moves.get((self.state, event))
        if move is None:
            return ""
        state, started, action = move
        if state != self.state:
            self._running.clear()
            self.state = state
        for name in started:
            seconds = self._timers.duration_s(name, self.reliable)
            if seconds is not None:
                self._running[name] = (now + seconds, seconds)
        if action == "send" and not self.message:
            return ""
        return action

    def tick(self, now: float) -> list[str]:
        """Let every timer that is due fire; the actions, in order."""
        actions = []
        while (name := self._first_due(now)) is not None:
            due, interval = self._running.pop(name)
            action = self.happened(name, now)
            if name in REPEATING and (self.state, name) in self._moves:
                bound = REPEATING[name]
                longest = getattr(self._timers, bound) if bound else float("inf")
                interval = longest if self.state == "proceeding" else min(interval * 2, longest)
                self._running[name] = (max(due + interval, now), interval)
            if action:
                actions.append(action)
        return actions

    def _first_due(self, now: float) -> str | None:
        due = [(when, name) for name, (when, _) in self._running.items() if when <= now]
        return min(due)[1] if due else None

    @property
    def deadline(self) -> float | None:
        """When the next timer fires."""
        return min(when for when, _ in self._running.values()) if self._running else None

    @property
    def over(self) -> bool:
        """Whether the transaction has ended and can be forgotten."""
        return self.state == "terminated"
