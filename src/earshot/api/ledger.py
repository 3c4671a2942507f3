"""The tamper-evident log of the running system: what becomes a leaf, when checkpoints are signed, and proofs.

Recordings, screen sessions and audit entries are followed by their numbers: a row without its leaf gets one as soon as
anybody looks, after a crash too. All else is appended by whoever does it, before it is done. The one rule: leaves are
added in the order of the rows, so what was logged last says which rows are missing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import structlog

from earshot.clock import Clock
from earshot.errors import BadInput, EarshotError, StoreUnavailable
from earshot.ledger.checkpoint import Checkpoint, LogKey, Signer
from earshot.ledger.leaves import AUDIT, SCREEN, SEALED, Leaf, key_of
from earshot.ledger.proof import Proof, ProvenLeaf
from earshot.ports.ledger import LeafLog, LedgerBroken, LedgerRows

log = structlog.get_logger(__name__)

FOLLOWED: Final = (SEALED, SCREEN, AUDIT)
AT_ONCE: Final = 500
EVERY_S: Final = 30.0
"""How long a row may stay without a leaf that another process wrote, such as the command line."""
PAUSE_S: Final = 5.0
"""Checkpoints are signed no more often than this, but for whoever asks for one."""
MICROSECONDS: Final = 1_000_000


class Ledger(Protocol):
    """Where it is logged what happens to recordings."""

    async def append(self, kind: str, subject: str, body: Mapping[str, Any], *, key: str = "") -> int:
        """Log that this happened to `subject` (`recording 17`); durable when this returns the number of the leaf.

        `kind` is deleted, hold placed, hold lifted, ...; `body` is JSON without floats. The same event told twice is
        one leaf: the same `key`, or the same words where none is given. Raises StoreUnavailable, OSError and
        `earshot.ports.ledger.LedgerBroken`: nothing is logged then, so do not go on. Raises ValueError for a `body`
        that is no such JSON.
        """
        ...

    async def append_all(self, events: Sequence[tuple[str, str, Mapping[str, Any], str]]) -> list[int]:
        """The same for many at once: (kind, subject, body, key) each."""
        ...


class NoLedger:
    """Logs nothing: for tests, and until the log is opened."""

    async def append(self, kind: str, subject: str, body: Mapping[str, Any], *, key: str = "") -> int:
        """See `Ledger.append`."""
        return -1

    async def append_all(self, events: Sequence[tuple[str, str, Mapping[str, Any], str]]) -> list[int]:
        """See `Ledger.append_all`."""
        return [-1] * len(events)


class RecordedLedger:
    """The `Ledger` that remembers. `noted` is told each signed checkpoint, to keep it elsewhere as well."""

    def __init__(
        self, leaves: LeafLog, rows: LedgerRows, signer: Signer, clock: Clock, noted: Callable[[str], None]
    ) -> None:
        self.key = signer.key
        self.note = ""
        self.trouble = ""
        self._leaves = leaves
        self._rows = rows
        self._signer = signer
        self._clock = clock
        self._noted = noted
        self._one_at_a_time = asyncio.Lock()
        self._awake = asyncio.Event()
        self._logged: dict[str, int] = {}

    def _now_us(self) -> int:
        return round(self._clock.now() * MICROSECONDS)

    # --- leaves -----------------------------------------------------------------------------------------------------

    async def append(self, kind: str, subject: str, body: Mapping[str, Any], *, key: str = "") -> int:
        """See `Ledger.append`."""
        (number,) = await self.append_all([(kind, subject, body, key)])
        return number

    async def append_all(self, events: Sequence[tuple[str, str, Mapping[str, Any], str]]) -> list[int]:
        """See `Ledger.append_all`. What rows there are by now is logged first."""
        now_us = self._now_us()
        leaves = [
            Leaf(kind=kind, subject=subject, key=key or key_of(kind, subject, body), at_us=now_us, body=body)
            for kind, subject, body, key in events
        ]
        await self.catch_up()
        numbers = await self._leaves.append(leaves)
        self.wake()
        return numbers

    async def catch_up(self) -> None:
        """Log the rows that have no leaf yet. Raises StoreUnavailable, OSError, LedgerBroken."""
        async with self._one_at_a_time:
            for kind in FOLLOWED:
                await self._follow(kind)

    async def _follow(self, kind: str) -> None:
        if kind not in self._logged:
            self._logged[kind] = min(await self._leaves.last_row(kind), await self._rows.last_row(kind))
        there_may_be_more = True
        while there_may_be_more and (rows := await self._rows.after(kind, self._logged[kind], AT_ONCE)):
            there_may_be_more = len(rows) == AT_ONCE
            now_us = self._now_us()
            await self._leaves.append([replace(leaf, at_us=now_us) for leaf in rows])
            self._logged[kind] = rows[-1].row
            self._awake.set()

    async def try_to_catch_up(self) -> None:
        """The same; what hinders it is logged, and tried again later. For whoever must not wait for the log."""
        try:
            await self.catch_up()
        except StoreUnavailable:
            self.wake()
        except (OSError, EarshotError, ValueError) as failure:
            self._troubled(failure)

    def wake(self) -> None:
        """Something happened: look for rows without a leaf, and sign, soon."""
        self._awake.set()

    def _troubled(self, failure: Exception) -> None:
        why = str(failure) or repr(failure)
        if why != self.trouble:
            log.error("ledger_cannot_be_written", why=why)
        self.trouble = why

    # --- checkpoints ------------------------------------------------------------------------------------------------

    async def sign(self) -> str:
        """The signed checkpoint of all leaves there are; kept in the store and told to `noted` if it is a new one.

        Raises StoreUnavailable, OSError, LedgerBroken.
        """
        size = await self._leaves.size()
        if not self.note or self.key.opened(self.note).size != size:
            note = self._signer.note(size, await self._leaves.root(size), self._now_us())
            self._noted(note)
            await self._rows.keep_checkpoint(note)
            self.note = note
            self.trouble = ""
        return self.note

    async def begins_with(self, note: str) -> str:
        """Why the log does not begin with the tree of this checkpoint, which was kept; empty if it does."""
        return await compared(self._leaves, self.key, note)

    async def run(self) -> None:
        """Log and sign, for ever: when woken, and every now and then for what other processes did."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._awake.wait()
            self._awake.clear()
            await self.try_to_catch_up()
            await self.try_to_sign()
            await asyncio.sleep(PAUSE_S)

    async def try_to_sign(self) -> None:
        """Sign; what hinders it is logged."""
        try:
            await self.sign()
        except StoreUnavailable:
            self.wake()
        except (OSError, EarshotError) as failure:
            self._troubled(failure)

    async def proof(self, record_id: int) -> Proof:
        """The bundle of a recording. Raises BadInput when the log knows nothing of it, and see `sign`."""
        await self.catch_up()
        return await proof_of(self._leaves, await self.sign(), self.key, record_id)


