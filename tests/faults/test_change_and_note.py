"""A change and its entry in the audit trail are one transaction, from every door; and where an act has no row of its
own, nothing goes out before the entry is there."""

import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.routing import Mount, Route
from tests.contracts.test_screens_contract import session
from tests.databases import put_empty_database
from tests.post.letters import a_mail
from tests.rest.asking import Desk, a_desk
from tests.rest.test_rest_rules import a_call
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.clock import FakeClock
from earshot.ports import User
from earshot.ports.webhooks import Delivery
from earshot.post.memory import MemoryMailer
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.access import SqlAccess
from earshot.store.sql.outbox import SqlOutbox
from earshot.store.sql.webhooks import SqlWebhooks
from earshot.web.passwords import hash_password

FIRST, SECOND = "a long enough word", "another long enough word"
SOUND = b"a sound to find!"
NEW_USER = {"username": "sally", "phones": ["201", "202"], "password": FIRST}
NEW_HOLD = {"name": "Case", "recordings": [1]}
NEW_HOOK = {"url": "http://127.0.0.1:9/x", "types": ["CALLSTART"]}
NEW_TOKEN = {"name": "nightly", "days": "3", "scope-RECORDINGSEARCH": "on"}
MAIL = {"records": [1], "to": "a@example.org", "format": "WAV"}
COMMAND = "/api/v1/commands"

Act = tuple[str, str, Any]
ACTS: tuple[Act, ...] = (
    ("FORM", "/login", {"username": "boss", "password": FIRST}),
    ("POST", "/api/v1/users", NEW_USER),
    ("PATCH", "/api/v1/users/2", {"email": "s@example.org"}),
    ("DELETE", "/api/v1/users/2/phones/202", None),
    ("PUT", "/api/v1/users/2/phones/203", None),
    ("POST", "/api/v1/groups", {"name": "Sales"}),
    ("PUT", "/api/v1/groups/1/phones/201", None),
    ("DELETE", "/api/v1/groups/1/phones/201", None),
    ("POST", "/api/v1/roles", {"name": "Agents"}),
    ("PATCH", "/api/v1/roles/2", {"description": "those who talk"}),
    ("PUT", "/api/v1/roles/2/permissions/RECORDINGSEARCH", None),
    ("DELETE", "/api/v1/roles/2/permissions/RECORDINGSEARCH", None),
    ("PUT", "/api/v1/roles/2/groups/1", None),
    ("DELETE", "/api/v1/roles/2/groups/1", None),
    ("PUT", "/api/v1/users/2/roles/2", None),
    ("POST", f"{COMMAND}/MODIFYUSERROLE", {"ACTION": "MODIFY", "USERID": "2", "ROLEID": "1"}),
    ("PUT", "/api/v1/users/2/roles/2", None),
    ("DELETE", "/api/v1/users/2/roles/2", None),
    ("DELETE", "/api/v1/roles/2", None),
    ("DELETE", "/api/v1/users/2", None),
    ("PUT", "/api/v1/stations/COMPUTER", {"device_id": "1234"}),
    ("POST", "/api/v1/locations", {"name": "Hall", "number": 7}),
    ("PATCH", "/api/v1/locations/7", {"name": "Floor"}),
    ("PUT", "/api/v1/terminology/user1", {"term": "Customer"}),
    ("POST", "/api/v1/tokens", {"name": "daily", "scopes": ["RECORDINGSEARCH"], "days": 3}),
    ("DELETE", "/api/v1/tokens/1", None),
    ("FORM", "/tokens", NEW_TOKEN),
    ("FORM", "/tokens/2/revoke", {}),
    ("POST", "/api/v1/schedules", {"name": "Sales"}),
    ("PATCH", "/api/v1/schedules/2", {"percent": 50}),
    ("POST", "/api/v1/schedules/2/deactivate", None),
    ("POST", "/api/v1/schedules/2/activate", None),
    ("FORM", "/schedules/2/deactivate", {}),
    ("POST", "/api/v1/archive-actions", {"name": "Cellar", "kind": "move", "destination": "{folder}/cellar"}),
    ("PATCH", "/api/v1/archive-actions/2", {"active": False}),
    ("POST", "/api/v1/holds", NEW_HOLD),
    ("POST", "/api/v1/holds/1/lift", {"reason": "over"}),
    ("FORM", "/holds", {"name": "Case", "recordings": "1"}),
    ("FORM", "/holds/2/lift", {"reason": "over"}),
    ("POST", "/api/v1/webhooks", NEW_HOOK),
    ("PATCH", "/api/v1/webhooks/1", {"active": False}),
    ("POST", "/api/v1/webhooks/1/retry", None),
    ("DELETE", "/api/v1/webhooks/1", None),
    ("POST", "/api/v1/mails", MAIL),
    (
        "POST",
        "/api/v1/mails",
        MAIL | {"combined": True, "to_name": "A", "from_address": "b@example.org", "from_name": "B"},
    ),
    ("POST", "/api/v1/mails/1/retry", None),
    ("DELETE", "/api/v1/mails/1", None),
    ("FORM", "/mail/2/retry", {}),
    ("FORM", "/mail/2/drop", {}),
    ("PATCH", "/api/v1/recordings/1", {"user1": "x"}),
    ("POST", f"{COMMAND}/CALLUPDATE", {"RECORDID": "2", "USER1": "y"}),
    ("DELETE", "/api/v1/recordings/1?reason=wrong", None),
    ("FORM", "/recordings/2/delete", {"reason": "wrong"}),
    ("FORM", "/account", {"old": FIRST, "new": SECOND, "again": SECOND}),
    ("FORM", "/logout", {}),
)
"""What a person does: the way, the address, what is sent. Each must change the database and be noted."""

