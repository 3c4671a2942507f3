"""What every `SealedMediaStore` must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.contracts.test_screens_contract import session
from tests.contracts.test_store_contract import NOW, sealed

from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import StoreUnavailable
from earshot.media.silencing import without_keys
from earshot.ports import FinishedCall, SealedRecording, Store
from earshot.ports.blackouts import Renewed, SealedMediaStore
from earshot.ports.retention import Criteria, Hold, RetentionStore
from earshot.ports.screens import Screens
from earshot.store.memory import MemoryStore
from earshot.store.memory_blackouts import MemoryBlackouts
from earshot.store.memory_retention import MemoryRetention
from earshot.store.memory_screen_retention import MemoryScreenRetention
from earshot.store.memory_screens import MemoryScreens
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.blackouts import SqlBlackouts
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screens import SqlScreens


@dataclass(frozen=True)
class Both:
    """The store with the rows, and what is tested."""

    store: Store
    media: SealedMediaStore
    retention: RetentionStore
    screens: Screens


@pytest.fixture(params=["memory", "sqlite"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Both]:
    clock = FakeClock(NOW)
    if request.param == "memory":
        memory = MemoryStore(clock)
        retention, sessions = MemoryRetention(memory), MemoryScreens()
        held_screens = MemoryScreenRetention(sessions, memory, retention)
        made = Both(memory, MemoryBlackouts(memory, retention, held_screens), retention, sessions)
    else:
        database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
        made = Both(SqlStore(database, clock), SqlBlackouts(database), SqlRetention(database), SqlScreens(database))
    await made.store.open()
    yield made
    await made.store.close()


async def save(both: Both, *recordings: SealedRecording) -> list[int]:
    calls = [
        FinishedCall(
            key=one.call_key,
            core=1,
            variables=one.variables,
            agent_id=one.agent_id,
            started_at=one.recording_time,
            stopped_at=one.recording_time + one.duration_s,
            verdict="recorded",
            reason="bye",
            recordings=(one,),
        )
        for one in recordings
    ]
    return [ident for idents in await both.store.save_calls(calls) for ident in idents]


async def test_recordings_of_calls(both: Both) -> None:
    first, second = await save(both, sealed("a", 1000.0), sealed("b", 2000.0))
    found = await both.media.of_calls(["call-b", "call-a", "call-none"])
    assert [one.record_id for one in found] == [first, second]
    row = await both.store.recording(first)
    assert row is not None
    assert (found[0].object_name, found[0].audio_sha256) == (row.sealed.object_name, row.sealed.audio_sha256)
    assert found[0].gaps == row.sealed.gaps and found[0].duration_s == row.sealed.duration_s
    assert await both.media.of_calls([]) == []


async def test_the_last_call_of_a_device(both: Both) -> None:
    await save(both, sealed("a", 1000.0, call_instance="1"), sealed("b", 2000.0, call_instance="2"))
    assert [one.call_key for one in await both.media.of_last_call("7008", None)] == ["call-b"]
    assert [one.call_key for one in await both.media.of_last_call("7008", "1")] == ["call-a"]
    assert await both.media.of_last_call("7009", None) == []


async def test_recordings_of_an_agent_in_a_span(both: Both) -> None:
    """Each lasts 61.5 s; the span is 1030 to 1050."""
    await save(
        both,
        sealed("by-agent", 1000.0, agent_id=7, device_id="1"),
        sealed("by-phone", 1000.0, device_id="777"),
        sealed("by-alias", 1000.0, device_id="2", device_alias="777"),
        sealed("at-device", 1000.0, device_id="200"),
        sealed("at-device-too", 1000.0, device_id="200", device_alias="77"),
        sealed("somebody-else", 1000.0, device_id="200", device_alias="888"),
        sealed("before", 960.0, device_id="777"),
        sealed("after", 1050.0, device_id="777"),
        sealed("nobody", 1000.0, device_id=""),
    )
    found = await both.media.of_agent(7, ["777"], {"200": "77"}, 1030.0, 1050.0)
    keys = [one.call_key.removeprefix("call-") for one in found]
    assert keys == ["by-agent", "by-phone", "by-alias", "at-device", "at-device-too"]
    assert await both.media.of_agent(0, [], {}, 1030.0, 1050.0) == []


async def test_a_renewed_row_says_so(both: Both) -> None:
    (ident,) = await save(both, sealed("a", 1000.0))
    gaps = ((1.0, 2.0, "blackout"), (3.0, 4.5, "hold"))
    renewed = Renewed(audio_sha256="ab" * 32, audio_size=99, peaks=b"\1\2", peaks_per_second=20, gaps=gaps)
    (media,) = await both.media.of_calls(["call-a"])
    assert media.legs[0].digits == "12#" and media.legs[0].digits_at[0] == (1.0, 1.25)
    assert await both.media.renew(ident, renewed)
    row = await both.store.recording(ident)
    assert row is not None and row.sealed.variables == CallVariables(device_id="7008")
    assert (row.sealed.audio_sha256, row.sealed.audio_size) == ("ab" * 32, 99)
    assert (row.sealed.peaks, row.sealed.peaks_per_second, row.sealed.gaps) == (b"\1\2", 20, gaps)
    assert row.sealed.legs == media.legs
    assert await both.media.renew(ident, replace(renewed, legs=without_keys(media.legs, [(1.2, 2.001)])))
    row = await both.store.recording(ident)
    assert row is not None and [(leg.digits, leg.digits_at) for leg in row.sealed.legs] == [("#", ((4.0, 4.5),))]
    assert not await both.media.renew(ident + 1, renewed)


async def test_a_store_that_is_away_says_so() -> None:
    memory = MemoryStore(FakeClock(NOW))
    memory.unavailable = True
    with pytest.raises(StoreUnavailable):
        await MemoryBlackouts(memory).of_calls(["call-a"])


async def test_a_marked_row_has_other_gaps_and_nothing_else(both: Both) -> None:
    (ident,) = await save(both, sealed("a", 1000.0))
    before = await both.store.recording(ident)
    gaps = ((1.0, 2.0, "hidden"), (3.0, 4.5, "hold"))
    assert await both.media.mark(ident, gaps)
    row = await both.store.recording(ident)
    assert row is not None and before is not None
    assert row.sealed == replace(before.sealed, gaps=gaps)
    assert not await both.media.mark(ident + 1, gaps)


SPAN = (1_030_000_000, 1_050_000_000)


async def test_what_is_held_is_not_decided_and_a_hold_that_comes_after_is_too_late(both: Both) -> None:
    first, second = await save(both, sealed("a", 1000.0), sealed("b", 2000.0))
    hold, _ = await both.retention.place(Hold(name="Case 1", placed_at=1.0), [first])
    refused = await both.media.decide(SPAN, [first, second], [], together=True)
    assert refused.is_refused and refused.held == {first: (hold.number,)} and refused.holds == {hold.number}
    decided = await both.media.decide(SPAN, [first, second], [], together=False)
    assert decided.held == {first: (hold.number,)} and not decided.begun, "what was refused is not decided"
    late, _ = await both.retention.place(Hold(name="Case 2", criteria=Criteria(equals={"device_id": "7008"})), [second])
    again = await both.media.decide(SPAN, [first, second], [], together=True)
    assert (again.begun, again.held, again.is_refused) == (True, {first: (hold.number, late.number)}, False)
    other = await both.media.decide((SPAN[0], SPAN[1] + 1), [second], [], together=True)
    assert other.is_refused, "another span is another decision"
    await both.media.settle(SPAN)
    assert (await both.media.decide(SPAN, [second], [], together=True)).is_refused
    for number in (hold.number, late.number):
        await both.retention.lift(number, "me", "over", 2.0)
    assert not (await both.media.decide(SPAN, [first, second, 99], [], together=True)).holds


async def test_criteria_count_before_a_recording_is_stamped(both: Both) -> None:
    hold, _ = await both.retention.place(Hold(name="Case", criteria=Criteria(equals={"device_id": "7008"})), [])
    (first,) = await save(both, sealed("a", 1000.0))
    assert (await both.media.decide(SPAN, [first], [], together=False)).held == {first: (hold.number,)}


async def test_screen_sessions_are_held_by_themselves_and_by_their_recordings(both: Both) -> None:
    one, two, free = [
        await both.screens.save_screen(session(key, session_id=key, agent_id=agent))
        for key, agent in (("x", 7), ("y", 8), ("z", 8))
    ]
    (record_id,) = await save(both, sealed("a", 1000.0, session_id="y"))
    by_agent, _ = await both.retention.place(Hold(name="Agent", criteria=Criteria(agent_id=7)), [])
    by_call, _ = await both.retention.place(Hold(name="Call"), [record_id])
    decided = await both.media.decide(SPAN, [], [one, two, free], together=False)
    assert decided.held_screens == {one: (by_agent.number,), two: (by_call.number,)}
    again = await both.media.decide(SPAN, [], [one, two, free], together=True)
    assert again.begun and set(again.held_screens) == {one, two}
