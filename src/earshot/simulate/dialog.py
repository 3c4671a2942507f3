"""The client side of a SIP dialog: who it is with, where its requests go, and how they are headed.

What lives here: the state of RFC 3261 section 12 and the requests inside it. What does not: sockets and timers. The one
rule: the remote target and the route set come from the peer's last words, never from the first address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from earshot.simulate.message import Message, address_of, host_and_port, render, tag_of

AGENT_NAME = "Earshot-Simulator/0.1"
ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Where this client is: its address and port, and UDP or TCP."""

    host: str
    port: int
    transport: str

    @property
    def contact(self) -> str:
        """The Contact of a session recording client (RFC 7866 section 6.1.1)."""
        parameter = ";transport=tcp" if self.transport == "TCP" else ""
        return f"<sip:src@{self.host}:{self.port}{parameter}>;+sip.src"

    def via(self, branch: str) -> str:
        """The topmost Via of a request."""
        return f"SIP/2.0/{self.transport} {self.host}:{self.port};branch={branch};rport"


def request(
    local: Local, method: str, uri: str, branch: str, identity: Sequence[tuple[str, str]], body: tuple[str, bytes]
) -> bytes:
    """A request: Via and Max-Forwards, then `identity` (From, To, Call-ID, CSeq and more), then the body, if any."""
    kind, content = body
    headers = [("Via", local.via(branch)), ("Max-Forwards", "70"), *identity, ("User-Agent", AGENT_NAME)]
    if content:
        headers.append(("Content-Type", kind))
    return render(f"{method} {uri} SIP/2.0", headers, content)


NO_BODY = ("", b"")


@dataclass(slots=True)
class Dialog:
    """A confirmed dialog of ours. `from_` and `to` are whole header values with their tags."""

    local: Local
    call_id: str
    from_: str
    to: str
    target: str
    routes: tuple[str, ...] = ()
    cseq: int = 1

    @classmethod
    def confirmed(cls, local: Local, invite_from: str, call_id: str, cseq: int, answer: Message, fallback: str) -> Self:
        """From the 2xx to our INVITE: To tag, Contact and the reversed Record-Route (section 12.1.2)."""
        contact = answer.all("contact")
        return cls(
            local=local,
            call_id=call_id,
            from_=invite_from,
            to=answer.first("to"),
            target=address_of(contact[0]) if contact else fallback,
            routes=tuple(reversed(answer.all("record-route"))),
            cseq=cseq,
        )

    @property
    def next_hop(self) -> tuple[str, int]:
        """Host and port that requests are sent to: the first route, or else the remote target."""
        return host_and_port(address_of(self.routes[0]) if self.routes else self.target)

    def refreshed(self, message: Message) -> None:
        """Take over a new remote target from a target refresh request or its 2xx (section 12.2)."""
        contact = message.all("contact")
        if contact:
            self.target = address_of(contact[0])

    def request(
        self,
        method: str,
        branch: str,
        *,
        cseq: int | None = None,
        body: tuple[str, bytes] = NO_BODY,
        extra: Sequence[tuple[str, str]] = (),
    ) -> bytes:
        """A request in this dialog. Without `cseq` it takes the next number (ACK is given the one of its INVITE)."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        uri, routes = self.target, list(self.routes)
        if routes and ";lr" not in address_of(routes[0]).lower():
            # A strict router (section 12.2.1.1): it is the request URI, the target goes last.
            uri = address_of(routes.pop(0))
            routes.append(f"<{self.target}>")
        identity = [
            *(("Route", route) for route in routes),
            ("From", self.from_),
            ("To", self.to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "UPDATE"):
            identity += [("Contact", self.local.contact), ("Allow", ALLOW)]
        return request(self.local, method, uri, branch, [*identity, *extra], body)

    def knows(self, message: Message) -> bool:
        """True if a request of the peer belongs to this dialog: its To tag is ours and its From tag the peer's."""
        ours = tag_of(message.first("to")) == tag_of(self.from_)
        return ours and tag_of(message.first("from")) == tag_of(self.to)


def response(local: Local, to: Message, status: int, reason: str, body: bytes = b"") -> bytes:
    """Our answer to a request of the peer: Via, Record-Route, From, To, Call-ID and CSeq as they came."""
    copied = ("via", "record-route", "from", "to", "call-id", "cseq")
    names = {"via": "Via", "record-route": "Record-Route", "call-id": "Call-ID", "cseq": "CSeq"}
    headers = [(names.get(name, name.title()), value) for name, value in to.headers if name in copied]
    headers += [("Contact", local.contact), ("Allow", ALLOW), ("User-Agent", AGENT_NAME)]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return render(f"SIP/2.0 {status} {reason}", headers, body)
