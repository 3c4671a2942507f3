"""The tamper-evident log of the running system: what is logged, what is proven, and that every damage is found."""

import base64

import httpx
from tests.acceptance.spoken import wall
from tests.faults.evidence import problems, until_rows
from tests.plain_http import http_client
from tests.servers import Speaker

from earshot.ledger.checkpoint import LogKey
from earshot.ledger.proof import Proof, proven
from earshot.web.logins import fingerprint

OK = b"<RESULTCODE>20<"


async def logged_in(server: Speaker) -> httpx.AsyncClient:
    """A browser of an administrator."""
    assert server.inside is not None
    store = server.inside.store
    from earshot.ports import User

    user_id = await store.add_user(User(username="admin", is_admin=True))
    await store.add_login(fingerprint("a token"), user_id, wall() + 3600)
    return http_client(
        base_url=f"http://{server.host}:{server.http_port}", cookies={"earshot_login": "a token"}, trust_env=False
    )


async def published(server: Speaker) -> tuple[LogKey, str]:
    async with http_client(trust_env=False) as http:
        answer = (await http.get(f"http://{server.host}:{server.http_port}/.well-known/earshot-ledger.json")).json()
    return LogKey(answer["origin"], base64.b64decode(answer["public_key"])), answer["checkpoint"]


async def test_a_recording_is_proven_over_the_web(live_server: Speaker) -> None:
    await live_server.make_recording("5001")
    key, _ = await published(live_server)
    async with await logged_in(live_server) as http:
        document = (await http.get("/api/v1/recordings/1/proof")).json()
        page = (await http.get("/recordings/1/proof")).text
        assert (await http.get("/api/v1/recordings/99/proof")).status_code == 404
    shown = proven(Proof.read(document), key)
    (leaf,) = shown.leaves
    (call,) = await until_rows(live_server.data_dir, "5001")
    assert (leaf.kind, leaf.row, leaf.body["sha256"]) == ("sealed", 1, call.recordings[0].audio_sha256)
    assert "Provably unaltered since" in page and shown.sha256 in page
    assert await problems(live_server.data_dir) == []
