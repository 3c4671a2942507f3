"""SIP client transactions (RFC 3261 section 17.1) over one transport: send, send again, wait for the final answer.

What lives here: branches, retransmission, the ACK of a refused INVITE, the repeated ACK of an accepted one. What does
not: dialogs and what an answer means (`earshot.simulate.client`). The one rule: a retransmission is the same bytes.
"""

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from earshot.simulate.message import Message, parse, render
from earshot.simulate.transport import Transport
from earshot.tasks import Spawner

REMEMBERED_ACKS = 4_096
BRANCH_COOKIE = "z9hG4bK"


class NoAnswer(Exception):
    """Nobody sent a final answer in time, or the transport failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Seconds: T1 and T2 of RFC 3261 table 4; `ringing` is how long an INVITE with a provisional answer may take."""

    t1: float = 0.5
    t2: float = 4.0
    ringing: float = 60.0

    @property
    def timeout(self) -> float:
        """Timers B and F: 64 T1."""
        return 64 * self.t1


class Transactions:
    """The client transactions of one transport; requests of the peer go to `on_request`."""

    def __init__(
        self,
        transport: Transport,
        spawner: Spawner,
        rng: random.Random,
        timers: Timers,
        on_request: Callable[[Message, tuple[str, int]], None],
    ) -> None:
        self._transport = transport
        self._spawner = spawner
        self._rng = rng
        self._timers = timers
        self._on_request = on_request
        self._waiting: dict[tuple[str, str], asyncio.Queue[Message]] = {}
        self._acks: OrderedDict[tuple[str, str], tuple[bytes, tuple[str, int]]] = OrderedDict()
        self._proceeding: set[str] = set()
        self.retransmitted = 0

    def branch(self) -> str:
        """A new branch with the magic cookie."""
        return f"{BRANCH_COOKIE}{self._rng.getrandbits(96):024x}"

    def received(self, message: Message, source: tuple[str, int]) -> None:
        """What the transport read: an answer goes to its transaction, a repeated 2xx or refusal gets its ACK again."""
        if message.method:
            self._on_request(message, source)
            return
        key = (message.branch, message.cseq[1])
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.put_nowait(message)
        elif message.status >= 200 and key in self._acks:
            self._spawner.spawn("simulate-sip-ack", self.tell(*self._acks[key]))

    async def tell(self, data: bytes, to: tuple[str, int]) -> None:
        """Send once; that a transport fails is noticed by whoever waits for an answer."""
        with contextlib.suppress(OSError):
            await self._transport.send(data, to)

    def proceeding(self, branch: str) -> bool:
        """True if the INVITE with `branch` had a provisional answer and waits for its final one."""
        return branch in self._proceeding

    @property
    def proceeding_count(self) -> int:
        """How many INVITEs are in that state."""
        return len(self._proceeding)

    async def ask(self, data: bytes, to: tuple[str, int], branch: str, method: str) -> Message:
        """Send a request and return its final answer; an INVITE that is refused is acknowledged here.

        Raises NoAnswer.
        """
        key = (branch, method)
        answers: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting[key] = answers
        try:
            final = await self._final(data, to, key, answers)
        finally:
            del self._waiting[key]
            self._proceeding.discard(branch)
        if method == "INVITE" and final.status >= 300:
            await self.acknowledge(branch, refusal_ack(data, final), to)
        return final

    async def acknowledge(self, branch: str, ack: bytes, to: tuple[str, int]) -> None:
        """Send the ACK of the INVITE with `branch`, and again whenever its final answer is repeated."""
        self._acks[branch, "INVITE"] = (ack, to)
        while len(self._acks) > REMEMBERED_ACKS:
            self._acks.popitem(last=False)
        await self.tell(ack, to)

    async def _final(
        self, data: bytes, to: tuple[str, int], key: tuple[str, str], answers: asyncio.Queue[Message]
    ) -> Message:
        branch, method = key
        loop = asyncio.get_running_loop()
        await self._send(data, to)
        interval = self._timers.t1
        again = loop.time() + interval
        limit = loop.time() + self._timers.timeout
        repeat = not self._transport.reliable
        while True:
            try:
                async with asyncio.timeout_at(min(again, limit) if repeat else limit):
                    answer = await answers.get()
            except TimeoutError:
                if loop.time() >= limit:
                    raise NoAnswer(f"no answer to {method} from {to[0]}:{to[1]}") from None
                self.retransmitted += 1
                await self._send(data, to)
                interval = 2 * interval if method == "INVITE" else min(2 * interval, self._timers.t2)
                again = loop.time() + interval
                continue
            if answer.status >= 200:
                return answer
            if method == "INVITE":
                self._proceeding.add(branch)
                repeat = False
                limit = loop.time() + self._timers.ringing
            else:
                interval = self._timers.t2

    async def _send(self, data: bytes, to: tuple[str, int]) -> None:
        try:
            await self._transport.send(data, to)
        except OSError as failure:
            raise NoAnswer(f"{to[0]}:{to[1]}: {failure}") from failure


def refusal_ack(invite: bytes, final: Message) -> bytes:
    """The ACK of section 17.1.1.3: as the INVITE, but for the To of the refusal."""
    return _like(invite, "ACK", final.first("to"))


def cancel_of(invite: bytes) -> bytes:
    """The CANCEL of section 9.1: same request URI, Via, Route, From, To, Call-ID and CSeq number as the INVITE."""
    return _like(invite, "CANCEL", parse(invite).first("to"))


def _like(invite: bytes, method: str, to: str) -> bytes:
    asked = parse(invite)
    names = {"via": "Via", "max-forwards": "Max-Forwards", "route": "Route", "from": "From", "call-id": "Call-ID"}
    kept = [(names[name], value) for name, value in asked.headers if name in names]
    return render(f"{method} {asked.uri} SIP/2.0", [*kept, ("To", to), ("CSeq", f"{asked.cseq[0]} {method}")])
