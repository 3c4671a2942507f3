"""Logging in, staying out, and what the gate lets through."""

import asyncio

import httpx
import pytest
from starlette.datastructures import Headers
from tests.web.world import PASSWORD, PASSWORD_HASH, World

from earshot.ports import User
from earshot.web.gate import SECURITY_HEADERS, is_same_origin, safe_next
from earshot.web.logins import FREE_GUESSES, LOGIN_S, REMEMBERED, Backoff, fingerprint
from earshot.web.passwords import NOBODYS_HASH, PasswordChecker, TooBusy, hash_password, is_password

CLOSED = ["/", "/recordings", "/recordings/1", "/calls", "/calls/1", "/latest", "/metrics", "/nowhere"]
FOR_PROGRAMS = ["/live", "/recordings/1/peaks.json", "/recordings/1/audio.wav", "/recordings/1/audio.mp3"]


async def attempt(client: httpx.AsyncClient, username: str, password: str, **headers: str) -> httpx.Response:
    return await client.post("/login", data={"username": username, "password": password}, headers=headers)


@pytest.mark.parametrize("path", CLOSED)
async def test_pages_send_a_stranger_to_the_login(stranger: httpx.AsyncClient, path: str) -> None:
    answer = await stranger.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


@pytest.mark.parametrize("path", FOR_PROGRAMS)
async def test_programs_get_a_401(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(path, headers={"accept": "*/*"})).status_code == 401


@pytest.mark.parametrize(
    "path", ["/login", "/whoami", "/healthz", "/static/earshot.css", "/webAPI.aspx?type=TEST&requestid=1"]
)
async def test_the_open_doors(stranger: httpx.AsyncClient, path: str) -> None:
    answer = await stranger.get(path)
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_static_files_stay_inside_their_folder(stranger: httpx.AsyncClient) -> None:
    for path in ("/static/../web/gate.py", "/static/%2e%2e/gate.py", "/static/..%2fgate.py", "/static//etc/passwd"):
        assert (await stranger.get(path)).status_code in (303, 404)


async def test_login_sets_a_strict_cookie_and_leads_on(world: World, stranger: httpx.AsyncClient) -> None:
    form = {"username": "admin", "password": PASSWORD, "next": "/recordings?q=a&from=2023-01-01"}
    answer = await stranger.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/recordings?q=a&from=2023-01-01")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    token = stranger.cookies["earshot_login"]
    assert len(token) >= 43
    user = await world.store.login(fingerprint(token), world.clock.now())
    assert user is not None and user.username == "admin"
    assert (await stranger.get("/whoami")).json() == {"user": "admin"}
    assert (await stranger.get("/login?next=/calls")).headers["location"] == "/calls"


async def test_a_login_ends_after_twelve_hours(world: World, admin: httpx.AsyncClient) -> None:
    world.clock.advance(LOGIN_S - 1)
    assert (await admin.get("/calls")).status_code == 200
    world.clock.advance(2)
    assert (await admin.get("/calls")).status_code == 303


async def test_logging_out_ends_the_session_in_the_store(admin: httpx.AsyncClient) -> None:
    token = admin.cookies["earshot_login"]
    assert (await admin.post("/logout")).headers["location"] == "/login"
    assert (await admin.get("/calls", headers={"cookie": f"earshot_login={token}"})).status_code == 303


async def test_who_loses_the_rights_is_out(world: World, admin: httpx.AsyncClient) -> None:
    await world.store.modify_user(1, {"is_admin": False})
    assert (await admin.get("/calls")).status_code == 403
    await world.store.modify_user(1, {"active": False})
    assert (await admin.get("/calls")).status_code == 303


@pytest.mark.parametrize(
    ("username", "password"),
    [("admin", "wrong"), ("nobody", PASSWORD), ("", ""), ("a" * 300, "x")],
)
async def test_every_refusal_reads_the_same(stranger: httpx.AsyncClient, username: str, password: str) -> None:
    answer = await attempt(stranger, username, password)
    assert answer.status_code == 401
    assert "User name and password do not fit." in answer.text
    assert "set-cookie" not in answer.headers


