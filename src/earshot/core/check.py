"""`earshot check`: verifies the promises of the architecture on what lies on disk. Reads only.

1. Every row has its media in the storage with that size and hash, and so has every copy in an archive. 2. Every journal
segment and every media object belongs to an open call, a row, or nobody (then it is named). Problems are sentences.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from earshot.core.ledger_check import NOTE, LedgerEvidence, check_ledger
from earshot.core.media_check import MediaCheck
from earshot.core.recovery import restore
from earshot.core.retention_check import RetentionEvidence, check_deletions, leftover_objects
from earshot.journal.check import check as check_journal
from earshot.journal.recovery import recover
from earshot.ports import Store
from earshot.ports.retention import Copy
from earshot.ports.screens import Screens
from earshot.storage.placed import PlacedStorage
from earshot.vault.keyring import Keyring


async def check(
    journal: Path,
    store: Store,
    storage: PlacedStorage,
    *,
    running: bool,
    screens: Screens | None = None,
    ledger: LedgerEvidence | None = None,
    retention: RetentionEvidence | None = None,
    keyring: Keyring | None = None,
) -> AsyncIterator[str]:
    """What is wrong, one sentence each, as it is found. `running` says that a server is at work on these files.

    Raises JournalLocked when the journal is encrypted and `keyring` does not open it.
    """
    recovered = recover(journal, repair=False, wrap=keyring)
    restored = restore(recovered.events, core=1)
    if restored.skipped:
        yield f"{restored.skipped} events of the journal cannot be read by this version"
    sessions = restored.state.sessions.values()
    needed = {facts.leg for session in sessions for facts in session.legs}
    needed |= {one.facts.leg for call in restored.state.calls.values() for one in call.attachments}
    for problem in check_journal(journal, needed, writing=running, wrap=keyring):
        yield f"journal: {problem}"
    if not running:
        for leg in sorted(recovered.legs.keys() - needed):
            yield f"journal: leg {leg} belongs to no open call"
    rows: set[str] = set()
    media = MediaCheck(storage, is_rewriting=bool(restored.state.removals))
    async for name, sha256, size in _objects(store, screens):
        rows.add(name)
        if problem := await media.problem(name, sha256, size):
            yield problem
    if retention is not None:
        async for copy, sha256, size in retention.kept.all_copies():
            problem = await media.copy_problem(copy, sha256, size)
            if problem and running:
                problem = await _again(copy, store, retention, media)
            if problem:
                yield problem
    for problem in media.not_looked_at():
        yield problem
    planned = {one.object_name for call in restored.state.calls.values() for one in call.recordings}
    planned |= {one.object_name for chat in restored.state.chats.values() for one in chat.segments}
    if retention is not None:
        planned |= await leftover_objects(retention)
        async for problem in check_deletions(retention):
            yield problem
    async for name, _ in storage.names():
        if name not in rows and name not in planned:
            yield f"media object {name} belongs to no recording"
    if ledger is not None:
        kept = restored.notes.get(NOTE)
        noted = {"the journal": str(kept["checkpoint"])} if kept else {}
        unfinished = restored.state.calls.keys()
        for problem in await check_ledger(ledger, checkpoints=noted, unfinished=unfinished, running=running):
            yield problem


async def _again(copy: Copy, store: Store, retention: RetentionEvidence, media: MediaCheck) -> str:
    """What is wrong with a copy by what the rows say now: it may have been deleted or rewritten meanwhile."""
    row = await store.recording(copy.record_id)
    for now in await retention.kept.copies(copy.record_id) if row is not None else ():
        if row is not None and now.object_name == copy.object_name:
            return await media.copy_problem(now, row.sealed.audio_sha256, row.sealed.audio_size)
    return ""


async def _objects(store: Store, screens: Screens | None) -> AsyncIterator[tuple[str, str, int]]:
    """Name, SHA-256 and size of the media of every row."""
    async for one in store.all_objects():
        yield one
    if screens is not None:
        async for one in screens.all_screen_objects():
            yield one
