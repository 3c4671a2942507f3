"""The session recording client of the simulated phone system (RFC 7866): it places calls at a recorder.

What lives here: INVITE, hold and resume by re-INVITE, BYE, CANCEL, OPTIONS, and answers to what the recorder asks in
mid-call. What does not: the sound (`earshot.simulate.sender`). The one rule: every call that was answered is
acknowledged and ended, also when its answer cannot be used.
"""

import asyncio
import contextlib
import ipaddress
import random
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.simulate.codecs import CODECS, Codec
from earshot.simulate.dialog import ALLOW, NO_BODY, Dialog, request, response
from earshot.simulate.message import Message, host_and_port
from earshot.simulate.offer import PLAIN, Session, Stream, answered, body_of, sdp
from earshot.simulate.transaction import NoAnswer, Timers, Transactions, cancel_of
from earshot.simulate.transport import Transport
from earshot.tasks import Spawner

SDP = "application/sdp"
ACTIVE = "sendonly"
HELD = "inactive"
DIALOG_IS_GONE = (408, 481)
REMEMBERED_ANSWERS = 4_096
ABANDON_S = 3.0


class Refused(Exception):
    """The recorder did not take the call: `status`, `reason`, and its Warning and Retry-After if it sent them."""

    def __init__(self, answer: Message) -> None:
        super().__init__(f"{answer.status} {answer.reason}")
        self.status = answer.status
        self.reason = answer.reason
        self.warning = answer.first("warning")
        self.retry_after = answer.first("retry-after")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a leg's packets go, and in which codec."""

    host: str
    port: int
    codec: Codec


class RecordedCall:
    """An answered call. `ended` is set when either side has ended it."""

    def __init__(self, dialog: Dialog, session: Session, ports: Sequence[int], number: int) -> None:
        self.dialog = dialog
        self.session = session
        self.ports = tuple(ports)
        self.number = number
        self.version = 1
        self.direction = ACTIVE
        self.streams: tuple[Stream, ...] = ()
        self.ended = asyncio.Event()
        self.ended_by_peer = False

    @property
    def targets(self) -> tuple[Target | None, ...]:
        """For each offered stream where to send it, None if it was refused."""
        return tuple(self._target(stream) for stream in self.streams[: self.session.streams])

    def _target(self, stream: Stream) -> Target | None:
        offered = {CODECS[name].payload_type: CODECS[name] for name in self.session.codecs}
        codec = next((offered[number] for number in stream.payload_types if number in offered), None)
        if not stream.port or codec is None or not _is_ipv4(stream.host):
            return None
        return Target(stream.host, stream.port, codec)

    def offer(self) -> bytes:
        """The SDP of our side as it is now."""
        local = self.dialog.local
        return sdp(
            self.session, local.host, self.ports, number=self.number, version=self.version, direction=self.direction
        )