ELSEWHERE = (
    r"/api/v1/(calls|partial-recordings|blackouts|agent-blackouts|screen-sessions)/(start|stop|update)",
    r"/api/v1/schedules/explain",
    r"/api/v1/recordings/1/blackouts",
    r"/recordings/1/blackouts?",
    r"/api/v1/exports(/1)?",
    r"/api/(Record|Blackout|Agent)\w*/\w+",
    r"/api/WebExport/\w+",
    r"/tryit/send",
)
"""Addresses that change nothing in the database before the journal or a file does: see docs/architecture.md; and those
where a request is only asked, or handed on to another address."""


TAKEN: tuple[Act, ...] = (
    ("GET", "/recordings/1/audio.wav", {}),
    ("GET", "/recordings/1/audio.wav?download=1", {"range": "bytes=50-"}),
    ("GET", "/api/v1/recordings/1/media", {}),
    ("GET", "/api/v1/recordings/1/media?download=true", {"range": "bytes=50-"}),
    ("GET", "/api/v1/recordings/1/vcon?link=false", {}),
    ("GET", "/screens/1/1", {"range": "bytes=16-"}),
    ("GET", "/screens/1/1?download=1", {}),
    ("GET", "/api/v1/screen-sessions/1/segments/1", {}),
    ("GET", "/api/v1/screen-sessions/1/segments/1?download=true", {"range": "bytes=16-"}),
    ("GET", "/webAPI.aspx?type=EXPORT&requestid=1&uniquefield=recordid&uniqueid=1&media_format=WAV", {}),
    ("GET", "/webAPI.aspx?type=MULTIEXPORT&requestid=1&ident=1,2&media_format=WAV", {}),
    ("GET", "/audit.csv", {}),
    ("GET", "/audit.json", {}),
    ("GET", "/api/v1/audit/export", {}),
)
"""What is listened to, watched or taken away: the address, and headers."""

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("user", "create", "sally", "--password-stdin"),
    ("user", "create", "sally", "--password-stdin", "--admin"),
    ("group", "add", "Sales"),
    ("group", "phones", "Sales", "--add", "201"),
    ("group", "set", "Sales", "--inactive"),
    ("role", "give", "Agents", "--permission", "RECORDINGSEARCH"),
    ("mail", "retry", "1"),
    ("mail", "drop", "1"),
    ("location", "add", "Berlin", "--number", "7"),
    ("terminology", "set", "GATE", "Queue"),
    ("retention", "trust-clock"),
)
"""What is changed at the command line, as far as it is not done by what the pages do it by, too."""


OFTEN = {
    "logins": "SELECT user_id, token_sha256 FROM logins",
    "api_tokens": "SELECT ident, name, revoked_at FROM api_tokens",
    "deletions": "SELECT ident, decided_by, reason FROM deletions",
    "leftover_objects": "SELECT 1 WHERE 0",
    "retention_marks": "SELECT value FROM retention_marks WHERE name = 'clock_excused'",
    "preferences": "SELECT * FROM preferences WHERE name <> 'ledger_checkpoint'",
}
"""What is looked at of tables that the server writes to by itself."""


