"""Verifying a journal: every checksum, every chain, every carry file. Reads only.

Not here: repairs (recovery). The one rule: a problem is a sentence that names the file and the byte.
"""

from collections.abc import Collection
from pathlib import Path

from earshot.journal.cipher import KeyWrap
from earshot.journal.format import (
    ENTRY,
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    JournalDamaged,
    carried_legs,
    carry_dir,
    carry_path,
    segment_numbers,
    segment_path,
    segments_dir,
    unpack_segment_header,
)
from earshot.journal.key_block import is_destroyed, slots
from earshot.journal.reader import block_key
from earshot.journal.recovery import recover
from earshot.journal.scan import BatchView, BlockView, Damage, map_file, scan_carry, scan_segment


class _Chains:
    """The newest entry seen of each leg, to compare with what the next entry of that leg points to."""

    def __init__(self, carried: dict[int, int], open_legs: Collection[int], first_segment: int) -> None:
        self._carried = carried
        self._open = open_legs
        self._first = first_segment
        self._newest: dict[int, tuple[int, int]] = {}

    def problems(self, batch: BatchView, segment: int) -> list[str]:
        problems = []
        entries = batch.entries()
        columns = zip(
            entries["leg"].tolist(),
            entries["previous_segment"].tolist(),
            entries["previous_offset"].tolist(),
            strict=True,
        )
        for index, (leg, before, before_at) in enumerate(columns):
            at = batch.entries_offset + ENTRY.itemsize * index
            expected = self._newest.get(leg, (0, 0))
            kept_from = self._carried.get(leg, 0) + 1 if leg in self._open else self._first
            gone = leg not in self._newest and before < kept_from
            if (before, before_at) != expected and not gone:
                problems.append(
                    f"segment {segment}, byte {at}: the entry of leg {leg} does not follow the one before it"
                )
            self._newest[leg] = segment, at
        return problems


def check(
    directory: Path,
    open_legs: Collection[int] | None = None,
    *,
    writing: bool = False,
    wrap: KeyWrap | None = None,
) -> list[str]:
    """What is wrong with the journal in `directory`, one sentence each; empty if nothing is.

    `open_legs`, if known, are the legs that may have a carry file. `writing` says that a process is at work on it: an
    unfinished end of the last segment or of a carry file is no problem then. Raises OSError and JournalLocked.
    """
    recovered = recover(directory, repair=False, wrap=wrap)
    problems = _strangers(directory)
    carried: dict[int, int] = {}
    for leg in carried_legs(directory):
        upto, wrong = _check_carry(directory, leg, writing, wrap)
        carried[leg] = upto
        problems += wrong
        if leg not in (recovered.legs if open_legs is None else open_legs):
            problems.append(f"carry/{leg}.leg belongs to no open leg")
    numbers = segment_numbers(directory)
    chains = _Chains(carried, recovered.legs.keys(), min(numbers, default=0))
    if numbers and numbers != list(range(numbers[0], numbers[-1] + 1)):
        problems.append(f"segments are missing between {numbers[0]} and {numbers[-1]}")
    for number in numbers:
        problems += _check_segment(directory, number, chains, writing and number == numbers[-1])
    return problems


def _strangers(directory: Path) -> list[str]:
    problems = []
    for folder, suffix in ((segments_dir(directory), ".seg"), (carry_dir(directory), ".leg")):
        for path in sorted(folder.glob("*")):
            if path.suffix != suffix or not path.stem.isdecimal():
                problems.append(f"{folder.name}/{path.name} is no file of the journal")
    return problems


def _check_carry(directory: Path, leg: int, writing: bool, wrap: KeyWrap | None) -> tuple[int, list[str]]:
    data = map_file(carry_path(directory, leg))
    problems = []
    end = upto = 0
    for block in scan_carry(data, leg):
        whole = block.payload_is_whole()
        if whole is not True:
            problems.append(f"carry/{leg}.leg, byte {block.offset}: {_PAYLOAD[whole]}")
        problems += _key_problems(block, wrap)
        if block.first <= upto:
            problems.append(f"carry/{leg}.leg, byte {block.offset}: segment {block.first} is there twice")
        end, upto = block.end, block.last
    if end < len(data) and not writing:
        problems.append(f"carry/{leg}.leg holds no valid block at byte {end}")
    return upto, problems


def _key_problems(block: BlockView, wrap: KeyWrap | None) -> list[str]:
    key = block_key(block, wrap)
    if key is not None:
        try:
            key.open()
        except JournalDamaged as damage:
            return [str(damage)]
    return []


_PAYLOAD = {False: "the payload does not have its checksum", None: "a redaction was begun and not finished"}


def _check_segment(directory: Path, number: int, chains: _Chains, writing: bool) -> list[str]:
    data = map_file(segment_path(directory, number))
    begin = bytes(data[: HEADER_BYTES + KEY_BLOCK_BYTES])
    try:
        header = unpack_segment_header(begin, number)
    except JournalDamaged as damage:
        return [] if writing and len(data) <= HEADER_BYTES else [str(damage)]
    problems = []
    if header.keyed and not any(slots(begin[HEADER_BYTES:])) and not is_destroyed(begin[HEADER_BYTES:]):
        if writing and len(data) <= header.end:
            return []
        problems.append(f"segment {number} has no valid key block")
    last_number = 0
    for item in scan_segment(data, number):
        if isinstance(item, Damage):
            if not (item.torn and writing):
                problems.append(f"segment {number} holds no valid batch at byte {item.offset}")
            continue
        whole = item.payload_is_whole()
        at_end = item.offset + item.length == len(data)
        if whole is not True and not (writing and at_end):
            problems.append(f"segment {number}, batch at byte {item.offset}: {_PAYLOAD[whole]}")
        if last_number and item.number != last_number + 1:
            problems.append(f"segment {number}: batch {item.number} follows batch {last_number}")
        last_number = item.number
        problems += chains.problems(item, number)
    return problems
