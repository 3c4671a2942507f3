"""The phone system of the benchmarks: real SIPREC calls of two PCMU legs at a running server, with or without sound.

Not here: RTP (voices.py). The one rule: every call has an extension of its own, so that its row can be told.
"""

import asyncio
import random
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.voices import Said, Voices
from tests.servers import LiveServer

from earshot.clock import SystemClock
from earshot.simulate.client import RecordedCall, RecordingClient
from earshot.simulate.offer import Party, Session
from earshot.simulate.transport import transport_for
from earshot.tasks import Spawner

T = TypeVar("T")

FIRST_EXTENSION = 10_000
SILENT_PORTS = (9, 11)
"""What a call without sound offers: nobody sends from there."""


def extension_of(number: int) -> str:
    """The agent's extension in call `number`, which becomes the device of the recording."""
    return str(FIRST_EXTENSION + number)


@dataclass(slots=True)
class Ended:
    """A call that is over."""

    said: Said
    length_s: float


@dataclass
class Callers:
    """Places and ends calls over UDP. Numbers are the caller's own; `setup_s` holds INVITE to 200 of each call."""

    sip_port: int
    voices: Voices | None
    spawner: Spawner = field(default_factory=Spawner)
    setup_s: list[float] = field(default_factory=list)
    ended: dict[int, Ended] = field(default_factory=dict)

    async def open(self) -> None:
        """Bind the client's socket."""
        peer = ("127.0.0.1", self.sip_port)
        clock, rng = SystemClock(), random.Random()
        self._client = RecordingClient(transport_for("UDP", peer), peer, clock, self.spawner, rng)
        await self._client.open()
        self._calls: dict[int, RecordedCall] = {}
        self._began: dict[int, float] = {}

    @property
    def retransmitted(self) -> int:
        """Requests that had to be sent again."""
        return self._client.retransmitted

    @property
    def up(self) -> list[int]:
        """The calls that run, oldest first."""
        return list(self._calls)

    def ports(self) -> list[int]:
        """The server's ports of all calls that run."""
        return [target.port for call in self._calls.values() for target in call.targets if target is not None]

    async def place(self, number: int) -> None:
        """Place a call. Raises Refused or NoAnswer."""
        parties = (
            Party(number=extension_of(number), name=f"Agent {number}"),
            Party(number=f"+4930{number:07d}", name=f"Customer {number}"),
        )
        ports = self.voices.seat(number) if self.voices is not None else SILENT_PORTS
        asked = time.monotonic()
        call = await self._client.invite(Session(parties=parties), ports)
        self._began[number] = time.monotonic()
        self.setup_s.append(self._began[number] - asked)
        self._calls[number] = call
        if self.voices is not None:
            self.voices.talk(number, [(one.host, one.port) for one in call.targets if one is not None])

    async def end(self, number: int) -> None:
        """End its sound, then the call."""
        call = self._calls.pop(number)
        said = self.voices.hush(number) if self.voices is not None else Said((), time.monotonic())
        self.ended[number] = Ended(said, said.ended_at - self._began.pop(number))
        await self._client.bye(call)

    async def close(self) -> None:
        """Close the socket; calls that run are left as they are."""
        await self._client.close()
        await self.spawner.close()


async def paced(per_second: float, count: int, work: Callable[[int], Awaitable[None]]) -> None:
    """Begin `work(0)`, `work(1)` and so on at an even rate, and wait until all are done. Raises what they raise."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / per_second - loop.time()))
            group.create_task(_as_coroutine(work(number)))


def run_to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run a benchmark with as many open files as may be; SIGTERM ends it as Ctrl-C does, nothing is left running."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return asyncio.run(work)


async def end_of(server: LiveServer) -> None:
    """End the server: politely, or else by force."""
    try:
        await server.stop()
    except TimeoutError:
        await server.kill()


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
