"""Simulated phones: a recording session and the RTP that belongs to it, as one thing.

What lives here: ring (INVITE, then sound), hold, resume, hang up. What does not: when that happens
(`earshot.simulate.command`). The one rule: sound is sent only while the recorder wants it.
"""

import random
from collections import Counter
from dataclasses import dataclass

from earshot.simulate.client import RecordedCall, RecordingClient, Refused
from earshot.simulate.codecs import frames
from earshot.simulate.impairment import PERFECT, Impairment
from earshot.simulate.offer import MIXED, PLAIN, SPLIT, Session
from earshot.simulate.rtp import LegSpec
from earshot.simulate.sender import Leg, Seat, Sender
from earshot.simulate.speech import AGENT, CUSTOMER
from earshot.simulate.speech import MIXED as BOTH
from earshot.simulate.transaction import NoAnswer

TRACKS = {SPLIT: (AGENT, CUSTOMER), PLAIN: (AGENT, CUSTOMER), MIXED: (BOTH,)}
NO_ANSWER = "no answer"


@dataclass(slots=True)
class LiveCall:
    """A call with sound: `legs` by the number of their stream."""

    call: RecordedCall
    seat: Seat
    legs: dict[int, Leg]


class Phones:
    """Rings, talks and hangs up, and counts. `refusals` counts by SIP status, and calls that nobody answered."""

    def __init__(self, client: RecordingClient, sender: Sender, rng: random.Random) -> None:
        self._client = client
        self._sender = sender
        self._rng = rng
        self.placed = 0
        self.answered = 0
        self.ended_by_peer = 0
        self.lost_on_purpose = 0
        self.refusals: Counter[str] = Counter()

    async def ring(
        self, session: Session, conversation: str, impairments: tuple[Impairment, Impairment] = (PERFECT, PERFECT)
    ) -> LiveCall:
        """Place a call and begin to talk. Raises Refused or NoAnswer, both counted."""
        seat = self._sender.seat()
        self.placed += 1
        try:
            call = await self._client.invite(session, seat.ports)
            legs = self._talk(call, seat, conversation, impairments)
        except BaseException as failure:
            self._sender.leave(seat)
            if isinstance(failure, Refused):
                self.refusals[str(failure.status)] += 1
            elif isinstance(failure, NoAnswer):
                self.refusals[NO_ANSWER] += 1
            raise
        self.answered += 1
        return LiveCall(call, seat, legs)

    async def hold(self, live: LiveCall) -> None:
        """Stop the sound, then tell the recorder. Raises Refused or NoAnswer."""
        self._sender.pause(tuple(live.legs.values()))
        await self._client.hold(live.call)

    async def resume(self, live: LiveCall) -> None:
        """Tell the recorder, then go on talking, at the addresses it names now. Raises Refused or NoAnswer."""
        await self._client.resume(live.call)
        for number, target in enumerate(live.call.targets):
            if target is not None and number in live.legs:
                self._sender.redirect(live.legs[number], target.host, target.port)
        self._sender.resume(tuple(live.legs.values()))

    async def hang_up(self, live: LiveCall) -> None:
        """End sound and call; an unanswered BYE is counted."""
        counts = self._sender.remove(tuple(live.legs.values()))
        self._sender.leave(live.seat)
        self.lost_on_purpose += sum(count.lost for count in counts)
        self.ended_by_peer += live.call.ended_by_peer
        try:
            await self._client.bye(live.call)
        except NoAnswer:
            self.refusals["BYE without answer"] += 1

    def _talk(
        self, call: RecordedCall, seat: Seat, conversation: str, impairments: tuple[Impairment, Impairment]
    ) -> dict[int, Leg]:
        specs = {}
        tracks = zip(call.targets, TRACKS[call.session.shape], impairments, strict=False)
        for number, (target, party, impairment) in enumerate(tracks):
            if target is None:
                continue
            specs[number] = LegSpec(
                host=target.host,
                port=target.port,
                frames=frames(conversation, party, target.codec.name),
                ssrc=self._rng.getrandbits(32),
                sequence=self._rng.getrandbits(16),
                timestamp=self._rng.getrandbits(32),
                impairment=impairment,
            )
        legs = self._sender.add(seat, tuple(specs.values()))
        return dict(zip(specs, legs, strict=True))
