"""A span that a person had removed: of a call that is forgotten, of one that is not stored yet, and over a restart."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from tests.core.test_blackouts_in_force import World
from tests.faults.core_parts import Core

from earshot.core.recovery import restore
from earshot.core.resealing import Resealing
from earshot.engine.blackout_gaps import masks_of
from earshot.engine.blackout_values import Asked, BlackOutSpan, Removal, StartBlackout
from earshot.errors import StoreUnavailable
from earshot.ports import CoreAway
from earshot.ports.blackouts import OnHold
from earshot.storage.memory import MemoryStorage
from earshot.store.sql import database_at
from earshot.store.sql.blackouts import SqlBlackouts

SECOND = 1_000_000


@pytest.fixture
async def place() -> AsyncIterator[World]:
    made = World()
    yield made
    made.blackouts.close()
    await made.spawner.close()


async def test_of_a_call_that_the_core_has_forgotten(place: World) -> None:
    await place.recorder.black_out(BlackOutSpan(call="1-5-1", from_us=7 * SECOND, until_us=9 * SECOND))
    (removal,) = place.sealed
    assert (removal.calls, removal.legs, removal.from_us, removal.until_us) == (
        *(["1-5-1"], []),
        *(7 * SECOND, 9 * SECOND),
    )
    assert place.recorder.state.removals == {} and place.recorder.state.blackouts == {}


async def test_of_a_call_that_is_not_stored_yet(place: World) -> None:
    """It is sealed with the span, and what the journal has of it goes at once."""
    call = place.core.session("200")
    began_us = place.recorder.now_us()
    place.core.clock.advance(5.0)
    place.core.close("200")
    span = BlackOutSpan(call=call.key, from_us=began_us + SECOND, until_us=began_us + 2 * SECOND)
    await place.recorder.black_out(span)
    assert masks_of(call) == ((span.from_us, span.until_us),)
    assert {leg for leg, _, _ in place.gone} == {one.facts.leg for one in call.attachments}


async def test_a_restart_goes_on_removing_what_could_not_be_removed(place: World) -> None:
    async def away(removal: Removal) -> int:
        raise OSError(19, "the archive is away")

    place.blackouts._removers = replace(place.blackouts._removers, sealed=away)
    asked = Asked(record_id=9, span="0.000-1.000", reason="a name", at=7.5, kind="person", name="anna", user_id=3)
    with pytest.raises(CoreAway, match="away"):
        await place.recorder.black_out(BlackOutSpan(call="1-5-1", from_us=0, until_us=SECOND, asked=asked))
    events = place.recorder.checkpoint()
    restored = restore([orjson.loads(orjson.dumps(event)) for event in events], 1)
    again = World(Core(restored.state, place.core.clock))
    again.blackouts.resume()
    async with asyncio.timeout(5):
        while again.recorder.state.removals:
            await asyncio.sleep(0)
    assert [(removal.calls, removal.asked) for removal in again.sealed] == [(["1-5-1"], asked)]
    again.blackouts.close()
    await again.spawner.close()


async def test_a_hold_refuses_what_goes_together_and_keeps_all_else_waiting(place: World) -> None:
    """What is refused is forgotten; what waits is tried until the hold is lifted, and leaves nothing in the journal."""
    holds = [4]

    async def sealed(removal: Removal) -> int:
        if holds:
            raise OnHold("recording 9", holds)
        place.sealed.append(removal)
        return 1

    place.blackouts._removers = replace(place.blackouts._removers, sealed=sealed)
    with pytest.raises(OnHold):
        await place.recorder.black_out(BlackOutSpan(call="1-5-1", from_us=0, until_us=SECOND))
    assert place.recorder.state.removals == {} and not place.blackouts.failing and place.swept == []
    with pytest.raises(CoreAway, match="recording 9 is under legal hold 4"):
        await place.recorder.black_out(StartBlackout(device_id="200", offset_us=-SECOND))
    ((number, why),) = place.blackouts.failing.items()
    assert why == "recording 9 is under legal hold 4" and list(place.recorder.state.removals) == [number]
    assert len(place.swept) == 1
    holds.clear()
    async with asyncio.timeout(5):
        while place.recorder.state.removals:
            await asyncio.sleep(0)
    assert [removal.number for removal in place.sealed] == [number] and not place.blackouts.failing


async def test_what_reaches_nothing_that_is_stored_does_not_need_the_store(tmp_path: Path) -> None:
    """A blackout of a call that runs holds while the database is away."""
    away = SqlBlackouts(database_at(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}"))
    resealing = Resealing(away, MemoryStorage(), tmp_path, lambda rewritten: asyncio.sleep(0))
    assert await resealing.remove(Removal(number=1, from_us=0, until_us=SECOND, legs=[1])) == 0
    with pytest.raises(StoreUnavailable):
        await resealing.remove(Removal(number=1, from_us=0, until_us=SECOND, calls=["1-5-1"]))
