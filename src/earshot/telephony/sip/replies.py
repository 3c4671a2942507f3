"""Answers to requests (RFC 3261 section 8.2.6): what is copied, what is added, and the texts of the status codes.

Not here: when to answer what. The one rule: an answer carries back Via, From, To, Call-ID and CSeq as they came.
"""

from collections.abc import Sequence

from earshot.telephony.sip.headers import join_host_port
from earshot.telephony.sip.message import Headers, Request, Response
from earshot.telephony.sip.reading import Incoming

Fields = Sequence[tuple[str, str]]

ALLOWED = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE")
ALLOW = ", ".join(ALLOWED)
KNOWN_METHODS = frozenset(
    ("INFO", "MESSAGE", "NOTIFY", "SUBSCRIBE", "REFER", "REGISTER", "PUBLISH", "PRACK"),
)
"""Methods that exist but are not ours: 405. Any other name is a 501."""

SUPPORTED = "siprec, timer"
UNDERSTOOD = frozenset(("siprec", "timer", "100rel"))
"""Option tags we accept in Require. 100rel is kept by never sending a provisional answer that it speaks of."""

ACCEPT = "application/sdp, application/rs-metadata, application/rs-metadata+xml, multipart/mixed"

REASONS = {
    100: "Trying",
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}


def reply(
    incoming: Incoming,
    status: int,
    to_tag: str,
    fields: Fields = (),
    body: bytes = b"",
    reason: str = "",
) -> Response:
    """The answer to `incoming`; `to_tag` is set unless the request brought one (or the answer is 100)."""
    headers = incoming.request.headers
    to = headers.first("To")
    if to_tag and status > 100 and not incoming.to.tag:
        to = str(incoming.to.with_tag(to_tag))
    copied = [("Via", via) for via in incoming.vias]
    copied += [("From", headers.first("From")), ("To", to), ("Call-ID", incoming.call_id)]
    copied += [("CSeq", headers.first("CSeq"))]
    if 100 < status < 300:
        copied += [("Record-Route", value) for value in headers.all("Record-Route")]
    wording = reason or REASONS.get(status, "Refused")
    return Response(status, wording, Headers((*copied, *fields)), body, charset=incoming.request.charset)


def reply_to_unreadable(request: Request, status: int, reason: str) -> Response:
    """A refusal of a request whose headers cannot be read: what is there is copied (RFC 3261 section 8.2.6.2)."""
    copied = [(name, value) for name in ("Via", "From", "To", "Call-ID", "CSeq") for value in request.headers.all(name)]
    return Response(status, reason, Headers(copied), charset=request.charset)


def contact(host: str, port: int, transport: str) -> str:
    """Our Contact: the address, and that we are a session recording server (RFC 7866 section 6.1.2)."""
    suffix = "" if transport == "udp" else f";transport={transport}"
    return f"<sip:earshot@{join_host_port(host, port)}{suffix}>;+sip.srs"


def warning(code: int, host: str, text: str) -> tuple[str, str]:
    """A Warning header (RFC 3261 section 20.43) that says why."""
    return ("Warning", f'{code} {host} "{text}"')
