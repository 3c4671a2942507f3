"""Who sees only some recordings acts only on their devices, agents and sessions: a walk over all that controls."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.routing import Mount
from tests.contracts.test_screens_contract import session
from tests.rest.asking import Desk, a_desk

from earshot.api.permissions import BLACKOUTS, CALL_CONTROL, LIVE_MONITORING, NEEDED, SYSTEM_STATUS
from earshot.ports.capture import Hello, Order
from earshot.store.screen_tables import SCREENS
from earshot.store.sql.screens import _values
from earshot.web.permitted import NEEDS
from earshot.web.rest.frame import GuardedRoute

NOT_THERE = {"API_DEVICE_INVALID", "API_AGENT_NOT_FOUND"}
MINE, THEIRS = "100", "200"
QUIET = {"/v1/screen-sessions/update", "/v1/screen-sessions/stop", "CHATUPDATE", "CHATSTOP"}
"""What says API_OK of sessions that do not exist."""
OTHERWISE = re.compile(r"/v1/(recordings|webhooks|schedules|holds|archive-actions)\b")
"""Routes about what is stored: tests/rest/test_rest_resources.py and test_rest_rules.py have them."""


class Scene:
    """Two agents, each with a phone, a call with a partial recording, and a screen session; `me` may do everything that
    has to do with calls, and sees what is the own."""

    def __init__(self, desk: Desk, me: httpx.AsyncClient, ids: dict[str, int]) -> None:
        self.desk = desk
        self.me = me
        self.ids = ids

    def body(self, phone: str, names: set[str]) -> dict[str, Any]:
        """What a body with these fields says of the agent with that phone."""
        said = {
            "device_id": phone,
            "session_id": f"session {phone}",
            "agent_id": self.ids[phone],
            "user1": "changed",
            "AgentIdentifier": "Phone",
            "Value": phone,
            "CallMetadata": {"user1": "changed"},
        }
        return {name: value for name, value in said.items() if name in names}

    def state(self, phone: str) -> object:
        """All that commands change of what is that agent's."""
        (link,) = self.desk.context.cores.links
        calls = [
            (call.key, call.phase, call.variables.users, [(one.part, one.until_us) for one in call.recordings])
            for call in link.state.calls.values()
            if call.device_id == phone
        ]
        chats = [
            (chat.key, chat.phase, chat.variables.users)
            for chat in link.state.chats.values()
            if chat.agent.agent_id == self.ids[phone]
        ]
        blackouts = [one.key for one in link.state.blackouts.values() if phone in repr(one)]
        return calls, chats, blackouts, link.state.device_of_alias.get(phone)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_desk(tmp_path / "data") as desk:
        wanted = (CALL_CONTROL, BLACKOUTS, SYSTEM_STATUS, LIVE_MONITORING, "VIEWINGOFOWNRECORDINGS")
        mine = await desk.agent("me", *wanted, phones=(MINE,), sys_user="win100")
        theirs = await desk.agent("them", phones=(THEIRS,), sys_user="win200")
        ids = {MINE: mine, THEIRS: theirs}
        for phone, ident in ids.items():
            await desk.server.command("CALLSTART", DEVICEID=phone, USER1="x")
            await desk.server.command("RECORDSTART", DEVICEID=phone)
            await desk.server.command("CHATSTART", SESSIONID=f"session {phone}", AGENTID=ident)
        yield Scene(desk, await desk.with_token(mine, "all"), ids)


def controls(desk: Desk) -> list[GuardedRoute]:
    mount = next(route for route in desk.inside.house.routes if isinstance(route, Mount) and route.path == "/api")
    return [
        route
        for route in mount.routes
        if isinstance(route, GuardedRoute)
        and {CALL_CONTROL, BLACKOUTS} & set(getattr(route.endpoint, NEEDS))
        and not OTHERWISE.match(route.path)
    ]


async def fields_of(desk: Desk) -> dict[str, set[str]]:
    """The names of the fields of the body, by path."""
    document = (await (await desk.admin()).get("/api/v1/openapi.json")).json()
    found = {}
    for path, operations in document["paths"].items():
        if "post" in operations and "requestBody" in operations["post"]:
            schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
            schema = document["components"]["schemas"].get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
            found[path] = set(schema.get("properties", ()))
    return found


async def test_every_route_that_controls_something(scene: Scene) -> None:
    fields = await fields_of(scene.desk)
    paths = sorted({route.path for route in controls(scene.desk)})
    assert len(paths) >= 17
    before = scene.state(THEIRS)
    for path in paths:
        answer = await scene.me.post(f"/api{path}", json=scene.body(THEIRS, fields[path]))
        if path in QUIET:
            assert answer.status_code == 200, (path, answer.text)
        else:
            assert (answer.status_code, answer.json().get("resulttype") in NOT_THERE) == (404, True), (
                path,
                answer.text,
            )
        assert scene.state(THEIRS) == before, path
    starts_first = sorted(paths, key=lambda path: ("top" in path, path))
    for path in starts_first:
        answer = await scene.me.post(f"/api{path}", json=scene.body(MINE, fields[path]))
        assert answer.status_code == 200, (path, answer.text)
        if path == "/v1/calls/update":
            assert "changed" in repr(scene.state(MINE))


