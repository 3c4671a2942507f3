"""Every route of the REST API: described, closed to strangers and to tokens without scope, and never a 500."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.routing import Mount
from tests.rest.asking import Desk, a_desk

from earshot.api.permissions import BY_NAME
from earshot.web.permitted import NEEDS
from earshot.web.rest.control import CallStart
from earshot.web.rest.frame import GuardedRoute
from earshot.web.rest.values import parameters

TEXTS = ("", "\x00", "' OR 1=1 --", "../../etc/passwd", "9" * 40, "-1", "1e999", "x" * 5_000)
HOSTILE: tuple[Any, ...] = (
    *TEXTS,
    "=cmd|' /C calc'!A0",
    "\ud800",
    True,
    None,
    0,
    10**30,
    1e308,
    [None],
    {"a": {"b": []}},
)
MAY_BE_503 = "API_ERROR_CLIENT_NOT_FOUND"
"""No mail server is configured in these tests."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path / "data") as made:
        yield made


def routes(desk: Desk) -> list[GuardedRoute]:
    """The routes of the application, without those for HEAD."""
    mount = next(route for route in desk.inside.house.routes if isinstance(route, Mount) and route.path == "/api")
    found = [route for route in mount.routes if isinstance(route, GuardedRoute)]
    assert len(found) == len(mount.routes), "every route is a guarded one"
    return [route for route in found if route.methods != {"HEAD"}]


def address(route: GuardedRoute, value: str = "1") -> str:
    return "/api" + re.sub(r"\{[^}]+\}", lambda _: value, route.path)


def method_of(route: GuardedRoute) -> str:
    assert route.methods is not None
    (method,) = route.methods
    return method


def body_of(document: dict[str, Any], route: GuardedRoute) -> dict[str, Any] | None:
    """The properties of the JSON body that a route takes, None for no body."""
    path = re.sub(r":int", "", route.path)
    operation = document["paths"][path][method_of(route).lower()]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return dict(schema.get("properties", {"DEVICEID": {}}))