class RecordingClient:
    """Places calls at the recorder `peer` over `transport`."""

    def __init__(
        self,
        transport: Transport,
        peer: tuple[str, int],
        clock: Clock,
        spawner: Spawner,
        rng: random.Random,
        timers: Timers | None = None,
    ) -> None:
        self._transport = transport
        self._peer = peer
        self._clock = clock
        self._spawner = spawner
        self._rng = rng
        self._calls: dict[str, RecordedCall] = {}
        self._abandoned: set[asyncio.Task[None]] = set()
        self._answers: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._transactions = Transactions(transport, spawner, rng, timers or Timers(), self._asked)

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """The calls that are up."""
        return tuple(self._calls.values())

    @property
    def retransmitted(self) -> int:
        """How many requests were sent again for want of an answer."""
        return self._transactions.retransmitted

    @property
    def proceeding(self) -> int:
        """How many INVITEs had a provisional answer and wait for the final one."""
        return self._transactions.proceeding_count

    async def open(self) -> None:
        """Bind or connect. Raises OSError."""
        await self._transport.open(self._transactions.received)

    async def close(self) -> None:
        """Close the transport. Calls that are up are not ended: see `end_all`."""
        await self._transport.close()

    async def options(self) -> Message:
        """Ask whether the recorder is there. Raises NoAnswer."""
        branch, (identity, _) = self._transactions.branch(), self._identity("OPTIONS", self._rng.getrandbits(16) + 1)
        extra = [("Contact", self._transport.local.contact), ("Accept", SDP), ("Allow", ALLOW)]
        wire = request(self._transport.local, "OPTIONS", self._uri, branch, [*identity, *extra], NO_BODY)
        return await self._transactions.ask(wire, self._peer, branch, "OPTIONS")

    async def invite(self, session: Session, ports: Sequence[int]) -> RecordedCall:
        """Place a call whose streams come from `ports`. Raises Refused or NoAnswer.

        Cancelling this coroutine cancels the call: CANCEL if it is proceeding (RFC 3261 section 9.1), and BYE if the
        recorder answers all the same.
        """
        sent = _Sent(self._transactions.branch())
        placing = self._spawner.spawn("simulate-invite", _outcome(self._invite(session, ports, sent)))
        try:
            outcome = await asyncio.shield(placing)
        except asyncio.CancelledError:
            abandoning = self._spawner.spawn("simulate-abandon", self._abandon(placing, sent))
            self._abandoned.add(abandoning)
            abandoning.add_done_callback(self._abandoned.discard)
            raise
        if isinstance(outcome, RecordedCall):
            return outcome
        raise outcome

    async def hold(self, call: RecordedCall) -> None:
        """Re-INVITE with `a=inactive`. Raises Refused or NoAnswer."""
        await self._reinvite(call, HELD)

    async def resume(self, call: RecordedCall) -> None:
        """Re-INVITE with `a=sendonly`. Raises Refused or NoAnswer."""
        await self._reinvite(call, ACTIVE)

    async def bye(self, call: RecordedCall) -> None:
        """End the call; nothing happens if it is over. Raises NoAnswer."""
        if self._calls.pop(call.dialog.call_id, None) is None:
            return
        call.ended.set()
        branch = self._transactions.branch()
        wire = call.dialog.request("BYE", branch)
        await self._transactions.ask(wire, call.dialog.next_hop, branch, "BYE")

    async def end_all(self) -> int:
        """BYE to every call that is up, and the end of cancelled ones; returns how many BYEs got no answer."""
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=ABANDON_S)
        results = await asyncio.gather(*(self.bye(call) for call in self.calls), return_exceptions=True)
        return sum(isinstance(result, NoAnswer) for result in results)

    @property
    def _uri(self) -> str:
        parameter = ";transport=tcp" if self._transport.reliable else ""
        return f"sip:recorder@{self._peer[0]}:{self._peer[1]}{parameter}"

    def _identity(self, method: str, cseq: int) -> tuple[list[tuple[str, str]], str]:
        local = self._transport.local
        call_id = f"{self._rng.getrandbits(96):024x}@{local.host}"
        headers = [
            ("From", f"<sip:src@{local.host}>;tag={self._rng.getrandbits(48):012x}"),
            ("To", f"<sip:recorder@{self._peer[0]}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        return headers, call_id

    async def _invite(self, session: Session, ports: Sequence[int], sent: "_Sent") -> RecordedCall:
        local, branch, cseq = self._transport.local, sent.branch, self._rng.getrandbits(16) + 1
        identity, call_id = self._identity("INVITE", cseq)
        number = self._rng.getrandbits(31)
        description = sdp(session, local.host, ports, number=number, version=1, direction=ACTIVE)
        body = body_of(session, description, call_id, self._clock.now())
        headers = [*identity, *_invite_headers(session, local.contact)]
        sent.wire = request(local, "INVITE", self._uri, branch, headers, body)
        answer = await self._transactions.ask(sent.wire, self._peer, branch, "INVITE")
        if answer.status >= 300:
            raise Refused(answer)
        dialog = Dialog.confirmed(local, identity[0][1], call_id, cseq, answer, self._uri)
        call = RecordedCall(dialog, session, ports, number)
        self._calls[call_id] = call
        await self._acknowledge(call, cseq, branch)
        return await self._understood(call, answer)

    async def _understood(self, call: RecordedCall, answer: Message) -> RecordedCall:
        try:
            call.streams = answered(answer.body)
            usable = any(call.targets)
        except BadInput:
            usable = False
        if usable:
            return call
        self._spawner.spawn("simulate-bye", self._quietly(call))
        raise Refused(Message((("warning", "the answer accepts no stream"),), status=488, reason="Not Acceptable Here"))

    async def _quietly(self, call: RecordedCall) -> None:
        try:
            await self.bye(call)
        except NoAnswer:
            call.ended.set()

    async def _abandon(self, placing: "asyncio.Task[RecordedCall | Refused | NoAnswer]", sent: "_Sent") -> None:
        if self._transactions.proceeding(sent.branch):
            with contextlib.suppress(NoAnswer):
                await self._transactions.ask(cancel_of(sent.wire), self._peer, sent.branch, "CANCEL")
        outcome = await placing
        if isinstance(outcome, RecordedCall):
            await self._quietly(outcome)

    async def _reinvite(self, call: RecordedCall, direction: str) -> None:
        call.version += 1
        call.direction = direction
        branch = self._transactions.branch()
        wire = call.dialog.request("INVITE", branch, body=(SDP, call.offer()))
        cseq = call.dialog.cseq
        answer = await self._transactions.ask(wire, call.dialog.next_hop, branch, "INVITE")
        if answer.status in DIALOG_IS_GONE:
            self._calls.pop(call.dialog.call_id, None)
            call.ended_by_peer = True
            call.ended.set()
        if answer.status >= 300:
            raise Refused(answer)
        call.dialog.refreshed(answer)
        await self._acknowledge(call, cseq, branch)
        with contextlib.suppress(BadInput):
            call.streams = answered(answer.body)

    async def _acknowledge(self, call: RecordedCall, cseq: int, invite_branch: str) -> None:
        ack = call.dialog.request("ACK", self._transactions.branch(), cseq=cseq)
        await self._transactions.acknowledge(invite_branch, ack, call.dialog.next_hop)

    def _asked(self, message: Message, source: tuple[str, int]) -> None:
        key = (message.branch, message.method)
        answer = self._answers.get(key) or self._answer(message)
        if answer is not None:
            self._answers[key] = answer
            while len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
            self._spawner.spawn(
                "simulate-sip-answer", self._transactions.tell(answer, _return_address(message, source))
            )

    def _answer(self, message: Message) -> bytes | None:
        local = self._transport.local
        if message.method in ("ACK", "CANCEL"):
            return None if message.method == "ACK" else response(local, message, 481, "Call/Transaction Does Not Exist")
        if message.method == "OPTIONS":
            return response(local, message, 200, "OK")
        call = self._calls.get(message.first("call-id"))
        if call is None or not call.dialog.knows(message):
            return response(local, message, 481, "Call/Transaction Does Not Exist")
        if message.method == "BYE":
            del self._calls[call.dialog.call_id]
            call.ended_by_peer = True
            call.ended.set()
            return response(local, message, 200, "OK")
        if message.method in ("INVITE", "UPDATE"):
            call.dialog.refreshed(message)
            wants_sdp = message.method == "INVITE" or bool(message.body)
            return response(local, message, 200, "OK", call.offer() if wants_sdp else b"")
        return response(local, message, 405, "Method Not Allowed")


@dataclass(slots=True)
class _Sent:
    """An INVITE on its way: what a CANCEL needs to know of it."""

    branch: str
    wire: bytes = b""


async def _outcome(placing: Coroutine[Any, Any, RecordedCall]) -> "RecordedCall | Refused | NoAnswer":
    # A refusal is an outcome of the task, not its failure.
    try:
        return await placing
    except (Refused, NoAnswer) as failure:
        return failure


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _return_address(asked: Message, source: tuple[str, int]) -> tuple[str, int]:
    """Where the answer to a request goes (RFC 3261 section 18.2.2, RFC 3581)."""
    via = asked.first("via")
    if "rport" in via.lower():
        return source
    try:
        _, port = host_and_port(f"sip:{via.partition(';')[0].rpartition(' ')[2]}")
    except BadInput:
        return source
    return source[0], port


def _invite_headers(session: Session, contact: str) -> list[tuple[str, str]]:
    headers = [("Contact", contact), ("Allow", ALLOW), ("Accept", f"{SDP}, application/rs-metadata-request")]
    if session.shape != PLAIN:
        return [*headers, ("Require", "siprec")]
    participants = [f'<{session.aor(party)}>;media-index="{n}"' for n, party in enumerate(session.parties)]
    return [*headers, *(("X-Cisco-Recording-Participant", participant) for participant in participants)]
