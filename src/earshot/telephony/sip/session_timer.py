"""Session timers (RFC 4028): what is agreed in an INVITE or UPDATE, from the answering side.

Not here: the clock (uas.py). The one rule: the client refreshes unless it insists that we do.
"""

from dataclasses import dataclass

from earshot.telephony.sip.dialog import Refresher
from earshot.telephony.sip.headers import param, parse_seconds, tokens
from earshot.telephony.sip.message import Headers

MIN_SE_S = 90
"""The shortest session interval (RFC 4028 section 4)."""


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What was agreed: 0 seconds for no timer. `too_small` asks for a 422. `fields` go into the 2xx."""

    expires_s: int = 0
    refresher: Refresher = ""
    too_small: bool = False
    fields: tuple[tuple[str, str], ...] = ()


def negotiate(headers: Headers) -> SessionTimer:
    """The session timer for a 2xx to a request with these headers (RFC 4028 section 9).

    A client that does not know timers may still find one put in by a proxy on the way: then we refresh.
    """
    expires_s, params = parse_seconds(headers.first("Session-Expires"))
    if not expires_s:
        return SessionTimer()
    client_knows = "timer" in tokens(headers.all("Supported") + headers.all("Require"))
    if expires_s < MIN_SE_S:
        if client_knows:
            return SessionTimer(too_small=True)
        expires_s = MIN_SE_S
    we_refresh = (param(params, "refresher") or "").lower() == "uas" or not client_knows
    shown = f"{expires_s};refresher={'uas' if we_refresh else 'uac'}"
    fields: tuple[tuple[str, str], ...] = (("Session-Expires", shown),)
    if not we_refresh:
        fields = (("Require", "timer"), *fields)
    return SessionTimer(expires_s, "us" if we_refresh else "them", False, fields)
