"""What a data folder proves after a fault: its rows, their media, what is wrong with it; and phones to call with."""

import asyncio
import random
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.ports import free_rtp_ports
from tests.servers import LiveServer, Speaker

from earshot.clock import SystemClock
from earshot.config import load
from earshot.operations import check_data
from earshot.ports import FinishedCall, SealedRecording, Store
from earshot.premises import Folders, store_of
from earshot.simulate.client import RecordingClient
from earshot.simulate.codecs import frames
from earshot.simulate.offer import Party, Session
from earshot.simulate.phones import LiveCall, Phones
from earshot.simulate.sender import Sender
from earshot.simulate.speech import AGENT, CUSTOMER, conversations
from earshot.simulate.transport import transport_for
from earshot.storage.local import LocalStorage
from earshot.tasks import Spawner

PACKETS_A_SECOND = 50
FLUSH_S = 0.25
DRAIN_S = 0.5
TOLERANCE_S = 1.0
"""What a busy machine may add to any of the times that are measured here."""

TALK = conversations()[0].name


@asynccontextmanager
async def store_in(data_dir: Path) -> AsyncIterator[Store]:
    """The database of a data folder, also while a server is at work on it."""
    store = store_of(load(data_dir=data_dir), SystemClock())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def rows(store: Store) -> list[FinishedCall]:
    """Every finished call with its recordings, oldest first."""
    found = [await store.call(number) for number, _ in await store.calls(None, 10_000)]
    return [call for call in reversed(found) if call is not None]


async def rows_of(data_dir: Path) -> list[FinishedCall]:
    """The same of a data folder."""
    async with store_in(data_dir) as store:
        return await rows(store)


async def until_rows(data_dir: Path, *devices: str, timeout_s: float = 60.0) -> list[FinishedCall]:
    """Wait until each of these devices has a call with a row; returns all there are."""
    async with store_in(data_dir) as store:
        missing = set(devices)
        try:
            async with asyncio.timeout(timeout_s):
                while missing := set(devices) - {call.variables.device_id for _, call in await store.calls(None, 999)}:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"no rows of {sorted(missing)} after {timeout_s:g} s") from None
        return await rows(store)


def of_device(calls: list[FinishedCall], device: str) -> list[FinishedCall]:
    """The calls of one device."""
    return [call for call in calls if call.variables.device_id == device]


async def until(holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


async def problems(data_dir: Path) -> list[str]:
    """What `earshot check` finds wrong with a data folder."""
    return await check_data(load(data_dir=data_dir))


async def objects(data_dir: Path) -> list[str]:
    """The names of all media objects."""
    return [name async for name, _ in LocalStorage(Folders(data_dir).recordings).names()]


def sound_of(data_dir: Path, sealed: SealedRecording) -> NDArray[np.int16]:
    """The samples of a recording, int16[frames, channels]."""
    with wave.open(str(Folders(data_dir).recordings / sealed.object_name)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return data.reshape(-1, file.getnchannels())


def is_heard(sound: NDArray[np.int16], from_s: float, until_s: float, rate: int = 8000) -> bool:
    """Whether there is speech on any side in a span of a recording."""
    part = sound[int(from_s * rate) : int(until_s * rate)]
    return bool(part.size) and bool(np.abs(part.astype(np.int32)).max() > 1000)


@asynccontextmanager
async def server_at(data_dir: Path, calls: int = 10, **settings: Any) -> AsyncIterator[LiveServer]:
    """A server process with ports for so many calls, not started; `settings` go into its environment."""
    env = {f"EARSHOT_{name.upper()}": str(value) for name, value in settings.items()}
    server = LiveServer(data_dir, rtp_ports=free_rtp_ports(max(4 * calls, 100)), env=env)
    try:
        yield server
    finally:
        if server.process is not None:
            await server.kill()


@dataclass(frozen=True)
class PhoneSystem:
    """Simulated phones that do as the test says, over their SIP client and their RTP sender."""

    phones: Phones
    client: RecordingClient
    sender: Sender

    async def ring(self, device: str) -> LiveCall:
        """A call of the device with somebody outside, with sound."""
        return await self.phones.ring(session(device), TALK)

    def fall_silent(self, call: LiveCall, *streams: int) -> None:
        """Send nothing any more of these streams (of all, when none is named), and say nothing about it."""
        self.sender.pause([leg for number, leg in call.legs.items() if number in (streams or (0, 1))])


@asynccontextmanager
async def phones_at(server: Speaker, transport: str = "udp", calls: int = 8) -> AsyncIterator[PhoneSystem]:
    """Simulated phones that call `server`."""
    for party in (AGENT, CUSTOMER):
        frames(TALK, party, "PCMU")
    clock, spawner, rng = SystemClock(), Spawner(), random.SystemRandom()
    peer = (server.host, server.sip_port)
    client = RecordingClient(transport_for(transport, peer), peer, clock, spawner, rng)
    sender = Sender(clock, calls=calls)
    try:
        await client.open()
        sender.start()
        yield PhoneSystem(Phones(client, sender, rng), client, sender)
    finally:
        sender.close()
        await client.close()
        await spawner.close()


def session(device: str) -> Session:
    """A call of a device with somebody outside."""
    return Session(parties=(Party(number=device, name="Ann"), Party(number="+12025550123", name="Bob")))