async def test_wrong_guesses_make_wait_longer_and_longer(world: World, stranger: httpx.AsyncClient) -> None:
    for _ in range(FREE_GUESSES):
        assert (await attempt(stranger, "admin", "wrong")).status_code == 401
    locked = await attempt(stranger, "ADMIN", PASSWORD)
    assert (locked.status_code, locked.headers["retry-after"]) == (429, "2")
    world.clock.advance(2)
    assert (await attempt(stranger, "admin", "wrong")).status_code == 401
    assert (await attempt(stranger, "admin", PASSWORD)).headers["retry-after"] == "4"
    world.clock.advance(4)
    assert (await attempt(stranger, "admin", PASSWORD)).status_code == 303


def test_what_is_remembered_of_failures_is_bounded(world: World) -> None:
    backoff = Backoff(world.clock, 1)
    for number in range(REMEMBERED + 1):
        backoff.failed(str(number))
    assert backoff.wait_s("0") == 0
    assert backoff.wait_s("1") == 2


async def test_a_lost_database_is_said_and_not_a_wrong_password(world: World, stranger: httpx.AsyncClient) -> None:
    world.store.unavailable = True
    answer = await attempt(stranger, "admin", PASSWORD)
    assert answer.status_code == 503
    assert (await stranger.get("/recordings", headers={"cookie": "earshot_login=x"})).status_code == 503
    assert (await stranger.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({"origin": "http://recorder", "host": "recorder"}, True),
        ({"origin": "http://RECORDER:2012", "host": "recorder:2012"}, True),
        ({"origin": "http://recorder:81", "host": "recorder"}, False),
        ({"origin": "http://evil", "host": "recorder"}, False),
        ({"origin": "null", "host": "recorder"}, False),
        ({"host": "recorder"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil", "host": "recorder"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://recorder", "host": "recorder"}, False),
        ({"sec-fetch-site": "cross-site", "host": "recorder"}, False),
    ],
)
def test_where_a_change_may_come_from(headers: dict[str, str], fine: bool) -> None:
    assert is_same_origin(Headers(headers)) is fine


async def test_a_form_on_another_site_changes_nothing(admin: httpx.AsyncClient) -> None:
    assert (await admin.post("/logout", headers={"origin": "http://evil"})).status_code == 403
    assert (await admin.get("/calls")).status_code == 200


@pytest.mark.parametrize(
    "target",
    ["//evil", "http://evil", "/\\evil", "evil", "", "/\t/evil", "/a\r\nx: y", "/login", "/login?next=/", "/" * 3000],
)
def test_nobody_is_sent_elsewhere_after_logging_in(target: str) -> None:
    assert safe_next(target) == "/"


async def test_the_login_page_escapes_what_it_repeats(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/login", data={"username": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>alert" not in answer.text
    answer = await stranger.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>alert" not in answer.text


async def test_a_login_form_that_is_none(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.post("/login", content=b"x" * 20_000)).status_code == 400
    assert (await stranger.post("/login", content=b"\xff\xfe&&==")).status_code == 401


def test_hashes_are_argon2id_and_the_unknown_user_costs_the_same() -> None:
    parameters = PASSWORD_HASH.split("$")[1:4]
    assert parameters[0] == "argon2id"
    assert NOBODYS_HASH.split("$")[1:4] == parameters
    assert is_password(PASSWORD, PASSWORD_HASH)
    assert not is_password("wrong", PASSWORD_HASH)
    assert not is_password(PASSWORD, "no hash")


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_passwords_have_bounds(password: str) -> None:
    with pytest.raises(ValueError):
        hash_password(password)


async def test_only_so_many_checks_wait_at_once() -> None:
    checker = PasswordChecker(at_once=1, waiting=1)
    try:
        outcomes = await asyncio.gather(*(checker.check("x", None) for _ in range(3)), return_exceptions=True)
        assert sorted(str(type(outcome)) for outcome in outcomes) == sorted(map(str, (bool, bool, TooBusy)))
        assert await checker.check(PASSWORD, PASSWORD_HASH)
    finally:
        checker.close()


async def test_a_deleted_administrator_cannot_log_in(world: World, stranger: httpx.AsyncClient) -> None:
    number = await world.store.add_user(User(username="gone", is_admin=True), PASSWORD_HASH)
    await world.store.delete_user(number)
    assert (await attempt(stranger, "gone", PASSWORD)).status_code == 401
