"""Reading the journal after a stop of any kind: the events to rebuild from, the legs, and where to go on.

Here lives the scan of all segments and carry files and the repair of what a crash left half-written. Not here: what
events mean. The one rule: only what was never reported durable is cut off; anything else that is wrong is kept
and said.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from earshot.journal.cipher import KeyWrap
from earshot.journal.format import (
    CHECKPOINT,
    ENTRY,
    HEADER_BYTES,
    INTERNAL,
    KEY_BLOCK_BYTES,
    RELEASED,
    ChainPointer,
    JournalDamaged,
    SegmentInfo,
    carried_legs,
    carry_path,
    segment_numbers,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.key_block import FileKey, is_destroyed, slots
from earshot.journal.reader import segment_key
from earshot.journal.rewrap import remove_carried
from earshot.journal.scan import BatchView, Damage, map_file, scan_carry, scan_segment


@dataclass(frozen=True, slots=True)
class RecoveredLeg:
    """A leg that was not released: its newest entry, the first segment it has packets in, the last one carried."""

    tail: ChainPointer
    first_segment: int
    carried_upto: int


@dataclass(frozen=True, slots=True)
class TornTail:
    """The end of the last segment that was being written when the process stopped: where, and how many bytes."""

    segment: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the journal holds. `events` are those of the last checkpoint and all after it, in order.

    `problems` are sentences about damage that is not explained by a crash. `last_time_us` is the newest journal time
    seen; pass it to `JournalTime` so that time does not go back.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    legs: dict[int, RecoveredLeg] = field(default_factory=dict)
    segments: list[SegmentInfo] = field(default_factory=list)
    next_segment: int = 1
    next_batch: int = 1
    last_time_us: int = 0
    torn: TornTail | None = None
    problems: list[str] = field(default_factory=list)


class _Scan:
    """What the segments say, gathered in order."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.released: set[int] = set()
        self.first: dict[int, int] = {}
        self.tail: dict[int, tuple[int, int]] = {}
        self.last_batch = 0
        self.last_time_us = 0

    def take(self, batches: list[BatchView], segment: int, key: FileKey | None) -> None:
        """Add the batches of a segment. Raises JournalLocked and JournalDamaged, and has added nothing then."""
        for lines, batch in [(batch.event_lines(key), batch) for batch in batches]:
            self._take_events(lines, batch)
        if not batches:
            return
        legs = np.concatenate([batch.entries()["leg"] for batch in batches])[::-1]
        places = [batch.entries_offset + ENTRY.itemsize * np.arange(batch.entry_count) for batch in batches]
        owners, newest = np.unique(legs, return_index=True)
        for leg, place in zip(owners.tolist(), np.concatenate(places)[::-1][newest].tolist(), strict=True):
            self.first.setdefault(leg, segment)
            self.tail[leg] = (segment, place)

    def _take_events(self, lines: list[bytes], batch: BatchView) -> None:
        for index, line in enumerate(lines):
            if line.startswith(_OWN):
                own = orjson.loads(line)
                if own[INTERNAL] == RELEASED:
                    self.released.add(own["leg"])
                elif own[INTERNAL] == CHECKPOINT:
                    self.lines = lines[index + 1 :]
                    break
            else:
                self.lines.append(line)
        self.last_batch = max(self.last_batch, batch.number)
        self.last_time_us = max(self.last_time_us, batch.time_us)


_OWN = orjson.dumps({INTERNAL: ""})[:-3]


def recover(directory: Path, repair: bool = True, wrap: KeyWrap | None = None) -> Recovered:
    """Scan the journal in `directory`; a folder that does not exist is an empty journal. Raises OSError, and
    JournalLocked when a segment is encrypted and `wrap` does not open it: going on would forget the calls in it.

    With `repair`, a torn end is cut off and what released legs left behind is removed. Blocks: run it before the event
    loop starts or in a thread.
    """
    scan = _Scan()
    segments: list[SegmentInfo] = []
    problems: list[str] = []
    torn: TornTail | None = None
    numbers = segment_numbers(directory)
    for number in numbers:
        found, cut, wrong = _scan_one(directory, number, number == numbers[-1], scan, wrap)
        problems += wrong
        if cut is not None:
            torn = cut
            if repair:
                _cut(segment_path(directory, number), cut.offset)
        if found is not None:
            segments.append(found)
    legs = _legs(directory, scan, repair)
    return Recovered(
        events=[orjson.loads(line) for line in scan.lines],
        legs=legs,
        segments=segments,
        next_segment=max([*numbers, *(leg.carried_upto for leg in legs.values())], default=0) + 1,
        next_batch=scan.last_batch + 1,
        last_time_us=scan.last_time_us,
        torn=torn,
        problems=problems,
    )


