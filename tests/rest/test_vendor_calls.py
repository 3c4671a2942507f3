"""The vendor's later JSON calls (reference.md 12), live: agents, recordings, blackouts and exports for them."""

import asyncio
import io
import wave
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.plain_http import http_client
from tests.rest.asking import Desk, a_desk
from tests.servers import in_process

KEYS = (
    *("AgentId", "BusinessUnit", "AgentPhone", "SystemUsername", "CrmUsername", "ActiveCall", "InactiveCalls"),
    *("Username", "DeviceId", "DeviceAlias", "DesktopOnlySessions"),
)
METADATA = {
    *("deviceid", "devicealias", "gate", "ani", "dnis", "callid", "sgroup", "callinstance", "calldirection", "station"),
    *("istrunk", "sessionid", "starttime", "endtime", "callsegmentid", "keepdays", "archiveaction"),
    *(f"user{number}" for number in range(1, 16)),
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """With an agent, USERID 2, whose phone is 4678."""
    async with a_desk(tmp_path / "data") as made:
        agent = await made.agent("sally", sys_user="smith.1", crm_user="sallycrm", is_agent=True, phones=("4678",))
        assert agent == 2
        yield made


@pytest.fixture
async def client(desk: Desk) -> httpx.AsyncClient:
    return await desk.admin()


async def status(client: httpx.AsyncClient, identifier: str, value: str) -> dict[str, Any]:
    answer = await client.get("/api/Agent", params={"agentIdentifier": identifier, "value": value})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_an_agent_is_recorded_updated_blacked_out_and_stopped(desk: Desk, client: httpx.AsyncClient) -> None:
    unknown = await client.get("/api/Agent", params={"agentIdentifier": "Id", "value": "2"})
    assert unknown.status_code == 404, "the tracker has not heard of her yet"
    talking = asyncio.ensure_future(
        desk.server.simulate(calls=1, concurrent=1, length_s=(5.0, 5.0), crm=False, first_device=4678, devices=1)
    )

    async def post(path: str, **body: Any) -> httpx.Response:
        return await client.post(f"/api/{path}", json=body)

    try:
        await desk.server.until("DEVICERECORDINGSTATUS", b"<ISRECORDING>Y<", DEVICEID="4678")
        seen = await status(client, "Id", "2")
        assert tuple(seen) == KEYS and (seen["AgentId"], seen["DeviceId"], seen["AgentPhone"]) == (2, "4678", "4678")
        call = seen["ActiveCall"]
        assert (call["CallState"], set(call["Metadata"])) == ("OnCall", METADATA)
        assert all(isinstance(value, str) for value in call["Metadata"].values())
        assert (call["Metadata"]["keepdays"], call["Recordings"][0]["RecordingState"]) == ("-1", "Recording")
        for identifier, value in (
            ("phone", "4678"),
            ("USERNAME", "Sally"),
            ("SystemUsername", "CORP\\smith.1"),
            ("CrmUsername", "SALLYCRM"),
            ("Agent ID", "2"),
        ):
            assert await status(client, identifier, value) == await status(client, "Id", "2"), identifier
        started = await post("Record/StartForAgent", AgentIdentifier="Phone", Value="4678")
        assert (started.status_code, started.json()["Result"]) == (200, "API_OK")
        changed = {"user2": "1234567890", "SGROUP": "53", "keepdays": 9}
        assert (await post("rEcord/updateforagent/", agentidentifier="Id", VALUE=2, callmetadata=changed)).is_success
        assert (await post("Blackout/StartForAgent", AgentIdentifier="Username", Value="sally")).status_code == 200
        call = (await status(client, "Id", "2"))["ActiveCall"]
        assert (call["Metadata"]["user2"], call["Metadata"]["sgroup"]) == ("1234567890", "53")
        assert [one["IsDuplicate"] for one in call["Recordings"]] == [False, True]
        assert {one["RecordingState"] for one in call["Recordings"]} == {"Paused"}
        assert (await post("Blackout/StopForAgent", AgentIdentifier="Id", Value="2")).status_code == 200
        assert (await post("Record/StopForAgent", AgentIdentifier="Id", Value="2")).status_code == 200
    finally:
        await talking
    await desk.server.until("CALLLIST", b"<CALLNUMBER>2<")
    after = await status(client, "Id", "2")
    assert (after["ActiveCall"], after["DeviceId"]) == (None, "4678")
    assert (await client.get("/API/agent/GETALL")).json() == [after]
    commands = [act for act in await desk.acts() if act[1] == "controlled"]
    assert commands == [("boss/crm", "controlled", "user sally")] * 5


async def test_what_is_asked_wrongly_is_404(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.server.command("CALLSTART", DEVICEID="4678")
    wrong: list[tuple[str, Any]] = [
        ("Record/StartForAgent", {}),
        ("Record/StartForAgent", {"AgentIdentifier": "Id"}),
        ("Record/StartForAgent", {"AgentIdentifier": "Id", "Value": "99"}),
        ("Record/StartForAgent", {"AgentIdentifier": "Shoe size", "Value": "2"}),
        ("Record/StartForAgent", {"AgentIdentifier": "Id", "Value": None}),
        ("Record/StopForAgent", {"AgentIdentifier": "Phone", "Value": "0000"}),
        ("Record/UpdateForAgent", {"AgentIdentifier": "Id", "Value": "2"}),
        ("Record/UpdateForAgent", {"AgentIdentifier": "Id", "Value": "2", "CallMetadata": {"deviceid": "1"}}),
        ("Record/UpdateForAgent", {"AgentIdentifier": "Id", "Value": "2", "CallMetadata": {"user1": ["x"]}}),
        ("Record/UpdateForAgent", {"AgentIdentifier": "Id", "Value": "2", "CallMetadata": {"keepdays": "x"}}),
        ("Blackout/StartForAgent", [1]),
    ]
    for path, body in wrong:
        answer = await client.post(f"/api/{path}", json=body)
        assert answer.status_code == 404, (path, body, answer.text)
        assert answer.json()["resulttype"] in ("API_INVALID_MESSAGE_FORMAT", "API_AGENT_NOT_FOUND")
    nobody = await desk.with_token(await desk.agent("nobody", "REPORTING"), "all")
    assert (await nobody.get("/api/Agent/GetAll")).status_code == 403
    assert (await desk.client().get("/api/Agent/GetAll")).status_code == 401


async def test_somebody_is_shown_whom_the_roles_show(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.server.command("CALLSTART", DEVICEID="4678")
    allowed = ("VIEWINGOFSYSTEMSTATUS", "CALLCONTROL", "VIEWINGOFOWNRECORDINGS")
    john = await desk.agent("john", *allowed, is_agent=True, phones=("500",))
    await desk.server.command("CALLSTART", DEVICEID="500")
    his = await desk.with_token(john, "all")
    assert [one["Username"] for one in (await his.get("/api/Agent/GetAll")).json()] == ["john"]
    assert (await his.get("/api/Agent", params={"agentIdentifier": "Id", "value": "2"})).status_code == 404
    body = {"AgentIdentifier": "Id", "Value": "2"}
    assert (await his.post("/api/Record/StartForAgent", json=body)).status_code == 404


async def test_the_tracker_outlives_a_restart(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "data") as first:
        await first.agent("sally", is_agent=True, phones=("4678",))
        await first.server.command("CALLSTART", DEVICEID="4678", USER1="x")
        before = (await (await first.admin()).get("/api/Agent/GetAll")).json()
        token = await first.token(1, "all")
    async with in_process(tmp_path / "data") as again:
        header = {"authorization": f"Bearer {token}"}
        async with http_client(base_url=f"http://{again.host}:{again.http_port}", headers=header) as client:
            after = (await client.get("/api/Agent/GetAll")).json()
    assert after == before and after[0]["ActiveCall"]["Metadata"]["user1"] == "x"


async def test_exports_come_as_zip(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.server.simulate(calls=2, concurrent=2, rate=10.0, length_s=(1.0, 1.2), crm=False)
    await desk.server.until("CALLLIST", b"<CALLNUMBER>2<")

    def members(answer: httpx.Response) -> dict[str, bytes]:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}

    single = {"uniquefield": "ident", "uniquevalue": "1", "mediaformat": "WAV"}
    (sound,) = members(await client.get("/api/webexport/singleexport", params=single)).values()
    assert sound == (await client.get("/api/v1/recordings/1/media")).content
    assert len(members(await client.post("/api/WebExport/MultiExport?mediaformat=MP3&idents=1,2"))) == 2
    for body in ({"Idents": [2, 1], "MediaFormat": "WAV"}, [2, 1]):
        joined = await client.post("/api/WebExport/CombinedExport?mediaformat=WAV", json=body)
        ((name, both),) = members(joined).items()
        with wave.open(io.BytesIO(both)) as heard, wave.open(io.BytesIO(sound)) as one:
            assert name == "recordings-1-2.wav" and heard.getnframes() > one.getnframes()
    locked = single | {"mediaformat": "CAV", "encrypt": "true"}
    cav = await client.get("/api/WebExport/SingleExport", params=locked, headers={"x-export-password": "open sesame"})
    ((name, encrypted),) = members(cav).items()
    assert name.endswith(".cav") and encrypted[:4] != b"PK\3\4"
    assert (await client.get("/api/WebExport/SingleExport", params=locked)).status_code == 404
    for wrong in ("idents=1,99&mediaformat=WAV", "idents=&mediaformat=WAV", "idents=1", "idents=1&mediaformat=OGG"):
        assert (await client.post(f"/api/WebExport/MultiExport?{wrong}")).status_code == 404, wrong
    assert ("boss/crm", "exported", "recording 1") in await desk.acts()
