"""The REST API for those who administer: users, roles, stations, words, tokens, the trail, mail, screen sessions."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.plain_http import http_client
from tests.rest.asking import Desk, a_desk

from earshot.errors import StoreUnavailable
from earshot.web.gate import COOKIE
from earshot.web.logins import fingerprint


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def admin(desk: Desk) -> httpx.AsyncClient:
    return await desk.admin()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and RESULTTYPE of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json().get("resulttype", "")


async def test_users_and_their_phones(desk: Desk, admin: httpx.AsyncClient) -> None:
    new = {"username": "sally", "first_name": "Sally", "last_name": "Smith", "phones": ["201", "202"], "domain": "CORP"}
    made = await admin.post("/api/v1/users", json=new | {"password": "long enough a word"})
    assert made.status_code == 201, made.text
    user = made.json()
    assert (user["phones"], user["is_agent"], user["sys_domain"]) == (["201", "202"], True, "CORP")
    assert "password" not in user
    path = f"/api/v1/users/{user['user_id']}"
    assert problem(await admin.post("/api/v1/users", json=new)) == (409, "API_USER_ALREADY_EXIST")
    other = (await admin.post("/api/v1/users", json={"username": "john", "active": False})).json()
    assert other["active"] is False
    taken = await admin.put(f"/api/v1/users/{other['user_id']}/phones/201")
    assert problem(taken) == (409, "API_ERROR_KEYS_NOT_UNIQUE")
    assert (await admin.delete(f"{path}/phones/201")).status_code == 204
    assert (await admin.put(f"/api/v1/users/{other['user_id']}/phones/201")).status_code == 204
    changed = (await admin.patch(path, json={"email": "s@example.org", "phones": []})).json()
    assert (changed["email"], changed["phones"], changed["username"]) == ("s@example.org", [], "sally")
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["deleted"] is True
    assert problem(await admin.patch(path, json={"email": "x"})) == (404, "API_USER_NOT_FOUND")
    assert problem(await admin.get("/api/v1/users/99")) == (404, "API_USER_NOT_FOUND")
    names = [one["username"] for one in (await admin.get("/api/v1/users")).json()["items"]]
    assert names == ["boss", "john"]
    secret = await admin.post("/api/v1/users", json={"username": "x", "password": 17})
    assert secret.status_code == 422 and "17" not in secret.text.replace("body", "")
    assert ("boss/crm", "created", "user sally") in await desk.acts()


async def test_groups_and_roles_decide_at_once(desk: Desk, admin: httpx.AsyncClient) -> None:
    user = (await admin.post("/api/v1/users", json={"username": "sally", "phones": ["201"]})).json()["user_id"]
    client = await desk.with_token(user, "all")
    assert (await client.get("/api/v1/recordings")).status_code == 403
    role = (await admin.post("/api/v1/roles", json={"name": "Agents", "description": "those who talk"})).json()
    group = (await admin.post("/api/v1/groups", json={"name": "Sales"})).json()
    one = f"/api/v1/roles/{role['role_id']}"
    for path in (
        f"{one}/permissions/RECORDINGSEARCH",
        f"{one}/permissions/Allow Recording Playback",
        f"{one}/groups/{group['group_id']}",
        f"/api/v1/groups/{group['group_id']}/phones/201",
        f"/api/v1/users/{user}/roles/{role['role_id']}",
    ):
        assert (await admin.put(path)).status_code == 204, path
    role = (await admin.get(one)).json()
    assert role["permissions"] == ["RECORDINGPLAYBACK", "RECORDINGSEARCH"]
    assert (role["groups"], role["members"]) == ([group["group_id"]], [user])
    assert (await client.get("/api/v1/recordings")).status_code == 200
    (listed,) = (await admin.get("/api/v1/groups")).json()["items"]
    assert listed["phones"] == ["201"]
    assert (await admin.patch(one, json={"description": ""})).json()["description"] == ""
    assert problem(await admin.post("/api/v1/roles", json={"name": "agents"})) == (409, "API_ROLE_ALREADY_EXISTS")
    for method, path, status, label in (
        ("PUT", f"{one}/permissions/NONSENSE", 400, "API_INVALID_MESSAGE_FORMAT"),
        ("PUT", f"{one}/groups/99", 404, "API_NO_GROUP"),
        ("PUT", "/api/v1/groups/99/phones/201", 404, "API_NO_GROUP"),
        ("PUT", f"/api/v1/groups/{group['group_id']}/phones/999", 404, "API_AGENT_NOT_FOUND"),
        ("PUT", f"/api/v1/users/99/roles/{role['role_id']}", 404, "API_USER_NOT_FOUND"),
        ("PUT", f"/api/v1/users/{user}/roles/99", 404, "API_ROLE_NOT_FOUND"),
        ("DELETE", "/api/v1/roles/1", 409, "API_ERROR_INVALID_ACTION"),
        ("GET", "/api/v1/roles/99", 404, "API_ROLE_NOT_FOUND"),
    ):
        assert problem(await admin.request(method, path)) == (status, label), path
    for path in (
        f"{one}/permissions/RECORDINGSEARCH",
        f"{one}/groups/{group['group_id']}",
        f"/api/v1/groups/{group['group_id']}/phones/201",
        f"/api/v1/users/{user}/roles/{role['role_id']}",
        one,
    ):
        assert (await admin.delete(path)).status_code == 204, path
    assert (await client.get("/api/v1/recordings")).status_code == 403
    names = {one["name"] for one in (await admin.get("/api/v1/permissions")).json()["items"]}
    assert {"RECORDINGSEARCH", "HOMEPAGEWIDGETS"} <= names


async def test_stations_locations_and_words(desk: Desk, admin: httpx.AsyncClient) -> None:
    mapped = await admin.put("/api/v1/stations/COMPUTER 1", json={"device_id": "1234"})
    assert mapped.json() == {"station": "COMPUTER 1", "device_id": "1234", "location_id": 1}
    assert (await admin.get("/api/v1/stations")).json()["items"] == [mapped.json()]
    made = await admin.post("/api/v1/locations", json={"name": "Hall", "number": 7})
    assert (made.status_code, made.json()) == (201, {"number": 7, "name": "Hall"})
    assert problem(await admin.post("/api/v1/locations", json={"name": "hall"})) == (409, "API_ERROR_KEYS_NOT_UNIQUE")
    assert (await admin.patch("/api/v1/locations/7", json={"name": "Floor"})).json()["name"] == "Floor"
    assert problem(await admin.patch("/api/v1/locations/8", json={"name": "x"}))[0] == 404
    terms = (await admin.put("/api/v1/terminology/user1", json={"term": "Customer"})).json()["items"]
    assert {"name": "user1", "term": "Customer"} in terms
    assert problem(await admin.put("/api/v1/terminology/nonsense", json={"term": "x"}))[0] == 400
    reader = await desk.admin("VIEWINGOFSYSTEMSTATUS")
    assert (await reader.put("/api/v1/terminology/user1", json={"term": "x"})).status_code == 403
    acts = await desk.acts()
    assert ("boss/crm", "created", "location 7") in acts and ("boss/crm", "changed", "term user1") in acts


async def test_tokens_are_made_by_people_alone(desk: Desk, admin: httpx.AsyncClient) -> None:
    new = {"name": "nightly", "scopes": ["RECORDINGSEARCH"], "days": 3}
    assert (await admin.post("/api/v1/tokens", json=new)).status_code == 403
    await desk.context.store.add_login(fingerprint("the login"), 1, desk.context.clock.now() + 3600)
    person = desk.client(cookie=f"{COOKIE}=the login")
    assert (await person.post("/api/v1/tokens", json=new)).status_code == 403, "not from an Earshot page"
    origin = {"origin": desk.url}
    made = await person.post("/api/v1/tokens", json=new, headers=origin)
    assert made.status_code == 201, made.text
    secret = made.json()["token"]
    client = desk.client(authorization=f"Bearer {secret}")
    assert (await client.get("/api/v1/recordings")).status_code == 200
    assert (await client.get("/api/v1/tokens")).status_code == 403
    listed = await person.get("/api/v1/tokens")
    assert secret not in listed.text and listed.json()["items"][0]["scopes"] == ["RECORDINGSEARCH"]
    number = made.json()["number"]
    assert (await admin.delete(f"/api/v1/tokens/{number}")).status_code == 204
    assert (await admin.delete(f"/api/v1/tokens/{number}")).status_code == 404
    gone = await client.get("/api/v1/recordings")
    assert problem(gone) == (401, "") and gone.headers["www-authenticate"] == "Bearer"
    bad = await person.post("/api/v1/tokens", json=new | {"scopes": ["NONSENSE"]}, headers=origin)
    assert problem(bad) == (400, "API_INVALID_MESSAGE_FORMAT")


async def test_a_basic_login_with_a_token_but_not_from_other_sites(desk: Desk) -> None:
    token = await desk.token(1, "all")
    path = "/api/v1/calls/stop"
    async with http_client(base_url=desk.url, auth=("anything", token)) as client:
        assert (await client.get("/api/v1/devices")).status_code == 200
        assert (await client.post(path, json={"device_id": "1"})).status_code == 200
        evil = {"sec-fetch-site": "cross-site", "origin": "http://evil.example"}
        assert (await client.post(path, json={"device_id": "1"}, headers=evil)).status_code == 403
        assert (await client.get("/metrics")).status_code == 200, "this machine needs no login there"
        assert (await client.get("/exports")).status_code == 401, "only below /api"
    async with http_client(base_url=desk.url, auth=("anything", "est_wrong")) as client:
        assert problem(await client.get("/api/v1/devices")) == (401, "")
    for header in ("Basic", "Basic !!!", "Basic /w==", "Basic eDp5"):
        assert (await desk.client(authorization=header).get("/api/v1/devices")).status_code == 401


async def test_the_trail_by_the_page_and_as_a_file(desk: Desk, admin: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await admin.post("/api/v1/users", json={"username": name})
    wanted = {"act": "created", "subject": "user *", "limit": "2"}
    first = (await admin.get("/api/v1/audit", params=wanted)).json()
    rest = (await admin.get("/api/v1/audit", params=wanted | {"cursor": first["next"]})).json()
    assert [one["subject"] for one in first["items"] + rest["items"]] == ["user c", "user b", "user a"]
    assert rest["next"] is None and first["items"][0]["kind"] == "token"
    csv = await admin.get("/api/v1/audit/export", params={"act": "created"})
    assert csv.headers["content-type"].startswith("text/csv") and csv.text.count("user ") == 3
    listed: list[dict[str, Any]] = (await admin.get("/api/v1/audit/export", params={"format": "json"})).json()
    assert ("boss/crm", "exported", "audit trail") in [(one["actor"], one["act"], one["subject"]) for one in listed]


async def test_mail_without_a_server_and_screen_sessions(desk: Desk, admin: httpx.AsyncClient) -> None:
    mail = {"records": [1], "to": "a@example.org"}
    assert problem(await admin.post("/api/v1/mails", json=mail)) == (503, "API_ERROR_CLIENT_NOT_FOUND")
    assert problem(await admin.post("/api/v1/mails", json=mail | {"to": "nobody"}))[1] == "API_EMAIL_NOT_VALID"
    assert (await admin.get("/api/v1/mails")).json() == {"items": [], "next": None}
    assert problem(await admin.post("/api/v1/mails/1/retry"))[0] == 404
    assert problem(await admin.delete("/api/v1/mails/1"))[0] == 404
    agent = await desk.agent("ceddy", sys_user="ceddy", is_agent=True)
    start = {"session_id": "82738", "key_name": "USERNAME", "key_value": "CEDDY"}
    assert (await admin.post("/api/v1/screen-sessions/start", json=start)).json()["resulttype"] == "API_OK"
    live = (await admin.get("/api/v1/calls/live")).json()["screens"]
    assert [(one["session_id"], one["agent_id"], one["state"]) for one in live] == [("82738", agent, "not_captured")]
    body = {"session_id": "82738"}
    assert (await admin.post("/api/v1/screen-sessions/update", json=body | {"user1": "x"})).status_code == 200
    assert (await admin.post("/api/v1/screen-sessions/stop", json=body)).status_code == 200
    nobody = {"session_id": "1", "agent_id": 99}
    assert problem(await admin.post("/api/v1/screen-sessions/start", json=nobody)) == (404, "API_AGENT_NOT_FOUND")
    assert problem(await admin.get("/api/v1/screen-sessions/99"))[0] == 404


async def test_the_database_is_away(desk: Desk, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the database cannot be reached")

    monkeypatch.setattr(desk.context.store, "recordings", away)
    monkeypatch.setattr(desk.context.store, "users", away)
    gone = await admin.get("/api/v1/recordings")
    assert problem(gone) == (503, "API_DATABASE_QUERY_ERROR") and gone.headers["retry-after"] == "5"
    assert problem(await admin.patch("/api/v1/users/2", json={})) == (503, "API_DATABASE_QUERY_ERROR")
