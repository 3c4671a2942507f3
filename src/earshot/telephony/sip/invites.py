"""Offers: INVITE and UPDATE from arrival to answer (RFC 3261 sections 13.3 and 14.2, RFC 3311, RFC 3264).

Not here: dispatch, ACK, BYE (uas.py). The one rule: what changes nothing is answered at once from what the dialog
remembers; everything else is one SessionOffered, answered by `accept` or `refuse`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from earshot.telephony.sdp import BadSdp, Sdp, offered_again, parse_sdp, summary
from earshot.telephony.sip.dialog import Dialog
from earshot.telephony.sip.dialogs import open_dialog, remote_target_of
from earshot.telephony.sip.events import MetadataArrived, OfferKind, Output, SessionOffered, SessionRefreshed
from earshot.telephony.sip.headers import BadHeader, parse_uri
from earshot.telephony.sip.reading import Body, Incoming, read_body
from earshot.telephony.sip.replies import ACCEPT, ALLOW, SUPPORTED, reply, warning
from earshot.telephony.sip.session_timer import MIN_SE_S, SessionTimer, negotiate

if TYPE_CHECKING:
    from earshot.telephony.sip.uas import UserAgentServer

GLARE_RETRY_S = "1"
OVERLOAD_RETRY_S = "5"


class Invites:
    """The offers that wait for the application, one a dialog at most."""

    def __init__(self, server: "UserAgentServer") -> None:
        self._server = server
        self._waiting: dict[str, tuple[Incoming, str]] = {}

    def waiting_for(self, incoming: Incoming) -> str:
        """The key of the dialog in which this INVITE waits for its answer; empty if none."""
        for key, (waiting, _) in self._waiting.items():
            if waiting.key == incoming.key:
                return key
        return ""

    # --- arrival ----------------------------------------------------------------------------------------------------

    def invite(self, incoming: Incoming, now: float) -> list[Output]:
        """A new INVITE, one inside a dialog, or one that came twice by different ways."""
        server = self._server
        if incoming.to.tag:
            dialog = server.within(incoming)
            return self._inside(dialog, incoming, now) if dialog else server.answer(incoming, 481, now)
        known = server.dialogs.same_call(incoming.call_id, incoming.sender.tag)
        if known is None:
            return self._new(incoming, now)
        if incoming.cseq.number > known.invite_cseq and known.established:
            dialog = server.within(incoming)
            return self._inside(dialog, incoming, now) if dialog else server.answer(incoming, 481, now)
        if incoming.via.branch == known.invite_branch and known.established:
            return self._send_answer(known, incoming, known.local_sdp, SessionTimer(), now)
        return server.answer(incoming, 482, now)

    def _new(self, incoming: Incoming, now: float) -> list[Output]:
        server = self._server
        if server.overloaded:
            return server.turn_away(incoming, 503, now, (("Retry-After", OVERLOAD_RETRY_S),), "Overloaded")
        if parse_uri(incoming.request.uri).scheme not in ("sip", "sips", "tel"):
            return server.turn_away(incoming, 416, now)
        if server.out_of_service:
            server.leniencies.update(incoming.noted)
            return server.unavailable(incoming, now)
        try:
            dialog = open_dialog(incoming, server.token())
        except BadHeader:
            return server.turn_away(incoming, 400, now, reason="Bad Request (Record-Route)")
        return self._offered(dialog, incoming, "new", incoming.noted, now)

    def _inside(self, dialog: Dialog, incoming: Incoming, now: float) -> list[Output]:
        server = self._server
        if dialog.key in self._waiting:
            return server.answer(incoming, 500, now, (("Retry-After", GLARE_RETRY_S),))
        if incoming.cseq.number < dialog.remote_cseq:
            return server.answer(incoming, 500, now)
        if server.own_requests.invite_pending(dialog.key):
            return server.answer(incoming, 491, now)
        names: tuple[str, ...] = ()
        if server.unacked.acked(dialog.key):
            names = ("reinvite_before_ack",)
        dialog = self._moved_on(dialog, incoming).changed(
            invite_cseq=incoming.cseq.number, invite_branch=incoming.via.branch, awaits_answer=False
        )
        return self._offered(dialog, incoming, "reinvite", names, now)

    def update(self, incoming: Incoming, now: float) -> list[Output]:
        """UPDATE: a session refresh, metadata alone, or an offer."""
        server = self._server
        dialog = server.within(incoming)
        if dialog is None:
            return server.answer(incoming, 481, now)
        if incoming.cseq.number < dialog.remote_cseq:
            return server.answer(incoming, 500, now)
        if dialog.key in self._waiting:
            return server.answer(incoming, 500, now, (("Retry-After", GLARE_RETRY_S),))
        if read_body(incoming.request).sdp is not None and (
            dialog.awaits_answer or server.own_requests.invite_pending(dialog.key)
        ):
            return server.answer(incoming, 491, now)
        return self._offered(self._moved_on(dialog, incoming), incoming, "update", (), now)

    def _moved_on(self, dialog: Dialog, incoming: Incoming) -> Dialog:
        """The dialog with the CSeq and Contact of a request inside it."""
        target = remote_target_of(incoming.request.headers) or dialog.remote_target
        return dialog.changed(remote_cseq=max(incoming.cseq.number, dialog.remote_cseq), remote_target=target)

    def _offered(
        self, dialog: Dialog, incoming: Incoming, kind: OfferKind, names: tuple[str, ...], now: float
    ) -> list[Output]:
        server = self._server
        headers = incoming.request.headers
        if headers.first("Content-Encoding").strip().lower() not in ("", "identity"):
            return server.turn_away(incoming, 415, now, (("Accept-Encoding", "identity"),))
        body = read_body(incoming.request)
        if body.foreign and kind == "new":
            return server.turn_away(incoming, 415, now, (("Accept", ACCEPT),))
        if negotiate(headers).too_small:
            return server.answer(incoming, 422, now, (("Min-SE", str(MIN_SE_S)),))
        try:
            offer = parse_sdp(body.sdp) if body.sdp is not None else None
        except BadSdp:
            host, _ = server.own_address(incoming.peer)
            return server.turn_away(incoming, 488, now, (warning(399, host, "Unreadable session description"),))
        names += body.noted + (("body_of_foreign_type",) if body.foreign else ())
        dialog = server.noted(dialog, names)
        if kind != "new" and (offer is None or offer.raw.strip() == dialog.remote_sdp.strip()):
            return self._refreshed(dialog, incoming, kind, offer, body, now)
        self._waiting[dialog.key] = (incoming, offer.raw if offer else "")
        seen = tuple(dict.fromkeys((*incoming.noted, *names)))
        return [SessionOffered(dialog.key, kind, offer, body.metadata, incoming.request, incoming.peer, seen)]

    def _refreshed(
        self, dialog: Dialog, incoming: Incoming, kind: OfferKind, offer: Sdp | None, body: Body, now: float
    ) -> list[Output]:
        """Nothing new in the media: answered with what we said last, as an offer of ours where none came."""
        sdp = dialog.local_sdp
        if offer is None:
            sdp = "" if kind == "update" else offered_again(sdp, dialog.sdp_version + 1)
        awaits = offer is None and kind != "update"
        dialog = self._server.dialogs.put(dialog.changed(awaits_answer=awaits))
        outputs = self._send_answer(dialog, incoming, sdp, negotiate(incoming.request.headers), now)
        if body.metadata:
            return [*outputs, MetadataArrived(dialog.key, body.metadata, incoming.request)]
        return [*outputs, SessionRefreshed(dialog.key)]

    # --- answers ----------------------------------------------------------------------------------------------------

    def accept(self, dialog_key: str, sdp: str, now: float) -> list[Output]:
        """See `UserAgentServer.accept`."""
        waiting = self._waiting.pop(dialog_key, None)
        dialog = self._server.dialogs.get(dialog_key)
        if waiting is None or dialog is None:
            return []
        incoming, offered = waiting
        offer = {"established": True, "remote_sdp": offered, "awaits_answer": not offered}
        return self._send_answer(dialog, incoming, sdp, negotiate(incoming.request.headers), now, **offer)

    def _send_answer(
        self, dialog: Dialog, incoming: Incoming, sdp: str, timer: SessionTimer, now: float, **changes: Any
    ) -> list[Output]:
        """200 with `sdp` (none when empty), remembered in the dialog with `changes` of it, repeated until its ACK if it
        is for an INVITE."""
        server = self._server
        fields = [server.contact_for(incoming.peer), ("Allow", ALLOW), ("Supported", SUPPORTED)]
        fields += timer.fields
        if sdp:
            fields.append(("Content-Type", "application/sdp"))
            changes |= _described(sdp)
        dialog = dialog.changed(session_expires_s=timer.expires_s, refresher=timer.refresher, **changes)
        server.dialogs.put(dialog)
        server.refreshes.start(dialog, now)
        response = reply(incoming, 200, dialog.local_tag, fields, sdp.encode())
        sends = server.transactions.respond(incoming, response, now)
        if incoming.method == "INVITE" and sends:
            server.unacked.add(dialog.key, sends[0].data, sends[0].peer, now)
        return list(sends)

    def refuse(
        self, dialog_key: str, status: int, now: float, reason: str, fields: Sequence[tuple[str, str]]
    ) -> list[Output]:
        """See `UserAgentServer.refuse`."""
        waiting = self._waiting.pop(dialog_key, None)
        dialog = self._server.dialogs.get(dialog_key)
        if waiting is None or dialog is None:
            return []
        if not dialog.established:
            self._server.forget(dialog_key, "ended_by_us")
        return self._server.answer(waiting[0], status, now, fields, reason, dialog.local_tag)

    def drop(self, dialog_key: str, now: float) -> list[Output]:
        """The session ended or the INVITE was cancelled before its answer: 487."""
        waiting = self._waiting.pop(dialog_key, None)
        dialog = self._server.dialogs.get(dialog_key)
        if waiting is None or dialog is None:
            return []
        return self._server.answer(waiting[0], 487, now, to_tag=dialog.local_tag)


def _described(ours: str) -> dict[str, Any]:
    """What the dialog remembers of a description of ours."""
    version, ports, labels = summary(ours)
    return {"local_sdp": ours, "sdp_version": version, "ports": ports, "labels": labels}
