"""Carrying: what open legs have in old segments moves to one file per leg, so that the segments can go.

Here lives the format of carry files in use. Not here: when to carry (upkeep). Runs on one thread at a time. The one
rule: a block says which segments it covers and is valid or not as a whole, so a crash at any point neither loses nor
doubles a packet: an unfinished block is cut off, a finished one is not written again.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot.journal.cipher import Keystream, KeyWrap
from earshot.journal.format import (
    CARRY_CHECKS,
    CARRY_FIXED,
    CARRY_KEYED,
    CARRY_MAGIC,
    ENTRY,
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    PACKET,
    PAYLOAD_WHOLE,
    carry_dir,
    carry_path,
    checksum,
    padded,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.key_block import FileKey, pack_key_block
from earshot.journal.reader import LegPackets, Piece, packets_of, segment_key
from earshot.journal.scan import BatchView, map_file, scan_carry, scan_segment
from earshot.journal.segment_file import sync_dir, sync_file, write_all

_BLOCK_BYTES = 64 * 2**20
_BLOCK_US = 1_200_000_000
_Opened = dict[int, tuple[int, int, FileKey | None]]
"""The handle, base time and key of segments."""


def carry_segments(
    directory: Path, numbers: Collection[int], legs: Collection[int], wrap: KeyWrap | None = None
) -> None:
    """Copy what `legs` have in the segments `numbers` (ascending, all of them old) to their carry files, durably.

    Encrypted with `wrap`, each block under a key of its own: where an unfinished block was cut off, others are written
    in its place. Raises OSError (nothing is lost; call again), JournalDamaged and JournalLocked.
    """
    wanted = np.fromiter(legs, np.uint64, len(legs))
    opened: _Opened = {}
    found: dict[int, list[NDArray[Any]]] = {}
    try:
        for number in numbers:
            table, base_us, key = _wanted_entries(directory, number, wanted, wrap)
            opened[number] = os.open(segment_path(directory, number), os.O_RDONLY | os.O_CLOEXEC), base_us, key
            owners, starts = np.unique(table["leg"], return_index=True)
            for leg, rows in zip(owners.tolist(), np.split(table, starts[1:]) if len(table) else (), strict=True):
                found.setdefault(leg, []).append(_rows(number, rows))
        for leg, tables in found.items():
            _append(directory, leg, np.concatenate(tables), opened, (min(numbers), max(numbers)), wrap)
    finally:
        for handle, _, _ in opened.values():
            os.close(handle)
    for leg in found:
        sync_file(carry_path(directory, leg))
    sync_dir(carry_dir(directory))


def _wanted_entries(
    directory: Path, number: int, wanted: NDArray[np.uint64], wrap: KeyWrap | None
) -> tuple[NDArray[Any], int, FileKey | None]:
    """The entries of the wanted legs in a segment, leg by leg, its base time and its key.

    The segment is mapped only for this, and only its tables are touched: its sound, up to a gigabyte, is read piece by
    piece and does not stay in the memory of the process.
    """
    data = map_file(segment_path(directory, number))
    begin = bytes(data[: HEADER_BYTES + KEY_BLOCK_BYTES])
    header = unpack_segment_header(begin, number)
    entries = [item.entries() for item in scan_segment(data, number) if isinstance(item, BatchView)]
    table = np.concatenate(entries) if entries else np.zeros(0, ENTRY)
    table = table[np.isin(table["leg"], wanted)]
    ordered = table[np.argsort(table["leg"], kind="stable")]
    return ordered, header.base_us, segment_key(header, begin, number, wrap)


def _rows(number: int, entries: NDArray[Any]) -> NDArray[np.int64]:
    fields = ("header_offset", "payload_offset", "count", "payload_bytes")
    columns = [np.full(len(entries), number, np.int64), *(entries[name].astype(np.int64) for name in fields)]
    return np.stack(columns, axis=1)


def _append(
    directory: Path,
    leg: int,
    rows: NDArray[np.int64],
    opened: _Opened,
    span: tuple[int, int],
    wrap: KeyWrap | None,
) -> None:
    """Append to the carry file of `leg` what it does not have yet; `span` is the first and last segment looked at."""
    handle = os.open(carry_path(directory, leg), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        data = map_file(carry_path(directory, leg))
        end = upto = 0
        for block in scan_carry(data, leg):
            end, upto = block.end, block.last
        if end < len(data):
            os.ftruncate(handle, end)
        first = max(span[0], upto + 1)
        for part, last in _parts(rows[rows[:, 0] > upto], opened, span[1]):
            pieces = [_piece(opened, row) for row in part.tolist()]
            block_bytes = pack_block(leg, first, last, packets_of(pieces), end, wrap)
            write_all(handle, block_bytes, end)
            end += sum(map(len, block_bytes))
            first = last + 1
    finally:
        os.close(handle)


def _piece(opened: _Opened, row: list[int]) -> Piece:
    handle, base_us, key = opened[row[0]]
    return Piece(handle, base_us, row[1], row[2], row[3], row[4], key)


def _parts(rows: NDArray[np.int64], opened: _Opened, last: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Cut `rows` between segments so that no block gets too long or too big; with the last segment each part covers."""
    start = size = 0
    for index, row in enumerate(rows.tolist()):
        new_segment = index > start and row[0] != rows[index - 1, 0]
        apart = opened[row[0]][1] - opened[int(rows[start, 0])][1]
        if new_segment and (apart > _BLOCK_US or size > _BLOCK_BYTES):
            yield rows[start:index], int(rows[index - 1, 0])
            start, size = index, 0
        size += row[4]
    if start < len(rows):
        yield rows[start:], last


def pack_block(leg: int, first: int, last: int, packets: LegPackets, at: int, wrap: KeyWrap | None) -> list[memoryview]:
    """A carry block for byte `at` of its file, in pieces; with `wrap`, encrypted in the memory of `packets`."""
    base_us = int(packets.times_us[0])
    headers = np.zeros(len(packets.lengths), PACKET)
    limits = np.iinfo(np.int32)
    headers["delta_us"] = np.clip(packets.times_us - base_us, limits.min, limits.max)
    headers["length"] = packets.lengths
    size = len(packets.data)
    flags = 0 if wrap is None else CARRY_KEYED
    fixed = CARRY_FIXED.pack(CARRY_MAGIC, flags, leg, first, last, base_us, len(headers), size)
    table = memoryview(headers.tobytes())
    payload = [memoryview(packets.data.data), memoryview(bytes(padded(size) - size))]
    key_block = b""
    if wrap is not None:
        key, wrapped = wrap.fresh()
        key_block = pack_key_block(wrapped)
        Keystream(key).apply(payload[0], at + HEADER_BYTES + KEY_BLOCK_BYTES + len(table))
    second = payload if wrap is None else [table, *payload]
    checks = CARRY_CHECKS.pack(checksum([fixed, table], 0), PAYLOAD_WHOLE, checksum(second, 0))
    return [memoryview(fixed + checks + key_block), table, *payload]
