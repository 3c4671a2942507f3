"""The world of the pages, and browsers in front of it: one that is logged in and one that is not."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.web.world import NOON, PASSWORD_HASH, LiveBoard, World

from earshot.clock import FakeClock
from earshot.ports import User
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore
from earshot.web.gate import COOKIE
from earshot.web.logins import LOGIN_S, Logins, fingerprint
from earshot.web.passwords import PasswordChecker


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock(NOON)
    store = MemoryStore(clock)
    checker = PasswordChecker()
    world = World(clock, store, MemoryStorage(), LiveBoard(), Logins(store, clock, checker), tmp_path)
    world.logins = Logins(store, clock, checker, audit=world.audit)
    await store.add_user(User(username="admin", is_admin=True, first_name="Ada"), PASSWORD_HASH)
    await store.add_user(User(username="agent", is_agent=True, first_name="Sally", last_name="Smith"), PASSWORD_HASH)
    yield world
    checker.close()


TOKEN = "the-session-token-of-the-administrator"
SAME_ORIGIN = {"origin": "http://recorder", "accept": "text/html"}


@pytest.fixture
async def stranger(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has not logged in."""
    transport = httpx.ASGITransport(world.app(), client=("192.0.2.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder", headers=SAME_ORIGIN) as client:
        yield client


@pytest.fixture
async def admin(world: World, stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same browser after logging in."""
    await world.store.add_login(fingerprint(TOKEN), 1, world.clock.now() + LOGIN_S)
    stranger.cookies.set(COOKIE, TOKEN)
    return stranger
