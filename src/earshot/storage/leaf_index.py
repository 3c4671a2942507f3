"""The index of the log: where each leaf lies, by number, key, subject and row, and the nodes of the tree.

A SQLite file of its own. It is not durable by itself, and may be deleted: it is made again from the log. The one rule:
one transaction adds leaves and their nodes, so that both always have the same size.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from earshot.ledger import tree
from earshot.ledger.leaves import Leaf
from earshot.ports.ledger import LedgerBroken
from earshot.storage.leaf_records import HEADER

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS leaves (number INTEGER PRIMARY KEY, offset INTEGER NOT NULL, length INTEGER NOT NULL,"
    " key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, subject TEXT NOT NULL, row INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS leaves_subject ON leaves (subject, number)",
    "CREATE INDEX IF NOT EXISTS leaves_row ON leaves (kind, row)",
    "CREATE TABLE IF NOT EXISTS nodes (place INTEGER PRIMARY KEY, hash BLOB NOT NULL)",
)
PRAGMAS: Final = ("journal_mode = WAL", "synchronous = OFF")


class LeafIndex:
    """The index in a file; one thread at a time. Everything raises LedgerBroken when the file cannot be used."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        try:
            self._open(read_only)
        except sqlite3.DatabaseError:
            if read_only:
                raise LedgerBroken(f"{path.name} of the ledger cannot be read") from None
            for leftover in path.parent.glob(f"{path.name}*"):
                leftover.unlink()
            self._open(read_only)
        self._refresh()

    def _open(self, read_only: bool) -> None:
        uri = f"{self._path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        if not read_only:
            for pragma in PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            for statement in TABLES:
                self._connection.execute(statement)
        self._connection.execute("SELECT count(*) FROM (SELECT 1 FROM leaves LIMIT 1)").fetchone()

    def _refresh(self) -> None:
        last = self._row("SELECT number, offset, length FROM leaves ORDER BY number DESC LIMIT 1")
        number, offset, length = last or (-1, 0, 0)
        self.size: int = number + 1
        self.end: int = offset + HEADER.size + length if last else 0
        """The byte of the log where the last leaf that is known ends; 0 where there is none."""

    def _row(self, statement: str, *values: object) -> tuple[int, ...] | None:
        try:
            found: tuple[int, ...] | None = self._connection.execute(statement, values).fetchone()
        except sqlite3.Error as why:
            raise LedgerBroken(f"the index of the ledger cannot be used: {why}") from why
        return found

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, leaves: Sequence[tuple[int, bytes, Leaf]]) -> None:
        """Add leaves: (offset in the log, bytes, leaf). Raises LedgerBroken also for a key that is there."""
        if not leaves:
            return
        size, fresh = self.size, dict[int, bytes]()
        rows = []

        def node(place: int) -> bytes:
            return fresh[place] if place in fresh else self.node(place)

        for number, (offset, text, leaf) in enumerate(leaves, size):
            place = tree.node_count(number)
            for made in tree.new_nodes(number, tree.leaf_hash(text), node):
                fresh[place] = made
                place += 1
            rows.append((number, offset, len(text), leaf.key, leaf.kind, leaf.subject, leaf.row))
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO leaves VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                self._connection.executemany("INSERT INTO nodes VALUES (?, ?)", fresh.items())
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as why:
            raise LedgerBroken(f"the index of the ledger cannot be written: {why}") from why
        self._refresh()

    def node(self, place: int) -> bytes:
        """The node of the tree at that place."""
        found = self._row("SELECT hash FROM nodes WHERE place = ?", place)
        if found is None:
            raise LedgerBroken(f"the index of the ledger has no node {place}")
        node: object = found[0]
        return bytes(node) if isinstance(node, bytes) else b""

    def place(self, number: int) -> tuple[int, int]:
        """Offset and length of a leaf. Raises IndexError."""
        found = self._row("SELECT offset, length FROM leaves WHERE number = ?", number)
        if found is None:
            raise IndexError(f"the log has no leaf {number}")
        return found[0], found[1]

    def number_of(self, key: str) -> int | None:
        """The number of the leaf with that key."""
        found = self._row("SELECT number FROM leaves WHERE key = ?", key)
        return found[0] if found else None

    def about(self, subject: str) -> list[int]:
        """The numbers of the leaves about a subject, in order."""
        try:
            rows = self._connection.execute("SELECT number FROM leaves WHERE subject = ? ORDER BY number", (subject,))
            return [number for (number,) in rows]
        except sqlite3.Error as why:
            raise LedgerBroken(f"the index of the ledger cannot be used: {why}") from why

    def last_row(self, kind: str) -> int:
        """The largest row number among the leaves of that kind, 0 where there are none."""
        found = self._row("SELECT max(row) FROM leaves WHERE kind = ?", kind)
        return (found[0] or 0) if found else 0
