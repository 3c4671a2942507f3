"""A caller who says something by heart: RTP whose payload is a known text, plain words or a secret.

For tests that search for it afterwards."""

import asyncio
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.evidence import session
from tests.servers import Speaker

from earshot.clock import SystemClock
from earshot.simulate.client import RecordedCall, RecordingClient
from earshot.simulate.transport import transport_for
from earshot.tasks import Spawner

FRAME_S = 0.02
SECRET = b"4111111111111111"
PLAIN = b"good-morning!!!!"
"""Sixteen letters each; as PCMU they are loud."""
KEY = 101
"""The payload type of telephone-events that the simulated phones offer."""


def places_of(folder: Path, text: bytes = SECRET) -> list[str]:
    """Every file under `folder` that holds the text."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # removed while we look
            if path.is_file() and text in path.read_bytes():
                found.append(str(path.relative_to(folder)))
    return found


@dataclass
class Speech:
    """Both directions of one call, sent every 20 ms: what `text` says, or the key that is pressed."""

    targets: list[tuple[str, int]]
    sockets: list[socket.socket]
    text: bytes = PLAIN
    key: int | None = None
    sequence: int = 0
    ssrc: int = field(default_factory=lambda: int.from_bytes(os.urandom(4), "big"))
    key_began: int = 0

    async def talk(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.frame()
            due += FRAME_S
            await asyncio.sleep(max(due - loop.time(), 0.0))

    def frame(self) -> None:
        """Send the next 20 ms of both directions."""
        self.sequence += 1
        stamp = self.sequence * 160
        payload_type, payload = 0, self.text * 10
        if self.key is not None:
            self.key_began = self.key_began or stamp
            payload_type, payload = KEY, struct.pack("!BBH", self.key, 10, stamp - self.key_began + 160)
            stamp = self.key_began
        else:
            self.key_began = 0
        for number, (one, target) in enumerate(zip(self.sockets, self.targets, strict=True)):
            header = struct.pack("!BBHII", 0x80, payload_type, self.sequence & 0xFFFF, stamp, self.ssrc + number)
            one.sendto(header + payload, target)


@dataclass
class Caller:
    """A call that is up: say `speech.text`, then `hang_up`."""

    client: RecordingClient
    call: RecordedCall
    speech: Speech

    async def hang_up(self) -> None:
        await self.client.bye(self.call)


@asynccontextmanager
async def calling(server: Speaker, device: str) -> AsyncIterator[Caller]:
    """A call of the device over SIPREC, talking from the start."""
    spawner, rng = Spawner(), random.Random()
    peer = (server.host, server.sip_port)
    client = RecordingClient(transport_for("udp", peer), peer, SystemClock(), spawner, rng)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    try:
        await client.open()
        call = await client.invite(session(device), [one.getsockname()[1] for one in sockets])
        targets = [(target.host, target.port) for target in call.targets if target is not None]
        speech = Speech(targets, sockets)
        spawner.spawn("speech", speech.talk())
        yield Caller(client, call, speech)
    finally:
        await spawner.close()
        await client.close()
        for one in sockets:
            one.close()


def wall() -> float:
    """Now, as recordings are timed."""
    return time.time()
