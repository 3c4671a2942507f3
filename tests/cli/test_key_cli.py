"""`earshot key` on a data folder: keys made, shown, changed, and what is in the way said."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.databases import empty_database
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.core.rewrapping import MasterKeys
from earshot.ports.audit import AuditFilter
from earshot.premises import Folders, data_dir_lock, recordings_in
from earshot.storage.places import Places
from earshot.store.sql import database_at
from earshot.store.sql.audit import SqlAudit
from earshot.vault.keyring import Keyring
from earshot.vault.master import from_file
from earshot.vault.register import REGISTER, enter, registered

Earshot = Callable[..., str]
COUNT = 40


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "earshot.db").write_bytes(empty_database())
    return tmp_path / "data"


@pytest.fixture
def earshot(data: Path, monkeypatch: pytest.MonkeyPatch) -> Earshot:
    def earshot(*words: str, fails: bool = False, **settings: object) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(f"EARSHOT_{name.upper()}", str(value))
        where = [] if words[1] == "new" else ["--data-dir", str(data)]
        result = CliRunner().invoke(cli, [*words, *where])
        for name in settings:
            monkeypatch.delenv(f"EARSHOT_{name.upper()}")
        assert (result.exit_code != 0) is fails, result.output
        return result.output + (str(result.exception) if fails else "")

    return earshot


def key(earshot: Earshot, path: Path) -> Keyring:
    """A new key in that file."""
    shown = earshot("key", "new", str(path)).split()[0]
    keyring = Keyring((from_file(path),))
    assert keyring.current == shown
    return keyring


async def fill(data: Path, keyring: Keyring | None, count: int, called: str = "call") -> None:
    storage = recordings_in(Folders(data), keyring)
    for number in range(count):
        source = data / "source"
        source.write_bytes(f"{called} {number}".encode())
        await storage.put_file(f"day/{called}-{number}.wav", source)


async def read(data: Path, keyring: Keyring, name: str) -> bytes:
    return b"".join([chunk async for chunk in recordings_in(Folders(data), keyring).read(name)])


def test_a_new_key_replaces_none(earshot: Earshot, tmp_path: Path) -> None:
    first = key(earshot, tmp_path / "a.key")
    assert "never replaced" in earshot("key", "new", str(tmp_path / "a.key"), fails=True)
    assert earshot("key", "fingerprint", str(tmp_path / "a.key")).split() == [first.current]
    assert earshot("key", "fingerprint", master_key_file=tmp_path / "a.key").split() == [first.current]
    assert "nothing is encrypted" in earshot("key", "status")
    assert "no master key is set" in earshot("key", "rotate", fails=True)


async def acts(data: Path) -> list[tuple[str, str]]:
    """What the audit trail says of master keys, oldest first: act and state."""
    database = database_at(f"sqlite:///{data / 'earshot.db'}")
    await database.open()
    try:
        found = await SqlAudit(database).entries(AuditFilter(subject="master key *"), 10)
        return [(one.act, one.details["state"]) for one in reversed(found)]
    finally:
        await database.close()


def test_a_rotation_is_noted_before_it_begins(
    earshot: Earshot, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key(earshot, tmp_path / "a.key")
    earshot("key", "rotate", master_key_file=tmp_path / "a.key")
    assert asyncio.run(acts(data)) == [("rotated", "begun"), ("rotated", "finished")]
    monkeypatch.setattr("earshot.cli.keys.MasterKeys", lambda *_: None)  # it fails at its first step
    earshot("key", "rotate", fails=True, master_key_file=tmp_path / "a.key")
    assert asyncio.run(acts(data))[2:] == [("rotated", "begun")]


def test_a_rotation_that_was_killed_goes_on(earshot: Earshot, data: Path, tmp_path: Path) -> None:
    first, second = key(earshot, tmp_path / "a.key"), key(earshot, tmp_path / "b.key")
    folders, place = Folders(data), data / "keys" / REGISTER
    enter(place, first)
    asyncio.run(fill(data, first, COUNT))
    old = f'["{tmp_path / "a.key"}"]'
    assert first.current in earshot("key", "rotate", fails=True, master_key_file=tmp_path / "b.key")
    both = Keyring((*second.keys, *first.keys))

    def killed(done: int) -> None:
        if done == COUNT // 2:
            raise Killed

    with pytest.raises(Killed):
        asyncio.run(
            MasterKeys(both, folders.journal, {"": Places().at(str(folders.recordings))}, folders.work).rotate(killed)
        )
    shown = earshot("key", "status", master_key_file=tmp_path / "b.key", master_keys_old=old)
    left = int(next(line for line in shown.splitlines() if first.current in line).split()[4])
    assert 0 < left <= COUNT // 2, shown
    shown = earshot("key", "rotate", master_key_file=tmp_path / "b.key", master_keys_old=old)
    assert "master_keys_old is no longer needed" in shown
    assert registered(place) == [second.current]
    assert f"{second.current}  current  {COUNT} objects" in earshot("key", "status", master_key_file=tmp_path / "b.key")
    for number in range(COUNT):
        assert asyncio.run(read(data, second, f"day/call-{number}.wav")) == f"call {number}".encode()
    assert earshot("key", "rotate", master_key_file=tmp_path / "b.key").startswith("everything is wrapped by")


def test_an_old_key_stays_needed_while_something_cannot_be_seen_to(
    earshot: Earshot, data: Path, tmp_path: Path
) -> None:
    first, second = key(earshot, tmp_path / "a.key"), key(earshot, tmp_path / "b.key")
    enter(data / "keys" / REGISTER, first)
    asyncio.run(fill(data, first, 2))
    path = data / "recordings" / "day" / "call-1.wav"
    path.write_bytes(path.read_bytes()[:100])
    old = f'["{tmp_path / "a.key"}"]'
    shown = earshot("key", "rotate", fails=True, master_key_file=tmp_path / "b.key", master_keys_old=old)
    assert "day/call-1.wav" in shown and "no longer needed" not in shown
    assert registered(data / "keys" / REGISTER) == [first.current, second.current]


def test_a_server_with_the_old_key_is_in_the_way(earshot: Earshot, data: Path, tmp_path: Path) -> None:
    first, second = key(earshot, tmp_path / "a.key"), key(earshot, tmp_path / "b.key")
    enter(data / "keys" / REGISTER, first)
    old = f'["{tmp_path / "a.key"}"]'
    with data_dir_lock(data):
        shown = earshot("key", "rotate", fails=True, master_key_file=tmp_path / "b.key", master_keys_old=old)
        assert f"restart it with {second.current}" in shown
        assert "in use" in earshot("key", "encrypt-existing", fails=True, master_key_file=tmp_path / "a.key")
    assert registered(data / "keys" / REGISTER) == [first.current]


def test_what_was_plain_is_encrypted_later(earshot: Earshot, data: Path, tmp_path: Path) -> None:
    first = key(earshot, tmp_path / "a.key")
    asyncio.run(fill(data, None, 3, "old"))
    asyncio.run(fill(data, first, 1))
    assert "not encrypted: 3 objects" in earshot("key", "status", master_key_file=tmp_path / "a.key")
    shown = earshot("key", "encrypt-existing", master_key_file=tmp_path / "a.key")
    assert "4 objects" in shown and "not encrypted: 0 objects" in shown
    assert asyncio.run(read(data, first, "day/old-2.wav")) == b"old 2"
    assert not [path for path in (data / "recordings").rglob("*.wav") if b"old" in path.read_bytes()]
