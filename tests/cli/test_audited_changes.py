"""`earshot webhook`, `earshot location` and `earshot terminology`: what they change is in the audit trail."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.clock import SystemClock
from earshot.ports.audit import AuditEntry, AuditFilter
from earshot.ports.webhooks import Delivery
from earshot.store.sql import database_at
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.webhooks import SqlWebhooks

Earshot = Callable[..., str]


@pytest.fixture
def earshot(tmp_path: Path) -> Earshot:
    def earshot(*words: str, fails: bool = False) -> str:
        result = CliRunner().invoke(cli, [*words, "--data-dir", str(tmp_path)])
        assert (result.exit_code != 0) is fails, result.output
        return result.output

    return earshot


async def look(folder: Path, dead: Delivery | None = None) -> list[AuditEntry]:
    """The trail, oldest first; with `dead`, that delivery is kept before."""
    database = database_at(f"sqlite:///{folder / 'earshot.db'}")
    await database.open()
    try:
        if dead is not None:
            await SqlWebhooks(database, SystemClock()).enqueue([dead])
        return (await SqlAudit(database).entries(AuditFilter(), 50))[::-1]
    finally:
        await database.close()


def test_webhooks(earshot: Earshot, tmp_path: Path) -> None:
    said = earshot("webhook", "add", "http://127.0.0.1:9/x", "--types", "callstart")
    secret = said.split()[-1]
    asyncio.run(look(tmp_path, Delivery(webhook_id=1, event_id=5, event_type="CALLSTART", body=b"{}", state="dead")))
    earshot("webhook", "switch", "1", "--off")
    earshot("webhook", "switch", "1", "--off")
    assert "1 deliveries" in earshot("webhook", "retry", "1")
    earshot("webhook", "remove", "1")
    for words in (["switch", "1", "--on"], ["remove", "1"], ["retry", "1"], ["add", "ftp://a/"]):
        earshot("webhook", *words, fails=True)
    trail = asyncio.run(look(tmp_path))
    assert [(one.kind, one.actor, one.act, one.subject) for one in trail] == [
        ("system", "command line", act, "webhook 1") for act in ("created", "changed", "redelivered", "deleted")
    ]
    assert trail[0].details == {"url": "http://127.0.0.1:9/x", "types": "CALLSTART"}
    assert trail[1].details == {"active": "no"} and secret not in repr(trail)


def test_locations_and_terms(earshot: Earshot, tmp_path: Path) -> None:
    earshot("location", "add", "Berlin", "--number", "7")
    earshot("location", "rename", "7", "Hamburg")
    earshot("location", "rename", "8", "Bremen", fails=True)
    earshot("terminology", "set", "GATE", "Queue")
    earshot("terminology", "set", "nosuch", "x", fails=True)
    earshot("terminology", "preset", "avaya")
    trail = asyncio.run(look(tmp_path))
    assert [(one.act, one.subject) for one in trail] == [
        ("created", "location 7"),
        ("changed", "location 7"),
        ("changed", "term gate"),
        ("changed", "terminology"),
    ]
    told = [{name: text for name, text in one.details.items() if name != "by"} for one in trail]
    assert told == [{"name": "Berlin"}, {"name": "Hamburg"}, {"to": "Queue"}, {"preset": "avaya"}]
    assert all(one.details["by"] for one in trail)
