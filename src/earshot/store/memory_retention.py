"""Retention, holds and tombstones in memory: for tests, and for a server that need not remember.

Same contract as `sql.retention` (tests/contracts). The one rule: nothing is awaited between looking and changing.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from earshot.engine.variables import CallVariables
from earshot.ports import NotFound, NotUnique, RecordingRow
from earshot.ports.retention import (
    DECIDED,
    NOTED,
    PURGE,
    ArchiveAction,
    Cause,
    Copy,
    Defaults,
    Deletion,
    Doomed,
    Due,
    Hold,
    Kept,
    Leftover,
    due_after,
    first_kept,
    tombstone,
)
from earshot.store.memory import MemoryStore


class MemoryRetention:
    """The port `earshot.ports.retention.RetentionStore` over the recordings of a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._actions = {PURGE: ArchiveAction(number=PURGE, name="Purge", kind="purge")}
        self._kept: dict[int, Kept] = {}
        self._act_at: dict[int, float | None] = {}
        self._stamped = 0
        self._copies: list[Copy] = []
        self._holds: dict[int, Hold] = {}
        self._held: dict[int, list[int]] = {}
        self._deletions: dict[int, Deletion] = {}
        self._leftovers: dict[int, Leftover] = {}
        self._numbers = 0
        self._marks: dict[str, float] = {}
        self.taken: Callable[[str, Deletion], None] = lambda session_id, deletion: None
        store.updated = self._updated

    def _row(self, record_id: int) -> RecordingRow | None:
        self._store._answer()
        return self._store._row(record_id, whole=True) if record_id in self._store._recordings else None

    def _updated(self, record_id: int, columns: dict[str, Any]) -> None:
        kept, row = self._kept.get(record_id), self._row(record_id)
        if kept is None or row is None or kept.done:
            return
        if columns.get("keepdays", -1) >= 0:
            self._act_at[record_id] = due_at = due_after(row.sealed.recording_time, columns["keepdays"])
            kept = replace(kept, due_at=due_at, rule="KEEPDAYS of an update")
        if columns.get("archive_action_id", 0) > 0:
            kept = replace(kept, action=columns["archive_action_id"])
        self._kept[record_id] = kept

    # --- actions ------------------------------------------------------------------------------------------------------

    async def actions(self) -> list[ArchiveAction]:
        """See `RetentionStore.actions`."""
        self._store._answer()
        return list(self._actions.values())

    async def add_action(self, action: ArchiveAction) -> int:
        """See `RetentionStore.add_action`."""
        self._store._answer()
        name = action.name.strip()
        if any(one.name.casefold() == name.casefold() for one in self._actions.values()):
            raise NotUnique("name", action.name)
        if action.next_action and action.next_action not in self._actions:
            raise NotFound(f"there is no archive action {action.next_action}")
        number = len(self._actions) + 1
        self._actions[number] = replace(action, number=number, name=name)
        return number

    async def set_action_active(self, number: int, active: bool) -> bool:
        """See `RetentionStore.set_action_active`."""
        self._store._answer()
        if number == PURGE:
            raise ValueError("Purge is always active")
        if number not in self._actions:
            raise NotFound(f"there is no archive action {number}")
        changed = self._actions[number].active != active
        self._actions[number] = replace(self._actions[number], active=active)
        return changed

    # --- until when ---------------------------------------------------------------------------------------------------

    async def stamp(self, defaults: Defaults, limit: int) -> int:
        """See `RetentionStore.stamp`."""
        self._store._answer()
        new = sorted(one for one in self._store._recordings if one > self._stamped)[:limit]
        for record_id in new:
            row = self._row(record_id)
            assert row is not None
            said = row.sealed.variables
            self._kept[record_id] = kept = first_kept(
                record_id,
                row.sealed.recording_time,
                defaults,
                keep_days=said.keep_days,
                archive_action=said.archive_action,
            )
            self._act_at[record_id] = kept.due_at
            self._cover(row)
            self._stamped = record_id
        return len(new)

    async def kept(self, record_id: int) -> Kept | None:
        """See `RetentionStore.kept`."""
        self._store._answer()
        return self._kept.get(record_id)

    def _due(self, kept: Kept) -> Due:
        sealed = self._store._recordings[kept.record_id][0]
        return Due(
            kept=kept,
            call_key=sealed.call_key,
            object_name=sealed.object_name,
            audio_sha256=sealed.audio_sha256,
            audio_size=sealed.audio_size,
        )

    async def due(self, now: float, limit: int) -> list[Due]:
        """See `RetentionStore.due`."""
        self._store._answer()
        ready = [(at, one) for one, at in self._act_at.items() if at is not None and at <= now]
        return [self._due(self._kept[one]) for _, one in sorted(ready) if not self._standing_on(one)][:limit]

    async def oldest(self, limit: int) -> list[int]:
        """See `RetentionStore.oldest`."""
        self._store._answer()
        known = self._store._recordings
        order = sorted(known, key=lambda one: (known[one][0].recording_time, one))
        here = (one for one in order if not known[one][0].object_name.startswith("~"))
        return [one for one in here if not self._standing_on(one)][:limit]

    async def postpone(self, record_id: int, until: float, trouble: str) -> None:
        """See `RetentionStore.postpone`."""
        self._store._answer()
        kept = self._kept.get(record_id)
        if kept is not None:
            self._kept[record_id] = replace(kept, trouble=trouble, tries=kept.tries + 1)
            self._act_at[record_id] = until

    def _is_same(self, due: Due) -> bool:
        self._store._answer()
        row = self._row(due.kept.record_id)
        known = row and (row.sealed.object_name, row.sealed.audio_sha256)
        return known == (due.object_name, due.audio_sha256)

    async def begun(self, due: Due, object_name: str) -> bool:
        """See `RetentionStore.begun`."""
        if not self._is_same(due):
            return False
        self._counts(due, object_name)
        self._lie(due.kept.record_id, object_name)
        return True

    def _counts(self, due: Due, object_name: str) -> None:
        """It is no leftover."""
        known = due.kept.record_id, object_name
        lying = self._leftovers.items()
        self._leftovers = {number: one for number, one in lying if (one.record_id, one.object_name) != known}

    def _performed(self, due: Due, object_name: str, then: Kept) -> bool:
        if not self._is_same(due):
            return False
        record_id = due.kept.record_id
        self._counts(due, object_name)
        self._kept[record_id] = replace(
            self._kept[record_id], action=then.action, due_at=then.due_at, done=then.done, trouble="", tries=0
        )
        self._act_at[record_id] = then.due_at
        return True

    async def moved(self, due: Due, object_name: str, then: Kept) -> bool:
        """See `RetentionStore.moved`."""
        if not self._performed(due, object_name, then):
            return False
        sealed, warnings = self._store._recordings[due.kept.record_id]
        self._store._recordings[due.kept.record_id] = (replace(sealed, object_name=object_name), warnings)
        if object_name != due.object_name:
            self._lie(due.kept.record_id, due.object_name)
        return True

    async def copied(self, due: Due, object_name: str, then: Kept) -> bool:
        """See `RetentionStore.copied`."""
        if not self._performed(due, object_name, then):
            return False
        made = Copy(record_id=due.kept.record_id, object_name=object_name, audio_sha256=due.audio_sha256)
        self._copies.append(made)
        return True

    async def copy_renewed(self, copy: Copy, audio_sha256: str) -> None:
        """See `RetentionStore.copy_renewed`."""
        self._store._answer()
        self._copies = [replace(one, audio_sha256=audio_sha256) if one == copy else one for one in self._copies]

    async def copies(self, record_id: int) -> list[Copy]:
        """See `RetentionStore.copies`."""
        self._store._answer()
        return [one for one in self._copies if one.record_id == record_id]

    async def all_copies(self) -> AsyncIterator[tuple[Copy, str, int]]:
        """See `RetentionStore.all_copies`."""
        self._store._answer()
        for copy in list(self._copies):
            sealed, _ = self._store._recordings[copy.record_id]
            yield copy, sealed.audio_sha256, sealed.audio_size

    # --- holds --------------------------------------------------------------------------------------------------------

    def _cover(self, row: RecordingRow) -> None:
        for number, hold in self._holds.items():
            if not hold.lifted_at and hold.criteria.cover(row.sealed) and row.record_id not in self._held[number]:
                self._held[number].append(row.record_id)

    def _standing_on(self, record_id: int) -> tuple[int, ...]:
        return tuple(
            number for number, hold in self._holds.items() if not hold.lifted_at and record_id in self._held[number]
        )

    def holding(self, record_id: int) -> tuple[int, ...]:
        """The numbers of the standing holds on a recording, or whose criteria cover it now."""
        row = self._row(record_id)
        if row is not None:
            self._cover(row)
        return self._standing_on(record_id)

    def _hold(self, number: int) -> Hold:
        return replace(self._holds[number], recordings=len(self._held[number]))

    async def place(self, hold: Hold, recordings: Sequence[int]) -> tuple[Hold, list[int]]:
        """See `RetentionStore.place`."""
        self._store._answer()
        number = len(self._holds) + 1
        self._holds[number] = replace(hold, number=number, lifted_at=0.0, lifted_by="", lift_reason="")
        self._held[number] = [one for one in dict.fromkeys(recordings) if one in self._store._recordings]
        for record_id in self._store._recordings:
            row = self._row(record_id)
            assert row is not None
            self._cover(row)
        return self._hold(number), [one for one in recordings if one not in self._store._recordings]

    async def lift(self, number: int, by: str, reason: str, at: float) -> bool:
        """See `RetentionStore.lift`."""
        self._store._answer()
        if number not in self._holds or self._holds[number].lifted_at:
            return False
        self._holds[number] = replace(self._holds[number], lifted_by=by, lift_reason=reason, lifted_at=at)
        return True

    async def holds(self, *, standing: bool = False) -> list[Hold]:
        """See `RetentionStore.holds`."""
        self._store._answer()
        found = [self._hold(number) for number in reversed(self._holds)]
        return [one for one in found if not (standing and one.lifted_at)]

    async def holds_of(self, record_id: int) -> list[Hold]:
        """See `RetentionStore.holds_of`."""
        self._store._answer()
        return [self._hold(number) for number in self._standing_on(record_id)]

    # --- deletions ----------------------------------------------------------------------------------------------------

    def _lie(self, record_id: int, object_name: str) -> None:
        self._numbers += 1
        self._leftovers[self._numbers] = Leftover(number=self._numbers, record_id=record_id, object_name=object_name)

    async def doom(self, record_ids: Sequence[int], cause: Cause, now: float, *, due_by: float | None = None) -> Doomed:
        """See `RetentionStore.doom`."""
        self._store._answer()
        made: list[Deletion] = []
        held: dict[int, tuple[int, ...]] = {}
        for record_id in sorted(set(record_ids)):
            row, act_at = self._row(record_id), self._act_at.get(record_id)
            if row is None or (due_by is not None and (act_at is None or act_at > due_by)):
                continue
            self._cover(row)
            if standing := self._standing_on(record_id):
                held[record_id] = standing
            else:
                made.append(self._take(row, cause, now))
        return Doomed(deletions=tuple(made), held=held)

    def _take(self, row: RecordingRow, cause: Cause, now: float) -> Deletion:
        record_id = row.record_id
        self._deletions[record_id] = made = tombstone(record_id, row.sealed, cause, now)
        self._lie(record_id, row.sealed.object_name)
        for copy in self._copies:
            if copy.record_id == record_id:
                self._lie(record_id, copy.object_name)
        self._copies = [one for one in self._copies if one.record_id != record_id]
        for numbers in (self._kept, self._act_at):
            numbers.pop(record_id, None)
        for covered in self._held.values():
            if record_id in covered:
                covered.remove(record_id)
        del self._store._recordings[record_id]
        if row.sealed.variables.session_id:
            self.taken(row.sealed.variables.session_id, made)
        call = self._store._call_keys.get(row.sealed.call_key)
        left = any(one.call_key == row.sealed.call_key for one, _ in self._store._recordings.values())
        if call is not None and not left:
            nobody: dict[str, Any] = {"participants": (), "metadata": (), "recordings": (), "agent_id": None}
            self._store._calls[call] = replace(self._store._calls[call], variables=CallVariables(), **nobody)
        return made

    async def unfinished(self, limit: int, after: int = 0) -> list[Deletion]:
        """See `RetentionStore.unfinished`."""
        self._store._answer()
        found = [one for number, one in sorted(self._deletions.items()) if number > after and not one.finished_at]
        return found[:limit]

    async def leftovers(self, limit: int, after: int = 0) -> list[Leftover]:
        """See `RetentionStore.leftovers`."""
        self._store._answer()
        lying = (one for one in self._leftovers.values() if one.record_id not in self._deletions)
        return [one for one in lying if one.number > after][:limit]

    async def leftovers_of(self, record_ids: Sequence[int]) -> list[Leftover]:
        """See `RetentionStore.leftovers_of`."""
        self._store._answer()
        return [one for one in self._leftovers.values() if one.record_id in record_ids]

    async def removed(self, leftovers: Sequence[Leftover]) -> None:
        """See `RetentionStore.removed`."""
        self._store._answer()
        for one in leftovers:
            self._leftovers.pop(one.number, None)

    async def stepped(self, record_ids: Sequence[int], step: str, finished_at: float = 0.0) -> None:
        """See `RetentionStore.stepped`."""
        self._store._answer()
        for number in record_ids:
            self._deletions[number] = replace(self._deletions[number], step=step, finished_at=finished_at)

    async def reappeared(self, objects: Mapping[int, str]) -> list[int]:
        """See `RetentionStore.reappeared`."""
        self._store._answer()
        found = [number for number in objects if number in self._deletions]
        for number in found:
            self._lie(number, objects[number])
            if self._deletions[number].step != DECIDED:
                self._deletions[number] = replace(self._deletions[number], step=NOTED, finished_at=0.0)
        return found

    async def deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """See `RetentionStore.deletions`."""
        self._store._answer()
        numbers = sorted((one for one in self._deletions if before is None or one < before), reverse=True)
        return [self._deletions[number] for number in numbers[:limit]]

    async def deletion(self, record_id: int) -> Deletion | None:
        """See `RetentionStore.deletion`."""
        self._store._answer()
        return self._deletions.get(record_id)

    async def gaps(self) -> list[tuple[int, int]]:
        """See `RetentionStore.gaps`: a row goes from memory only when it becomes a tombstone."""
        self._store._answer()
        return []

    async def mark(self, name: str) -> float | None:
        """See `RetentionStore.mark`."""
        self._store._answer()
        return self._marks.get(name)

    async def set_mark(self, name: str, value: float) -> None:
        """See `RetentionStore.set_mark`."""
        self._store._answer()
        self._marks[name] = value