def _scan_one(
    directory: Path, number: int, is_last: bool, scan: _Scan, wrap: KeyWrap | None
) -> tuple[SegmentInfo | None, TornTail | None, list[str]]:
    data = map_file(segment_path(directory, number))
    begin = bytes(data[: HEADER_BYTES + KEY_BLOCK_BYTES])
    try:
        header = unpack_segment_header(begin, number)
    except JournalDamaged as damage:
        if is_last and (len(data) <= HEADER_BYTES or (len(data) == len(begin) and not any(begin))):
            return None, TornTail(number, 0, len(data)), []
        return SegmentInfo(number, 0, 0, len(data)), None, [str(damage)]
    if header.keyed and is_last and len(data) <= header.end and not any(slots(begin[HEADER_BYTES:])):
        return None, TornTail(number, 0, len(data)), []
    if header.keyed and is_destroyed(begin[HEADER_BYTES:]):
        return SegmentInfo(number, header.base_us, header.base_us, len(data)), None, []
    problems = []
    torn = None
    batches: list[BatchView] = []
    for item in scan_segment(data, number):
        if isinstance(item, BatchView):
            batches.append(item)
        elif item.torn and is_last:
            torn = TornTail(number, item.offset, len(data) - item.offset)
        else:
            problems.append(_damage(number, item))
    if is_last:
        torn = _check_payloads(batches, number, torn, problems, len(data))
    try:
        scan.take(batches, number, segment_key(header, begin, number, wrap))
    except JournalDamaged as damage:
        problems.append(str(damage))
    last_us = batches[-1].time_us if batches else header.base_us
    return SegmentInfo(number, header.base_us, last_us, torn.offset if torn else len(data)), torn, problems


def _damage(number: int, damage: Damage) -> str:
    return f"segment {number} holds no valid batch at byte {damage.offset}"


def _check_payloads(
    batches: list[BatchView], number: int, torn: TornTail | None, problems: list[str], size: int
) -> TornTail | None:
    """Verify the payloads of the last segment; the last batch, if its payload is wrong, was being written."""
    for index, batch in enumerate(batches):
        if batch.payload_is_whole() is not False:
            continue
        if index == len(batches) - 1 and torn is None:
            batches.pop()
            return TornTail(number, batch.offset, size - batch.offset)
        problems.append(f"segment {number}, batch at byte {batch.offset}: the payload does not have its checksum")
    return torn


def _legs(directory: Path, scan: _Scan, repair: bool) -> dict[int, RecoveredLeg]:
    """Join what segments and carry files say of each leg that was not released."""
    carried: dict[int, int] = {}
    for leg in carried_legs(directory):
        path = carry_path(directory, leg)
        if leg in scan.released:
            if repair:
                remove_carried(directory, leg)
            continue
        data = map_file(path)
        end = upto = 0
        for block in scan_carry(data, leg):
            end, upto = block.end, block.last
        if repair and end < len(data):
            _cut(path, end)
        if end:
            carried[leg] = upto
    legs = {}
    for leg in (scan.tail.keys() | carried.keys()) - scan.released:
        upto = carried.get(leg, 0)
        tail = ChainPointer(*scan.tail.get(leg, (0, 0)))
        legs[leg] = RecoveredLeg(tail, scan.first.get(leg, 0), upto)
    return legs


def _cut(path: Path, size: int) -> None:
    """Shorten a file durably; one that never got its header goes away."""
    if size == 0:
        path.unlink()
        return
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)
