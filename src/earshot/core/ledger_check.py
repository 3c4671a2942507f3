"""`earshot check` of the tamper-evident log: the file itself, the checkpoints, and the rows against their leaves.

The index is not believed: the log is read from its first byte, and the tree computed anew. The one rule: every problem
is a sentence that names what was altered, and reading changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from earshot.errors import BadInput
from earshot.ledger import tree
from earshot.ledger.checkpoint import LogKey
from earshot.ledger.leaves import AUDIT, DELETED, REWRITTEN, SCREEN, SEALED, Leaf
from earshot.ports.ledger import LedgerRows
from earshot.storage.leaf_records import MAGIC, NotWhole, read_records

AT_ONCE: Final = 1000
AGAIN_S: Final = 1.0
NOTE: Final = "ledger"
"""The name under which the journal keeps the last checkpoint."""
SESSION: Final = "screen session "
NAMES: Final = {SEALED: "recording", SCREEN: "screen session", AUDIT: "audit entry"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvidence:
    """What is compared: the log file, the rows, the published key, and signed checkpoints by where they were kept.

    `key` None means that there never was one: a data folder from before there was a log.
    """

    log: Path
    rows: LedgerRows
    key: LogKey | None


@dataclass(slots=True, kw_only=True)
class _Read:
    """What the log says: how many leaves, the nodes of their tree, and what they are about."""

    size: int = 0
    nodes: list[bytes] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    rows: dict[tuple[str, int], Leaf] = field(default_factory=dict)
    media: dict[int, str] = field(default_factory=dict)
    pictures: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


async def check_ledger(
    evidence: LedgerEvidence, *, checkpoints: Mapping[str, str], unfinished: Collection[str], running: bool
) -> list[str]:
    """What is wrong with the log, one sentence each. `checkpoints` are signed notes by where they were kept beside the
    database; `unfinished` are the keys of calls that the journal still has. Raises StoreUnavailable."""
    found = [one async for one in _problems(evidence, checkpoints, unfinished, running=running)]
    if found and running:
        # The server may have been between a leaf and its row just then.
        await asyncio.sleep(AGAIN_S)
        again = [one async for one in _problems(evidence, checkpoints, unfinished, running=running)]
        found = [problem for problem in found if problem in again]
    return [f"ledger: {problem}" for problem in found]


async def _problems(
    evidence: LedgerEvidence, checkpoints: Mapping[str, str], unfinished: Collection[str], *, running: bool
) -> AsyncIterator[str]:
    stored = await evidence.rows.checkpoint()
    signed = {**checkpoints, **({"the database": stored} if stored else {})}
    if not evidence.log.exists() and not signed:
        return
    if evidence.key is None:
        yield "the key that checkpoints are signed with is missing"
        return
    rows = {kind: await _rows(evidence.rows, kind) for kind in NAMES}
    found = await asyncio.to_thread(_read, evidence.log)
    for problem in found.problems:
        yield problem
    for where, note in signed.items():
        wrong = _compared(found, evidence.key, note)
        if wrong:
            yield f"against the checkpoint in {where}: {wrong}"
    for kind, leaves in rows.items():
        for problem in _missing(found, kind, leaves, unfinished, running=running):
            yield problem
    for problem in _gone(found, rows):
        yield problem


async def _rows(rows: LedgerRows, kind: str) -> list[Leaf]:
    found: list[Leaf] = []
    while batch := await rows.after(kind, found[-1].row if found else 0, AT_ONCE):
        found += batch
    return found


def _read(path: Path) -> _Read:
    """Read the log from its first byte."""
    found = _Read()
    try:
        with path.open("rb") as file:

            def read(at: int, count: int) -> bytes:
                file.seek(at)
                return file.read(count)

            if read(0, len(MAGIC)) != MAGIC:
                found.problems.append("the log does not begin as a log does")
                return found
            for _, text in read_records(read, len(MAGIC)):
                _take(found, text)
    except FileNotFoundError:
        found.problems.append("the log is missing")
    except NotWhole as wrong:
        found.problems.append(f"after {found.size} leaves, {wrong}")
    return found


def _take(found: _Read, text: bytes) -> None:
    number = found.size
    found.nodes += tree.new_nodes(number, tree.leaf_hash(text), found.nodes.__getitem__)
    found.size += 1
    try:
        leaf = Leaf.read(text)
    except BadInput as wrong:
        found.problems.append(f"leaf {number}: {wrong}")
        return
    if leaf.key in found.keys:
        found.problems.append(f"leaf {number} is the same as leaf {found.keys[leaf.key]}")
    found.keys[leaf.key] = number
    if leaf.row:
        found.rows[leaf.kind, leaf.row] = leaf
    if leaf.kind == SEALED:
        found.media[leaf.row] = str(leaf.body.get("sha256", ""))
    elif leaf.kind == SCREEN:
        found.pictures |= {(leaf.row, number): {sha256: size} for number, sha256, size in _segments(leaf)}
    elif leaf.kind == DELETED:
        found.deleted.add(leaf.subject)
    elif leaf.kind == REWRITTEN:
        _rewritten(found, number, leaf)


def _rewritten(found: _Read, number: int, leaf: Leaf) -> None:
    if leaf.subject.startswith(SESSION):
        _repainted(found, number, leaf)
        return
    record_id = int(leaf.subject.removeprefix("recording ") or 0)
    if leaf.body.get("sha256_before") != found.media.get(record_id):
        found.problems.append(f"leaf {number}: {leaf.subject} was rewritten from media that the log does not know")
    found.media[record_id] = str(leaf.body.get("sha256", ""))


def _repainted(found: _Read, number: int, leaf: Leaf) -> None:
    """A piece of a screen session: a process that was killed in between may have begun twice from the same file."""
    screen, segment = leaf.subject.removeprefix(SESSION), leaf.body.get("segment")
    place = (int(screen) if screen.isdecimal() else 0, segment if isinstance(segment, int) else 0)
    known = found.pictures.setdefault(place, {})
    if leaf.body.get("sha256_before") not in known:
        found.problems.append(f"leaf {number}: {leaf.subject} was rewritten from pictures that the log does not know")
    known.pop(after := str(leaf.body.get("sha256", "")), None)
    known[after] = leaf.body.get("size", 0)


def _as_rewritten(found: _Read, logged: Leaf) -> Mapping[str, Any]:
    """What a screen session was logged with, and each piece of it as it was logged last."""
    segments = []
    for number, before, before_size in _segments(logged):
        *_, (sha256, size) = found.pictures.get((logged.row, number), {before: before_size}).items()
        segments.append({"number": number, "sha256": sha256, "size": size})
    return {**logged.body, "segments": segments}


def _segments(leaf: Leaf) -> list[tuple[int, str, int]]:
    """Number, SHA-256 and size of each piece of a screen session."""
    said = leaf.body.get("segments", ())
    return [(one["number"], one["sha256"], one["size"]) for one in said if one.keys() == {"number", "sha256", "size"}]


def _compared(found: _Read, key: LogKey, note: str) -> str:
    try:
        checkpoint = key.opened(note)
    except BadInput as wrong:
        return str(wrong)
    if found.size < checkpoint.size:
        return f"the log was cut: it has {found.size} leaves, {checkpoint.size} were signed"
    if tree.root(checkpoint.size, found.nodes.__getitem__) != checkpoint.root:
        return f"the first {checkpoint.size} leaves were altered or are in another order"
    return ""


def _missing(
    found: _Read, kind: str, leaves: Sequence[Leaf], unfinished: Collection[str], *, running: bool
) -> Iterator[str]:
    """Rows without a leaf, or with one that says otherwise. The newest rows get theirs in a moment, or at the next
    start: entries that the command line wrote, and recordings of calls that are still in the journal."""
    newest = max((row for where, row in found.rows if where == kind), default=0)
    for leaf in leaves:
        if leaf.subject in found.deleted:
            continue
        logged = found.rows.get((kind, leaf.row))
        if logged is None:
            is_new = leaf.row > newest and (running or kind == AUDIT or leaf.body.get("call") in unfinished)
            if not is_new:
                yield f"{leaf.subject} has no leaf"
        elif kind == SEALED:
            yield from _recording(found, leaf, logged)
        elif logged.key != leaf.key or (_as_rewritten(found, logged) if kind == SCREEN else logged.body) != leaf.body:
            yield f"{leaf.subject} is not what was logged"


def _recording(found: _Read, leaf: Leaf, logged: Leaf) -> Iterator[str]:
    varying = ("sha256", "size")
    fixed = {name: value for name, value in leaf.body.items() if name not in varying}
    if logged.key != leaf.key or fixed != {key: value for key, value in logged.body.items() if key not in varying}:
        yield f"{leaf.subject} is not what was logged"
    elif leaf.body["sha256"] != found.media.get(leaf.row):
        yield f"{leaf.subject}: the SHA-256 in its row is not the one that was logged"


def _gone(found: _Read, rows: Mapping[str, Sequence[Leaf]]) -> Iterator[str]:
    """Leaves whose row is gone, with nothing in the log that says why."""
    there = {(kind, leaf.row) for kind, leaves in rows.items() for leaf in leaves}
    for (kind, row), leaf in found.rows.items():
        if (kind, row) not in there and leaf.subject not in found.deleted:
            yield f"{NAMES.get(kind, kind)} {row} is gone, and its deletion was not logged"
