"""All that a journal holds, decrypted by the keys at hand: for tests that search for what must not be there."""

from collections.abc import Iterator
from pathlib import Path

from earshot.journal.cipher import KeyWrap
from earshot.journal.format import (
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    carried_legs,
    carry_path,
    segment_numbers,
    segment_path,
    unpack_segment_header,
)
from earshot.journal.key_block import FileKey
from earshot.journal.reader import block_key, segment_key
from earshot.journal.scan import BatchView, BlockView, map_file, scan_carry, scan_segment


def opened(directory: Path, wrap: KeyWrap | None) -> bytes:
    """Events and payloads of all batches and carry blocks. No flag is believed: what was redacted is decrypted too."""
    return b"\n".join(_opened(directory, wrap))


def _opened(directory: Path, wrap: KeyWrap | None) -> Iterator[bytes]:
    for number in segment_numbers(directory):
        data = map_file(segment_path(directory, number))
        begin = bytes(data[: HEADER_BYTES + KEY_BLOCK_BYTES])
        key = segment_key(unpack_segment_header(begin, number), begin, number, wrap)
        for item in scan_segment(data, number):
            if isinstance(item, BatchView):
                yield from item.event_lines(key)
                yield _payload(item, key)
    for leg in carried_legs(directory):
        for block in scan_carry(map_file(carry_path(directory, leg)), leg):
            yield _payload(block, block_key(block, wrap))


def _payload(view: BatchView | BlockView, key: FileKey | None) -> bytes:
    raw = bytes(view.data[view.payload_offset : view.payload_offset + view.payload_bytes])
    return raw if key is None else key.stream.applied(raw, view.payload_offset)
