"""`earshot simulate`: the whole simulated phone system, from the first call to the summary.

What lives here: the life of one call (announce, ring, talk, hold, update, hang up) and when it begins. What does not:
the parsing of the command line (`earshot.cli`). The one rule: whatever ends a simulation, every call that is up is
ended with BYE and, if the CRM announced it, with CALLSTOP.
"""

import asyncio
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from earshot.clock import Clock, SystemClock
from earshot.errors import EarshotError
from earshot.simulate.client import RecordingClient, Refused
from earshot.simulate.codecs import frames
from earshot.simulate.crm import CrmClient, CrmFailure, demo_requests, start_values, stop_values, update_values
from earshot.simulate.follow import CallEvent, EndSound, Follower, GiveSound, read_events
from earshot.simulate.offer import Party, Session
from earshot.simulate.options import SimulateOptions, Summary
from earshot.simulate.phones import TRACKS, LiveCall, Phones
from earshot.simulate.plan import PlannedCall, Wishes, planned_calls
from earshot.simulate.sender import Sender
from earshot.simulate.speech import conversations
from earshot.simulate.transaction import NoAnswer
from earshot.simulate.transport import local_address, transport_for
from earshot.tasks import Spawner

__all__ = ["SimulateOptions", "SimulationFailed", "Summary", "run"]

GREETING_S = 5.0
FAREWELL_S = 5.0
FOLLOWED_CALLS = 64
UPDATE_AT = 0.6

Say = Callable[[str], None]


class SimulationFailed(EarshotError):
    """The simulation could not begin: the recorder or its API cannot be reached."""


async def run(
    options: SimulateOptions,
    stop_event: asyncio.Event,
    *,
    say: Say | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
) -> Summary:
    """Simulate until the plan is done (with `follow` or `forever`: until `stop_event` is set); returns the summary.

    `rng` makes SIP identifiers and must differ from run to run; the plan itself comes from `options.seed`. Raises
    ValueError for options that cannot be, SimulationFailed if nobody answers.
    """
    wishes = options.wishes()
    peer = await _numeric(options.sip_host, options.sip_port)
    simulation = _Simulation(options, wishes, peer, stop_event, say or _write, clock or SystemClock(), rng)
    async with AsyncExitStack() as stack:
        await simulation.open(stack)
        await simulation.work()
    summary = simulation.summary()
    simulation.say(summary.text())
    return summary


