"""What the server needs of a request before it decides: headers read, body taken apart, faults named.

Not here: dialogs and answers. The one rule: only what makes an answer impossible raises BadHeader; all else is noted.
"""

from dataclasses import dataclass
from functools import cached_property

from earshot.telephony.sip import multipart
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.headers import (
    BadHeader,
    CSeq,
    NameAddr,
    Via,
    param,
    parse_cseq,
    parse_name_addr,
    parse_via,
    split_list,
)
from earshot.telephony.sip.message import Request

MAGIC_COOKIE = "z9hG4bK"
DEFAULT_PORT = 5060

TransactionKey = tuple[str, ...]


@dataclass(frozen=True)
class Incoming:
    """A request with its headers read. `vias` are the Via values for the answer, `reply_to` is where that goes."""

    request: Request
    peer: Peer
    reply_to: Peer
    via: Via
    vias: tuple[str, ...]
    sender: NameAddr
    to: NameAddr
    call_id: str
    cseq: CSeq
    noted: tuple[str, ...]

    @property
    def method(self) -> str:
        """The method of the start line."""
        return self.request.method

    @cached_property
    def key(self) -> TransactionKey:
        """Which server transaction it belongs to (RFC 3261 section 17.2.3); an ACK finds its INVITE."""
        return self.key_for("INVITE" if self.method == "ACK" else self.method)

    def key_for(self, method: str) -> TransactionKey:
        """The key of the transaction of `method` with the same branch."""
        branch = self.via.branch
        if branch.startswith(MAGIC_COOKIE):
            return (branch, self.via.host.lower(), str(self.via.port or DEFAULT_PORT), method)
        return ("rfc2543", self.call_id, self.sender.tag, str(self.cseq.number), self.via.host, branch, method)


def read_request(request: Request, peer: Peer) -> Incoming:
    """Read what every request must have. Raises BadHeader, which is a 400."""
    noted = list(request.leniencies)
    headers = request.headers
    vias = split_list(headers.all("Via"))
    if not vias:
        raise BadHeader("Via is missing")
    via = parse_via(vias[0])
    if not via.branch.startswith(MAGIC_COOKIE):
        noted.append("via_without_branch")
    call_id = headers.first("Call-ID")
    if not call_id:
        raise BadHeader("Call-ID is missing")
    cseq = parse_cseq(headers.first("CSeq"))
    if cseq.method != request.method:
        noted.append("wrong_method_in_cseq")
    sender = parse_name_addr(headers.first("From"))
    if not sender.tag:
        noted.append("no_from_tag")
    to = parse_name_addr(headers.first("To"))
    answered_via = via.received_from(peer.host, peer.port)
    shown = (vias[0] if answered_via is via else str(answered_via), *vias[1:])
    return Incoming(request, peer, _reply_to(via, peer), answered_via, shown, sender, to, call_id, cseq, tuple(noted))


def _reply_to(via: Via, peer: Peer) -> Peer:
    """Where the answer goes: the same connection, or by RFC 3581 and RFC 3261 section 18.2.2 for datagrams."""
    if peer.reliable or param(via.params, "rport") is not None:
        return peer
    return Peer(peer.transport, peer.host, via.port or DEFAULT_PORT)


@dataclass(frozen=True, slots=True)
class Body:
    """What a body holds: an SDP or none, metadata parts as they came. `foreign` when it holds neither."""

    sdp: bytes | None
    metadata: tuple[bytes, ...]
    foreign: bool
    noted: tuple[str, ...]


def read_body(request: Request) -> Body:
    """Take a body apart, multipart or not (RFC 7866 section 9.1)."""
    if not request.body.strip():
        return Body(None, (), False, ())
    noted: list[str] = []
    content_type = request.headers.first("Content-Type")
    media_type = multipart.media_type_or_guess(content_type, request.body)
    if not content_type:
        noted.append("no_content_type")
    if media_type.startswith("multipart/"):
        parts = [(part.media_type, part.body) for part in multipart.split(content_type, request.body, noted)]
    else:
        parts = [(media_type, request.body)]
    sdp = next((body for kind, body in parts if kind == "application/sdp"), None)
    metadata = tuple(body for kind, body in parts if _is_metadata(kind, body))
    return Body(sdp, metadata, sdp is None and not metadata, tuple(noted))


def _is_metadata(media_type: str, body: bytes) -> bool:
    if media_type in ("application/rs-metadata", "application/rs-metadata+xml"):
        return True
    return media_type in ("application/xml", "text/xml", "text/plain") and b"<recording" in body[:2000]
