"""Deletion of encrypted recordings ended between any two steps: the key goes before the file, and never comes back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.test_retention_killed import Killed, World

from earshot.ports.retention import ArchiveAction, Cause
from earshot.storage.places import prepare
from earshot.store.sql import database_at
from earshot.vault import KeyDestroyed
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import header_of

CAUSE = Cause(by="jane", reason="r", rule="p")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield World(tmp_path, database, keyring=Keyring((b"m" * 32,)))
    await database.close()


def without_key(world: World, under: str = "recordings") -> list[str]:
    """The objects that are still there and cannot be read any more."""
    headers = {path.name: header_of(path) for path in (world.root / under).rglob("*.wav")}
    return sorted(name for name, header in headers.items() if header is not None and header.is_destroyed)


async def test_killed_between_key_and_file_the_file_is_unreadable_and_goes_later(world: World) -> None:
    await world.make(2)
    await world.kept.doom([1], CAUSE, world.clock.now())
    process = world.process()
    world.kill_at = world.seen + 1 + ["noted", "noted stored", "keys"].index("keys")
    with pytest.raises(Killed, match="keys"):
        await process.round()
    world.kill_at = -1
    assert world.files() == ["1.wav", "2.wav"]
    assert without_key(world) == ["1.wav"]
    with pytest.raises(KeyDestroyed):
        async for _ in world.main.read("day/1.wav"):
            pass
    await world.process().round()
    assert world.files() == []
    await world.whole()


@pytest.mark.parametrize("kill_at", range(1, 10))
async def test_killed_at_any_step_a_move_and_a_deletion_go_on(world: World, kill_at: int) -> None:
    cellar = world.root / "cellar"
    prepare(cellar)
    await world.kept.add_action(ArchiveAction(name="Cellar", kind="move", destination=str(cellar)))
    await world.make(2, action=2)
    world.kill_at = kill_at
    with pytest.raises(Killed):
        await world.process().round()
        await world.kept.doom([1], CAUSE, world.clock.now())
        await world.process().round()
        raise Killed
    world.kill_at = -1
    await world.process().round()
    await world.kept.doom([1], CAUSE, world.clock.now())
    await world.process().round()
    assert world.files("cellar") == ["2.wav"]
    assert without_key(world, "cellar") == []
    assert world.files() == world.files("work") == []
    await world.whole()