async def test_every_command_that_controls_something(scene: Scene) -> None:
    before = scene.state(THEIRS)
    commands = [name for name, permission in NEEDED.items() if permission in (CALL_CONTROL, BLACKOUTS)]
    assert len(commands) == 12
    ways: list[dict[str, Any]] = [{"DEVICEID": THEIRS}, {"DEVICEALIAS": THEIRS}, {"SYS_USER": "win200"}]
    for name in commands:
        chat = {"SESSIONID": f"session {THEIRS}", "AGENTID": scene.ids[THEIRS], "USER1": "changed"}
        for way in [chat] if name.startswith("CHAT") else ways:
            answer = await scene.me.post(f"/api/v1/commands/{name}", json=way)
            refused = answer.status_code == 404 and answer.json()["resulttype"] in NOT_THERE
            assert refused or (name in QUIET and answer.status_code == 200), (name, way, answer.text)
            assert scene.state(THEIRS) == before, (name, way)


async def test_nobody_takes_the_phone_of_somebody_else_to_the_own_device(scene: Scene) -> None:
    before = scene.state(THEIRS)
    for command in ("CALLSTART", "CALLUPDATE", "RECORDSTART", "BLACKOUTSTART"):
        answer = await scene.me.post(f"/api/v1/commands/{command}", json={"DEVICEID": MINE, "DEVICEALIAS": THEIRS})
        assert answer.status_code == 404, (command, answer.text)
    assert scene.state(THEIRS) == before


async def test_groups_show_the_calls_that_are_theirs(scene: Scene) -> None:
    """By the ACD group of the call that is meant, also where another call runs on the same device."""
    desk = scene.desk
    other = await desk.agent("lead", CALL_CONTROL, BLACKOUTS)
    role = next(one for one in await desk.context.access.roles() if one.name == "role of lead")
    await desk.context.access.grant(role.role_id, "acd_group", "Sales")
    desk.context.authority.forget()
    lead = await desk.with_token(other, "all")
    for instance, group in (("a", "Sales"), ("b", "Other")):
        await desk.server.command("CALLSTART", DEVICEID="300", CALLINSTANCE=instance, GROUP=group)
    for instance, status in (("a", 200), ("b", 404)):
        body = {"device_id": "300", "call_instance": instance}
        for path in ("calls/update", "blackouts/start", "blackouts/stop", "partial-recordings/start"):
            answer = await lead.post(f"/api/v1/{path}", json=body)
            assert answer.status_code == status, (path, instance, answer.text)
    assert (await lead.post("/api/v1/calls/stop", json={"device_id": "300"})).status_code == 404, "b is among them"
    assert (await lead.post("/api/v1/calls/stop", json={"device_id": "300", "call_instance": "a"})).status_code == 200


async def test_pages_of_screen_sessions_are_full(scene: Scene) -> None:
    """However many sessions of others lie between."""
    number = await scene.desk.agent("looks", "RECORDINGSEARCH", "VIEWINGOFOWNRECORDINGS")
    client, rows = await scene.desk.with_token(number, "all"), []
    for place in range(2_103):
        rows.append(_values(session(str(place), float(place), agent_id=number if place < 3 else 99)))
    async with scene.desk.inside.database.write() as connection:
        await connection.execute(sa.insert(SCREENS), rows)
    path = "/api/v1/screen-sessions"
    first = (await client.get(path, params={"limit": 2})).json()
    rest = (await client.get(path, params={"limit": 2, "cursor": first["next"]})).json()
    assert [len(page["items"]) for page in (first, rest)] == [2, 1]
    numbers = [one["number"] for one in first["items"] + rest["items"]]
    assert len(set(numbers)) == 3 and numbers == sorted(numbers, reverse=True)
    assert rest["next"] is None
    everybody = (await (await scene.desk.admin()).get(path, params={"limit": 2})).json()
    assert len(everybody["items"]) == 2 and everybody["next"]
    assert [one["agent_id"] for one in everybody["items"]] == [99, 99]


async def test_status_commands_show_the_own_devices(scene: Scene) -> None:
    class Desktop:
        def send(self, order: Order) -> None:
            """Takes no orders."""

    for name in ("win100", "win200"):
        scene.desk.context.desktops.connected(Hello(computer=f"PC-{name}", username=name), Desktop())

    async def asked(name: str, **params: str) -> httpx.Response:
        return await scene.me.post(f"/api/v1/commands/{name}", json=params)

    listed = (await asked("DEVICELIST")).json()["body"]["DEVICES"]
    assert (listed["COUNT"], listed["DEVICE"]["DEVICEID"]) == ("1", MINE)
    for name in ("DEVICESTATUS", "DEVICERECORDINGSTATUS"):
        assert (await asked(name, DEVICEID=MINE)).status_code == 200
        assert (await asked(name, DEVICEID=THEIRS)).status_code == 404
    assert f'"RECORDINGDEVICE":"{THEIRS}"' not in (await asked("CHANNELS")).text
    assert (await asked("AGENTWINDOW", USERNAME="win100")).status_code == 200
    for way in ({"USERNAME": "win200"}, {"COMPUTERNAME": "PC-win200"}, {"USERNAME": "them"}):
        assert (await asked("AGENTWINDOW", **way)).json()["resulttype"] == "API_AGENT_NOT_FOUND"
