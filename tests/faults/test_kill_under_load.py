"""kill -9 and SIGTERM while many calls run: every call ends in one row, with what was heard and one gap."""

import asyncio
import random
import socket
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.faults.evidence import (
    DRAIN_S,
    FLUSH_S,
    PACKETS_A_SECOND,
    TOLERANCE_S,
    is_heard,
    problems,
    server_at,
    sound_of,
    until,
    until_rows,
)
from tests.rings import NEEDS_RINGS
from tests.servers import LiveServer

from earshot.ports import FinishedCall
from earshot.simulate import command as simulation
from earshot.simulate.options import SimulateOptions, Summary
from earshot.simulate.transaction import Timers

CALLS = 50
RATE = 25.0
TRYING_S = 5.0
"""So long the phones wait for the answer of a call after its 100."""


@dataclass
class Crowd:
    """Many simulated calls, one per device, that talk until `over`; when each was answered, and when the 100 came to
    those that never were (loop time). These the RFC gives up: nobody sends an INVITE again after its 100, and a server
    that was killed does not know it (RFC 3261 section 17.1.1.2)."""

    server: LiveServer
    crm: bool
    seed: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: dict[str, float] = field(default_factory=dict)
    only_tried: dict[str, float] = field(default_factory=dict)

    def _said(self, line: str) -> None:
        now, words = asyncio.get_running_loop().time(), line.split()
        if len(words) > 3 and words[1] == "device" and words[3] in ("<-", "->"):
            self.answered[words[2]] = now
        elif "no answer to INVITE" in line:
            self.only_tried[words[2].rstrip(":")] = now - TRYING_S

    async def talk(self) -> Summary:
        options = SimulateOptions(
            sip_port=self.server.sip_port,
            api_port=self.server.api_port,
            events_port=self.server.events_port,
            calls=CALLS,
            concurrent=CALLS,
            devices=CALLS,
            rate=RATE,
            length_s=(120.0, 120.0),
            crm=self.crm,
            seed=self.seed,
            timers=Timers(ringing=TRYING_S),
        )
        return await simulation.run(options, self.over, say=self._said)


@dataclass(frozen=True)
class Outage:
    """When the server went down and when it was up again (loop time)."""

    down: float
    up: float

    @property
    def most_s(self) -> float:
        """The longest that may be missing of a call."""
        return self.up - self.down + DRAIN_S + FLUSH_S + TOLERANCE_S


def clients_that_hang_on(server: LiveServer, until_then: ExitStack) -> None:
    """Connections with nothing said, half a request, or requests whose answers nobody reads."""
    for port in (server.api_port, server.http_port, server.sip_port, server.events_port):
        for said in (b"", b"<REQUEST><TYPE>", b"GET / HT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50):
            client = until_then.enter_context(socket.create_connection((server.host, port)))
            client.sendall(said)


async def outage_of(server: LiveServer, planned: bool) -> Outage:
    """Take the server down, by SIGTERM or by SIGKILL, and start it again on the same ports."""
    loop = asyncio.get_running_loop()
    down = loop.time()
    if planned:
        with ExitStack() as until_then:
            clients_that_hang_on(server, until_then)
            assert await server.stop() == 0
            assert loop.time() - down < 5.0
    else:
        await server.kill()
    await server.start()
    return Outage(down, loop.time())


def assert_went_on(data_dir: Path, call: FinishedCall, outage: Outage, length_s: float) -> None:
    """The call ran through the outage: one recording, the timeline kept, one gap that is no longer than it must be."""
    (recording,) = call.recordings
    (gap,) = [(start, stop) for start, stop, why in recording.gaps if why == "restart"]
    assert gap[1] - gap[0] < outage.most_s
    assert abs(recording.duration_s - length_s) < TOLERANCE_S
    assert len(recording.legs) == 2
    for leg in recording.legs:
        assert leg.lost < outage.most_s * PACKETS_A_SECOND
        assert leg.lost < (gap[1] - gap[0] + DRAIN_S + TOLERANCE_S / 2) * PACKETS_A_SECOND
        assert abs(leg.received + leg.lost - length_s * PACKETS_A_SECOND) < TOLERANCE_S * PACKETS_A_SECOND
    sound = sound_of(data_dir, recording)
    assert is_heard(sound, 0.0, gap[0])
    assert is_heard(sound, gap[1], recording.duration_s)
    assert not is_heard(sound, gap[0] + TOLERANCE_S / 2, gap[1] - TOLERANCE_S / 2)


@pytest.mark.parametrize(
    ("planned", "crm", "seed", "capture"),
    [
        (False, False, 1, "sockets"),
        pytest.param(False, False, 4, "ring", marks=NEEDS_RINGS),
        (False, True, 2, "sockets"),
        (True, False, 3, "sockets"),
    ],
    ids=["kill", "kill-ring", "kill-with-crm", "planned"],
)
async def test_calls_survive_the_end_of_the_process(
    tmp_path: Path, planned: bool, crm: bool, seed: int, capture: str
) -> None:
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    async with server_at(tmp_path / "data", CALLS, rtp_capture=capture) as server:
        await server.start()
        crowd = Crowd(server, crm=crm, seed=seed)
        talking = asyncio.create_task(crowd.talk())
        await until(lambda: bool(crowd.answered), "the first answered call")
        setting_up = CALLS / RATE
        await asyncio.sleep(
            setting_up + 1 + rng.random() if planned else rng.uniform(setting_up - 0.3, setting_up + 1.5)
        )
        outage = await outage_of(server, planned)
        await until(lambda: len(crowd.answered) + len(crowd.only_tried) == CALLS, "the last call", 60.0)
        assert all(outage.down - TOLERANCE_S < at < outage.down + TOLERANCE_S for at in crowd.only_tried.values())
        await asyncio.sleep(2.0)
        hung_up = loop.time()
        crowd.over.set()
        summary = await talking
        assert (summary.placed, summary.answered) == (CALLS, len(crowd.answered))
        assert sum(count for _, count in summary.refused) == len(crowd.only_tried)
        # An answer of the killed server may be read when it is dead already: nobody else answers until it is up again.
        since, before = (outage.down, outage.down) if planned else (outage.down - FLUSH_S - TOLERANCE_S, outage.up)
        may_be_lost = {device for device, at in crowd.answered.items() if since < at < before} | set(crowd.only_tried)
        certain = crowd.answered.keys() - may_be_lost
        await until_rows(server.data_dir, *certain)
        assert await server.stop() == 0
    found = await until_rows(server.data_dir)
    by_device = Counter(call.variables.device_id for call in found)
    assert max(by_device.values()) == 1
    interrupted = 0
    for call in found:
        device = call.variables.device_id
        if device in may_be_lost:
            continue
        assert (call.verdict, call.reason) == ("recorded", "bye")
        ran_through = crowd.answered[device] < outage.down
        assert ("interrupted" in call.warnings) == ran_through
        if ran_through:
            assert_went_on(server.data_dir, call, outage, hung_up - crowd.answered[device])
            interrupted += 1
    assert interrupted > 3
    assert await problems(server.data_dir) == []
