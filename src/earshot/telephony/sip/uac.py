"""Requests of our own inside a dialog (RFC 3261 section 12.2.1): BYE, session refreshes, and the ACK they need.

Not here: when to send them. The one rule: each request is a client transaction of its own, found by its Via branch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earshot.telephony.sip.dialog import Dialog, Peer
from earshot.telephony.sip.events import Send
from earshot.telephony.sip.headers import (
    BadHeader,
    join_host_port,
    param,
    parse_cseq,
    parse_name_addr,
    parse_uri,
    parse_via,
    split_list,
)
from earshot.telephony.sip.message import Headers, Request, Response
from earshot.telephony.sip.reading import DEFAULT_PORT, MAGIC_COOKIE
from earshot.telephony.sip.replies import contact
from earshot.telephony.sip.schedule import Schedule
from earshot.telephony.sip.transaction import Timers, Transaction, status_class

OwnAddress = Callable[[Peer], tuple[str, int]]
"""Under which host and port that peer reaches us."""


@dataclass(frozen=True, slots=True)
class _Sent:
    transaction: Transaction
    dialog: Dialog
    request: Request
    peer: Peer


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request of ours ended. `response` is None when no answer came."""

    dialog: Dialog
    method: str
    response: Response | None


def next_hop(dialog: Dialog) -> Peer:
    """Where requests of this dialog go: the peer's address, with the port it names for the same host."""
    target = parse_uri(dialog.route_set[0] if dialog.route_set else dialog.remote_target)
    port = dialog.peer.port
    if target.host == dialog.peer.host:
        port = target.port or DEFAULT_PORT
    return Peer(dialog.peer.transport, dialog.peer.host, port, dialog.peer.connection_id)


class OwnRequests:
    """The client transactions of the server."""

    def __init__(self, token: Callable[[], str], own_address: OwnAddress, timers: Timers, schedule: Schedule) -> None:
        self._token = token
        self._own_address = own_address
        self._timers = timers
        self._schedule = schedule
        self._sent: dict[str, _Sent] = {}

    def send(
        self, dialog: Dialog, method: str, now: float, fields: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> tuple[Dialog, list[Send]]:
        """Begin a request; the dialog comes back with its CSeq moved on."""
        dialog = dialog.changed(local_cseq=dialog.local_cseq + 1)
        request = self._request(dialog, method, dialog.local_cseq, fields, body)
        peer = next_hop(dialog)
        transaction = Transaction("invite_client" if method == "INVITE" else "client", peer.reliable, self._timers)
        transaction.message = bytes(request)
        transaction.happened("begin", now)
        branch = parse_via(request.headers.first("Via")).branch
        self._sent[branch] = _Sent(transaction, dialog, request, peer)
        self._schedule.set(("client", branch), transaction.deadline)
        return dialog, [Send(transaction.message, peer, may_connect=True)]

    def _request(
        self, dialog: Dialog, method: str, cseq: int, fields: Sequence[tuple[str, str]], body: bytes
    ) -> Request:
        host, port = self._own_address(dialog.peer)
        transport = dialog.peer.transport
        uri, routes = dialog.remote_target, list(dialog.route_set)
        if routes and param(parse_uri(routes[0]).params, "lr") is None:
            uri, routes = routes[0], [*routes[1:], dialog.remote_target]
        via = f"SIP/2.0/{transport.upper()} {join_host_port(host, port)};branch={MAGIC_COOKIE}{self._token()};rport"
        items = [("Via", via), ("Max-Forwards", "70")]
        items += [("Route", f"<{route}>") for route in routes]
        items += [
            ("From", str(parse_name_addr(dialog.local_uri).with_tag(dialog.local_tag))),
            ("To", str(parse_name_addr(dialog.remote_uri).with_tag(dialog.remote_tag))),
            ("Call-ID", dialog.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", contact(host, port, transport)),
            *fields,
        ]
        return Request(method, uri, Headers(items), body)

    def response(self, response: Response, now: float) -> tuple[Outcome | None, list[Send]]:
        """Take an answer: the outcome when it ends a request, and an ACK where one is due. Unknown ones are dropped."""
        try:
            via = parse_via((split_list(response.headers.all("Via")) or [""])[0])
            cseq = parse_cseq(response.headers.first("CSeq"))
        except BadHeader:
            return None, []
        sent = self._sent.get(via.branch)
        if sent is None or cseq.method not in (sent.request.method, ""):
            return None, []
        action = sent.transaction.happened(status_class(response.status), now)
        outputs: list[Send] = []
        if sent.request.method == "INVITE" and action in ("answered", "repeated"):
            outputs.append(Send(bytes(self._ack(sent, response)), sent.peer, may_connect=True))
        self._settle(via.branch, sent)
        done = Outcome(sent.dialog, sent.request.method, response) if action == "answered" else None
        return done, outputs

    def _ack(self, sent: _Sent, response: Response) -> Request:
        """The ACK of a refusal shares the branch of its INVITE, that of a 2xx has one of its own (sections 13, 17)."""
        ack = self._request(sent.dialog, "ACK", sent.dialog.local_cseq, (), b"")
        items = [item for item in ack.headers.items if item[0] != "Contact"]
        if response.status >= 300:
            items[0] = ("Via", sent.request.headers.first("Via"))
            items = [("To", response.headers.first("To")) if name == "To" else (name, value) for name, value in items]
        return Request("ACK", ack.uri, Headers(items))

    def tick(self, branch: str, now: float) -> tuple[Outcome | None, list[Send]]:
        """Let the timers of one request fire."""
        sent = self._sent.get(branch)
        if sent is None:
            return None, []
        actions = sent.transaction.tick(now)
        outputs = [
            Send(sent.transaction.message, sent.peer, may_connect=True) for action in actions if action == "send"
        ]
        self._settle(branch, sent)
        return (Outcome(sent.dialog, sent.request.method, None) if "failed" in actions else None), outputs

    def _settle(self, branch: str, sent: _Sent) -> None:
        self._schedule.set(("client", branch), sent.transaction.deadline)
        if sent.transaction.over:
            del self._sent[branch]

    def invite_pending(self, dialog_key: str) -> bool:
        """Whether an INVITE of ours in this dialog waits for its answer."""
        return any(
            sent.dialog.key == dialog_key
            and sent.request.method == "INVITE"
            and sent.transaction.state in ("calling", "proceeding")
            for sent in self._sent.values()
        )
