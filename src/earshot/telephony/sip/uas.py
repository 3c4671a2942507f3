"""The user agent server: requests in, answers and events out (RFC 3261 section 8.2, 3311, 4028, 7866). No I/O.

Not here: sockets, ports, recording policy; the wording of answers (replies.py), offers and answers (invites.py).
The one rule: every request gets its answer, and what a client got wrong is counted, not refused, where it can be
understood. `now` is monotonic seconds throughout.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from earshot.telephony.sip.dialog import Dialog, Peer
from earshot.telephony.sip.dialogs import Dialogs
from earshot.telephony.sip.events import (
    AckMissing,
    EndReason,
    MetadataArrived,
    OfferAnswered,
    OfferWithdrawn,
    Output,
    Send,
    SessionConfirmed,
    SessionEnded,
    SessionRefused,
)
from earshot.telephony.sip.headers import BadHeader, tokens
from earshot.telephony.sip.invites import Invites
from earshot.telephony.sip.message import Message, NotSip, Request, Response, parse
from earshot.telephony.sip.reading import Incoming, read_body, read_request
from earshot.telephony.sip.refreshes import Refreshes, answer_in
from earshot.telephony.sip.replies import (
    ACCEPT,
    ALLOW,
    KNOWN_METHODS,
    SUPPORTED,
    UNDERSTOOD,
    Fields,
    contact,
    reply,
    reply_to_unreadable,
)
from earshot.telephony.sip.schedule import Key, Schedule
from earshot.telephony.sip.server_transactions import ServerTransactions, UnackedAnswers
from earshot.telephony.sip.transaction import Timers
from earshot.telephony.sip.uac import OwnAddress, OwnRequests


def _loopback(_: Peer) -> tuple[str, int]:
    return "127.0.0.1", 5060


class UserAgentServer:
    """A session recording server's side of SIP.

    `token` gives unguessable names for tags and branches. `own_address` says under which host and port a peer reaches
    us; the listener sets it. `leniencies` counts every accepted fault by name, `refused` every final refusal by status,
    `junk` what was no SIP. While `out_of_service` holds a reason, new INVITEs and OPTIONS get a 503.
    """

    def __init__(
        self,
        token: Callable[[], str],
        own_address: OwnAddress = _loopback,
        timers: Timers | None = None,
        trying_after_s: float = 0.2,
    ) -> None:
        timers = timers or Timers()
        self.token = token
        self.own_address = own_address
        self.leniencies: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.junk = 0
        self.out_of_service = ""
        self.retry_after_s = 30
        self.overloaded = False
        self.dialogs = Dialogs()
        self.schedule = Schedule()
        self.transactions = ServerTransactions(self.schedule, timers, trying_after_s)
        self.unacked = UnackedAnswers(self.schedule, timers)
        self.own_requests = OwnRequests(token, lambda peer: self.own_address(peer), timers, self.schedule)
        self.refreshes = Refreshes(self)
        self._invites = Invites(self)
        self._ending: set[str] = set()

    # --- what comes in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes | Message, peer: Peer, now: float) -> list[Output]:
        """Take one message from `peer`. Never raises: what is no SIP is counted in `junk`.

        While `overloaded`, an INVITE that would begin a session gets a 503 before anything in it is looked at.
        """
        try:
            message = parse(data) if isinstance(data, bytes) else data
        except NotSip:
            self.junk += 1
            return []
        if isinstance(message, Response):
            return self._own_response(message, now)
        try:
            incoming = read_request(message, peer)
        except BadHeader as problem:
            return self._unreadable(message, peer, str(problem))
        datagram = data if isinstance(data, bytes) and not peer.reliable else b""
        return self._request(incoming, now, datagram)

    def repeat(self, data: bytes, peer: Peer, now: float) -> list[Output] | None:
        """What a datagram gets that came before and whose transaction still runs; None for any other."""
        begun = self.transactions.same_datagram(data, peer)
        return None if begun is None else list(self.transactions.again(begun, "request", now))

    def refuse_too_large(self, head: bytes, peer: Peer) -> list[Output]:
        """A 513 for a message on a stream that is over the limit; nothing when its head is no request."""
        try:
            message = parse(head)
        except NotSip:
            self.junk += 1
            return []
        if not isinstance(message, Request) or message.method == "ACK":
            return []
        self.refused[513] += 1
        return [Send(bytes(reply_to_unreadable(message, 513, "Message Too Large")), peer)]

    def _unreadable(self, request: Request, peer: Peer, problem: str) -> list[Output]:
        if request.method == "ACK" or not request.headers.first("Via"):
            self.junk += 1
            return []
        self.refused[400] += 1
        reason = "".join(char for char in problem if char.isprintable())[:100]
        return [Send(bytes(reply_to_unreadable(request, 400, f"Bad Request ({reason})")), peer)]

    def _request(self, incoming: Incoming, now: float, datagram: bytes) -> list[Output]:
        begun = self.transactions.find(incoming.key)
        if incoming.method == "ACK":
            acked: list[Output] = []
            if begun is not None and begun.transaction.state == "completed":
                acked += self.transactions.again(begun, "ack", now)
                return acked
            return self._ack(incoming, now)
        if begun is not None:
            return list(self.transactions.again(begun, "request", now))
        self.transactions.begin(incoming, now, datagram)
        if incoming.request.version != "SIP/2.0":
            return self.turn_away(incoming, 505, now)
        handler = self._HANDLERS.get(incoming.method)
        if handler is None:
            status = 405 if incoming.method in KNOWN_METHODS else 501
            return self.answer(incoming, status, now, (("Allow", ALLOW),))
        if incoming.method != "CANCEL":
            required = tokens(incoming.request.headers.all("Require"))
            unknown = [tag for tag in required if tag not in UNDERSTOOD]
            if unknown:
                return self.turn_away(incoming, 420, now, (("Unsupported", ", ".join(unknown)),))
        return handler(self, incoming, now)

    def answer(
        self, incoming: Incoming, status: int, now: float, fields: Fields = (), reason: str = "", to_tag: str = ""
    ) -> list[Output]:
        """Answer without touching any dialog; used for refusals and for requests outside of one."""
        if status >= 300:
            self.refused[status] += 1
        tag = to_tag or incoming.to.tag or self.token()
        return list(self.transactions.respond(incoming, reply(incoming, status, tag, fields, reason=reason), now))

    def turn_away(
        self, incoming: Incoming, status: int, now: float, fields: Fields = (), reason: str = ""
    ) -> list[Output]:
        """Refuse without asking the application, which hears of it where a new session would have begun."""
        outputs = self.answer(incoming, status, now, fields, reason)
        if incoming.method == "INVITE" and not incoming.to.tag:
            outputs.append(SessionRefused(incoming.call_id, status, incoming.request))
        return outputs

    def noted(self, dialog: Dialog, names: tuple[str, ...]) -> Dialog:
        """Count leniencies, in total and for the dialog, and keep the dialog."""
        self.leniencies.update(names)
        return self.dialogs.put(dialog.counted(names))

    def within(self, incoming: Incoming) -> Dialog | None:
        """The dialog of a request inside one, its leniencies counted and its peer brought up to date."""
        dialog, overlooked = self.dialogs.find(incoming)
        names = incoming.noted + overlooked
        if dialog is None:
            self.leniencies.update(names)
            return None
        if incoming.cseq.number < dialog.remote_cseq and incoming.method not in ("ACK", "CANCEL"):
            names = (*names, "cseq_went_back")
        if dialog.peer != incoming.peer:
            dialog = dialog.changed(peer=incoming.peer)
        return self.noted(dialog, names)

    def _invite(self, incoming: Incoming, now: float) -> list[Output]:
        return self._invites.invite(incoming, now)

    def _update(self, incoming: Incoming, now: float) -> list[Output]:
        return self._invites.update(incoming, now)

    def _options(self, incoming: Incoming, now: float) -> list[Output]:
        self.leniencies.update(incoming.noted)
        if self.out_of_service and not incoming.to.tag:
            return self.unavailable(incoming, now)
        fields = (("Allow", ALLOW), ("Accept", ACCEPT), ("Supported", SUPPORTED), self.contact_for(incoming.peer))
        return self.answer(incoming, 200, now, fields)

    def unavailable(self, incoming: Incoming, now: float, to_tag: str = "") -> list[Output]:
        """503 with Retry-After and our reason."""
        fields = (("Retry-After", str(self.retry_after_s)),)
        return self.answer(incoming, 503, now, fields, self.out_of_service, to_tag)

    def contact_for(self, peer: Peer) -> tuple[str, str]:
        """Our Contact header, as this peer reaches us."""
        return ("Contact", contact(*self.own_address(peer), peer.transport))

    def _bye(self, incoming: Incoming, now: float) -> list[Output]:
        dialog = self.within(incoming)
        if dialog is None:
            return self.answer(incoming, 481, now)
        outputs = self.answer(incoming, 200, now, to_tag=dialog.local_tag)
        outputs += self._invites.drop(dialog.key, now)
        return outputs + self.forget(dialog.key, "bye")

    def _cancel(self, incoming: Incoming, now: float) -> list[Output]:
        self.leniencies.update(incoming.noted)
        cancelled = self.transactions.find(incoming.key_for("INVITE"))
        if cancelled is None:
            return self.answer(incoming, 481, now)
        dialog_key = self._invites.waiting_for(cancelled.incoming)
        dialog = self.dialogs.get(dialog_key) if dialog_key else None
        outputs = self.answer(incoming, 200, now, to_tag=dialog.local_tag if dialog else "")
        if dialog is None:
            return outputs
        outputs += self._invites.drop(dialog.key, now)
        if dialog.established:
            return [*outputs, OfferWithdrawn(dialog.key)]
        return outputs + self.forget(dialog.key, "cancelled")

    _HANDLERS: Final[Mapping[str, Callable[["UserAgentServer", Incoming, float], list[Output]]]] = {
        "INVITE": _invite,
        "UPDATE": _update,
        "BYE": _bye,
        "CANCEL": _cancel,
        "OPTIONS": _options,
    }

    def _ack(self, incoming: Incoming, now: float) -> list[Output]:
        dialog = self.within(incoming)
        if dialog is None or not dialog.established:
            return []
        waited = self.unacked.acked(dialog.key)
        if not waited and dialog.confirmed and not dialog.awaits_answer:
            return []
        body = read_body(incoming.request)
        outputs: list[Output] = []
        first = not dialog.confirmed
        names = body.noted
        if dialog.awaits_answer:
            answer = answer_in(body.sdp)
            if answer is None:
                names = (*names, "ack_without_answer")
            if answer is not None or first:
                outputs.append(OfferAnswered(dialog.key, answer))
            dialog = dialog.changed(remote_sdp=answer.raw if answer else dialog.remote_sdp)
        if first:
            outputs.append(SessionConfirmed(dialog.key))
        dialog = self.noted(dialog.changed(confirmed=True, awaits_answer=False), names)
        if body.metadata:
            outputs.append(MetadataArrived(dialog.key, body.metadata, incoming.request))
        if dialog.key in self._ending:
            outputs += self.send_bye(dialog, now, "ended_by_us")
        return outputs

    # --- what the application says ----------------------------------------------------------------------------------

    def accept(self, dialog_key: str, sdp: str, now: float) -> list[Output]:
        """Answer the waiting offer of a dialog with 200 and our SDP. Nothing when it was withdrawn meanwhile."""
        return self._invites.accept(dialog_key, sdp, now)

    def refuse(
        self, dialog_key: str, status: int, now: float, reason: str = "", fields: Sequence[tuple[str, str]] = ()
    ) -> list[Output]:
        """Refuse the waiting offer. A new session is then forgotten (no SessionEnded), a running one goes on."""
        return self._invites.refuse(dialog_key, status, now, reason, fields)

    def end(self, dialog_key: str, now: float) -> list[Output]:
        """End a session with BYE; while our answer still waits for its ACK, as soon as that has come or is given up.

        A session that was not answered yet is refused with 480. SessionEnded follows unless the key is unknown.
        """
        dialog = self.dialogs.get(dialog_key)
        if dialog is None:
            return []
        if not dialog.established:
            return [*self.refuse(dialog_key, 480, now), SessionEnded(dialog_key, "ended_by_us")]
        if dialog_key in self.unacked:
            self._ending.add(dialog_key)
            return []
        return self.send_bye(dialog, now, "ended_by_us")

    def note(self, dialog_key: str, application: Mapping[str, Any]) -> None:
        """Keep the caller's own JSON-able facts with the dialog."""
        dialog = self.dialogs.get(dialog_key)
        if dialog is not None:
            self.dialogs.put(dialog.changed(application=application))

    def dialog(self, dialog_key: str) -> Dialog | None:
        """The dialog as it is now."""
        return self.dialogs.get(dialog_key)

    def restore(self, states: Iterable[Mapping[str, Any]], now: float) -> list[str]:
        """Take up established dialogs from their `Dialog.to_state()`; their session timers begin anew. Their keys."""
        keys = []
        for state in states:
            dialog = Dialog.from_state(state)
            if dialog.established:
                self.dialogs.put(dialog)
                self.refreshes.start(dialog, now)
                keys.append(dialog.key)
        return keys

    # --- time -------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` is next wanted, in the seconds of `now`; None for never."""
        return self.schedule.next_deadline()

    def tick(self, now: float) -> list[Output]:
        """Let everything fire that is due at `now`."""
        outputs: list[Output] = []
        for kind, *rest in self.schedule.due(now):
            outputs += self._FIRES[kind](self, tuple(rest), now)
        return outputs

    def _fire_server(self, key: Key, now: float) -> list[Output]:
        return list(self.transactions.tick(key, now))

    def _fire_trying(self, key: Key, now: float) -> list[Output]:
        return list(self.transactions.trying(key, now))

    def _fire_ack(self, key: Key, now: float) -> list[Output]:
        sends, given_up = self.unacked.tick(key[0], now)
        outputs: list[Output] = list(sends)
        dialog = self.dialogs.get(key[0])
        if given_up and dialog is not None:
            if key[0] in self._ending:
                return outputs + self.send_bye(dialog, now, "ended_by_us")
            self.noted(dialog, ("ack_missing",))
            outputs.append(AckMissing(key[0]))
        return outputs

    def _fire_client(self, key: Key, now: float) -> list[Output]:
        outcome, sends = self.own_requests.tick(key[0], now)
        return [*sends, *(self.refreshes.outcome(outcome, now) if outcome else [])]

    def _fire_refresh(self, key: Key, now: float) -> list[Output]:
        return self.refreshes.due(key[0], now)

    def _fire_expiry(self, key: Key, now: float) -> list[Output]:
        dialog = self.dialogs.get(key[0])
        return self.send_bye(dialog, now, "session_expired") if dialog else []

    _FIRES: Final[Mapping[str, Callable[["UserAgentServer", Key, float], list[Output]]]] = {
        "server": _fire_server,
        "trying": _fire_trying,
        "ack": _fire_ack,
        "client": _fire_client,
        "refresh": _fire_refresh,
        "expiry": _fire_expiry,
    }

    # --- inside -----------------------------------------------------------------------------------------------------

    def send_bye(self, dialog: Dialog, now: float, reason: EndReason) -> list[Output]:
        """End the session from our side."""
        outputs = self._invites.drop(dialog.key, now)
        _, sends = self.own_requests.send(dialog, "BYE", now)
        return [*outputs, *sends, *self.forget(dialog.key, reason)]

    def forget(self, dialog_key: str, reason: EndReason) -> list[Output]:
        """The dialog is over: its timers stop, the application hears of it."""
        for kind in ("expiry", "refresh"):
            self.schedule.set((kind, dialog_key), None)
        self.unacked.acked(dialog_key)
        self._ending.discard(dialog_key)
        dialog = self.dialogs.get(dialog_key)
        if dialog is None:
            return []
        self.dialogs.remove(dialog_key)
        return [SessionEnded(dialog_key, reason, dialog.leniencies)]

    def _own_response(self, response: Response, now: float) -> list[Output]:
        outcome, sends = self.own_requests.response(response, now)
        return [*sends, *(self.refreshes.outcome(outcome, now) if outcome else [])]