async def compared(leaves: LeafLog, key: LogKey, note: str) -> str:
    """Why a log is not one that begins with the tree of a signed checkpoint; empty if it is."""
    try:
        checkpoint: Checkpoint = key.opened(note)
    except BadInput as wrong:
        return str(wrong)
    size = await leaves.size()
    if size < checkpoint.size:
        return f"the log has {size} leaves, {checkpoint.size} were signed"
    if await leaves.root(checkpoint.size) != checkpoint.root:
        return f"the first {checkpoint.size} leaves are not those that were signed"
    return ""


async def proof_of(leaves: LeafLog, note: str, key: LogKey, record_id: int) -> Proof:
    """The bundle of a recording under that checkpoint. Raises BadInput when no leaf under it is about the recording."""
    size = key.opened(note).size
    numbers = [number for number in await leaves.about(f"recording {record_id}") if number < size]
    if not numbers:
        raise BadInput(f"the log says nothing about recording {record_id}")
    found = []
    for number in numbers:
        try:
            path = await leaves.inclusion(number, size)
            found.append(ProvenLeaf(number=number, text=await leaves.text(number), path=tuple(path)))
        except (ValueError, IndexError) as why:
            raise LedgerBroken(f"leaf {number} cannot be shown: {why}") from None
    return Proof(record_id=record_id, leaves=tuple(found), note=note, key=key)
