"""The session recording server's application (RFC 7866): SIP events in; ports, answers and engine inputs out.

Here SIP, SDP, metadata and ports meet, each from its own room: this module only says what follows from what. A session
that can be accepted is accepted; whatever is odd about it is counted and kept with the call.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from earshot.core.recorder import OUT_OF_DISK_SPACE, Recorder
from earshot.core.session_facts import is_remapped, link_of, participants_of, side_of, texts_of
from earshot.core.sound import NoFreePort
from earshot.engine.directory import Directory, device_of_signalling
from earshot.engine.inputs import CodecFacts, LegFacts, SessionChanged, SessionClosed, SessionOpened
from earshot.telephony.identify import EXTENSION, Identity, identify, number_of
from earshot.telephony.recording_session import RecordingSession, described, telling_headers
from earshot.telephony.sdp import OFFERED, Codec, build_answer, build_offer, parse_sdp
from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.events import (
    AckMissing,
    Event,
    MetadataArrived,
    OfferAnswered,
    OfferWithdrawn,
    Output,
    SessionConfirmed,
    SessionEnded,
    SessionOffered,
    SessionRefreshed,
    SessionRefused,
)
from earshot.telephony.sip.message import Headers, Request
from earshot.telephony.sip.reading import read_body
from earshot.telephony.sip.uas import UserAgentServer

log = structlog.get_logger(__name__)

NOTE = "dialog "
CALL_ID_KINDS = ("vendor_call_id", "ext_tracking_id", "guid", "ucid", "refci", "sip_session_id", "sip_call_id")
"""Which identifier becomes CALLID, the PBX's own before those of SIP."""
RETRY_AFTER_S = 5


@dataclass(slots=True)
class _Live:
    """One dialog's session: what was described, and per media line the leg and its port. `headers` are those of the
    first INVITE that say something of the call."""

    session: RecordingSession
    headers: tuple[tuple[str, str], ...] = ()
    legs: dict[int, tuple[int, int]] = field(default_factory=dict)
    codecs: dict[int, dict[int, Codec]] = field(default_factory=dict)
    device: str = ""


