"""The server transactions that run, and the 2xx answers that wait for their ACK.

Not here: what is answered (uas.py) and the tables of moves (transaction.py). The one rule: whatever a retransmission
needs is kept here for exactly as long as RFC 3261 says.
"""

from dataclasses import dataclass

from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.events import Send
from earshot.telephony.sip.message import Response
from earshot.telephony.sip.reading import Incoming, TransactionKey
from earshot.telephony.sip.replies import reply
from earshot.telephony.sip.schedule import Schedule
from earshot.telephony.sip.transaction import Timers, Transaction, status_class


@dataclass(frozen=True, slots=True)
class Begun:
    """A request under way with the transaction it began, and the datagram it came in."""

    incoming: Incoming
    transaction: Transaction
    datagram: tuple[bytes, Peer] | None = None

    @property
    def answered(self) -> bool:
        """Whether a final answer was given."""
        return self.transaction.state != "proceeding"


class ServerTransactions:
    """Server transactions by their key. Each INVITE that is not answered within `trying_after_s` gets a 100.

    `repeated` counts the requests that came again.
    """

    def __init__(self, schedule: Schedule, timers: Timers, trying_after_s: float) -> None:
        self._schedule = schedule
        self._timers = timers
        self._trying_after_s = trying_after_s
        self._begun: dict[TransactionKey, Begun] = {}
        self._by_datagram: dict[tuple[bytes, Peer], Begun] = {}
        self.repeated = 0

    def __len__(self) -> int:
        return len(self._begun)

    def find(self, key: TransactionKey) -> Begun | None:
        """The transaction of that key, if it still runs."""
        return self._begun.get(key)

    def same_datagram(self, data: bytes, peer: Peer) -> Begun | None:
        """The transaction that exactly this datagram began: what is sent again is the same to the byte (RFC 3261
        section 17.1.1.2), and is known again without being read."""
        return self._by_datagram.get((data, peer))

    def begin(self, incoming: Incoming, now: float, data: bytes = b"") -> Begun:
        """Open the transaction of a request; `data` is the datagram it came in, if it came in one."""
        role = "invite_server" if incoming.method == "INVITE" else "server"
        transaction = Transaction(role, incoming.reply_to.reliable, self._timers)  # type: ignore[arg-type]
        begun = Begun(incoming, transaction, (data, incoming.peer) if data else None)
        self._begun[incoming.key] = begun
        if begun.datagram is not None:
            self._by_datagram[begun.datagram] = begun
        if role == "invite_server":
            self._schedule.set(("trying", *incoming.key), now + self._trying_after_s)
        return begun

    def respond(self, incoming: Incoming, response: Response, now: float) -> list[Send]:
        """Answer a request; without a transaction (it was answered and has ended) nothing is sent."""
        begun = self._begun.get(incoming.key)
        if begun is None or begun.answered:
            return []
        begun.transaction.message = bytes(response)
        action = begun.transaction.happened(status_class(response.status), now)
        self._schedule.set(("trying", *incoming.key), None)
        self._settle(incoming.key, begun)
        return [Send(begun.transaction.message, incoming.reply_to)] if action == "send" else []

    def again(self, begun: Begun, event: str, now: float) -> list[Send]:
        """A retransmitted request, or the ACK of a refusal."""
        self.repeated += event == "request"
        action = begun.transaction.happened(event, now)
        self._settle(begun.incoming.key, begun)
        return [Send(begun.transaction.message, begun.incoming.reply_to)] if action == "send" else []

    def tick(self, key: TransactionKey, now: float) -> list[Send]:
        """Let the timers of one transaction fire."""
        begun = self._begun.get(key)
        if begun is None:
            return []
        actions = begun.transaction.tick(now)
        self._settle(key, begun)
        return [Send(begun.transaction.message, begun.incoming.reply_to) for action in actions if action == "send"]

    def trying(self, key: TransactionKey, now: float) -> list[Send]:
        """Say 100 to an INVITE that the application still thinks about (RFC 3261 section 17.2.1)."""
        begun = self._begun.get(key)
        if begun is None or begun.answered:
            return []
        begun.transaction.message = bytes(reply(begun.incoming, 100, ""))
        begun.transaction.happened("1xx", now)
        return [Send(begun.transaction.message, begun.incoming.reply_to)]

    def _settle(self, key: TransactionKey, begun: Begun) -> None:
        deadline = begun.transaction.deadline
        if begun.transaction.over:
            self._begun.pop(key, None)
            if begun.datagram is not None:
                self._by_datagram.pop(begun.datagram, None)
        self._schedule.set(("server", *key), None if begun.transaction.over else deadline)


@dataclass(frozen=True, slots=True)
class _Waiting:
    send: Send
    next_at: float
    interval_s: float
    give_up_at: float


class UnackedAnswers:
    """2xx answers to INVITEs, repeated until their ACK comes (RFC 3261 section 13.3.1.4), over any transport."""

    def __init__(self, schedule: Schedule, timers: Timers) -> None:
        self._schedule = schedule
        self._timers = timers
        self._waiting: dict[str, _Waiting] = {}

    def __contains__(self, dialog_key: str) -> bool:
        return dialog_key in self._waiting

    def add(self, dialog_key: str, data: bytes, peer: Peer, now: float) -> None:
        """Repeat `data` until `acked`; a former answer of the dialog is no longer repeated."""
        t1_s = self._timers.t1_s
        self._waiting[dialog_key] = _Waiting(Send(data, peer), now + t1_s, t1_s, now + 64 * t1_s)
        self._schedule.set(("ack", dialog_key), now + t1_s)

    def acked(self, dialog_key: str) -> bool:
        """Whether an answer was waiting; it is now done with."""
        self._schedule.set(("ack", dialog_key), None)
        return self._waiting.pop(dialog_key, None) is not None

    def tick(self, dialog_key: str, now: float) -> tuple[list[Send], bool]:
        """What is to be repeated, and whether we give up."""
        waiting = self._waiting.get(dialog_key)
        if waiting is None:
            return [], False
        if now >= waiting.give_up_at:
            del self._waiting[dialog_key]
            return [], True
        interval_s = min(waiting.interval_s * 2, self._timers.t2_s)
        next_at = min(max(waiting.next_at + interval_s, now), waiting.give_up_at)
        self._waiting[dialog_key] = _Waiting(waiting.send, next_at, interval_s, waiting.give_up_at)
        self._schedule.set(("ack", dialog_key), next_at)
        return [waiting.send], False
