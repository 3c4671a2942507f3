"""The pages of holds and deletions: what they show, to whom, and that their forms work."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from tests.contracts.test_screens_contract import session
from tests.web.conftest import SAME_ORIGIN, TOKEN
from tests.web.world import World

from earshot.api.audit import NoTrail
from earshot.api.retention import RetentionDesk
from earshot.ports.retention import DAY_S, Defaults
from earshot.store.memory_retention import MemoryRetention
from earshot.store.memory_screen_retention import MemoryScreenRetention
from earshot.store.memory_screens import MemoryScreens
from earshot.web.gate import COOKIE
from earshot.web.holds import HoldPages
from earshot.web.logins import LOGIN_S, fingerprint

EVIL = "<script>alert('x')</script>"


@dataclass
class Board:
    paused: str = ""
    troubles: tuple[str, ...] = ()


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
async def browser(world: World, board: Board) -> AsyncIterator[httpx.AsyncClient]:
    kept = MemoryRetention(world.store)
    for number in (1, 2):
        await world.add_call(number)

    app = world.app()
    screens = MemoryScreens()
    screens_kept = MemoryScreenRetention(screens, world.store, kept)
    for key, at in (("a", 500.0), ("b", 900.0)):
        await screens.save_screen(session(key, at))
    assert await screens_kept.doom_due(600.0 + 30 * DAY_S, Defaults(), {1}, 10)
    desk = RetentionDesk(kept, world.store, world.clock, NoTrail, screens_kept)
    app.router.routes[:0] = HoldPages(desk, board).routes()  # type: ignore[arg-type]
    app.state.console.retention = desk
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder", headers=SAME_ORIGIN) as client:
        yield client


async def log_in(world: World, browser: httpx.AsyncClient, user_id: int) -> None:
    await world.store.add_login(fingerprint(TOKEN), user_id, world.clock.now() + LOGIN_S)
    browser.cookies.set(COOKIE, TOKEN)


async def test_who_may_see_them(world: World, browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/holds")).status_code == 303
    await log_in(world, browser, 2)
    for path in ("/holds", "/deleted", "/deleted?what=screens"):
        assert (await browser.get(path)).status_code == 403
    for path in ("/holds", "/holds/1/lift", "/recordings/1/delete"):
        assert (await browser.post(path, data={"name": "x", "reason": "x", "recordings": "1"})).status_code == 403
    assert await world.store.recording(1) is not None


async def test_a_hold_is_placed_shown_and_lifted(world: World, browser: httpx.AsyncClient) -> None:
    await log_in(world, browser, 1)
    answer = await browser.post("/holds", data={"name": EVIL, "matter": "X v. Y", "recordings": "1, 999"})
    assert answer.status_code == 200
    assert "Hold 1 stands on 1 recordings. Not there: 999." in answer.text
    assert "<script>alert" not in answer.text
    assert "Legal hold 1" in (await browser.get("/recordings/1")).text
    refused = await browser.post("/recordings/1/delete", data={"reason": "please"})
    assert refused.status_code == 409
    assert await world.store.recording(1) is not None
    assert (await browser.post("/holds/1/lift", data={"reason": ""})).status_code == 422
    assert (await browser.post("/holds/1/lift", data={"reason": "settled"})).status_code == 303
    assert "settled" in (await browser.get("/holds")).text


@pytest.mark.parametrize(
    "form",
    [
        {"name": "x"},
        {"name": "", "recordings": "1"},
        {"name": "x", "recordings": "one"},
        {"name": "x", "field": "ani"},
        {"name": "x", "field": "nonsense", "value": "1"},
        {"name": "x", "from": "yesterday"},
    ],
)
async def test_a_form_that_cannot_be_understood_places_nothing(
    world: World, browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    await log_in(world, browser, 1)
    answer = await browser.post("/holds", data=form)
    assert answer.status_code == 422
    assert "No holds yet" in answer.text


async def test_a_recording_is_deleted_and_its_tombstone_shown(
    world: World, browser: httpx.AsyncClient, board: Board
) -> None:
    await log_in(world, browser, 1)
    assert "Delete for good" not in (await browser.get("/recordings/2")).text  # it is not stamped yet
    assert (await browser.post("/recordings/2/delete", data={"reason": " "})).status_code == 422
    assert (await browser.post("/recordings/999/delete", data={"reason": "x"})).status_code == 404
    assert (await browser.post("/recordings/2/delete", data={"reason": "asked for"})).status_code == 303
    assert (await browser.get("/recordings/2")).status_code == 404
    board.paused, board.troubles = "the clock is wrong", ("Cellar: away",)
    screens = (await browser.get("/deleted", params={"what": "screens"})).text
    assert "hash1" in screens and "hash3" in screens and "KEEPDAYS of the session" in screens
    assert "asked for" not in screens and screens.count("Being removed") == 1 and "Deleted screen sessions" in screens
    text = (await browser.get("/deleted")).text
    assert "hash1" not in text
    for words in ("asked for", "by a person", "Being removed", "the clock is wrong", "Cellar: away"):
        assert words in text