@contextmanager
def failing(table: str) -> Iterator[list[str]]:
    """The disk fails at each new row of the table; gives those that were tried."""
    tried: list[str] = []

    def fail(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(f"INSERT INTO {table} "):
            tried.append(statement)
            failure = sqlite3.OperationalError("disk I/O error")
            failure.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise failure

    sa.event.listen(sa.Engine, "before_cursor_execute", fail)
    try:
        yield tried
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", fail)


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for what a server itself writes now and then."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return {name: database.execute(OFTEN.get(name, f"SELECT * FROM {name}")).fetchall() for (name,) in names}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = {"smtp_host": "127.0.0.1", "smtp_from": "rec@example.org", "retention_interval_s": 3600.0}
    async with a_desk(tmp_path / "data", **settings) as made:
        context = made.context
        await context.store.modify_user(1, {}, hash_password(FIRST))
        for number in (1, 2):
            call = a_call(number, "200")
            sealed = replace(call.recordings[0], audio_size=write(tmp_path / "sound"))
            await context.store.save_calls([replace(call, recordings=(sealed,))])
            await context.storage.put_file(sealed.object_name, tmp_path / "sound")
        yield made


def write(path: Path) -> int:
    """A recording whose sound can be told from everything else; its size."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(SOUND * 500)
    return path.stat().st_size


async def ask(client: httpx.AsyncClient, act: Act, folder: Path) -> httpx.Response:
    way, path, content = act
    if way == "FORM":
        return await client.post(path, data=content)
    if content and "destination" in content:
        content = content | {"destination": content["destination"].format(folder=folder)}
    return await client.request(way, path, json=content)


async def test_whatever_a_person_changes_is_noted_with_the_change_or_not_done(desk: Desk, tmp_path: Path) -> None:
    path, database = tmp_path / "data" / "earshot.db", desk.inside.database
    assert desk.context.mail is not None
    nothing_is_forgotten(desk)
    mailer = MemoryMailer()
    far = desk.context.clock.now() + 86400
    waiting = {"state": "dead", "next_attempt_at": far, "expires_at": far}
    await SqlOutbox(database).add([a_mail(message_id=f"<{number}@example.org>", **waiting) for number in (1, 2)])
    client = desk.client(origin=desk.url)
    for act in ACTS:
        desk.context.mail.delivery.mailer = mailer if act[1] == "/api/v1/mails" else None
        if act[1] == "/api/v1/webhooks/1/retry":
            dead = Delivery(webhook_id=1, event_id=5, event_type="CALLSTART", body=b"{}", state="dead")
            await SqlWebhooks(database, desk.context.clock).enqueue([dead])
        before = tables(path)
        with failing("audit") as tried:
            refused = await ask(client, act, tmp_path)
        assert (refused.status_code, len(tried)) == (503, 1), (act, refused.text)
        assert tables(path) == before, act
        done = await ask(client, act, tmp_path)
        assert done.status_code < 400, (act, done.text)
        after = tables(path)
        assert len(after["audit"]) == len(before["audit"]) + 1, act
        assert after | {"audit": []} != before | {"audit": []}, act
    assert [SOUND in one.content for one in mailer.inbox] == [True, True]
    assert desk.context.retention is not None
    async with asyncio.timeout(30):  # what was decided is begun long before the next round
        while not all(one.finished_at for one in await desk.context.retention.kept.deletions(10)):
            await asyncio.sleep(0.05)


def nothing_is_forgotten(desk: Desk) -> None:
    """Every address that takes more than a GET is in one of the two lists."""
    acts = [("POST" if way == "FORM" else way, path.partition("?")[0]) for way, path, _ in ACTS]
    addresses = []
    for route in desk.inside.house.routes:
        if isinstance(route, Mount) and route.path == "/api":
            addresses += [(one.methods or set(), f"/api{one.path}") for one in route.routes if isinstance(one, Route)]
        elif isinstance(route, Route):
            addresses.append((route.methods or set(), route.path))
    assert len(addresses) > 100
    for methods, path in addresses:
        for method in methods - {"GET", "HEAD"}:
            known = re.compile(re.sub(r"\\?\{[^}]+\\?\}", r"[^/]+", re.sub(r"([.+])", r"\\\1", path)))
            concrete = re.sub(r"\{[^}]+\}", "1", path)
            assert any(method == way and known.fullmatch(one) for way, one in acts) or any(
                re.fullmatch(pattern, concrete) for pattern in ELSEWHERE
            ), (method, path)


async def test_nothing_goes_out_before_it_is_noted(desk: Desk, tmp_path: Path) -> None:
    size = write(tmp_path / "picture")
    segment = replace(session("a").segments[0], size=size)
    await desk.context.screens.save_screen(session("a", segments=(segment,)))
    await desk.context.storage.put_file(segment.object_name, tmp_path / "picture")
    client = desk.client(origin=desk.url)
    assert (await client.post("/login", data={"username": "boss", "password": FIRST})).status_code == 303
    for _, path, headers in TAKEN:
        before = tables(tmp_path / "data" / "earshot.db")["audit"]
        with failing("audit") as tried:
            refused = await client.get(path, headers=headers)
        assert tried and (refused.status_code == 503 or "API_DATABASE_QUERY_ERROR" in refused.text), (path, refused)
        assert SOUND not in refused.content and b"logged in" not in refused.content
        sent = await client.get(path, headers=headers)
        assert sent.status_code in (200, 206) and len(sent.content) > 200, (path, sent.text)
        assert len(tables(tmp_path / "data" / "earshot.db")["audit"]) > len(before), path
    wanted = {"records": [1], "format": "WAV"}
    with failing("audit") as tried:
        assert (await client.post("/api/v1/exports", json=wanted)).status_code == 503
    assert tried and (await client.get("/api/v1/exports")).json()["items"] == [], "nothing that could be fetched"
    assert (await client.post("/api/v1/exports", json=wanted)).status_code == 202
    await no_mail_is_noted_that_is_not_queued(desk, client, tmp_path / "data" / "earshot.db")


async def no_mail_is_noted_that_is_not_queued(desk: Desk, client: httpx.AsyncClient, path: Path) -> None:
    assert desk.context.mail is not None
    desk.context.mail.delivery.mailer, before = MemoryMailer(), tables(path)
    with failing("outbox") as tried:
        assert (await client.post("/api/v1/mails", json=MAIL)).status_code == 503
    assert tried and tables(path) == before


async def prepare(folder: Path) -> None:
    """A database with what the command line works on."""
    database = database_at(f"sqlite:///{folder / 'earshot.db'}")
    store, access = SqlStore(database, FakeClock()), SqlAccess(database)
    await store.open()
    await store.add_user(User(username="joe", phones=("201",)))
    await access.add_role("Agents")
    await store.save_calls([a_call(1, "200")])
    await SqlOutbox(database).add([a_mail(state="dead")])
    await store.close()


def test_what_the_command_line_changes_is_noted_with_the_change_or_not_done(tmp_path: Path) -> None:
    put_empty_database(tmp_path)
    asyncio.run(prepare(tmp_path))
    for words in COMMANDS:
        before = tables(tmp_path / "earshot.db")
        with failing("audit") as tried:
            refused = CliRunner().invoke(cli, [*words, "--data-dir", str(tmp_path)], input=f"{FIRST}\n")
        assert refused.exit_code != 0 and len(tried) == 1, (words, refused.output)
        assert tables(tmp_path / "earshot.db") == before, words
        done = CliRunner().invoke(cli, [*words, "--data-dir", str(tmp_path)], input=f"{FIRST}\n")
        assert done.exit_code == 0, (words, done.output)
        after = tables(tmp_path / "earshot.db")
        assert len(after["audit"]) == len(before["audit"]) + 1, words
        assert after | {"audit": []} != before | {"audit": []}, words


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from earshot import cli

def die(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO audit "):
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(sa.Engine, "after_cursor_execute", die)
cli.main()
"""


def test_killed_when_both_are_written_and_nothing_is_committed_there_is_neither(tmp_path: Path) -> None:
    put_empty_database(tmp_path)
    before = tables(tmp_path / "earshot.db")
    words = [sys.executable, "-c", KILLED, "location", "add", "Berlin", "--data-dir", str(tmp_path)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert tables(tmp_path / "earshot.db") == before
