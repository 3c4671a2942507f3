"""`earshot hold`, `earshot retention` and `earshot delete`, on a database of their own."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.contracts.test_retention_contract import Pair
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.clock import SystemClock
from earshot.ports.audit import AuditEntry, AuditFilter
from earshot.ports.retention import Defaults
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.retention import SqlRetention

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

Earshot = Callable[..., str]


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path / 'earshot.db'}"

    async def fill() -> None:
        database = database_at(made)
        pair = Pair(SqlStore(database, SystemClock()), SqlRetention(database))
        await database.open()
        await pair.make("a", "b", "c")
        await pair.kept.stamp(Defaults(keep_days=1), 10)
        await database.close()

    asyncio.run(fill())
    return made


@pytest.fixture
def earshot(tmp_path: Path, url: str) -> Earshot:
    def earshot(*words: str, fails: bool = False) -> str:
        result = CliRunner().invoke(cli, [*words, "--data-dir", str(tmp_path)])
        assert (result.exit_code != 0) is fails, result.output
        return result.output

    return earshot


def trail(url: str) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        database = database_at(url)
        await database.open()
        try:
            return await SqlAudit(database).entries(AuditFilter(), 50)
        finally:
            await database.close()

    return asyncio.run(read())


def test_a_hold_is_placed_listed_and_lifted(earshot: Earshot, url: str) -> None:
    placed = earshot("hold", "place", "Case 1", "--recording", "1", "--recording", "9", "--matter", "X v. Y")
    assert placed == "hold 1 stands on 1 recordings\nnot there: 9\n"
    assert earshot("hold", "place", "Case 2", "--where", "ani=5551234") == "hold 2 stands on 3 recordings\n"
    assert "Case 1  X v. Y  1 recordings  stands" in earshot("hold", "list")
    assert "legal hold 1" in earshot("delete", "1", "--reason", "please", fails=True)
    earshot("hold", "lift", "1", "--reason", "settled")
    assert "Case 1" not in earshot("hold", "list")
    assert "settled" in earshot("hold", "list", "--all")
    assert "stands" in earshot("hold", "lift", "1", "--reason", "again", fails=True)
    acts = [(one.act, one.subject) for one in trail(url)]
    assert acts == [("lifted", "hold 1"), ("refused", "recording 1"), ("held", "hold 2"), ("held", "hold 1")]


@pytest.mark.parametrize(
    "words",
    [
        ("place", "Case"),
        ("place", " ", "--recording", "1"),
        ("place", "Case", "--where", "keep_days=1"),
        ("place", "Case", "--where", "nonsense"),
        ("place", "Case", "--where", "ani="),
        ("place", "Case", "--since", "yesterday"),
        ("place", "Case", "--since", "2026-02-02", "--until", "2026-02-01"),
    ],
)
def test_a_hold_that_says_nothing_is_refused(earshot: Earshot, words: tuple[str, ...]) -> None:
    earshot("hold", *words, fails=True)
    assert earshot("hold", "list", "--all") == ""


def test_a_recording_is_deleted_and_listed(earshot: Earshot, url: str) -> None:
    assert "recording 2 is deleted" in earshot("delete", "2", "--reason", "asked\nfor")
    assert "command line  asked for  by a person  being removed (decided)" in earshot("retention", "history")
    (entry,) = trail(url)
    assert (entry.act, entry.subject, entry.actor) == ("deleted", "recording 2", "command line")
    earshot("delete", "2", "--reason", "again", fails=True)
    earshot("delete", "1", "--reason", " ", fails=True)


def test_an_archive_action_to_object_storage(
    earshot: Earshot, url: str, object_store: "ObjectStore", monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = object_store.made()
    for name, value in object_store.settings.items():
        monkeypatch.setenv(f"EARSHOT_{name.upper()}", str(value))
    words = ("retention", "add-action", "Attic", "copy", "--destination")
    for wrong, sentence in (("s3://nowhere", "there is no bucket"), ("s3://no_where", "is not a bucket")):
        refused = " ".join(earshot(*words, wrong, fails=True).replace("│", "").split())
        assert sentence in refused
    assert earshot(*words, f"{bucket.destination}/") == "archive action 2\n"
    assert list(bucket.content()) == ["of/earshot/.earshot-archive"]
    assert f"2  Attic  copy  {bucket.destination}\n" in earshot("retention", "actions")
    monkeypatch.setenv("EARSHOT_S3_ENDPOINT", "http://minio.example:9000")
    failed = CliRunner().invoke(cli, ["retention", "actions", "--data-dir", "x"])
    assert "set s3_allow_http" in str(failed.exception)


def test_archive_actions_and_what_is_due(earshot: Earshot, tmp_path: Path) -> None:
    cellar = tmp_path / "cellar"
    words = ("retention", "add-action", "Cellar", "move", "--destination", str(cellar), "--then", "1", "--days", "30")
    assert earshot(*words) == "archive action 2\n"
    assert (cellar / ".earshot-archive").is_file()
    earshot(*words, fails=True)
    assert earshot("retention", "actions") == f"1  Purge  purge\n2  Cellar  move  {cellar}  then 1 after 30 days\n"
    earshot("retention", "set-active", "2", "--off")
    assert "inactive" in earshot("retention", "actions")
    earshot("retention", "set-active", "1", "--off", fails=True)
    for wrong in (("X", "melt"), ("X", "move"), ("X", "move", "--destination", "here"), ("X", "purge", "--then", "9")):
        earshot("retention", "add-action", *wrong, fails=True)
    assert [line.split()[0] for line in earshot("retention", "due").splitlines()] == ["1", "2", "3"]
    assert "the clock is right" in earshot("retention", "trust-clock")