async def _numeric(host: str, port: int) -> tuple[str, int]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except OSError as failure:
        raise SimulationFailed(f"{host} has no IPv4 address: {failure}") from failure
    return str(found[0][4][0]), port


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class _Simulation:
    def __init__(
        self,
        options: SimulateOptions,
        wishes: Wishes,
        peer: tuple[str, int],
        stop: asyncio.Event,
        say: Say,
        clock: Clock,
        rng: random.Random | None,
    ) -> None:
        self._options = options
        self._wishes = wishes
        self._stop = stop
        self.say = say
        self._clock = clock
        own = rng or random.SystemRandom()
        self._spawner = Spawner()
        transport = transport_for(options.transport, peer)
        self._client = RecordingClient(transport, peer, clock, self._spawner, own, options.timers)
        room = wishes.concurrent + (FOLLOWED_CALLS if options.follow else 0)
        self._sender = Sender(clock, local_address(peer), calls=room)
        self._phones = Phones(self._client, self._sender, own)
        self._crm = CrmClient(options.api_host, options.api_port)
        self._run = f"{own.getrandbits(32):08x}"
        self._follower = Follower()
        self._given: dict[tuple[str, str], asyncio.Event] = {}
        self._followed = 0
        self._crm_failures = 0
        self._lives: set[asyncio.Task[None]] = set()
        self._followed_lives: set[asyncio.Task[None]] = set()
        self._devices: dict[str, asyncio.Lock] = {}

    async def open(self, stack: AsyncExitStack) -> None:
        """Encode, connect, import the demo agents. Raises SimulationFailed."""
        stack.callback(self._sender.close)
        stack.push_async_callback(self._client.close)
        stack.push_async_callback(self._crm.close)
        stack.push_async_callback(self._spawner.close)
        await asyncio.to_thread(self._encode)
        options = self._options
        try:
            await self._client.open()
            async with asyncio.timeout(GREETING_S):
                await self._client.options()
        except (NoAnswer, OSError, TimeoutError) as failure:
            where = f"{options.sip_host}:{options.sip_port} ({options.transport})"
            raise SimulationFailed(f"no recorder answers SIP at {where}; is `earshot serve` running?") from failure
        if self._announces:
            await self._import_agents()
        self._sender.start()

    async def work(self) -> None:
        """Place the planned calls and follow the announced ones until it is over, then hang up."""
        options = self._options
        if options.follow:
            reading = read_events(options.events_host, options.events_port, self._heard, self.say)
            self._spawner.spawn("simulate-follow", reading)
        await self._place()
        if options.follow:
            await self._stop.wait()
        await self._last_calls()

    @property
    def _announces(self) -> bool:
        return self._options.crm and self._wishes.calls != 0

    def _encode(self) -> None:
        # PCMU always: it is what a recorder may choose instead, and what followed calls speak.
        for talk in conversations():
            for party in TRACKS[self._wishes.shape]:
                for codec in {"PCMU", *self._wishes.codecs}:
                    frames(talk.name, party, codec)

    async def _import_agents(self) -> None:
        options = self._options
        for command, values in demo_requests(options.first_device, self._wishes.devices):
            try:
                await self._crm.send(command, values)
            except CrmFailure as failure:
                raise SimulationFailed(f"no API at {options.api_host}:{options.api_port}: {failure}") from failure
        # An agent that is there already is no error of this run.
        self._crm.refused = 0

    async def _place(self) -> None:
        begin = self._clock.monotonic()
        for planned in planned_calls(self._wishes, conversations()):
            wait = begin + planned.start_s - self._clock.monotonic()
            if self._stop.is_set() or (wait > 0 and await happened(wait, self._stop)):
                return
            while len(self._lives) >= self._wishes.concurrent and not self._stop.is_set():
                await asyncio.wait(self._lives, return_when=asyncio.FIRST_COMPLETED)
            self._live(self._lives, f"simulate-call-{planned.number}", self._life(planned))

    def _live(self, lives: set[asyncio.Task[None]], name: str, life: Coroutine[Any, Any, None]) -> None:
        task = self._spawner.spawn(name, life)
        lives.add(task)
        task.add_done_callback(lives.discard)

    async def _last_calls(self) -> None:
        over = asyncio.Event()

        async def all_over() -> None:
            await asyncio.gather(*self._lives, return_exceptions=True)
            over.set()

        self._spawner.spawn("simulate-last-calls", all_over())
        await happened(None, self._stop, over)
        rest = self._lives | self._followed_lives
        if rest:
            _, late = await asyncio.wait(rest, timeout=FAREWELL_S)
            for life in late:
                life.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._client.end_all()

    async def _life(self, planned: PlannedCall) -> None:
        async with self._devices.setdefault(planned.device, asyncio.Lock()):
            self._follower.occupied(planned.device)
            try:
                await self._call(planned)
            finally:
                self._follower.released(planned.device, self._clock.monotonic())

    async def _call(self, planned: PlannedCall) -> None:
        announced = planned.crm_first and await self._tell("CALLSTART", start_values(planned, self._run))
        try:
            live = await self._phones.ring(session_of(planned), planned.conversation, planned.impairments)
            try:
                self._chat(line_of(planned))
                announced = announced or await self._tell("CALLSTART", start_values(planned, self._run))
                await self._course(planned, live)
            finally:
                await self._phones.hang_up(live)
        except (Refused, NoAnswer) as failure:
            self._chat(f"#{planned.number} device {planned.device}: {failure}")
        finally:
            if announced:
                await self._tell("CALLSTOP", stop_values(planned, self._run))

    async def _course(self, planned: PlannedCall, live: LiveCall) -> None:
        """What happens between the first and the last word, in order of time."""

        async def update() -> None:
            await self._tell("CALLUPDATE", update_values(planned, self._run))

        moments: list[tuple[float, Callable[[], Awaitable[None]]]] = [(UPDATE_AT * planned.length_s, update)]
        if planned.hold is not None:
            moments.append((planned.hold[0], lambda: self._phones.hold(live)))
            moments.append((planned.hold[1], lambda: self._phones.resume(live)))
        begin = self._clock.monotonic()
        for at, act in sorted(moments, key=lambda moment: moment[0]):
            if await happened(begin + at - self._clock.monotonic(), self._stop, live.call.ended):
                return
            try:
                await act()
            except (Refused, NoAnswer) as failure:
                self._chat(f"#{planned.number} device {planned.device}: re-INVITE: {failure}")
        await happened(begin + planned.length_s - self._clock.monotonic(), self._stop, live.call.ended)

    async def _tell(self, command: str, values: dict[str, str]) -> bool:
        if not self._announces:
            return False
        try:
            answer = await self._crm.send(command, values)
        except CrmFailure as failure:
            self._crm_failures += 1
            self._chat(f"CRM: {failure}")
            return False
        if not answer.fine:
            self._chat(f"CRM: {command} for device {values['DEVICEID']}: {answer.type} {answer.message}")
        return answer.fine

    def _heard(self, event: CallEvent) -> None:
        decision = self._follower.decide(event, self._clock.monotonic())
        if isinstance(decision, GiveSound):
            self._given[event.key] = asyncio.Event()
            self._live(self._followed_lives, f"simulate-followed-{event.device}", self._give(event))
        elif isinstance(decision, EndSound):
            self._given[decision.key].set()

    async def _give(self, event: CallEvent) -> None:
        talks = conversations()
        talk = talks[self._followed % len(talks)]
        self._followed += 1
        over = self._given[event.key]
        caller = event.ani or f"+1202555{100 + self._followed % 100:04d}"
        parties = (Party(number=event.device, name=talk.agent_name), Party(number=caller, name=talk.customer_name))
        try:
            live = await self._phones.ring(Session(parties=parties), talk.name)
            try:
                self._chat(f"device {event.device} was announced: {talk.topic}, {talk.customer_name} ({caller})")
                await happened(None, self._stop, over, live.call.ended)
            finally:
                await self._phones.hang_up(live)
        except (Refused, NoAnswer) as failure:
            self._chat(f"device {event.device} was announced, but: {failure}")
        finally:
            if self._given.get(event.key) is over:
                del self._given[event.key]
                if not over.is_set():
                    self._follower.ended(event.key)

    def _chat(self, line: str) -> None:
        if not self._options.quiet:
            self.say(line)

    def summary(self) -> Summary:
        """The count so far."""
        return Summary(
            placed=self._phones.placed,
            answered=self._phones.answered,
            refused=tuple(sorted(self._phones.refusals.items())),
            ended_by_peer=self._phones.ended_by_peer,
            followed=self._followed,
            packets=self._sender.figures().packets,
            lost_on_purpose=self._phones.lost_on_purpose,
            crm_requests=self._crm.sent,
            crm_errors=self._crm.refused + self._crm_failures,
        )


async def happened(seconds: float | None, *events: asyncio.Event) -> bool:
    """Wait at most `seconds` (None: without limit) for the first of `events`; True if one came."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        limit = None if seconds is None else max(0.0, seconds)
        done, _ = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waiting:
            wait.cancel()


def session_of(planned: PlannedCall) -> Session:
    """The recording session of a planned call; PCMU is offered as well, for recorders that know nothing else."""
    outside = planned.caller if planned.inbound else planned.dialled
    return Session(
        parties=(
            Party(number=planned.device, name=planned.agent_name),
            Party(number=outside, name=planned.customer_name),
        ),
        codecs=tuple(dict.fromkeys((planned.codec, "PCMU"))),
        shape=planned.shape,
        inbound=planned.inbound,
    )


def line_of(planned: PlannedCall) -> str:
    """One line for people: who talks about what, at which device, with whom."""
    arrow = "<-" if planned.inbound else "->"
    outside = planned.caller if planned.inbound else planned.dialled
    return (
        f"#{planned.number} device {planned.device} {arrow} {outside}: {planned.agent_name} and"
        f" {planned.customer_name}, {planned.topic} ({planned.codec}, {planned.length_s:.0f} s)"
    )
