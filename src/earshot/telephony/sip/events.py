"""What the user agent server gives out: bytes to send, and what happened, for the application.

The one rule: these are plain facts; what the application may do about each is a method of `UserAgentServer`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from earshot.telephony.sdp import Sdp
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.message import Request

OfferKind = Literal["new", "reinvite", "update"]
EndReason = Literal["bye", "cancelled", "timeout", "session_expired", "ended_by_us"]


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for a peer. `may_connect` says that a new connection may be opened when the old one is gone."""

    data: bytes
    peer: Peer
    may_connect: bool = False


@dataclass(frozen=True, slots=True)
class SessionOffered:
    """An INVITE or UPDATE waits for `accept` or `refuse`. Without `offer` our SDP is to be an offer (build_offer).

    `metadata` holds the recording metadata parts as they came; `leniencies` what in the request broke its standard.
    """

    dialog_key: str
    kind: OfferKind
    offer: Sdp | None
    metadata: tuple[bytes, ...]
    request: Request
    peer: Peer
    leniencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """An INVITE for a new session was refused with `status` before it could be offered: a call that is not recorded.

    `dialog_key` names no dialog. Not for what a client is expected to put right and send again: 422, 482.
    """

    dialog_key: str
    status: int
    request: Request


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The answer to an offer of ours, from an ACK or from the answer to a refresh; None when it was missing."""

    dialog_key: str
    answer: Sdp | None


@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """A re-INVITE was cancelled before it was answered: the session goes on as it was."""

    dialog_key: str


@dataclass(frozen=True, slots=True)
class SessionConfirmed:
    """The ACK of the first INVITE came."""

    dialog_key: str


@dataclass(frozen=True, slots=True)
class AckMissing:
    """No ACK came within 64*T1 (RFC 3261 section 13.3.1.4). The dialog is kept: the application decides."""

    dialog_key: str


@dataclass(frozen=True, slots=True)
class SessionRefreshed:
    """The session was refreshed without any change; the dialog's state is worth keeping anew."""

    dialog_key: str


@dataclass(frozen=True, slots=True)
class MetadataArrived:
    """Recording metadata without a change of media (RFC 7866 section 9.1), or inside a refresh."""

    dialog_key: str
    metadata: tuple[bytes, ...]
    request: Request


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The dialog is over and forgotten. Comes exactly once for each accepted session and each cancelled offer.

    `leniencies` counts what of the whole dialog broke its standard.
    """

    dialog_key: str
    reason: EndReason
    leniencies: Mapping[str, int] = field(default_factory=dict)


Event = (
    SessionOffered
    | SessionRefused
    | OfferAnswered
    | OfferWithdrawn
    | SessionConfirmed
    | AckMissing
    | SessionRefreshed
    | MetadataArrived
    | SessionEnded
)
Output = Send | Event
