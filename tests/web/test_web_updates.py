"""The event stream of the dashboard: a snapshot first, then only what changed, and no longer than the login."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.web.world import NOON, World, a_snapshot

from earshot.api.live import LiveSnapshot
from earshot.listeners.http import serve_http
from earshot.tasks import Spawner
from earshot.web.gate import COOKIE
from earshot.web.logins import fingerprint
from earshot.web.updates import SHOWN_CALLS, STREAMS, Pace, difference, whole

TOKEN = "a-session-token"


class Stream:
    """One reader of /live over a real connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def status(self) -> int:
        head = await self._reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1])

    async def line(self) -> str:
        """The next line that is not the framing of the chunks."""
        while True:
            text = (await self._reader.readuntil(b"\n")).decode().rstrip("\r\n")
            if text == "0":
                raise EOFError
            if text.startswith((":", "event: ", "data: ")):
                return text

    async def event(self, name: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while await self.line() != f"event: {name}":
                pass
            found: dict[str, Any] = json.loads((await self.line()).removeprefix("data: "))
            return found

    async def heartbeat(self) -> None:
        async with asyncio.timeout(10):
            while not (await self.line()).startswith(":"):
                pass

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[int]:
    await world.store.add_login(fingerprint(TOKEN), 1, world.clock.now() + 3600)
    spawner = Spawner()
    server = await serve_http(world.app(), "127.0.0.1", 0, spawner=spawner)
    try:
        yield server.port
    finally:
        await server.close()
        await spawner.close()


@contextlib.asynccontextmanager
async def watching(port: int) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /live HTTP/1.1\r\nhost: a\r\ncookie: {COOKIE}={TOKEN}\r\n\r\n".encode())
    stream = Stream(reader, writer)
    try:
        yield stream
    finally:
        await stream.close()


async def test_a_snapshot_first_then_what_changed(world: World) -> None:
    first = a_snapshot(NOON, 3)
    world.live.publish(first)
    async with served(world) as port, watching(port) as stream:
        snapshot = await stream.event("snapshot")
        assert [call["key"] for call in snapshot["calls"]] == ["k0", "k1", "k2"]
        assert snapshot["counts"] == {"calls": 3, "recording": 2, "waiting": 1, "no_sound": 0, "devices": 9}
        assert snapshot["now"] == NOON
        moved = replace(first.calls[1], state="no_sound")
        world.live.publish(replace(first, calls=(first.calls[0], moved)))
        change = await stream.event("change")
        assert [call["key"] for call in change["calls"]] == ["k1"]
        assert change["gone"] == ["k2"]
        assert "devices" not in change


async def test_silence_is_filled_with_heartbeats_and_news_still_come(world: World) -> None:
    async with served(world) as port, watching(port) as stream:
        await stream.event("snapshot")
        await stream.heartbeat()
        await stream.heartbeat()
        world.live.publish(a_snapshot(NOON, 1))
        assert (await stream.event("change"))["counts"]["calls"] == 1


async def test_a_stream_ends_with_its_login(world: World) -> None:
    world.pace = Pace(between_s=0.01, heartbeat_s=0.05, login_s=5.0)
    async with served(world) as port, watching(port) as stream:
        await stream.event("snapshot")
        await world.store.end_login(fingerprint(TOKEN))
        world.clock.advance(6)
        async with asyncio.timeout(10):
            with pytest.raises(EOFError):
                while True:
                    await stream.heartbeat()


async def test_so_many_streams_and_no_more_until_one_ends(world: World) -> None:
    async with served(world) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(STREAMS):
            stream = await stack.enter_async_context(watching(port))
            assert await stream.status() == 200
            await stream.event("snapshot")
        extra = await stack.enter_async_context(watching(port))
        assert await extra.status() == 503


def test_nothing_new_is_nothing_to_say() -> None:
    assert difference(a_snapshot(NOON), replace(a_snapshot(NOON), at=NOON + 5)) == {}


def test_a_screen_shows_the_newest_calls_and_counts_all() -> None:
    many = a_snapshot(NOON, SHOWN_CALLS + 50)
    shown = whole(many)
    assert len(shown["calls"]) == SHOWN_CALLS
    assert shown["counts"]["calls"] == SHOWN_CALLS + 50
    assert shown["calls"][0].key == "k0"


def test_notices_come_and_go() -> None:
    warned = LiveSnapshot(notices=("The disk is full.",))
    assert difference(LiveSnapshot(), warned) == {"notices": ("The disk is full.",)}
    assert difference(warned, LiveSnapshot()) == {"notices": ()}
