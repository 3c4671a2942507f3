"""The rows of the tamper-evident log in memory: for tests, and for a server that need not remember.

Same contract as `sql.ledger` (tests/contracts).
"""

from earshot.ledger.leaves import AUDIT, SCREEN, SEALED, Leaf
from earshot.ports.audit import AuditFilter
from earshot.store.ledger_leaves import audit_leaf, recording_leaf, screen_leaf
from earshot.store.memory import MemoryStore
from earshot.store.memory_audit import MemoryAudit
from earshot.store.memory_screens import MemoryScreens

MANY = 1_000_000_000


class MemoryLedgerRows:
    """The port `earshot.ports.ledger.LedgerRows` over stores in memory."""

    def __init__(self, store: MemoryStore, audit: MemoryAudit, screens: MemoryScreens) -> None:
        self._store = store
        self._audit = audit
        self._screens = screens
        self._note = ""

    async def _all(self, kind: str) -> list[Leaf]:
        self._store._answer()
        if kind == SEALED:
            return [
                recording_leaf(
                    ident,
                    key=one.key,
                    call_key=one.call_key,
                    sha=one.audio_sha256,
                    size=one.audio_size,
                    recorded_at=one.recording_time,
                    duration_s=one.duration_s,
                    media_type=one.media_type,
                )
                for ident, (one, _) in sorted(self._store._recordings.items())
            ]
        if kind == SCREEN:
            return [
                screen_leaf(
                    row.number,
                    key=row.session.key,
                    session_id=row.session.session_id,
                    segments=[(one.number, one.sha256, one.size) for one in row.session.segments],
                )
                for row in sorted(await self._screens.screens(MANY), key=lambda row: row.number)
            ]
        if kind == AUDIT:
            entries = await self._audit.entries(AuditFilter(), MANY)
            return [audit_leaf(entry) for entry in sorted(entries, key=lambda entry: entry.number)]
        raise ValueError(f"no rows are {kind}")

    async def after(self, kind: str, row: int, limit: int) -> list[Leaf]:
        """See `LedgerRows.after`."""
        return [leaf for leaf in await self._all(kind) if leaf.row > row][: max(limit, 0)]

    async def last_row(self, kind: str) -> int:
        """See `LedgerRows.last_row`."""
        return max((leaf.row for leaf in await self._all(kind)), default=0)

    async def checkpoint(self) -> str:
        """See `LedgerRows.checkpoint`."""
        self._store._answer()
        return self._note

    async def keep_checkpoint(self, note: str) -> None:
        """See `LedgerRows.keep_checkpoint`."""
        self._store._answer()
        self._note = note
