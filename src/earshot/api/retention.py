"""What people do about retention: delete a recording, place and lift holds, add archive actions.

Who may do what is asked here as well as at the doors; every act is noted, and a refusal because of a hold is, too. The
one rule: a hold is looked for by the store, in the transaction that decides the removal.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.api.permissions import ARCHIVE_ADMINISTRATION, DELETE, LEGAL_HOLD
from earshot.clock import Clock
from earshot.engine.variables import FIELD_NAMES, USER_INDEX
from earshot.errors import BadInput
from earshot.ports import NotFound, NotUnique, Store
from earshot.ports.access import shown
from earshot.ports.retention import (
    ACTION_KINDS,
    LONGEST_DAYS,
    PERSON,
    ArchiveAction,
    Cause,
    Criteria,
    Deletion,
    Hold,
    RetentionStore,
)
from earshot.ports.screen_retention import ScreenRetention
from earshot.storage.places import Place, Places
from earshot.store.fields import NUMBERS

LONGEST_TEXT = 500


class NotAllowed(Exception):
    """The actor lacks the permission `needed`."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"this needs the permission {needed}")
        self.needed = needed


class Held(Exception):
    """The recording is under these holds and stays."""

    def __init__(self, record_id: int, holds: Sequence[int]) -> None:
        numbers = ", ".join(map(str, holds))
        super().__init__(f"recording {record_id} is under legal hold {numbers} and cannot be deleted")
        self.holds = tuple(holds)


