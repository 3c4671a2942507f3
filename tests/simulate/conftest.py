"""Recorders on loopback, and clients that call them."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.simulate.responder import Responder

from earshot.clock import SystemClock
from earshot.simulate.client import RecordingClient
from earshot.simulate.transaction import Timers
from earshot.simulate.transport import transport_for
from earshot.tasks import Spawner

Started = tuple[RecordingClient, Responder]
Start = Callable[[str, Responder], Awaitable[Started]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    spawner = Spawner()
    open_ones: list[Started] = []

    async def begin(transport: str, responder: Responder) -> Started:
        await responder.start(transport)
        peer = ("127.0.0.1", responder.port)
        timers = Timers(t1=0.05, t2=0.4)
        client = RecordingClient(transport_for(transport, peer), peer, SystemClock(), spawner, random.Random(7), timers)
        await client.open()
        open_ones.append((client, responder))
        return client, responder

    yield begin
    await spawner.close()
    for client, responder in open_ones:
        await client.close()
        await responder.stop()
