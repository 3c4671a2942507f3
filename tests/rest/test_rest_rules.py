"""Schedules, retention and webhooks over REST: what the pages and the command line do, by the same desks."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_screens_contract import session
from tests.rest.asking import Desk, a_desk

from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, SealedRecording
from earshot.ports.retention import DAY_S, Defaults
from earshot.ports.screen_retention import OWN_DAYS
from earshot.ports.webhooks import Delivery
from earshot.store.sql.screen_retention import SqlScreenRetention
from earshot.store.sql.webhooks import SqlWebhooks


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path / "data") as made:
        yield made


def a_call(number: int, device: str, group: str = "", **decided: Any) -> FinishedCall:
    variables = CallVariables(device_id=device, group=group)
    sealed = SealedRecording(
        key=f"r{number}",
        call_key=f"c{number}",
        part=0,
        core=1,
        variables=variables,
        agent_id=None,
        recording_time=1_000.0 + number,
        duration_s=1.0,
        channels=1,
        sample_rate_hz=8000,
        object_name=f"{number}.wav",
        file_name=f"{number}.wav",
        media_type="audio/wav",
        audio_sha256="0" * 64,
        audio_size=1,
    )
    return FinishedCall(
        key=f"c{number}",
        core=1,
        variables=variables,
        agent_id=None,
        started_at=1_000.0 + number,
        stopped_at=1_001.0 + number,
        verdict="recorded",
        reason="bye",
        recordings=(sealed,),
        decision=decided,
    )


async def test_schedules(desk: Desk) -> None:
    scheduler = await desk.with_token(await desk.agent("scheduler", "SCHEDULING"), "all")
    first = (await scheduler.get("/api/v1/schedules")).json()["items"]
    assert [one["name"] for one in first] == ["Record everything"]
    criteria = [{"field": "group", "values": ["Sales"]}]
    made = await scheduler.post("/api/v1/schedules", json={"name": "Sales", "priority": 5, "criteria": criteria})
    assert (made.status_code, made.json()["number"], made.json()["kind"]) == (201, 2, "percentage")
    changed = await scheduler.patch("/api/v1/schedules/2", json={"percent": 50})
    assert (changed.status_code, changed.json()["percent"], changed.json()["priority"]) == (200, 50.0, 5)
    assert (await scheduler.get("/api/v1/schedules/2")).json() == changed.json()
    off = await scheduler.post("/api/v1/schedules/1/deactivate")
    assert (off.status_code, off.json()["active"]) == (200, False)
    asked = (await scheduler.post("/api/v1/schedules/explain", json={"call": "device=200 group=Sales"})).json()
    assert (asked["recorded"], asked["is_real"], asked["winner"]["number"]) == ("sometimes", False, 2)
    asked = (await scheduler.post("/api/v1/schedules/explain", json={"call": "device=200"})).json()
    assert (asked["recorded"], [one["number"] for one in asked["schedules"] if one["matches"]]) == ("no", [])
    await desk.server.command("CALLSTART", DEVICEID="200")
    await desk.server.command("RECORDSTART", DEVICEID="200")
    (link,) = desk.context.cores.links
    (call,) = link.state.calls.values()
    assert call.decided is not None and call.decided.winner is None, "the change is in force at once"
    assert (await scheduler.post("/api/v1/schedules/1/activate")).json()["active"] is True
    wrongs: list[tuple[int, Any]] = [
        (1, {"nam": "x"}),
        (1, {"kind": "sometimes"}),
        (1, {"criteria": True}),
        (1, {"criteria": "group"}),
        (1, {"description": "\ud800"}),
        (1, {"priority": 10**30}),
        (1, [1]),
        (1, {"criteria": [{"field": "group", "value": "Sales"}]}),
        (99, {"name": "x"}),
    ]
    for number, wrong in wrongs:
        refused = await scheduler.patch(f"/api/v1/schedules/{number}", content=json.dumps(wrong))
        assert refused.status_code == (404 if number == 99 else 400), refused.text
    assert (await scheduler.post("/api/v1/schedules", json={"percent": 5})).status_code == 400
    assert (await scheduler.post("/api/v1/schedules/explain", json={"call": "nonsense=1"})).status_code == 400
    for content in (b"{", b'{"name": "x", "starts_at": NaN}', b"[" * 100_000, b""):
        refused = await scheduler.post("/api/v1/schedules", content=content)
        assert refused.status_code == 400, refused.text
    assert [act for act in await desk.acts() if act[0] == "scheduler/crm"] == [
        ("scheduler/crm", "created", "schedule 2"),
        ("scheduler/crm", "changed", "schedule 2"),
        ("scheduler/crm", "changed", "schedule 1"),
        ("scheduler/crm", "changed", "schedule 1"),
    ]


async def test_real_calls_are_explained_to_those_who_are_shown_them(desk: Desk) -> None:
    winner = {"number": 1, "name": "Record everything", "priority": 0}
    await desk.context.store.save_calls([a_call(1, "100", "Sales", winner=winner), a_call(2, "200", winner=winner)])
    await desk.server.command("CALLSTART", DEVICEID="200")
    (link,) = desk.context.cores.links
    (running,) = link.state.calls
    admin = await desk.admin()
    mine = await desk.agent("scheduler", "SCHEDULING")
    role = next(one for one in await desk.context.access.roles() if one.name == "role of scheduler")
    await desk.context.access.grant(role.role_id, "acd_group", "Sales")
    desk.context.authority.forget()
    scheduler = await desk.with_token(mine, "all")
    for asked, status in (("1", 200), ("c1", 200), ("2", 400), ("c2", 400), (running, 400)):
        assert (await admin.post("/api/v1/schedules/explain", json={"call": asked})).status_code == 200
        answer = await scheduler.post("/api/v1/schedules/explain", json={"call": asked})
        assert answer.status_code == status, (asked, answer.text)


async def test_archive_actions(desk: Desk, tmp_path: Path) -> None:
    admin = await desk.admin("ARCHIVEADMINISTRATION", "AUDITTRAILVIEWING")
    (purge,) = (await admin.get("/api/v1/archive-actions")).json()["items"]
    assert (purge["number"], purge["kind"], purge["active"]) == (1, "purge", True)
    wanted = {
        "name": "To the attic",
        "kind": "move",
        "destination": str(tmp_path / "attic"),
        "next_action": 1,
        "days": 9,
    }
    made = await admin.post("/api/v1/archive-actions", json=wanted)
    assert (made.status_code, made.json()) == (201, {**wanted, "number": 2, "active": True})
    assert (await admin.patch("/api/v1/archive-actions/2", json={"active": False})).json()["active"] is False
    for number, status in ((1, 400), (7, 404)):
        refused = await admin.patch(f"/api/v1/archive-actions/{number}", json={"active": False})
        assert refused.status_code == status, refused.text
    file = tmp_path / "file"
    file.touch()
    for change in ({"destination": "attic"}, {"destination": ""}, {"name": "to THE attic"}, {"destination": str(file)}):
        refused = await admin.post("/api/v1/archive-actions", json=wanted | {"name": "another"} | change)
        assert refused.status_code == 400, refused.text
    acts = [(act, subject) for _, act, subject in await desk.acts() if "archive" in subject]
    assert acts == [("created", "archive action 2"), ("changed", "archive action 2")]


async def test_holds_and_deletions(desk: Desk) -> None:
    await desk.context.store.save_calls([a_call(number, device) for number, device in ((1, "100"), (2, "200"))])
    admin = await desk.admin()
    body = {"name": "Case 7", "recordings": [1, 99], "criteria": {"since": "1970-01-01T00:00:00Z"}}
    placed = await admin.post("/api/v1/holds", json={**body, "criteria": {"equals": {"device_id": "100"}}})
    assert (placed.status_code, placed.json()["number"], placed.json()["missing"]) == (201, 1, [99])
    assert (await admin.get("/api/v1/holds")).json()["items"][0]["criteria"]["equals"] == {"device_id": "100"}
    for wrong in ({"name": "Empty"}, {"name": "Unknown", "criteria": {"equals": {"peaks": "1"}}}):
        assert (await admin.post("/api/v1/holds", json=wrong)).status_code == 400
    why = {"reason": "asked for by the customer"}
    held = await admin.delete("/api/v1/recordings/1", params=why)
    assert (held.status_code, "legal hold 1" in held.json()["detail"]) == (409, True)
    assert (await admin.delete("/api/v1/recordings/2")).status_code == 422, "no reason"
    gone = await admin.delete("/api/v1/recordings/2", params=why)
    assert (gone.status_code, gone.json()["by"], gone.json()["reason"]) == (200, "boss/crm", why["reason"])
    assert (await admin.delete("/api/v1/recordings/2", params=why)).status_code == 404
    assert (await admin.get("/api/v1/recordings/2")).status_code == 404
    assert [one["record_id"] for one in (await admin.get("/api/v1/deletions")).json()["items"]] == [2]
    guest = await desk.with_token(await desk.agent("guest", "RECORDINGSEARCH"), "all")
    number = await desk.context.screens.save_screen(session("a"))
    screens = SqlScreenRetention(desk.inside.database)
    await screens.doom_due(session("a").started_at + 31 * DAY_S, Defaults(), {1}, 10)  # unless the server did
    (screen,) = (await admin.get("/api/v1/screen-deletions")).json()["items"]
    assert (screen["number"], screen["reason"], screen["sha256"]) == (number, OWN_DAYS, ["hash1", "hash3"])
    assert (await admin.get("/api/v1/screen-deletions", params={"before": number})).json()["items"] == []
    assert (await guest.get("/api/v1/screen-deletions")).status_code == 403
    blind = await desk.with_token(await desk.agent("blind", "RECORDINGRECORDANDFILEDELETES"), "all")
    assert (await blind.delete("/api/v1/recordings/1", params=why)).status_code == 404, "nothing that one is shown"
    assert (await admin.post("/api/v1/holds/1/lift", json={})).status_code == 422
    assert (await admin.post("/api/v1/holds/1/lift", json={"reason": "settled"})).status_code == 204
    assert (await admin.post("/api/v1/holds/1/lift", json={"reason": "again"})).status_code == 404
    assert (await admin.get("/api/v1/holds")).json()["items"] == []
    (lifted,) = (await admin.get("/api/v1/holds", params={"every": "true"})).json()["items"]
    assert (lifted["lifted_by"], lifted["lift_reason"]) == ("boss/crm", "settled")
    assert (await admin.delete("/api/v1/recordings/1", params=why)).status_code == 200
    acts = [(act, subject) for who, act, subject in await desk.acts() if who == "boss/crm"]
    wanted = [("held", "hold 1"), ("refused", "recording 1"), ("deleted", "recording 2"), ("lifted", "hold 1")]
    assert [act for act in acts if act in wanted] == wanted and ("deleted", "recording 1") in acts


async def test_webhooks(desk: Desk) -> None:
    admin = await desk.admin()
    made = await admin.post("/api/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "types": ["callstart"]})
    assert (made.status_code, made.json()["number"], made.json()["types"]) == (201, 1, ["CALLSTART"])
    secret = made.json()["secret"]
    assert len(secret) > 20
    kept = await admin.get("/api/v1/webhooks/1")
    assert secret not in kept.text and secret not in (await admin.get("/api/v1/webhooks")).text
    off = await admin.patch("/api/v1/webhooks/1", json={"active": False, "types": []})
    assert (off.json()["active"], off.json()["types"], off.json()["secret"]) == (False, [], None)
    renewed = await admin.patch("/api/v1/webhooks/1", json={"secret": ""})
    assert renewed.json()["secret"] not in ("", None, secret)
    given_up = Delivery(webhook_id=1, event_id=5, event_type="CALLSTART", body=b"{}", state="dead", last_error="503")
    store = SqlWebhooks(desk.inside.database, desk.context.clock)
    await store.enqueue([given_up])
    (dead,) = (await admin.get("/api/v1/webhooks/dead", params={"webhook": 1})).json()["items"]
    assert (dead["webhook"], dead["event_id"], dead["last_error"]) == (1, 5, "503")
    assert (await admin.post("/api/v1/webhooks/1/retry", params={"delivery": 99})).json() == {"count": 0}
    assert (await admin.post("/api/v1/webhooks/1/retry")).json() == {"count": 1}
    assert (await admin.get("/api/v1/webhooks/1")).json()["waiting"] == 1
    for wrong in ({"url": "ftp://a/"}, {"url": "http://u:p@a/"}, {"url": "http://a/", "types": ["NOSUCH"]}):
        refused = await admin.post("/api/v1/webhooks", json=wrong)
        assert refused.status_code == 400, refused.text
        assert (await admin.patch("/api/v1/webhooks/1", json=wrong)).status_code == 400
    assert (await admin.get("/api/v1/webhooks/1")).json()["url"] == "http://127.0.0.1:9/x"
    assert (await admin.delete("/api/v1/webhooks/1")).status_code == 204
    for answer in (
        await admin.get("/api/v1/webhooks/1"),
        await admin.delete("/api/v1/webhooks/1"),
        await admin.patch("/api/v1/webhooks/1", json={"active": True}),
        await admin.post("/api/v1/webhooks/1/retry"),
    ):
        assert answer.status_code == 404, answer.text
    trail = (await admin.get("/api/v1/audit", params={"subject": "webhook 1"})).json()["items"]
    assert [one["act"] for one in reversed(trail)] == ["created", "changed", "changed", "redelivered", "deleted"]
    assert secret not in repr(trail) and renewed.json()["secret"] not in repr(trail)
