"""Retention as it is kept: archive actions, until when each recording stays, legal holds, and what was deleted.

A removal is decided in one transaction that looks for holds itself: whichever of hold and decision is stored first
counts. From the decision on the recording is in no list any more; what is left of it lies in `Deletion`, its tombstone,
while the files are removed step by step. The one rule: a tombstone says nothing about a person. Times are seconds since
the Unix epoch.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from earshot.engine.variables import USER_INDEX
from earshot.ports import SealedRecording

ActionKind = Literal["purge", "move", "copy"]
ACTION_KINDS: tuple[ActionKind, ...] = ("purge", "move", "copy")
PURGE = 1
"""The number of the action that is built in: Purge (reference.md 6.4)."""
DAY_S = 86400.0
PERSON = "by a person"
"""The rule of a deletion that somebody asked for."""
LONGEST_DAYS = 36500
"""What is kept for more days than this is kept for ever."""
DECIDED = "decided"
NOTED = "noted"
"""The first two steps of every deletion; the others are named by those who do them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAction:
    """What is done to a recording when its days are over; `number` is ARCHIVEACTION.

    purge removes it; move and copy bring the media to the folder `destination`. `days` later `next_action` follows,
    where it is not 0. One that is not `active` is never performed: recordings wait for it.
    """

    number: int = 0
    name: str
    kind: ActionKind
    destination: str = ""
    next_action: int = 0
    days: int = 0
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Until when a recording stays: at `due_at` (None: never) `action` is performed. `rule` says who decided that,
    `done` how many actions were performed, `trouble` why the one that is due could not be until now."""

    record_id: int
    action: int
    due_at: float | None
    rule: str
    done: int = 0
    trouble: str = ""
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A recording whose action is due, with what is to be known of its media."""

    kept: Kept
    call_key: str
    object_name: str
    audio_sha256: str
    audio_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What recordings get that bring no KEEPDAYS or ARCHIVEACTION of their own; `keep_days` below 0 is for ever."""

    keep_days: int = -1
    archive_action: int = PURGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which recordings a hold covers beside those it lists: all given conditions must hold, none at all covers none.

    `equals` has names of texts of `CallVariables` and user1 to user15; `since` and `until` are inclusive.
    """

    equals: Mapping[str, str] = field(default_factory=dict)
    agent_id: int = 0
    since: float | None = None
    until: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.equals or self.agent_id) and self.since is None and self.until is None

    def cover(self, sealed: SealedRecording) -> bool:
        """Whether a recording is one of those."""
        return (
            not self.is_empty
            and all(_said(sealed, name) == value for name, value in self.equals.items())
            and (not self.agent_id or sealed.agent_id == self.agent_id)
            and (self.since is None or sealed.recording_time >= self.since)
            and (self.until is None or sealed.recording_time <= self.until)
        )


