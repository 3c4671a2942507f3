"""Who may use which page, and whose recordings are shown to whom."""

import re
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from tests.web.test_web_pages import shown
from tests.web.world import NOON, World, a_snapshot

from earshot.actor import NOTHING, Actor, Visibility
from earshot.api.live import LiveSnapshot
from earshot.api.permissions import (
    ALL_RECORDINGS,
    API_TOKENS,
    AUDIT_TRAIL,
    EXPORT,
    LIVE_MONITORING,
    OWN_RECORDINGS,
    PLAYBACK,
    SEARCH,
    SYSTEM_STATUS,
)
from earshot.engine.variables import CallVariables
from earshot.web.gate import COOKIE, OPEN_PATHS
from earshot.web.logins import fingerprint
from earshot.web.permitted import NEEDS
from earshot.web.search import ROWS
from earshot.web.updates import visible

AGENT = 2


@pytest.fixture
async def agent(world: World, stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser in which the agent Sally (USERID 2) is logged in, who has no role yet."""
    await world.store.add_login(fingerprint("sallys token"), AGENT, world.clock.now() + 3600)
    stranger.cookies.set(COOKIE, "sallys token")
    return stranger


def unguarded(app: Starlette) -> list[str]:
    """Every route that says nothing about who may use it, and is not open on purpose."""
    found = []
    for route in app.routes:
        if isinstance(route, Mount):
            found += [] if route.path == "/static" else [route.path]
        elif isinstance(route, Route):
            if route.path not in OPEN_PATHS and not hasattr(route.endpoint, NEEDS):
                found.append(route.path)
        else:
            found.append(repr(route))
    return found


async def test_every_route_is_guarded_or_open_on_purpose(world: World) -> None:
    app = world.app()
    assert unguarded(app) == []

    async def forgotten(request: object) -> None: ...

    app.router.routes.append(Route("/forgotten", forgotten))
    assert unguarded(app) == ["/forgotten"]


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/live", SYSTEM_STATUS),
        ("/latest", SEARCH),
        ("/recordings", SEARCH),
        ("/recordings/1", SEARCH),
        ("/recordings/1", PLAYBACK),
        ("/recordings/1/peaks.json", PLAYBACK),
        ("/recordings/1/wave.svg", SEARCH),
        ("/recordings/1/audio.wav", PLAYBACK),
        ("/recordings/1/audio.mp3", PLAYBACK),
        ("/recordings/1/audio.wav?download=1", EXPORT),
        ("/recordings/1/audio.mp3?download=1", EXPORT),
        ("/calls", SYSTEM_STATUS),
        ("/calls/1", SYSTEM_STATUS),
        ("/metrics", SYSTEM_STATUS),
        ("/audit", AUDIT_TRAIL),
        ("/audit.csv", AUDIT_TRAIL),
        ("/audit.json", AUDIT_TRAIL),
        ("/tokens", API_TOKENS),
    ],
)
async def test_a_page_is_refused_without_its_permission_and_opens_with_it(
    world: World, agent: httpx.AsyncClient, path: str, permission: str
) -> None:
    await world.add_call(1, agent_id=AGENT)
    await world.role(AGENT, OWN_RECORDINGS)
    asked = "HEAD" if path == "/live" else "GET"
    refused = await agent.request(asked, path)
    assert refused.status_code == 403
    if asked == "GET":
        assert "It needs the permission" in refused.text
        assert "permission" in (await agent.get(path, headers={"accept": "*/*"})).json()["error"]
    await world.role(AGENT, permission)
    assert (await agent.request(asked, path)).status_code == 200


async def test_listening_is_not_exporting(world: World, agent: httpx.AsyncClient) -> None:
    await world.add_call(1, agent_id=AGENT)
    await world.role(AGENT, OWN_RECORDINGS, PLAYBACK, SEARCH)
    assert (await agent.get("/recordings/1/audio.wav")).status_code == 200
    assert (await agent.get("/recordings/1/audio.wav?download=1")).status_code == 403
    page = (await agent.get("/recordings/1")).text
    assert "download=1" not in page and 'id="player"' in page
    await world.role(AGENT, EXPORT)
    assert "download=1" in (await agent.get("/recordings/1")).text


async def test_the_links_are_those_that_lead_somewhere(world: World, agent: httpx.AsyncClient) -> None:
    async def targets() -> list[str]:
        bar = (await agent.get("/")).text.partition("<nav")[2].partition("</nav>")[0]
        return re.findall(r'href="([^"]+)"', bar)

    page = (await agent.get("/")).text
    assert await targets() == ["/"]
    assert "Nothing is shown to you yet" in page and "now.js" not in page
    await world.role(AGENT, SEARCH, AUDIT_TRAIL, LIVE_MONITORING)
    assert {"/", "/recordings", "/audit"} <= set(await targets())
    assert not {"/calls", "/tokens"} & set(await targets())
    assert "now.js" in (await agent.get("/")).text


SALLYS = CallVariables(device_id="200", device_alias="2000", group="Sales", gate="Gold")
OTHERS = CallVariables(device_id="300", device_alias="3000", group="Support", gate="Iron")


async def two_calls(world: World) -> tuple[int, int]:
    return (
        await world.add_call(1, agent_id=AGENT, variables=SALLYS),
        await world.add_call(2, agent_id=1, variables=OTHERS),
    )


async def test_one_sees_ones_own_and_of_the_others_not_even_that_there_are(
    world: World, agent: httpx.AsyncClient
) -> None:
    mine, theirs = await two_calls(world)
    await world.role(AGENT, OWN_RECORDINGS, SEARCH, PLAYBACK, EXPORT, SYSTEM_STATUS)
    for path in ("/recordings", "/latest", "/", "/recordings?q=3", "/recordings?q=300&field=device_id"):
        found = shown((await agent.get(path)).text)
        assert theirs not in found and (mine in found or "?" in path), path
    one = f"/recordings/{theirs}"
    below = ("", "/peaks.json", "/wave.svg", "/audio.wav", "/audio.mp3", "/audio.wav?download=1")
    nowhere = "/recordings/999"
    for path in below:
        hidden, missing = await agent.get(one + path), await agent.get(nowhere + path)
        assert hidden.status_code == missing.status_code == 404, path
        assert re.sub(r"(recording|recordings/) ?2\b", r"\1 999", hidden.text) == missing.text, path
    link = await agent.get(f"/MediaPlayer/ExternalCallListPlayer/{theirs}/false")
    assert (await agent.get(link.headers["location"])).status_code == 404
    assert (await agent.get(f"/recordings/{mine}/audio.wav")).status_code == 200
    calls = (await agent.get("/calls")).text
    assert "/calls/1" in calls and "/calls/2" not in calls
    assert (await agent.get("/calls/1")).status_code == 200
    assert (await agent.get("/calls/2")).status_code == 404
    assert not re.search(r"All <b>", calls), "how many calls there are in all is not theirs to know"
    assert all(subject != f"recording {theirs}" for _, _, subject in await world.acts())


@pytest.mark.parametrize("link", [("acd_group", "Support"), ("gate", "Iron"), ("permission", ALL_RECORDINGS)])
async def test_a_role_opens_groups_and_gates(world: World, agent: httpx.AsyncClient, link: tuple[str, str]) -> None:
    _, theirs = await two_calls(world)
    number = await world.role(AGENT, SEARCH, PLAYBACK)
    assert shown((await agent.get("/recordings")).text) == []
    kind, value = link
    await world.access.grant(number, kind, value)  # type: ignore[arg-type]
    assert theirs in shown((await agent.get("/recordings")).text)
    assert (await agent.get(f"/recordings/{theirs}")).status_code == 200


async def test_the_list_of_calls_goes_on_among_those_that_are_hidden(world: World, agent: httpx.AsyncClient) -> None:
    for number in range(1, 2 * ROWS + 12):
        await world.add_call(number, seconds=0.1, agent_id=AGENT if number % 2 else 1)
    await world.role(AGENT, SYSTEM_STATUS, OWN_RECORDINGS)
    first = (await agent.get("/calls")).text
    onward = re.search(r'rel="next" href="([^"]+)"', first)
    assert onward is not None
    second = (await agent.get(onward[1].replace("&amp;", "&"))).text
    numbers = [int(one) for page in (first, second) for one in re.findall(r'"/calls/(\d+)" title', page)]
    assert len(numbers) == len(set(numbers)) == ROWS + 6
    assert all(number % 2 for number in numbers)


class TestLive:
    def actor(self, **sees: frozenset[object]) -> Actor:
        return Actor(kind="person", name="sally", permissions=frozenset(), sees=Visibility(**sees))  # type: ignore[arg-type]

    def test_live_shows_the_calls_and_devices_one_may_see(self) -> None:
        snapshot = a_snapshot(NOON, 3)
        snapshot = replace(
            snapshot,
            calls=(
                replace(snapshot.calls[0], agent_id=7),
                replace(snapshot.calls[1], group="Sales"),
                snapshot.calls[2],
            ),
            devices=(replace(snapshot.devices[0], agent_id=7), *snapshot.devices[1:]),
            notices=("The disk is full.",),
        )
        assert visible(snapshot, self.actor()) == LiveSnapshot(at=NOON)
        mine = visible(snapshot, self.actor(agents=frozenset({7})))
        assert ([call.key for call in mine.calls], len(mine.devices)) == (["k0"], 1)
        assert [call.key for call in visible(snapshot, self.actor(groups=frozenset({"Sales"}))).calls] == ["k1"]
        assert [call.key for call in visible(snapshot, self.actor(phones=frozenset({"2002"}))).calls] == ["k2"]

    def test_notices_are_for_operators(self) -> None:
        snapshot = LiveSnapshot(notices=("The disk is full.",))
        everybody = Actor(kind="person", name="a", sees=Visibility(everything=True))
        assert visible(snapshot, everybody).notices == ()
        operator = replace(everybody, sees=NOTHING, permissions=frozenset({SYSTEM_STATUS}))
        assert visible(snapshot, operator).notices == snapshot.notices


class TestTrailOfListening:
    async def test_once_per_opening_and_not_per_piece(self, world: World, admin: httpx.AsyncClient) -> None:
        number = await world.add_call(1)
        wav = f"/recordings/{number}/audio.wav"
        for header in ("bytes=0-", "bytes=100-199", "bytes=44-", "bytes=0-"):
            assert (await admin.get(wav, headers={"range": header})).status_code == 206
        await admin.head(wav)
        listened = ("admin", "listened", f"recording {number}")
        assert await world.acts() == [listened]
        await admin.get(f"/recordings/{number}")
        await admin.get(wav, headers={"range": "bytes=44-"})
        assert await world.acts() == [listened, listened], "opened anew, from whichever byte on"
        world.clock.advance(3600)
        await admin.get(wav)
        assert len(await world.acts()) == 3

    async def test_each_download_is_an_export(self, world: World, admin: httpx.AsyncClient) -> None:
        number = await world.add_call(1)
        for kind in ("wav", "mp3"):
            await admin.get(f"/recordings/{number}/audio.{kind}?download=1")
        await admin.get(f"/recordings/{number}/audio.wav?download=1", headers={"range": "bytes=500-"})
        await admin.get(f"/recordings/{number}/audio.wav?download=1", headers={"range": "bytes=0-499"})
        assert await world.acts() == [("admin", "exported", f"recording {number}")] * 3

    async def test_nothing_is_heard_that_cannot_be_noted(self, world: World, admin: httpx.AsyncClient) -> None:
        number = await world.add_call(1)
        world.trail.unavailable = True
        for path in ("audio.wav", "audio.mp3", "audio.wav?download=1"):
            assert (await admin.get(f"/recordings/{number}/{path}")).status_code == 503