class Signalling:
    """`directory` gives the current directory, `advertise` the address for SDP towards a peer, `deliver` sends what the
    user agent server wants sent (the SIP listener's)."""

    def __init__(
        self,
        recorder: Recorder,
        uas: UserAgentServer,
        *,
        now: Callable[[], float],
        directory: Callable[[], Directory],
        advertise: Callable[[Peer], str],
        pattern: re.Pattern[str] = EXTENSION,
    ) -> None:
        self._recorder = recorder
        self._uas = uas
        self._now = now
        self._directory = directory
        self._advertise = advertise
        self._pattern = pattern
        self._live: dict[str, _Live] = {}
        self._ending: dict[str, str] = {}
        self.deliver: Callable[[Iterable[Output]], None] = lambda _: None
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            SessionOffered: self._offered,
            SessionRefused: self._turned_away,
            OfferAnswered: self._answered,
            OfferWithdrawn: self._keep_dialog,
            SessionConfirmed: self._confirmed,
            SessionRefreshed: self._keep_dialog,
            AckMissing: self._keep_dialog,
            MetadataArrived: self._metadata,
            SessionEnded: self._ended,
        }

    def on_event(self, event: Event) -> None:
        """Take what the user agent server reports."""
        self._handlers[type(event)](event)

    def end_session(self, key: str, why: str) -> None:
        """End a session of our own accord, with BYE; `why` becomes the call's reason."""
        self._ending[key] = why
        outputs = self._uas.end(key, self._now())
        if not outputs and self._uas.dialog(key) is None:
            self._close(key, why, {})
        self.deliver(outputs)

    # --- offers -----------------------------------------------------------------------------------------------------

    def _offered(self, offered: SessionOffered) -> None:
        if offered.kind == "new":
            self._open(offered)
        else:
            self._change(offered)

    def _open(self, offered: SessionOffered) -> None:
        session = described(None, offered.offer, offered.metadata, offered.request)
        identity = self._identify(session)
        signalled, device = self._signalled(session, identity)
        refusal = self._refusal(session, device, signalled)
        if refusal:
            self._refuse(offered, device, signalled, refusal, 503)
            return
        lines = range(1) if offered.offer is None else offered.offer.usable_lines
        live = _Live(session, telling_headers(offered.request), device=device)
        try:
            for index in lines:
                self._open_leg(live, index)
        except NoFreePort:
            self._drop_legs(live.legs.values())
            self._refuse(offered, device, signalled, "no_free_port", 503)
            return
        answer = self._answer(offered, live)
        if answer is None:
            self._drop_legs(live.legs.values())
            self._refuse(offered, device, signalled, "not_acceptable", 488)
            return
        key = offered.dialog_key
        self._live[key] = live
        self._recorder.apply(
            SessionOpened(
                session=key,
                device_id=device,
                signalled=signalled,
                link=link_of(session),
                legs=self._leg_facts(live, identity),
                participants=participants_of(session, identity),
                metadata=texts_of(session.raw_metadata),
                leniencies=self._leniencies(key, session),
            )
        )
        self.deliver(self._uas.accept(key, answer, self._now()))
        self._note(key)

    def _refusal(self, session: RecordingSession, device: str, signalled: dict[str, Any]) -> str:
        """Why no new session may begin now; empty if it may."""
        if self._recorder.draining:
            return "draining"
        if self._recorder.refusal == OUT_OF_DISK_SPACE:
            return "out_of_disk_space"
        link = link_of(session)
        linked = link and any(c.link == link and c.phase == "open" for c in self._recorder.state.calls.values())
        return "" if linked or self._recorder.finds_channel(device, signalled) else "no_free_channel"

    def _refuse(self, offered: SessionOffered, device: str, signalled: dict[str, Any], why: str, status: int) -> None:
        if status == 503:
            fields: tuple[tuple[str, str], ...] = (("Retry-After", str(RETRY_AFTER_S)),)
        else:
            host = self._advertise(offered.peer)
            fields = (("Warning", f'305 {host} "No audio over RTP with a codec that can be recorded"'),)
        self._recorder.refuse_call(device, signalled, why)
        self.deliver(self._uas.refuse(offered.dialog_key, status, self._now(), fields=fields))

    def _turned_away(self, refused: SessionRefused) -> None:
        """Refused by SIP itself before any offer was looked at: a call that was signalled and is not recorded."""
        session = described(None, None, read_body(refused.request).metadata, refused.request)
        signalled, device = self._signalled(session, self._identify(session))
        why = "not_acceptable"
        if refused.status == 503:
            why = "draining" if self._recorder.draining else "overloaded"
        self._recorder.refuse_call(device, signalled, why)

    def _answer(self, offered: SessionOffered, live: _Live) -> str | None:
        """Our description, under the address by which the peer reaches us; None when nothing can be recorded."""
        dialog = self._uas.dialog(offered.dialog_key)
        host = self._advertise(offered.peer)
        version = dialog.sdp_version + 1 if dialog is not None else 1
        ports = {index: port for index, (_, port) in live.legs.items()}
        if offered.offer is None:
            return build_offer(list(ports.values()), host, version)
        return build_answer(offered.offer, ports, host, version)

    def _change(self, offered: SessionOffered) -> None:
        """A re-INVITE or UPDATE with a new description: streams come, go, hold, resume or change their codecs."""
        live = self._live.get(offered.dialog_key)
        offer = offered.offer
        if live is None or offer is None:
            self.deliver(self._uas.refuse(offered.dialog_key, 488, self._now()))
            return
        gone = [live.legs.pop(index) for index in list(live.legs) if index not in offer.usable_lines]
        try:
            for index in offer.usable_lines:
                if index not in live.legs:
                    self._open_leg(live, index)
                elif is_remapped(live.codecs.get(index, {}), offer, index):
                    self._replace_leg(live, index)
        except NoFreePort:
            log.error("no_free_port_for_added_stream", dialog=offered.dialog_key)
        live.session = described(live.session, offer, offered.metadata, offered.request)
        self._changed(offered.dialog_key, live, texts_of(offered.metadata))
        self._drop_legs(gone)
        answer = self._answer(offered, live)
        if answer is None:
            refusal = self._uas.refuse(offered.dialog_key, 488, self._now())
            self.deliver(refusal)
        else:
            self.deliver(self._uas.accept(offered.dialog_key, answer, self._now()))
        self._note(offered.dialog_key)

    def _answered(self, answered: OfferAnswered) -> None:
        live = self._live.get(answered.dialog_key)
        if live is not None and answered.answer is not None:
            live.session = described(live.session, answered.answer, (), None)
            self._changed(answered.dialog_key, live, ())
        self._keep_dialog(answered)

    def _metadata(self, arrived: MetadataArrived) -> None:
        live = self._live.get(arrived.dialog_key)
        if live is not None:
            live.session = described(live.session, None, arrived.metadata, arrived.request)
            self._changed(arrived.dialog_key, live, texts_of(arrived.metadata))
        self._keep_dialog(arrived)

    def _changed(self, key: str, live: _Live, metadata: tuple[str, ...]) -> None:
        identity = self._identify(live.session)
        signalled, _ = self._signalled(live.session, identity)
        self._recorder.apply(
            SessionChanged(
                session=key,
                legs=self._leg_facts(live, identity),
                signalled={name: value for name, value in signalled.items() if value},
                participants=participants_of(live.session, identity),
                metadata=metadata,
                leniencies=self._leniencies(key, live.session),
            )
        )

    # --- ends -------------------------------------------------------------------------------------------------------

    def _ended(self, ended: SessionEnded) -> None:
        self._close(ended.dialog_key, self._ending.pop(ended.dialog_key, ended.reason), dict(ended.leniencies))

    def _close(self, key: str, why: str, leniencies: dict[str, int]) -> None:
        live = self._live.pop(key, None)
        legs = [facts.leg for facts in session.legs] if (session := self._recorder.state.sessions.get(key)) else []
        named = dict.fromkeys(live.session.leniencies, 1) if live else {}
        self._recorder.apply(SessionClosed(session=key, why=why, leniencies={**named, **leniencies}))
        for leg in legs:
            self._recorder.sound.close_leg(leg)
        self._recorder.release_unneeded(legs)
        self._recorder.note(NOTE + key, None)

    # --- after a restart --------------------------------------------------------------------------------------------

    def take_up(self, notes: Mapping[str, dict[str, Any]]) -> set[str]:
        """Go on with the dialogs of the process before: bind their ports again, answer in their dialogs.

        Returns the sessions that run again; those that cannot are closed as not_resumed.
        """
        states = {name.removeprefix(NOTE): body for name, body in notes.items() if name.startswith(NOTE)}
        self._uas.restore(states.values(), self._now())
        running = set()
        for key, session in list(self._recorder.state.sessions.items()):
            dialog = self._uas.dialog(key)
            if dialog is None:
                self._close(key, "not_resumed", {})
                continue
            live = self._restored(dialog.application, dialog.remote_sdp, session.device_id)
            self._live[key] = live
            call = self._recorder.state.calls.get(session.call or "")
            for facts in session.legs:
                try:
                    self._recorder.sound.open_leg(facts.leg, facts.port)
                except NoFreePort as taken:
                    log.error("port_not_resumed", dialog=key, port=facts.port, why=str(taken))
                    continue
                self._recorder.resume_leg(facts.leg, call is not None and call.wanted)
            running.add(key)
        for key in states.keys() - running:
            self._recorder.note(NOTE + key, None)
        return running

    def _restored(self, application: Mapping[str, Any], remote_sdp: str, device: str) -> _Live:
        metadata = [text.encode("latin-1") for text in application.get("metadata", [])]
        media = parse_sdp(remote_sdp) if remote_sdp else None
        headers = tuple((name, value) for name, value in application.get("headers", []))
        first = Request("INVITE", "", Headers(headers))
        live = _Live(described(None, media, metadata, first), headers, device=device)
        live.legs = {int(index): (leg, port) for index, (leg, port) in application.get("legs", {}).items()}
        live.codecs = {stream.m_index: dict(stream.codecs) for stream in live.session.streams}
        return live

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _identify(self, session: RecordingSession) -> Identity:
        directory, state = self._directory(), self._recorder.state

        def is_known(number: str) -> bool:
            device = state.devices.get(number)
            told_by_api = device is not None and device.known_by_api
            return told_by_api or number in state.device_of_alias or directory.knows(number)

        return identify(session.participants, session.facts, is_known, self._pattern)

    def _signalled(self, session: RecordingSession, identity: Identity) -> tuple[dict[str, Any], str]:
        """(call variables as the signalling gives them, device)."""
        device, alias = device_of_signalling(self._directory(), self._recorder.state, identity.device or "unknown")
        identifiers = session.facts.identifiers
        call_id = next((identifiers[kind] for kind in CALL_ID_KINDS if identifiers.get(kind)), "")
        signalled = {"ani": identity.ani, "dnis": identity.dnis, "direction": identity.direction, "call_id": call_id}
        if alias:
            signalled["device_alias"] = alias
        return signalled, device

    def _open_leg(self, live: _Live, index: int) -> None:
        leg = self._recorder.next_leg()
        live.legs[index] = (leg, self._recorder.sound.open_leg(leg))
        live.codecs.pop(index, None)

    def _replace_leg(self, live: _Live, index: int) -> None:
        """The same port as a new leg, because payload types mean something else from now on."""
        old, port = live.legs[index]
        leg = self._recorder.next_leg()
        self._recorder.sound.move_leg(old, leg)
        live.legs[index] = (leg, port)
        live.codecs.pop(index, None)

    def _leg_facts(self, live: _Live, identity: Identity) -> tuple[LegFacts, ...]:
        streams = {stream.m_index: stream for stream in live.session.streams}
        facts = []
        for place, (index, (leg, port)) in enumerate(sorted(live.legs.items())):
            stream = streams.get(index)
            known = live.codecs.setdefault(index, {})
            known.update(stream.codecs if stream else {codec.payload_type: codec for codec in OFFERED})
            speaker = stream.participant if stream else None
            facts.append(
                LegFacts(
                    leg=leg,
                    port=port,
                    label=stream.label if stream else "",
                    side=side_of(live.session, identity, stream, place),
                    participant=number_of(speaker.aor) if speaker else "",
                    codecs={
                        kind: CodecFacts(name=one.name, clock_hz=one.clock_hz, channels=one.channels, fmtp=one.fmtp)
                        for kind, one in known.items()
                    },
                    held=stream.held if stream else False,
                )
            )
        return tuple(facts)

    def _drop_legs(self, legs: Iterable[tuple[int, int]]) -> None:
        numbers = [leg for leg, _ in legs]
        for leg in numbers:
            self._recorder.sound.close_leg(leg)
        self._recorder.release_unneeded(numbers)

    def _leniencies(self, key: str, session: RecordingSession) -> dict[str, int]:
        dialog = self._uas.dialog(key)
        return {**dict.fromkeys(session.leniencies, 1), **(dict(dialog.leniencies) if dialog else {})}

    def _confirmed(self, _: SessionConfirmed) -> None:
        """Nothing that a restart needs: a dialog in which the ACK is still to come is taken up all the same."""

    def _keep_dialog(self, event: Event) -> None:
        self._note(event.dialog_key)

    def _note(self, key: str) -> None:
        """Write the dialog into the journal, so that a restart answers in it as if nothing had happened."""
        live = self._live.get(key)
        if live is None:
            return
        metadata = [document.decode("latin-1") for document in live.session.raw_metadata]
        legs = {str(index): [leg, port] for index, (leg, port) in live.legs.items()}
        self._uas.note(key, {"legs": legs, "metadata": metadata, "headers": live.headers})
        dialog = self._uas.dialog(key)
        if dialog is not None and dialog.established:
            self._recorder.note(NOTE + key, dialog.to_state())
