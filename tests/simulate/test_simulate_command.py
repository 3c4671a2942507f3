"""The whole simulated phone system against a recorder and an API of the tests."""

import asyncio
import random
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from tests.simulate.api_desk import ApiDesk
from tests.simulate.responder import Responder

from earshot.simulate.codecs import frames
from earshot.simulate.command import SimulateOptions, SimulationFailed, run
from earshot.simulate.speech import conversations
from earshot.simulate.transaction import Timers


@dataclass
class Place:
    recorder: Responder
    desk: ApiDesk
    options: SimulateOptions


@pytest.fixture(params=["udp", "tcp"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    recorder, desk = Responder(), ApiDesk()
    await recorder.start(request.param)
    await desk.start()
    options = SimulateOptions(
        sip_port=recorder.port,
        api_port=desk.port,
        events_port=desk.events_port,
        transport=request.param,
        calls=4,
        concurrent=2,
        rate=100,
        length_s=(0.6, 0.7),
        timers=Timers(t1=0.1),
    )
    yield Place(recorder, desk, options)
    await recorder.stop()
    await desk.stop()


async def test_a_planned_simulation(place: Place) -> None:
    said: list[str] = []
    summary = await run(place.options, asyncio.Event(), say=said.append, rng=random.Random(1))
    assert (summary.placed, summary.answered, summary.refused) == (4, 4, ())
    methods = place.recorder.methods()
    assert [methods.count(method) for method in ("OPTIONS", "INVITE", "ACK", "BYE")] == [1, 4, 4, 4]
    for device in ("1001", "1002"):
        commands = [name for name in place.desk.commands(device) if name.startswith("CALL")]
        assert commands.count("CALLSTART") == commands.count("CALLUPDATE") == commands.count("CALLSTOP")
        assert commands[:3] == ["CALLSTART", "CALLUPDATE", "CALLSTOP"]
    assert place.desk.commands().count("IMPORTUSER") == 5
    assert summary.crm_errors == 0
    assert len(said) == 5
    assert said[-1] == summary.text()
    assert sum(len(packets) for packets in place.recorder.sound) == summary.packets > 0
    talks = conversations()
    invites = [seen for seen in place.recorder.seen if seen.method == "INVITE"]
    for number, invite in enumerate(invites):
        found = re.search(rb"sip:(100\d)@", invite.parts()["application/rs-metadata"])
        assert found
        talk = talks[int(found[1]) - 1001]
        for packets, party in zip(place.recorder.sound[2 * number :], ("agent", "customer"), strict=False):
            track = frames(talk.name, party, "PCMU")
            assert len(packets) > 22
            assert [packet[12:] for packet in packets] == [track.payload(n) for n in range(len(packets))]


async def test_refusals_are_reported(place: Place) -> None:
    place.recorder.refuse = deque(["503 Service Unavailable", "488 Not Acceptable Here", "503 Service Unavailable"])
    said: list[str] = []
    summary = await run(place.options, asyncio.Event(), say=said.append)
    assert (summary.placed, summary.answered) == (4, 1)
    assert summary.refused == (("488", 1), ("503", 2))
    assert sum("503 Service Unavailable" in line for line in said) == 2
    assert place.desk.commands().count("CALLSTART") == place.desk.commands().count("CALLSTOP")


async def test_stopping_ends_every_call(place: Place) -> None:
    stop = asyncio.Event()
    options = replace(place.options, forever=True, concurrent=6, length_s=(100, 200), quiet=True, mixed=True)
    said: list[str] = []
    running = asyncio.ensure_future(run(options, stop, say=said.append))
    await place.recorder.until(lambda: place.recorder.methods().count("ACK") == 6)
    stop.set()
    summary = await running
    assert place.recorder.methods().count("BYE") == 6
    assert place.desk.commands().count("CALLSTOP") == 6
    assert summary.answered == 6
    assert said == [summary.text()]


async def test_announced_calls_get_sound(place: Place) -> None:
    stop = asyncio.Event()
    options = replace(place.options, calls=0, follow=True)
    running = asyncio.ensure_future(run(options, stop, say=lambda line: None))
    await place.desk.until_listened()
    place.desk.push("CALLSTART", "555", "1")
    await place.recorder.until(lambda: "ACK" in place.recorder.methods())
    place.desk.push("CALLSTART", "555", "echo")
    place.desk.push("CALLSTART", "777", "sim-feed-1")
    await place.recorder.until(lambda: all(place.recorder.sound) and len(place.recorder.sound) == 2)
    place.desk.push("CALLSTOP", "555", "1")
    await place.recorder.until(lambda: "BYE" in place.recorder.methods())
    place.desk.push("CALLSTART", "556", "")
    await place.recorder.until(lambda: place.recorder.methods().count("ACK") == 2)
    stop.set()
    summary = await running
    assert (summary.placed, summary.followed) == (2, 2)
    assert place.recorder.methods().count("BYE") == 2
    assert b"sip:555@" in place.recorder.seen[1].parts()["application/rs-metadata"]
    assert place.desk.requests == []


async def test_nobody_there_is_said_at_once(place: Place) -> None:
    options = replace(place.options, sip_port=place.recorder.port, timers=Timers(t1=0.01))
    place.recorder.drop = 10_000
    with pytest.raises(SimulationFailed, match="no recorder"):
        await run(options, asyncio.Event(), say=lambda line: None)
