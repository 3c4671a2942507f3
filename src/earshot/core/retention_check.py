"""`earshot check` on deletions: every number given is a recording or a tombstone, and every deletion is logged.

The one rule: it reads only. Problems are sentences.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from earshot.ports.audit import AuditFilter, AuditLog
from earshot.ports.retention import DECIDED, Deletion, RemovalStore, RetentionStore
from earshot.ports.screen_retention import ScreenRetention

AT_ONCE = 500
List = Callable[[int, int | None], Awaitable[list[Deletion]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionEvidence:
    """What is compared: what is kept of retention, and the audit trail."""

    kept: RetentionStore
    audit: AuditLog
    screens: ScreenRetention | None = None


async def leftover_objects(evidence: RetentionEvidence) -> set[str]:
    """Objects that are still to be removed: they belong to no row, and that is no problem."""
    names: set[str] = set()
    after = 0
    while found := await evidence.kept.leftovers(AT_ONCE, after):
        after = found[-1].number
        names |= {one.object_name for one in found}
    stores: tuple[RemovalStore | None, ...] = (evidence.kept, evidence.screens)
    for store in (one for one in stores if one is not None):
        after = 0
        while unfinished := await store.unfinished(AT_ONCE, after):
            after = unfinished[-1].record_id
            names |= {one.object_name for one in await store.leftovers_of([one.record_id for one in unfinished])}
    return names


async def check_deletions(evidence: RetentionEvidence) -> AsyncIterator[str]:
    """What is wrong with deletions, one sentence each."""
    for first, last in await evidence.kept.gaps():
        which = f"recording {first}" if first == last else f"recordings {first} to {last}"
        yield f"{which}: no row and no tombstone, deleted past the log"
    lists: list[tuple[str, List]] = [("recording", evidence.kept.deletions)]
    if evidence.screens is not None:
        lists.append(("screen session", evidence.screens.screen_deletions))
    for what, listed in lists:
        before: int | None = None
        while found := await listed(AT_ONCE, before):
            before = found[-1].record_id
            for one in found:
                subject = f"{what} {one.record_id}"
                wanted = AuditFilter(act="deleted", subject=subject)
                if one.step != DECIDED and not await evidence.audit.entries(wanted, 1):
                    yield f"{subject} was deleted, and the audit trail does not say so"
