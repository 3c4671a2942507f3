"""`earshot check`: verifies the promises of the architecture on what lies on disk. Reads only.

1. Every row has its media in the storage with that size and hash. 2. Every journal segment and every media object
belongs to an open call, a row, or nobody (then it is named). Problems are sentences.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from earshot.core.ledger_check import NOTE, LedgerEvidence, check_ledger
from earshot.core.recovery import restore
from earshot.core.retention_check import RetentionEvidence, check_deletions, leftover_objects
from earshot.journal.check import check as check_journal
from earshot.journal.recovery import recover
from earshot.ports import Storage, Store
from earshot.ports.screens import Screens
from earshot.storage.away import PlaceAway
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import header_of


async def check(
    journal: Path,
    store: Store,
    storage: Storage,
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
    async for name, sha256, size in store.all_objects():
        rows.add(name)
        problem = await _media_problem(storage, name, sha256, size, keyring)
        if problem:
            yield problem
    if screens is not None:
        async for name, sha256, size in screens.all_screen_objects():
            rows.add(name)
            problem = await _media_problem(storage, name, sha256, size, keyring)
            if problem:
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


async def _media_problem(storage: Storage, name: str, sha256: str, size: int, keyring: Keyring | None) -> str:
    digest = hashlib.sha256()
    found = 0
    try:
        async for chunk in storage.read(name):
            digest.update(chunk)
            found += len(chunk)
    except FileNotFoundError as why:
        if isinstance(why.__cause__, PlaceAway):
            return f"media object {name} cannot be read: {why.__cause__}"
        return f"media object {name} is missing"
    except OSError as why:
        return f"media object {name} cannot be read: {why}"
    if found != size:
        return f"media object {name} has {found} bytes, its row says {size}"
    if digest.hexdigest() != sha256:
        return f"media object {name} was changed: its SHA-256 is not the one of its row"
    return f"media object {name}: {spare}" if (spare := await asyncio.to_thread(_spare, storage, name, keyring)) else ""


def _spare(storage: Storage, name: str, keyring: Keyring | None) -> str:
    """What is wrong with the key of an object that can be read."""
    path = storage.local_path(name)
    header = header_of(path) if path is not None and keyring is not None else None
    return header.problem(keyring) if header is not None and keyring is not None else ""
