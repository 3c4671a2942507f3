"""The tamper-evident log as files: `log`, which counts, and `index.db`, which can be made from it again.

`log` begins with a line that says what it is; then each leaf with its length and CRC-32 before it (two big-endian
32-bit numbers). Whoever appends at the same time shares one write and one fsync. The one rule: a leaf is in `log`,
durably, before the index knows of it, so after a crash the index is brought up to the log, and never the other way.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import structlog

from earshot.errors import BadInput
from earshot.ledger import tree
from earshot.ledger.leaves import Leaf
from earshot.ports.ledger import LedgerBroken
from earshot.storage.leaf_index import LeafIndex
from earshot.storage.leaf_records import HEADER, MAGIC, NotWhole, read_records, record
from earshot.tasks import in_pieces, one_thread

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOG_NAME: Final = "log"
INDEX_NAME: Final = "index.db"


class FileLeafLog:
    """The port `earshot.ports.ledger.LeafLog` in a folder. `open` first; `close` at the end.

    `read_only` is for looking at the log of a server that runs: nothing is repaired or added.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self.broken = ""
        self._read_only = read_only
        self._thread = one_thread("ledger")
        self._lock = Lock()
        self._waiting: list[tuple[Sequence[tuple[Leaf, bytes]], Future[list[int]]]] = []
        self._file = -1
        self._end = 0
        self._index: LeafIndex | None = None

    async def open(self, signed_size: int = 0) -> None:
        """Open the log, making it if there is none, and repair a torn end: what a crash left half written.

        `signed_size` is the size of the last checkpoint that is known: leaves up to there were durable, so a log that
        has fewer was cut, and `broken` says so. Raises OSError; FileNotFoundError when it is only to be read.
        """
        await self._run(lambda: self._open(signed_size))

    async def close(self) -> None:
        """Close the files, after what was begun."""
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- the port ---------------------------------------------------------------------------------------------------

    async def append(self, leaves: Sequence[Leaf]) -> list[int]:
        """See `LeafLog.append`."""
        texts: list[tuple[Leaf, bytes]] = []
        async for some in in_pieces(leaves):
            texts += [(leaf, leaf.text()) for leaf in some]
        done: Future[list[int]] = Future()
        with self._lock:
            self._waiting.append((texts, done))
        await self._run(self._flush)
        return await asyncio.wrap_future(done)

    async def size(self) -> int:
        """See `LeafLog.size`."""
        return await self._run(lambda: self._known().size)

    async def text(self, number: int) -> bytes:
        """See `LeafLog.text`."""
        return await self._run(lambda: self._text(number))

    async def number_of(self, key: str) -> int | None:
        """See `LeafLog.number_of`."""
        return await self._run(lambda: self._known().number_of(key))

    async def about(self, subject: str) -> list[int]:
        """See `LeafLog.about`."""
        return await self._run(lambda: self._known().about(subject))

    async def last_row(self, kind: str) -> int:
        """See `LeafLog.last_row`."""
        return await self._run(lambda: self._known().last_row(kind))

    async def root(self, size: int) -> bytes:
        """See `LeafLog.root`."""
        return await self._run(lambda: self._root(size))

    async def inclusion(self, number: int, size: int) -> list[bytes]:
        """See `LeafLog.inclusion`."""
        return await self._run(lambda: tree.inclusion_proof(number, self._at_most(size), self._known().node))

    async def consistency(self, first: int, second: int) -> list[bytes]:
        """See `LeafLog.consistency`."""
        return await self._run(lambda: tree.consistency_proof(first, self._at_most(second), self._known().node))

    # --- on the thread ----------------------------------------------------------------------------------------------

    def _known(self) -> LeafIndex:
        if self._index is None:
            raise LedgerBroken(self.broken or "the ledger is not open")
        return self._index

    def _at_most(self, size: int) -> int:
        if size > self._known().size:
            raise ValueError(f"the log has no {size} leaves")
        return size

    def _root(self, size: int) -> bytes:
        if not 0 <= size <= self._known().size:
            raise IndexError(f"the log has no {size} leaves")
        return tree.root(size, self._known().node)

    def _text(self, number: int) -> bytes:
        offset, length = self._known().place(number)
        whole = os.pread(self._file, HEADER.size + length, offset)
        for _, text in read_records(lambda at, count: whole[at : at + count], 0):
            return text
        raise LedgerBroken(f"leaf {number} cannot be read")

    def _open(self, signed_size: int) -> None:
        path = self.folder / LOG_NAME
        if not self._read_only:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(path, os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT, 0o600)
        self._index = LeafIndex(self.folder / INDEX_NAME, read_only=self._read_only)
        if self._read_only:
            self._end = self._index.end
            return
        try:
            self._catch_up(signed_size)
        except LedgerBroken as wrong:
            self.broken = str(wrong)

    def _catch_up(self, signed_size: int) -> None:
        """Bring the index up to the log, and cut what a crash left half written."""
        found = os.fstat(self._file).st_size
        index = self._known()
        if found < len(MAGIC) and index.size == 0 and signed_size == 0:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, MAGIC, 0)
            self._durable()
            found = len(MAGIC)
        if os.pread(self._file, len(MAGIC), 0) != MAGIC:
            raise LedgerBroken("the log does not begin as a log does")
        self._end = max(index.end, len(MAGIC))
        if found < self._end:
            raise LedgerBroken(f"the log was cut: its index ends at byte {self._end}, the log at {found}")
        try:
            fresh: list[tuple[int, bytes]] = []
            for offset, text in read_records(lambda at, count: os.pread(self._file, count, at), self._end):
                fresh.append((offset, text))
            self._indexed(self._read(fresh))
        except NotWhole as torn:
            self._indexed(self._read(fresh))
            if index.size < signed_size:
                raise LedgerBroken(
                    f"leaf {index.size} of {signed_size} that were signed cannot be read: {torn}"
                ) from None
            log.warning("ledger_tail_repaired", bytes=found - self._end, leaves=index.size, why=str(torn))
            os.ftruncate(self._file, self._end)
            self._durable()
        if index.size < signed_size:
            raise LedgerBroken(f"the log has {index.size} leaves, {signed_size} were signed")

    def _read(self, records: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes, Leaf]]:
        try:
            return [(offset, text, Leaf.read(text)) for offset, text in records]
        except BadInput as wrong:
            raise LedgerBroken(f"the log holds what is no leaf: {wrong}") from None

    def _indexed(self, records: Sequence[tuple[int, bytes, Leaf]]) -> None:
        self._known().add(records)
        if records:
            offset, text, _ = records[-1]
            self._end = offset + HEADER.size + len(text)

    def _durable(self) -> None:
        os.fsync(self._file)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _flush(self) -> None:
        """Write all that waits, at once."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            numbers = self._write([leaves for leaves, _ in waiting])
        except BaseException as failure:  # noqa: BLE001 whoever waits is told, whatever it was
            for _, done in waiting:
                done.set_exception(failure)
            return
        for (_, done), given in zip(waiting, numbers, strict=True):
            done.set_result(given)

    def _write(self, groups: Sequence[Sequence[tuple[Leaf, bytes]]]) -> list[list[int]]:
        if self.broken or self._read_only:
            raise LedgerBroken(self.broken or "the ledger was opened to be read only")
        index = self._known()
        fresh: dict[str, int] = {}
        records: list[tuple[int, bytes, Leaf]] = []
        end, numbers = self._end, []
        for leaves in groups:
            given = []
            for leaf, text in leaves:
                number = fresh.get(leaf.key)
                if number is None:
                    number = index.number_of(leaf.key)
                if number is None:
                    number = fresh[leaf.key] = index.size + len(records)
                    records.append((end, text, leaf))
                    end += HEADER.size + len(text)
                given.append(number)
            numbers.append(given)
        if records:
            self._put(b"".join(record(text) for _, text, _ in records))
            self._indexed(records)
        return numbers

    def _put(self, data: bytes) -> None:
        try:
            view, at = memoryview(data), self._end
            while view:
                written = os.pwrite(self._file, view, at)
                view, at = view[written:], at + written
            os.fsync(self._file)
        except OSError:
            try:
                os.ftruncate(self._file, self._end)
            except OSError as why:
                self.broken = f"a half written end cannot be removed: {why}"
            raise

    def _close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
