"""Server-sent events of a real server: a person who is logged in follows calls, and comes back after a while."""

import httpx
import orjson
from tests.plain_http import http_client
from tests.servers import LiveServer, Speaker

from earshot.config import load
from earshot.operations import create_user

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


async def logged_in(server: Speaker, http: httpx.AsyncClient) -> None:
    await create_user(load(data_dir=server.data_dir), "watcher", "correct horse battery", True)
    answer = await http.post(
        "/login", data={"username": "watcher", "password": "correct horse battery"}, headers=SAME_SITE
    )
    assert answer.status_code == 303, answer.text


async def read_until(http: httpx.AsyncClient, wanted: str, last_id: str = "") -> list[tuple[str, str, str]]:
    """(id, event, data) until one of type `wanted`."""
    found: list[tuple[str, str, str]] = []
    block: dict[str, str] = {}
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with http.stream("GET", "/api/v1/events", headers=headers) as got:
        assert got.status_code == 200
        async for line in got.aiter_lines():
            name, _, value = line.partition(": ")
            block[name] = value
            if line:
                continue
            if "data" in block:
                found.append((block["id"], block["event"], block["data"]))
            block = {}
            if found and found[-1][1] == wanted:
                break
    return found


async def test_calls_are_followed_and_nothing_is_missed_in_between(server_process: LiveServer) -> None:
    base = f"http://{server_process.host}:{server_process.http_port}"
    async with http_client(base_url=base, trust_env=False, timeout=20) as http:
        assert (await http.get("/api/v1/events")).status_code == 401
        await logged_in(server_process, http)
        start = await http.get("/api/v1/events?types=NOSUCH")
        assert start.status_code == 400
        async with http.stream("GET", "/api/v1/events") as got:
            lines = got.aiter_lines()
            assert (await anext(lines)) == "retry: 2000"
            last_id = (await anext(lines)).removeprefix("id: ")
        await server_process.command("CALLSTART", DEVICEID=555, USER1="Größe")
        await server_process.command("CALLUPDATE", DEVICEID=555, GATE=80)
        await server_process.command("CALLSTOP", DEVICEID=555)
        found = await read_until(http, "CALLSTOP", last_id)
        assert [kind for _, kind, _ in found] == ["CALLSTART", "CALLUPDATE", "CALLSTOP"]
        assert orjson.loads(found[0][2])["fields"]["USER1"] == "Größe"
        assert [kind for _, kind, _ in await read_until(http, "CALLSTOP", found[0][0])] == ["CALLUPDATE", "CALLSTOP"]
        await server_process.kill()
        await server_process.start()
        await logged_in(server_process, http)
        assert [kind for _, kind, _ in await read_until(http, "reset", found[-1][0])] == ["reset"]
