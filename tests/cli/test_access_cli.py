"""`earshot role` and `earshot group`, on a database of their own."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.clock import SystemClock
from earshot.ports import User
from earshot.ports.audit import AuditFilter
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.access import SqlAccess
from earshot.store.sql.audit import SqlAudit

Earshot = Callable[..., str]


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path / 'earshot.db'}"

    async def fill() -> None:
        store = SqlStore(database_at(made), SystemClock())
        await store.open()
        await store.add_user(User(username="jdoe", phones=("100", "200")))
        await store.close()

    asyncio.run(fill())
    return made


@pytest.fixture
def earshot(tmp_path: Path, url: str) -> Earshot:
    def earshot(*words: str, fails: bool = False) -> str:
        result = CliRunner().invoke(cli, [*words, "--data-dir", str(tmp_path)])
        assert (result.exit_code != 0) is fails, result.output
        return str(result.exception) if fails else result.stdout

    return earshot


def test_a_role_is_given_everything_it_can_have(earshot: Earshot) -> None:
    assert earshot("group", "add", "Sales") == "group 1 Sales added\n"
    assert earshot("group", "add", "SALES") == "group 1 Sales was there\n"
    given = ("--permission", "Allow Recording Search", "--group", "sales", "--acd-group", "Support", "--gate", "Gold")
    done = earshot("role", "give", "defaultagent", *given).splitlines()
    assert done == [
        "granted permission RECORDINGSEARCH",
        "granted group Sales",
        "granted acd-group Support",
        "granted gate Gold",
    ]
    assert earshot("role", "give", "DefaultAgent", *given) == "nothing changed\n"
    shown = earshot("role", "show", "DefaultAgent")
    for line in ("permission\tRECORDINGSEARCH", "group\tSales", "acd-group\tSupport", "gate\tGold"):
        assert line in shown.splitlines()
    assert len(earshot("role", "take", "DefaultAgent", *given).splitlines()) == 4
    assert "RECORDINGSEARCH" not in earshot("role", "show", "DefaultAgent")
    assert earshot("role", "list").startswith("1\tDefaultAgent\t0 users\t")


def test_phones_of_a_group(earshot: Earshot) -> None:
    earshot("group", "add", "Sales")
    assert earshot("group", "phones", "Sales", "--add", "100", "--add", "200") == "100\tjdoe\n200\tjdoe\n"
    assert earshot("group", "phones", "Sales", "--remove", "200") == "100\tjdoe\n"
    assert "belongs to no agent" in earshot("group", "phones", "Sales", "--add", "999", fails=True)
    assert earshot("group", "set", "Sales", "--inactive") == "group Sales is not active\n"
    assert earshot("group", "list") == "1\tSales\tnot active\t1 phones\n"
    assert "not active" in earshot("group", "phones", "Sales", "--add", "200", fails=True)


@pytest.mark.parametrize(
    "words",
    [
        ("role", "show", "Nobody"),
        ("role", "give", "DefaultAgent", "--permission", "EVERYTHING"),
        ("role", "give", "DefaultAgent", "--group", "Nobody", "--gate", "Gold"),
        ("role", "give", "DefaultAgent", "--gate", " "),
        ("group", "add", " "),
        ("group", "phones", "Nobody"),
        ("group", "set", "Nobody", "--active"),
    ],
)
def test_what_is_wrong_changes_nothing(earshot: Earshot, url: str, words: tuple[str, ...]) -> None:
    before = earshot("role", "show", "DefaultAgent")
    earshot(*words, fails=True)
    assert earshot("role", "show", "DefaultAgent") == before
    assert earshot("group", "list") == ""


def test_changes_are_in_the_audit_trail(earshot: Earshot, url: str) -> None:
    earshot("group", "add", "Sales")
    earshot("group", "phones", "Sales", "--add", "100")
    earshot("group", "set", "Sales", "--inactive")
    earshot("role", "give", "DefaultAgent", "--gate", "Gold")

    async def acts() -> list[tuple[str, str]]:
        database = database_at(url)
        await database.open()
        try:
            assert len(await SqlAccess(database).groups()) == 1
            return [(entry.act, entry.subject) for entry in await SqlAudit(database).entries(AuditFilter(), 10)]
        finally:
            await database.close()

    assert asyncio.run(acts())[::-1] == [
        ("added", "group Sales"),
        ("added phone", "group Sales"),
        ("changed", "group Sales"),
        ("granted", "role DefaultAgent"),
    ]
