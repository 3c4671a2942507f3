"""What every `RetentionStore` must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import StoreUnavailable
from earshot.ports import FinishedCall, NotFound, NotUnique, SealedRecording, Store
from earshot.ports.retention import (
    DAY_S,
    DECIDED,
    NOTED,
    ArchiveAction,
    Cause,
    Criteria,
    Defaults,
    Due,
    Hold,
    RetentionStore,
)
from earshot.store.memory import MemoryStore
from earshot.store.memory_retention import MemoryRetention
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.retention import SqlRetention

WHY = Cause(by="jane", reason="asked for", rule="by a person")
MOVE = ArchiveAction(name="Cellar", kind="move", destination="/cellar", next_action=1, days=30)


@dataclass
class Pair:
    """A store and what keeps its retention."""

    store: Store
    kept: RetentionStore

    async def make(self, *keys: str, call: str = "", at: float = 1000.0, **variables: Any) -> list[int]:
        """Recordings of these keys, in one call each or all in `call`; their RECORDIDs."""
        calls = [self.call(call or key, at, [key], **variables) for key in keys]
        if call:
            calls = [self.call(call, at, list(keys), **variables)]
        return [number for row in await self.store.save_calls(calls) for number in row]

    @staticmethod
    def call(call: str, at: float, keys: list[str], **variables: Any) -> FinishedCall:
        said = CallVariables(**{"device_id": "200", "ani": "5551234"} | variables)
        sealed = [
            SealedRecording(
                key=key,
                call_key=call,
                part=part,
                core=1,
                variables=said,
                agent_id=7,
                recording_time=at,
                duration_s=10.0,
                channels=1,
                sample_rate_hz=8000,
                object_name=f"20260101/200/{key}.wav",
                file_name=f"{key}.wav",
                media_type="audio/wav",
                audio_sha256=f"sha-{key}",
                audio_size=100,
                peaks=b"\x01\x02",
            )
            for part, key in enumerate(keys)
        ]
        return FinishedCall(
            key=call,
            core=1,
            variables=said,
            agent_id=7,
            started_at=at,
            stopped_at=at + 10,
            verdict="recorded",
            reason="",
            participants=({"name": "Zoë"},),
            metadata=("<recording/>",),
            recordings=tuple(sealed),
        )

    async def numbers(self, now: float) -> list[int]:
        return [due.kept.record_id for due in await self.kept.due(now, 100)]


@pytest.fixture(params=["memory", "sqlite"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        store = MemoryStore(FakeClock())
        yield Pair(store, MemoryRetention(store))
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield Pair(SqlStore(database, FakeClock()), SqlRetention(database))
    await database.close()


class TestActions:
    async def test_purge_is_there_from_the_start(self, pair: Pair) -> None:
        assert await pair.kept.actions() == [ArchiveAction(number=1, name="Purge", kind="purge")]
        with pytest.raises(ValueError, match="always"):
            await pair.kept.set_action_active(1, False)

    async def test_an_action_is_added_and_made_inactive(self, pair: Pair) -> None:
        assert await pair.kept.add_action(MOVE) == 2
        assert (await pair.kept.actions())[1] == replace(MOVE, number=2)
        assert await pair.kept.set_action_active(2, False)
        assert not await pair.kept.set_action_active(2, False)
        assert not (await pair.kept.actions())[1].active
        with pytest.raises(NotFound):
            await pair.kept.set_action_active(3, True)

    async def test_names_are_unique_and_what_follows_exists(self, pair: Pair) -> None:
        await pair.kept.add_action(MOVE)
        with pytest.raises(NotUnique):
            await pair.kept.add_action(replace(MOVE, name="CELLAR "))
        with pytest.raises(NotFound):
            await pair.kept.add_action(replace(MOVE, name="Other", next_action=9))
        assert len(await pair.kept.actions()) == 2


class TestStamps:
    async def test_a_recording_is_stamped_once(self, pair: Pair) -> None:
        (a, b, c) = [*await pair.make("a", keep_days=3, archive_action=5), *await pair.make("b", "c")]
        assert await pair.kept.kept(a) is None
        assert await pair.kept.stamp(Defaults(keep_days=10), 2) == 2
        assert await pair.kept.stamp(Defaults(keep_days=20), 2) == 1
        assert await pair.kept.stamp(Defaults(), 2) == 0
        found = [await pair.kept.kept(one) for one in (a, b, c)]
        assert [one and (one.action, one.due_at, one.rule) for one in found] == [
            (5, 1000 + 3 * DAY_S, "KEEPDAYS of the call"),
            (1, 1000 + 10 * DAY_S, "setting keep_days"),
            (1, 1000 + 20 * DAY_S, "setting keep_days"),
        ]

    @pytest.mark.parametrize("days", [-1, 36501, 10**9])
    async def test_what_is_kept_for_ever_is_never_due(self, pair: Pair, days: int) -> None:
        (a,) = await pair.make("a")
        await pair.kept.stamp(Defaults(keep_days=days), 10)
        kept = await pair.kept.kept(a)
        assert kept is not None
        assert kept.due_at is None
        assert await pair.numbers(1e12) == []

    async def test_due_are_those_whose_days_are_over_longest_first(self, pair: Pair) -> None:
        await pair.make("a", at=3000.0)
        await pair.make("b", at=1000.0)
        await pair.make("c", at=2000.0)
        await pair.kept.stamp(Defaults(keep_days=1), 10)
        assert await pair.numbers(1000 + DAY_S - 0.01) == []
        assert await pair.numbers(2000 + DAY_S) == [2, 3]
        (first,) = await pair.kept.due(1e12, 1)
        assert (first.object_name, first.audio_sha256, first.audio_size) == ("20260101/200/b.wav", "sha-b", 100)

    async def test_an_update_of_keepdays_counts_at_once(self, pair: Pair) -> None:
        (a,) = await pair.make("a")
        await pair.kept.stamp(Defaults(keep_days=1), 10)
        await pair.store.update_recording(a, {"keep_days": 30, "archive_action": 4})
        kept = await pair.kept.kept(a)
        assert kept is not None
        assert (kept.due_at, kept.action, kept.rule) == (1000 + 30 * DAY_S, 4, "KEEPDAYS of an update")
        assert await pair.numbers(1000 + 29 * DAY_S) == []
        await pair.store.update_recording(a, {"ani": "1"})
        assert await pair.kept.kept(a) == kept

    async def test_a_postponed_one_waits_and_says_why(self, pair: Pair) -> None:
        (a,) = await pair.make("a")
        await pair.kept.stamp(Defaults(keep_days=0), 10)
        await pair.kept.postpone(a, 5000.0, "disk full")
        assert await pair.numbers(4999) == []
        (due,) = await pair.kept.due(5000.0, 1)
        assert (due.kept.trouble, due.kept.tries, due.kept.due_at) == ("disk full", 1, 1000.0)


class TestArchive:
    async def due(self, pair: Pair) -> Due:
        await pair.make("a")
        await pair.kept.stamp(Defaults(keep_days=0, archive_action=2), 10)
        return (await pair.kept.due(2000.0, 1))[0]

    async def test_a_move_changes_the_row_and_leaves_the_old_object_over(self, pair: Pair) -> None:
        due = await self.due(pair)
        then = replace(due.kept, action=1, due_at=9000.0, done=1)
        assert await pair.kept.moved(due, "~2/a.wav", then)
        row = await pair.store.recording(1)
        assert row is not None
        assert row.sealed.object_name == "~2/a.wav"
        assert await pair.kept.kept(1) == then
        (left,) = await pair.kept.leftovers(10)
        assert (left.record_id, left.object_name) == (1, "20260101/200/a.wav")
        assert await pair.kept.leftovers(10, left.number) == []
        await pair.kept.removed([left])
        assert await pair.kept.leftovers(10) == []
        assert not await pair.kept.moved(due, "~3/a.wav", then)
        assert await pair.numbers(8999) == []
        assert await pair.numbers(9000) == [1]

    async def test_after_the_last_action_it_stays(self, pair: Pair) -> None:
        due = await self.due(pair)
        assert await pair.kept.copied(due, "~2/a.wav", replace(due.kept, due_at=None, done=1))
        assert await pair.numbers(1e12) == []
        (copy,) = await pair.kept.copies(1)
        assert (copy.object_name, copy.audio_sha256) == ("~2/a.wav", "sha-a")
        await pair.store.update_recording(1, {"keep_days": 1})
        assert await pair.numbers(1e12) == []  # KEEPDAYS counts before the first action only

    async def test_what_is_begun_is_a_leftover_until_it_counts(self, pair: Pair) -> None:
        due = await self.due(pair)
        assert await pair.kept.begun(due, "~2/a.wav") and await pair.kept.begun(due, "~3/a.wav")
        assert await pair.kept.begun(due, "~2/a.wav"), "a second try"
        assert [one.object_name for one in await pair.kept.leftovers(10)] == ["~3/a.wav", "~2/a.wav"]
        assert await pair.kept.copied(due, "~3/a.wav", due.kept)
        assert [one.object_name for one in await pair.kept.leftovers(10)] == ["~2/a.wav"]
        assert await pair.kept.moved(due, "~2/a.wav", due.kept)
        assert [one.object_name for one in await pair.kept.leftovers(10)] == [due.object_name]
        assert not await pair.kept.begun(due, "~4/a.wav"), "it lies elsewhere now"
        moved = replace(due, object_name="~2/a.wav")
        assert await pair.kept.moved(moved, "~2/a.wav", due.kept)
        assert [one.object_name for one in await pair.kept.leftovers(10)] == [due.object_name], "nor is it one itself"
        assert await pair.kept.begun(moved, "~4/a.wav")
        await pair.kept.doom([1], WHY, 2000.0)
        left = {one.object_name for one in await pair.kept.leftovers_of([1])}
        assert left == {due.object_name, "~2/a.wav", "~3/a.wav", "~4/a.wav"}
        assert not await pair.kept.begun(moved, "~5/a.wav")

    async def test_copies_are_listed_with_what_their_recordings_are_now(self, pair: Pair) -> None:
        assert [one async for one in pair.kept.all_copies()] == []
        await pair.make("a", "b", "c")
        await pair.kept.stamp(Defaults(keep_days=0, archive_action=2), 10)
        for due in await pair.kept.due(2000.0, 2):
            assert await pair.kept.copied(due, f"~2/{due.kept.record_id}", due.kept)
        copies = [(await pair.kept.copies(number))[0] for number in (1, 2)]
        assert [one async for one in pair.kept.all_copies()] == [(copies[0], "sha-a", 100), (copies[1], "sha-b", 100)]
        await pair.kept.copy_renewed(copies[0], "sha-other")
        found = [one async for one in pair.kept.all_copies()]
        assert found[0] == (replace(copies[0], audio_sha256="sha-other"), "sha-a", 100)
        await pair.kept.doom([1], WHY, 2000.0)
        assert [one async for one in pair.kept.all_copies()] == found[1:]

    async def test_a_deleted_one_is_not_moved(self, pair: Pair) -> None:
        due = await self.due(pair)
        await pair.kept.doom([1], WHY, 2000.0)
        assert not await pair.kept.moved(due, "~2/a.wav", due.kept)
        assert not await pair.kept.copied(due, "~2/a.wav", due.kept)


class TestHolds:
    async def test_a_hold_on_a_list(self, pair: Pair) -> None:
        await pair.make("a", "b")
        await pair.kept.stamp(Defaults(keep_days=0), 10)
        hold, missing = await pair.kept.place(Hold(name="Case 1", matter="X v. Y", placed_by="jane"), [1, 99])
        assert (hold.number, hold.recordings, missing) == (1, 1, [99])
        assert await pair.numbers(1e12) == [2]
        assert await pair.kept.oldest(10) == [2]
        doomed = await pair.kept.doom([1, 2], WHY, 1.0)
        assert [one.record_id for one in doomed.deletions] == [2]
        assert doomed.held == {1: (1,)}
        assert await pair.store.recording(1) is not None
        assert [one.number for one in await pair.kept.holds_of(1)] == [1]
        assert await pair.kept.lift(1, "joe", "settled", 50.0)
        assert not await pair.kept.lift(1, "joe", "settled", 51.0)
        assert await pair.kept.holds_of(1) == []
        assert await pair.numbers(1e12) == [1]
        (lifted,) = await pair.kept.holds()
        assert (lifted.lifted_by, lifted.lifted_at, lifted.lift_reason) == ("joe", 50.0, "settled")
        assert await pair.kept.holds(standing=True) == []

    @pytest.mark.parametrize(
        "criteria",
        [
            Criteria(equals={"device_id": "200", "user3": "case"}),
            Criteria(agent_id=7, since=1000.0, until=1000.0),
            Criteria(equals={"ani": "5551234"}),
        ],
    )
    async def test_criteria_cover_what_is_there_and_what_comes(self, pair: Pair, criteria: Criteria) -> None:
        said = CallVariables().changed({"user3": "case"}).users
        await pair.make("a", users=said)
        hold, _ = await pair.kept.place(Hold(name="Case", criteria=criteria), [])
        assert hold.recordings == 1
        assert hold.criteria == criteria
        await pair.make("b", users=said)
        await pair.make("other", at=5.0, ani="1")
        assert set((await pair.kept.doom([1, 2, 3], WHY, 1.0)).held) == {1, 2}
        await pair.make("c", users=said)
        await pair.kept.stamp(Defaults(keep_days=0), 10)
        assert await pair.numbers(1e12) == []
        assert [one.recordings for one in await pair.kept.holds()] == [3]

    async def test_what_was_covered_stays_covered_whatever_it_says_later(self, pair: Pair) -> None:
        await pair.make("a")
        await pair.kept.place(Hold(name="Case", criteria=Criteria(equals={"ani": "5551234"})), [])
        await pair.store.update_recording(1, {"ani": "changed"})
        assert (await pair.kept.doom([1], WHY, 1.0)).held == {1: (1,)}

    async def test_empty_criteria_cover_nothing(self, pair: Pair) -> None:
        await pair.make("a")
        hold, _ = await pair.kept.place(Hold(name="Case"), [])
        assert hold.recordings == 0
        assert (await pair.kept.doom([1], WHY, 1.0)).held == {}


class TestDeletions:
    async def test_a_tombstone_proves_and_says_nothing_about_people(self, pair: Pair) -> None:
        await pair.make("a")
        await pair.kept.stamp(Defaults(), 10)
        (made,) = (await pair.kept.doom([1, 5], WHY, 77.0)).deletions
        assert (made.record_id, made.audio_sha256, made.decided_at, made.by) == (1, "sha-a", 77.0, "jane")
        assert (made.reason, made.rule, made.step, made.finished_at) == ("asked for", "by a person", DECIDED, 0.0)
        assert await pair.kept.deletion(1) == made
        assert await pair.kept.deletions(10) == [made]
        assert await pair.kept.deletion(2) is None
        assert await pair.store.recording(1) is None
        assert await pair.kept.kept(1) is None
        call = await pair.store.call(1)
        assert call is not None
        assert (call.variables, call.agent_id, call.participants, call.metadata) == (CallVariables(), None, (), ())
        assert (call.verdict, call.started_at) == ("recorded", 1000.0)
        assert "5551234" not in repr(made)

    async def test_the_call_keeps_what_it_says_while_a_recording_is_left(self, pair: Pair) -> None:
        await pair.make("a", "b", call="c")
        await pair.kept.doom([1], WHY, 1.0)
        call = await pair.store.call(1)
        assert call is not None
        assert call.variables.ani == "5551234"
        await pair.kept.doom([2], WHY, 1.0)
        call = await pair.store.call(1)
        assert call is not None
        assert call.variables.ani == ""

    async def test_deciding_twice_is_deciding_once(self, pair: Pair) -> None:
        await pair.make("a")
        assert len((await pair.kept.doom([1], WHY, 1.0)).deletions) == 1
        assert (await pair.kept.doom([1], WHY, 2.0)).deletions == ()

    async def test_what_is_not_due_any_more_stays(self, pair: Pair) -> None:
        await pair.make("a", "b")
        await pair.kept.stamp(Defaults(keep_days=0), 10)
        await pair.store.update_recording(1, {"keep_days": 100})
        doomed = await pair.kept.doom([1, 2], WHY, 2000.0, due_by=2000.0)
        assert [one.record_id for one in doomed.deletions] == [2]

    async def test_a_deleted_recording_is_never_stored_again(self, pair: Pair) -> None:
        await pair.make("a")
        await pair.kept.doom([1], WHY, 1.0)
        assert await pair.make("a") == [1]
        assert await pair.store.recording(1) is None
        assert await pair.make("b") == [2]

    async def test_the_steps_of_a_deletion(self, pair: Pair) -> None:
        await pair.make("a", "b")
        await pair.kept.stamp(Defaults(keep_days=0, archive_action=2), 10)
        due = (await pair.kept.due(2000.0, 1))[0]
        await pair.kept.copied(due, "~2/a.wav", replace(due.kept, due_at=None))
        await pair.kept.doom([1, 2], WHY, 1.0)
        assert [one.record_id for one in await pair.kept.unfinished(10)] == [1, 2]
        assert [one.record_id for one in await pair.kept.unfinished(10, 1)] == [2]
        assert await pair.kept.leftovers(10) == []  # those of deletions wait for their own turn
        left = await pair.kept.leftovers_of([1])
        assert [one.object_name for one in left] == ["20260101/200/a.wav", "~2/a.wav"]
        await pair.kept.removed(left)
        assert await pair.kept.leftovers_of([1]) == []
        await pair.kept.stepped([1], "files")
        await pair.kept.stepped([2], "last", 99.0)
        assert [(one.record_id, one.step) for one in await pair.kept.unfinished(10)] == [(1, "files")]
        found = await pair.kept.deletion(2)
        assert found is not None
        assert (found.step, found.finished_at) == ("last", 99.0)
        assert [one.record_id for one in await pair.kept.deletions(10, before=2)] == [1]

    async def test_media_that_are_put_again_go_again(self, pair: Pair) -> None:
        await pair.make("a", "b")
        await pair.kept.doom([1], WHY, 1.0)
        await pair.kept.removed(await pair.kept.leftovers_of([1]))
        await pair.kept.stepped([1], "last", 5.0)
        assert await pair.kept.reappeared({1: "x/a.wav", 2: "x/b.wav"}) == [1]
        assert [one.object_name for one in await pair.kept.leftovers_of([1, 2])] == ["x/a.wav"]
        (again,) = await pair.kept.unfinished(10)
        assert (again.step, again.finished_at) == (NOTED, 0.0)

    async def test_numbers_without_a_row_or_a_tombstone_are_told(self, pair: Pair) -> None:
        await pair.make("a", "b", "c")
        await pair.kept.doom([2], WHY, 1.0)
        assert await pair.kept.gaps() == []


async def test_marks(pair: Pair) -> None:
    assert await pair.kept.mark("clock") is None
    await pair.kept.set_mark("clock", 1.5)
    await pair.kept.set_mark("clock", 2.5)
    assert await pair.kept.mark("clock") == 2.5


async def test_a_row_that_was_taken_out_by_hand_leaves_a_gap(tmp_path: Path) -> None:
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    pair = Pair(SqlStore(database, FakeClock()), SqlRetention(database))
    await pair.make("a", "b", "c", "d", "e")
    async with database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM recordings WHERE ident IN (1, 3, 4)")
    assert await pair.kept.gaps() == [(1, 1), (3, 4)]
    await database.close()


async def test_a_store_that_is_away_says_so() -> None:
    store = MemoryStore(FakeClock())
    kept = MemoryRetention(store)
    store.unavailable = True
    with pytest.raises(StoreUnavailable):
        await kept.due(1.0, 1)
    with pytest.raises(StoreUnavailable):
        await kept.doom([1], WHY, 1.0)