class RetentionDesk:
    """`audit` gives the trail of the moment; `screens` has the tombstones of screen sessions, where there are any;
    `decided` is called when a removal was decided, to have it begun."""

    def __init__(
        self,
        kept: RetentionStore,
        store: Store,
        clock: Clock,
        audit: Callable[[], AuditTrail],
        screens: ScreenRetention | None = None,
        places: Places | None = None,
        decided: Callable[[], None] = lambda: None,
    ) -> None:
        self.kept = kept
        self.screens = screens
        self._store = store
        self._clock = clock
        self._audit = audit
        self._places = places or Places()
        self._decided = decided

    async def delete(self, actor: Actor, record_id: int, reason: str) -> Deletion:
        """Delete a recording for good. Raises NotAllowed, BadInput without a reason, Held, NotFound (also for one that
        the actor is not shown), StoreUnavailable."""
        _must(actor, DELETE)
        said = _text(reason, "a reason")
        row = await self._store.recording(record_id) if 0 < record_id < 2**63 else None
        if row is None or not shown(row.sealed, actor.sees):
            raise NotFound(f"there is no recording {record_id}")
        cause, subject, audit = Cause(by=actor.name, reason=said, rule=PERSON), f"recording {record_id}", self._audit()
        async with audit.together():
            doomed = await self.kept.doom([record_id], cause, self._clock.now())
            for one in doomed.deletions:
                await audit.note(actor, "deleted", subject, reason=said, rule=PERSON, sha256=one.audio_sha256)
            holds = doomed.held.get(record_id, ())
            if holds:
                await audit.note(actor, "refused", subject, what="deletion", holds=", ".join(map(str, holds)))
        if holds:
            raise Held(record_id, holds)
        if not doomed.deletions:
            raise NotFound(f"there is no recording {record_id}")
        self._decided()
        return doomed.deletions[0]

    async def place(
        self,
        actor: Actor,
        name: str,
        matter: str = "",
        recordings: Sequence[int] = (),
        criteria: Criteria | None = None,
    ) -> tuple[Hold, list[int]]:
        """Place a hold; gives it and those of `recordings` that are not there. Raises NotAllowed, BadInput for one that
        would cover nothing by its words, StoreUnavailable."""
        _must(actor, LEGAL_HOLD)
        wanted = checked(criteria or Criteria())
        if wanted.is_empty and not recordings:
            raise BadInput("a hold needs recordings or criteria")
        hold = Hold(
            name=_text(name, "a name"),
            matter=matter.strip()[:LONGEST_TEXT],
            criteria=wanted,
            placed_by=actor.name,
            placed_at=self._clock.now(),
        )
        audit = self._audit()
        async with audit.together():
            placed, missing = await self.kept.place(hold, list(dict.fromkeys(recordings)))
            await audit.note(
                actor,
                "held",
                f"hold {placed.number}",
                name=placed.name,
                matter=placed.matter,
                recordings=str(placed.recordings),
                criteria=words(wanted),
                missing=", ".join(map(str, missing)),
            )
        return placed, missing

    async def lift(self, actor: Actor, number: int, reason: str) -> None:
        """Lift a hold. Raises NotAllowed, BadInput without a reason, NotFound, StoreUnavailable."""
        _must(actor, LEGAL_HOLD)
        said, audit = _text(reason, "a reason"), self._audit()
        async with audit.together():
            if not 0 < number < 2**63 or not await self.kept.lift(number, actor.name, said, self._clock.now()):
                raise NotFound(f"there is no hold {number} that stands")
            await audit.note(actor, "lifted", f"hold {number}", reason=said)

    async def add_action(self, actor: Actor, action: ArchiveAction) -> ArchiveAction:
        """Add an archive action; a folder is made, and folder or bucket marked as an archive. Raises NotAllowed,
        BadInput, OSError, StoreUnavailable."""
        _must(actor, ARCHIVE_ADMINISTRATION)
        if action.kind not in ACTION_KINDS:
            raise BadInput(f"an archive action is one of {', '.join(ACTION_KINDS)}")
        if not 0 <= action.days <= LONGEST_DAYS:
            raise BadInput(f"days are 0 to {LONGEST_DAYS}")
        place = self._place(action.destination)
        if (action.kind == "purge") != (place is None):
            raise BadInput("move and copy need a destination, and purge has none")
        made = replace(
            action, name=_text(action.name, "a name"), destination=place.destination if place is not None else ""
        )
        if place is not None:
            await place.prepare()
        told, audit = {"name": made.name, "kind": made.kind, "destination": made.destination}, self._audit()
        try:
            async with audit.together():
                number = await self.kept.add_action(made)
                await audit.note(actor, "created", f"archive action {number}", **told)
        except (NotUnique, NotFound) as wrong:
            raise BadInput(str(wrong)) from None
        return replace(made, number=number)

    def _place(self, destination: str) -> Place | None:
        try:
            return self._places.at(destination) if destination else None
        except ValueError as wrong:
            raise BadInput(str(wrong)) from None

    async def set_action_active(self, actor: Actor, number: int, active: bool) -> bool:
        """Make an archive action active or inactive; False if it was so. Raises NotAllowed, BadInput for Purge,
        NotFound, StoreUnavailable."""
        _must(actor, ARCHIVE_ADMINISTRATION)
        audit, state = self._audit(), "yes" if active else "no"
        try:
            async with audit.together():
                changed = await self.kept.set_action_active(number, active)
                if changed:
                    await audit.note(actor, "changed", f"archive action {number}", active=state)
        except ValueError as wrong:
            raise BadInput(str(wrong)) from None
        return changed


def checked(criteria: Criteria) -> Criteria:
    """The criteria, if a hold can go by them. Raises BadInput."""
    for name, value in criteria.equals.items():
        if name not in (FIELD_NAMES | USER_INDEX.keys()) - NUMBERS - {"users"}:
            raise BadInput(f"a hold cannot go by {name!r}")
        if not value:
            raise BadInput(f"a hold cannot go by an empty {name}")
    if criteria.since is not None and criteria.until is not None and criteria.since > criteria.until:
        raise BadInput("the span of a hold ends before it begins")
    return criteria


def words(criteria: Criteria) -> str:
    """The criteria in one line, times in seconds since the Unix epoch."""
    said = [f"{name}={value}" for name, value in criteria.equals.items()]
    said += [f"agent={criteria.agent_id}"] if criteria.agent_id else []
    said += [f"since={criteria.since:.0f}"] if criteria.since is not None else []
    said += [f"until={criteria.until:.0f}"] if criteria.until is not None else []
    return " ".join(said)


def _must(actor: Actor, permission: str) -> None:
    if not actor.may(permission):
        raise NotAllowed(permission)


def _text(text: str, what: str) -> str:
    said = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    if not said or len(said) > LONGEST_TEXT:
        raise BadInput(f"{what} is needed, of at most {LONGEST_TEXT} characters")
    return said