def _said(sealed: SealedRecording, name: str) -> str:
    if name in USER_INDEX:
        return sealed.variables.users[USER_INDEX[name]]
    return str(getattr(sealed.variables, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold. It stands until `lifted_at` is set; `recordings` is how many it has covered up to now."""

    number: int = 0
    name: str
    matter: str = ""
    criteria: Criteria = field(default_factory=Criteria)
    placed_by: str = ""
    placed_at: float = 0.0
    lifted_by: str = ""
    lifted_at: float = 0.0
    lift_reason: str = ""
    recordings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why recordings are removed: who decided it, the reason in words, and by which rule."""

    by: str
    reason: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A tombstone: what is left of a recording, from the decision on. `key` keeps it from being stored again.

    `step` is the last step that was done; at `finished_at` (0: not yet) nothing is left of the media anywhere.
    """

    record_id: int
    key: str
    core: int
    recording_time: float
    duration_s: float
    audio_sha256: str
    audio_size: int
    decided_at: float
    by: str
    reason: str
    rule: str
    step: str = DECIDED
    finished_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """What became of a decision: deletions that are decided now, and the numbers of those that are held, by holds."""

    deletions: tuple[Deletion, ...] = ()
    held: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An object in the storage that nobody needs, not any more or not yet; it need not be there. `number` is its own,
    `record_id` the recording's."""

    number: int
    record_id: int
    object_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a recording in an archive, made of the media with this SHA-256."""

    record_id: int
    object_name: str
    audio_sha256: str


def due_after(recording_time: float, keep_days: int) -> float | None:
    """When the days of a recording are over; None for ever."""
    return recording_time + keep_days * DAY_S if 0 <= keep_days <= LONGEST_DAYS else None


def first_kept(
    record_id: int, recording_time: float, defaults: Defaults, *, keep_days: int, archive_action: int
) -> Kept:
    """What a recording is kept by at first: its own KEEPDAYS and ARCHIVEACTION where they are set."""
    return Kept(
        record_id=record_id,
        action=archive_action if archive_action > 0 else defaults.archive_action,
        due_at=due_after(recording_time, keep_days if keep_days >= 0 else defaults.keep_days),
        rule="KEEPDAYS of the call" if keep_days >= 0 else "setting keep_days",
    )


def tombstone(record_id: int, sealed: SealedRecording, cause: Cause, now: float) -> Deletion:
    """What is left of a recording when its removal is decided."""
    return Deletion(
        record_id=record_id,
        key=sealed.key,
        core=sealed.core,
        recording_time=sealed.recording_time,
        duration_s=sealed.duration_s,
        audio_sha256=sealed.audio_sha256,
        audio_size=sealed.audio_size,
        decided_at=now,
        by=cause.by,
        reason=cause.reason,
        rule=cause.rule,
    )


class RemovalStore(Protocol):
    """What the steps of a deletion need to know and to keep. Every method may raise StoreUnavailable."""

    async def unfinished(self, limit: int, after: int = 0) -> list[Deletion]:
        """Deletions that have steps to go with a RECORDID above `after`, by RECORDID."""
        ...

    async def leftovers(self, limit: int, after: int = 0) -> list[Leftover]:
        """Objects that moves left behind, with a number above `after`, by number."""
        ...

    async def leftovers_of(self, record_ids: Sequence[int]) -> list[Leftover]:
        """All objects that are still to be removed of these recordings."""
        ...

    async def removed(self, leftovers: Sequence[Leftover]) -> None:
        """These objects are gone."""
        ...

    async def stepped(self, record_ids: Sequence[int], step: str, finished_at: float = 0.0) -> None:
        """These deletions have done `step`; with `finished_at` it was the last."""
        ...


class RetentionStore(RemovalStore, Protocol):
    """Every method may raise `earshot.errors.StoreUnavailable`; each is one transaction."""

    async def actions(self) -> list[ArchiveAction]:
        """All archive actions by number; 1 is Purge from the start."""
        ...

    async def add_action(self, action: ArchiveAction) -> int:
        """Returns the number; that of `action` is ignored. Raises NotUnique("name"), NotFound for `next_action`."""
        ...

    async def set_action_active(self, number: int, active: bool) -> bool:
        """False if it was so already. Raises NotFound, and ValueError for Purge, which is always active."""
        ...

    async def stamp(self, defaults: Defaults, limit: int) -> int:
        """Give the next recordings, by RECORDID, the time and action they are kept by, and put those under holds whose
        criteria cover them; returns how many."""
        ...

    async def kept(self, record_id: int) -> Kept | None:
        """Until when it stays; None for one that is not there or not stamped yet."""
        ...

    async def due(self, now: float, limit: int) -> list[Due]:
        """What is due, longest first; what is held or waits for another try is left out."""
        ...

    async def oldest(self, limit: int) -> list[int]:
        """The oldest recordings that are not held and not moved to an archive: what disk pressure takes."""
        ...

    async def postpone(self, record_id: int, until: float, trouble: str) -> None:
        """Try its action again not before `until`."""
        ...

    async def begun(self, due: Due, object_name: str) -> bool:
        """Something of the media will be put at `object_name`: that is a leftover from now on, until `moved` or
        `copied` says that it counts, or it is `removed`. False as for `moved`."""
        ...

    async def moved(self, due: Due, object_name: str, then: Kept) -> bool:
        """The media lie at `object_name` now, and the old object is a leftover. False, and nothing is changed, if the
        recording is gone, its media were changed meanwhile, or it has another place already."""
        ...

    async def copied(self, due: Due, object_name: str, then: Kept) -> bool:
        """There is a copy at `object_name`. False as for `moved`."""
        ...

    async def copy_renewed(self, copy: Copy, audio_sha256: str) -> None:
        """The copy is one of the media with this SHA-256 now."""
        ...

    async def copies(self, record_id: int) -> list[Copy]:
        """The copies of a recording."""
        ...

    def all_copies(self) -> AsyncIterator[tuple[Copy, str, int]]:
        """Every copy with the SHA-256 and size in bytes of the media of its recording now, for `earshot check`."""
        ...

    async def place(self, hold: Hold, recordings: Sequence[int]) -> tuple[Hold, list[int]]:
        """Place a hold on these recordings and on those its criteria cover, now and later. Returns it with its number,
        and those of `recordings` that are not there (any more)."""
        ...

    async def lift(self, number: int, by: str, reason: str, at: float) -> bool:
        """End a hold. False if there is none of that number that stands."""
        ...

    async def holds(self, *, standing: bool = False) -> list[Hold]:
        """All holds, or those that stand, newest first."""
        ...

    async def holds_of(self, record_id: int) -> list[Hold]:
        """The holds that stand on a recording, by number."""
        ...

    async def doom(self, record_ids: Sequence[int], cause: Cause, now: float, *, due_by: float | None = None) -> Doomed:
        """Decide the removal of these recordings but for those that are held. With `due_by`, also but for those whose
        action is not due by then any more. Those that are not there are left out."""
        ...

    async def reappeared(self, objects: Mapping[int, str]) -> list[int]:
        """Media were put again under recordings that may be deleted: of those that are, the objects are leftovers once
        more. Returns their RECORDIDs."""
        ...

    async def deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """Tombstones by RECORDID, descending, below `before`."""
        ...

    async def deletion(self, record_id: int) -> Deletion | None:
        """The tombstone of a recording."""
        ...

    async def gaps(self) -> list[tuple[int, int]]:
        """Spans (first, last) of RECORDIDs that were given and are neither a recording nor a tombstone."""
        ...

    async def mark(self, name: str) -> float | None:
        """A number that is kept under a name."""
        ...

    async def set_mark(self, name: str, value: float) -> None:
        """Keep it."""
        ...
