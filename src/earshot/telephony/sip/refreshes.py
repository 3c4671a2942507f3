"""Keeping a session alive with RFC 4028: the timers of a dialog, and the refreshes that we have to send.

Not here: what interval was agreed (session_timer.py) and how requests travel (uac.py). The one rule: a session whose
client refreshes ends only when its whole interval has passed without a sign of life.
"""

from typing import TYPE_CHECKING, Final

from earshot.telephony.sdp import BadSdp, Sdp, parse_sdp
from earshot.telephony.sip.dialog import Dialog
from earshot.telephony.sip.dialogs import remote_target_of
from earshot.telephony.sip.events import OfferAnswered, Output, SessionRefreshed
from earshot.telephony.sip.headers import parse_seconds
from earshot.telephony.sip.replies import ALLOW, SUPPORTED
from earshot.telephony.sip.uac import Outcome

if TYPE_CHECKING:
    from earshot.telephony.sip.uas import UserAgentServer

RETRY_S: Final = 10.0
"""After how many seconds a refresh that was refused is tried again."""


def answer_in(sdp: bytes | None) -> Sdp | None:
    """The description in an answer; None when there is none or it cannot be read."""
    try:
        return parse_sdp(sdp) if sdp else None
    except BadSdp:
        return None


class Refreshes:
    """The session timers of all dialogs."""

    def __init__(self, server: "UserAgentServer") -> None:
        self._server = server

    def start(self, dialog: Dialog, now: float) -> None:
        """Begin the session interval anew: its end for both roles, half of it until a refresh of ours."""
        expires_s = dialog.session_expires_s
        schedule = self._server.schedule
        schedule.set(("expiry", dialog.key), now + expires_s if expires_s else None)
        ours = expires_s and dialog.refresher == "us"
        schedule.set(("refresh", dialog.key), now + expires_s / 2 if ours else None)

    def due(self, dialog_key: str, now: float) -> list[Output]:
        """Send a refresh: UPDATE where the client takes it, else a re-INVITE with our last description."""
        server = self._server
        dialog = server.dialogs.get(dialog_key)
        if dialog is None:
            return []
        fields: list[tuple[str, str]] = [
            ("Supported", SUPPORTED),
            ("Session-Expires", f"{dialog.session_expires_s};refresher=uac"),
        ]
        if dialog.peer_allows_update:
            dialog, sends = server.own_requests.send(dialog, "UPDATE", now, fields)
        else:
            fields += [("Allow", ALLOW), ("Content-Type", "application/sdp")]
            dialog, sends = server.own_requests.send(dialog, "INVITE", now, fields, dialog.local_sdp.encode())
        server.dialogs.put(dialog)
        return list(sends)

    def outcome(self, outcome: Outcome, now: float) -> list[Output]:
        """A refresh was answered, or not; how a BYE of ours ends does not matter any more."""
        server = self._server
        dialog = server.dialogs.get(outcome.dialog.key)
        response = outcome.response
        if dialog is None or outcome.method == "BYE":
            return []
        if response is None or response.status in (408, 481):
            return server.send_bye(dialog, now, "timeout")
        if response.status == 422:
            least_s, _ = parse_seconds(response.headers.first("Min-SE"))
            server.dialogs.put(dialog.changed(session_expires_s=max(least_s, dialog.session_expires_s)))
            server.schedule.set(("refresh", dialog.key), now + (0.0 if least_s else RETRY_S))
            return []
        if response.status >= 300:
            server.schedule.set(("refresh", dialog.key), now + RETRY_S)
            return []
        target = remote_target_of(response.headers) or dialog.remote_target
        dialog = server.dialogs.put(dialog.changed(remote_target=target))
        self.start(dialog, now)
        answer = answer_in(response.body)
        answered: list[Output] = [OfferAnswered(dialog.key, answer)] if answer else []
        return [*answered, SessionRefreshed(dialog.key)]
