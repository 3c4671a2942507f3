"""An object store that is away, at each moment of a move and of a deletion: tried again, nothing lost, then done."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.test_retention_killed import World
from tests.object_store import ObjectStore, TestedBucket

from earshot.ports.retention import ArchiveAction, Cause
from earshot.storage.places import MARKER
from earshot.store.sql import database_at
from earshot.vault.keyring import Keyring

BELIEVED_S = 6.0
RETRY_S = 61.0


@pytest.fixture(params=[None, Keyring((b"m" * 32,))], ids=["plain", "encrypted"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield World(tmp_path, database, keyring=request.param)
    await database.close()


def media_in(bucket: TestedBucket) -> list[str]:
    return sorted(one for one in bucket.content() if not one.endswith(MARKER))


async def test_it_is_waited_for(world: World) -> None:
    store = ObjectStore()
    bucket = store.made()
    world.access = store.access
    await world.places().at(bucket.destination).prepare()
    action = ArchiveAction(name="Attic", kind="move", destination=bucket.destination, next_action=1, days=1)
    await world.kept.add_action(action)
    await world.make(2, action=2)
    process = world.process()

    store.stop()
    assert (await process.round()).archived == 0
    (trouble,) = process.troubles
    assert trouble == f"Attic: {bucket.destination} cannot be reached"
    assert world.files() == ["1.wav", "2.wav"] and world.files("work") == []
    await world.whole()

    store = ObjectStore(store.port)
    world.clock.advance(RETRY_S)
    assert (await process.round()).archived == 2
    assert process.troubles == [] and world.files() == []
    assert media_in(bucket) == ["of/earshot/day/1.wav", "of/earshot/day/2.wav"]
    await world.whole()

    store.stop()
    world.clock.advance(BELIEVED_S)
    await world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), world.clock.now())
    await process.round()
    assert process.removal.waiting == 1 and "cannot be reached" in process.troubles[0]
    assert await world.rows() == [2]

    store = ObjectStore(store.port)
    world.clock.advance(BELIEVED_S)
    await process.round()
    assert process.removal.waiting == 0
    assert media_in(bucket) == ["of/earshot/day/2.wav"]
    await world.whole()

    world.clock.advance(86400.0)
    assert (await process.round()).decided == 1, "the next action of the chain is a purge"
    await process.round()
    assert media_in(bucket) == [] and await world.rows() == []
    await world.whole()
    store.stop()


async def test_a_bucket_that_vanished_loses_nothing(world: World, object_store: ObjectStore) -> None:
    """Nothing in it is taken for missing or for removed."""
    bucket = object_store.made()
    world.access = object_store.access
    await world.places().at(bucket.destination).prepare()
    await world.kept.add_action(ArchiveAction(name="Attic", kind="move", destination=bucket.destination))
    await world.make(1, action=2)
    process = world.process()
    assert (await process.round()).archived == 1
    kept = bucket.content()
    bucket.raw.delete(list(kept))
    object_store.http.delete(f"/{bucket.name}").raise_for_status()
    await world.kept.doom([1], Cause(by="jane", reason="r", rule="p"), world.clock.now())
    await process.round()
    assert process.removal.waiting == 1
    world.clock.advance(BELIEVED_S)
    await process.round()
    assert process.removal.waiting == 1 and "there is no bucket" in process.troubles[0]
    object_store.http.put(f"/{bucket.name}").raise_for_status()
    for path, content in kept.items():
        bucket.raw.put(path, content)
    world.clock.advance(BELIEVED_S)
    await process.round()
    assert process.removal.waiting == 0 and media_in(bucket) == []
    await world.whole()
