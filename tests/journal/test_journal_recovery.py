"""Crashes: files cut at any byte, a process killed while it writes, damage that no crash explains."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journal.journal_keys import Wrap

from earshot.journal.check import check
from earshot.journal.format import HEADER_BYTES, JournalDamaged, segment_path
from earshot.journal.pending import Pending
from earshot.journal.reader import read_leg
from earshot.journal.recovery import recover
from earshot.journal.scan import BatchView, map_file, scan_segment
from earshot.journal.tails import LegTails

SALT = 0x5EED
NOW_US = 1_700_000_000_000_000


async def _write_batches(directory: Path, open_journal: Any, count: int) -> list[int]:
    """`count` batches of one event and one packet each; returns where each begins."""
    async with open_journal(directory) as writer:
        for number in range(count):
            writer.append_event({"number": number})
            writer.append_packets(1, [NOW_US + number], [bytes([number]) * 20])
            await writer.sync()
    data = map_file(segment_path(directory, 1))
    return [item.offset for item in scan_segment(data, 1) if isinstance(item, BatchView)]


async def test_a_torn_last_batch_is_cut_at_any_byte(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    source = tmp_path / "source"
    offsets = await _write_batches(source, open_journal, 3)
    whole = segment_path(source, 1).read_bytes()
    for size in range(offsets[-1], len(whole)):
        directory = tmp_path / "cut"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(source, directory)
        os.truncate(segment_path(directory, 1), size)
        found = recover(directory, wrap=wrap)
        assert found.problems == []
        assert [event["number"] for event in found.events] == [0, 1]
        assert len(read_leg(directory, 1, found.legs[1].tail, wrap).lengths) == 2
        assert (found.torn is None) == (size == offsets[-1])
        assert check(directory, wrap=wrap) == []


async def test_a_batch_with_a_wrong_payload_at_the_end_is_torn(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    offsets = await _write_batches(tmp_path, open_journal, 3)
    path = segment_path(tmp_path, 1)
    raw = bytearray(path.read_bytes())
    raw[-24:] = bytes(24)
    path.write_bytes(raw)
    assert check(tmp_path, wrap=wrap) != []
    found = recover(tmp_path, wrap=wrap)
    assert found.torn is not None and found.torn.offset == offsets[-1]
    assert check(tmp_path, wrap=wrap) == []


async def test_damage_in_the_middle_is_said_and_what_follows_is_kept(
    tmp_path: Path, open_journal: Any, wrap: Wrap
) -> None:
    offsets = await _write_batches(tmp_path, open_journal, 3)
    path = segment_path(tmp_path, 1)
    raw = bytearray(path.read_bytes())
    raw[offsets[1] + HEADER_BYTES] ^= 1
    path.write_bytes(raw)
    found = recover(tmp_path, wrap=wrap)
    assert [event["number"] for event in found.events] == [0, 2]
    assert found.problems == [f"segment 1 holds no valid batch at byte {offsets[1]}"]
    assert path.read_bytes() == raw, "nothing is cut off"
    assert check(tmp_path, wrap=wrap)[0] == found.problems[0]


@pytest.mark.parametrize("wrap", [None], indirect=True)
async def test_a_payload_that_looks_like_a_batch_is_not_believed(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    """Somebody sends the bytes of a batch as sound; then the batch that holds them is torn."""
    forged = Pending()
    forged.append_event(b'{"number":666}')
    place = {"number": 2, "now_us": NOW_US, "segment": 1, "offset": 0, "base_us": NOW_US}
    batch = forged.build(LegTails(), **place)
    async with open_journal(tmp_path) as writer:
        writer.append_event({"number": 0})
        await writer.sync()
        writer.append_packets(1, [NOW_US, NOW_US], [b"".join(batch.finish(salt)) for salt in (0, SALT)])
        await writer.sync()
    path = segment_path(tmp_path, 1)
    raw = bytearray(path.read_bytes())
    second = [item.offset for item in scan_segment(bytes(raw), 1) if isinstance(item, BatchView)][1]
    raw[second : second + 4] = b"torn"
    path.write_bytes(raw)
    numbers = [event["number"] for event in recover(tmp_path, wrap=wrap).events]
    assert numbers == [0, 666], "who knows the salt can do it; this shows that the forgery is well made"
    raw[raw.index(b"".join(batch.finish(SALT))) + 48] ^= 1
    path.write_bytes(raw)
    found = recover(tmp_path, wrap=wrap)
    assert [event["number"] for event in found.events] == [0]
    assert found.torn is not None and found.torn.offset == second


@pytest.mark.parametrize("size", [0, 10, HEADER_BYTES])
async def test_a_segment_that_was_just_begun(tmp_path: Path, open_journal: Any, wrap: Wrap, size: int) -> None:
    await _write_batches(tmp_path, open_journal, 1)
    second = segment_path(tmp_path, 2)
    second.write_bytes(segment_path(tmp_path, 1).read_bytes()[:size])
    if size == HEADER_BYTES:
        second.write_bytes(bytes(HEADER_BYTES))
    found = recover(tmp_path, wrap=wrap)
    assert found.problems == [] and len(found.events) == 1
    assert not second.exists()
    async with open_journal(tmp_path) as writer:
        writer.append_event({"number": 1})
    assert len(recover(tmp_path, wrap=wrap).events) == 2
    assert check(tmp_path, wrap=wrap) == []


async def test_a_chain_that_leads_elsewhere_is_not_followed(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    await _write_batches(tmp_path, open_journal, 2)
    tail = recover(tmp_path, wrap=wrap).legs[1].tail
    with pytest.raises(JournalDamaged, match="not its own"):
        read_leg(tmp_path, 2, tail, wrap)
    segment_path(tmp_path, 1).unlink()
    with pytest.raises(JournalDamaged, match="missing"):
        read_leg(tmp_path, 1, tail, wrap)


WRITING = """
import asyncio, secrets, sys
from pathlib import Path
from earshot.clock import SystemClock
from earshot.journal.timeline import JournalTime
from earshot.journal.writer import JournalSettings, JournalWriter
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring

async def main():
    settings = JournalSettings(flush_interval_s=0.001, segment_bytes=20000)
    wrap = Keyring((bytes.fromhex(sys.argv[2]),)) if sys.argv[2] else None
    writer = JournalWriter(Path(sys.argv[1]), time=JournalTime(SystemClock()), random_u32=lambda: secrets.randbits(32),
        settings=settings, wrap=wrap)
    await writer.start(Spawner())
    number = 0
    while True:
        for leg in range(1, 6):
            writer.append_packets(leg, [writer.time.now_us()], [number.to_bytes(4, "big") * 40])
        position = writer.append_event({"number": number})
        number += 1
        if number % 3 == 0:
            await writer.synced(position)
            print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 5, 23, 60])
def test_killing_a_writing_process_loses_nothing_that_was_durable(tmp_path: Path, lines: int, wrap: Wrap) -> None:
    master_key = wrap.keys[0].hex() if wrap else ""
    program = [sys.executable, "-c", WRITING, str(tmp_path), master_key]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    found = recover(tmp_path, wrap=wrap)
    assert found.problems == []
    numbers = [event["number"] for event in found.events]
    assert numbers == list(range(len(numbers))) and len(numbers) >= told[-1]
    for leg in range(1, 6):
        read = read_leg(tmp_path, leg, found.legs[leg].tail, wrap)
        heard = [int.from_bytes(read.packet(index)[:4], "big") for index in range(len(read.lengths))]
        assert heard == numbers
    assert check(tmp_path, wrap=wrap) == []