async def test_all_are_described_and_answers_have_schemas(desk: Desk) -> None:
    admin = await desk.admin()
    document = (await admin.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1") and document["servers"] == [{"url": "/api"}]
    ids = []
    for route in routes(desk):
        operation = document["paths"][re.sub(r":int", "", route.path)][method_of(route).lower()]
        assert operation["summary"] and operation["description"], route.path
        assert operation["responses"]["4XX"]["content"].keys() == {"application/problem+json"}
        ids.append(operation["operationId"])
    assert len(ids) == len(set(ids)) > 70
    assert "/v1/events" in document["paths"]
    text = json.dumps(document)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in document["components"]["schemas"], name
    page = await admin.get("/api/v1/docs")
    assert page.status_code == 200 and "POST /api/v1/calls/start" in page.text
    assert "<script" not in page.text and not re.search(r'(?:src|href)="(?![/#])', page.text), "nothing from elsewhere"


async def test_strangers_and_tokens_without_scope_are_refused(desk: Desk) -> None:
    stranger = desk.client()
    nobody = await desk.with_token(await desk.agent("nobody"), "all")
    for route in routes(desk):
        method, path = method_of(route), address(route)
        refused = await stranger.request(method, path, headers={"origin": desk.url}, json={})
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json"), path
        permissions = getattr(route.endpoint, NEEDS)
        assert set(permissions) <= BY_NAME.keys()
        answer = await nobody.request(method, path, content=b"{")
        if permissions:
            assert answer.status_code == 403, (path, answer.text)
            assert any(name in answer.json()["detail"] for name in permissions)
        else:
            assert answer.status_code in (200, 404, 422), (path, answer.text)


async def test_a_token_with_another_scope_is_refused(desk: Desk) -> None:
    for route in routes(desk):
        permissions = getattr(route.endpoint, NEEDS)
        if permissions and "REPORTING" not in permissions:
            other = await desk.admin("REPORTING")
            assert (await other.request(method_of(route), address(route), json={})).status_code == 403, route.path
            break
    everything_else = await desk.admin(*(name for name in BY_NAME if name != "CALLCONTROL"))
    assert (await everything_else.post("/api/v1/calls/start", json={"device_id": "1"})).status_code == 403
    run = await everything_else.post("/api/v1/commands/callstart", json={"DEVICEID": "1"})
    assert (run.status_code, "CALLCONTROL" in run.json()["detail"]) == (403, True)


async def test_plain_reading_gives_valid_answers(desk: Desk) -> None:
    await desk.server.command("CALLSTART", DEVICEID="200", USER1="x")
    admin = await desk.admin()
    read = 0
    for route in routes(desk):
        if method_of(route) != "GET" or "{" in route.path or route.path.startswith(("/Agent", "/WebExport")):
            continue
        answer = await admin.get(address(route))
        assert answer.status_code == 200, (route.path, answer.text)
        if route.response_model is not None:
            TypeAdapter(route.response_model).validate_json(answer.content)
            read += 1
    assert read > 20


def judged(answer: httpx.Response, what: object) -> None:
    if answer.status_code == 503 and answer.json().get("resulttype") == MAY_BE_503:
        return
    assert answer.status_code < 500, (what, answer.status_code, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", (what, answer.text)
        assert {"type", "title", "status", "detail"} <= answer.json().keys()


async def test_hostile_values_are_4xx_and_never_a_500(desk: Desk) -> None:
    admin = await desk.admin()
    document = (await admin.get("/api/v1/openapi.json")).json()
    for route in routes(desk):
        method = method_of(route)
        names = body_of(document, route)
        queried = [parameter.alias for parameter in route.dependant.query_params]
        queried += ["limit", "cursor", "since", "user_field", "agentIdentifier", "Value", "idents", "mediaformat"]
        for value in HOSTILE:
            what = (method, route.path, str(value)[:40].encode("unicode_escape"))
            plain = str(value).encode("utf-8", "replace").decode()
            in_path = quote(plain[:300] or "x", safe="")
            if "{" in route.path and value in TEXTS:
                judged(await admin.request(method, address(route, in_path), content=b"{}"), what)
            if method == "GET" and value in TEXTS:
                query = dict.fromkeys(queried, plain)
                judged(await admin.get(address(route), params=query), what)
            elif method != "GET" and names is not None:
                content = json.dumps(dict.fromkeys(names, value)).encode()
                headers = {"content-type": "application/json"}
                judged(await admin.request(method, address(route), content=content, headers=headers), what)
    assert (await admin.get("/api/v1/system")).status_code == 200
    assert b"<RESULTCODE>20<" in await desk.server.command("TEST")


async def test_bodies_are_bounded_and_must_be_json(desk: Desk) -> None:
    admin = await desk.admin()
    headers = {"content-type": "application/json"}
    for path in ("/api/v1/calls/start", "/api/Record/StartForAgent"):
        large = await admin.post(path, content=b" " * 300_000, headers=headers)
        assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")
        for content in (b"[" * 100_000, b"{", b"\xff\xfe", b'{"device_id": ' + b"1" * 5_000 + b"}"):
            answer = await admin.post(path, content=content, headers=headers)
            assert answer.status_code in (400, 404, 422), answer.text
    assert (await admin.put("/api/v1/calls/start", json={})).status_code == 405
    assert (await admin.get("/api/v1/nonsense")).json()["title"] == "Not Found"
    assert (await admin.get("/api/v1/Recordings")).status_code == 404


TEXT = st.text(max_size=300) | st.none() | st.integers() | st.booleans() | st.lists(st.text(max_size=5), max_size=3)


@given(st.dictionaries(st.sampled_from([*CallStart.model_fields, "unknown"]), TEXT))
def test_a_body_is_refused_or_becomes_texts(body: dict[str, Any]) -> None:
    try:
        made = CallStart.model_validate(body)
    except ValidationError:
        return
    for name, value in parameters(made):
        assert name.isupper() and isinstance(value, str) and len(value) <= 255
        assert not any(ord(character) < 0x20 for character in value)
