"""What is appended is read back, in order, whatever the interleaving; events, checkpoints, rotation, a full disk."""

import asyncio
import errno
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.journal.journal_keys import RING, Wrap

from earshot.clock import FakeClock
from earshot.journal.check import check
from earshot.journal.format import ChainPointer, segment_numbers
from earshot.journal.reader import LegPackets, iter_leg, read_leg
from earshot.journal.recovery import recover
from earshot.journal.segment_file import Flight, SegmentFile
from earshot.journal.timeline import JournalTime
from earshot.journal.writer import JournalSettings, JournalTrouble, JournalWriter
from earshot.tasks import Spawner

NOW_US = 1_700_000_000_000_000

packets = st.lists(st.binary(min_size=0, max_size=40) | st.binary(min_size=300, max_size=420), min_size=1, max_size=12)
appends = st.tuples(st.integers(1, 5), packets, st.sampled_from(["go on", "sync", "event"]))


def contents(read: LegPackets) -> list[bytes]:
    return [read.packet(index) for index in range(len(read.lengths))]


async def _play(
    directory: Path, script: list[tuple[int, list[bytes], str]], segment_bytes: int, wrap: Wrap
) -> dict[int, list[bytes]]:
    """Write a script to a journal and read every leg back, twice: at once and in small chunks."""
    spawner = Spawner()
    writer = JournalWriter(
        directory,
        time=JournalTime(FakeClock()),
        random_u32=lambda: 7,
        settings=JournalSettings(flush_interval_s=0.001, segment_bytes=segment_bytes),
        wrap=wrap,
    )
    await writer.start(spawner)
    sent: dict[int, list[bytes]] = {}
    for leg, datagrams, then in script:
        count = len(sent.setdefault(leg, []))
        writer.append_packets(leg, [NOW_US + 20 * (count + n) for n in range(len(datagrams))], datagrams)
        sent[leg] += datagrams
        if then == "sync":
            await writer.sync()
        elif then == "event":
            writer.append_event({"leg": leg})
    await writer.sync()
    for leg, expected in sent.items():
        tail = writer.leg_tail(leg)
        whole = read_leg(directory, leg, tail, wrap)
        assert contents(whole) == expected
        assert whole.times_us.tolist() == [NOW_US + 20 * n for n in range(len(expected))]
        chunks = iter_leg(directory, leg, tail, 100, wrap)
        assert [packet for part in chunks for packet in contents(part)] == expected
    await writer.close()
    await spawner.close()
    return sent


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(appends, min_size=1, max_size=15),
    segment_bytes=st.sampled_from([64, 2000, 1 << 20]),
    wrap=st.sampled_from([None, RING]),
)
def test_legs_come_back_as_they_were_sent(
    script: list[tuple[int, list[bytes], str]], segment_bytes: int, wrap: Wrap
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        sent = asyncio.run(_play(directory, script, segment_bytes, wrap))
        recovered = recover(directory, wrap=wrap)
        assert recovered.problems == [] and recovered.torn is None
        assert check(directory, wrap=wrap) == []
        assert recovered.legs.keys() == sent.keys()
        for leg, found in recovered.legs.items():
            assert contents(read_leg(directory, leg, found.tail, wrap)) == sent[leg]


async def test_who_waits_for_the_next_flush_does_not_hasten_it(tmp_path: Path, open_journal: Any) -> None:
    async with open_journal(tmp_path, settings=JournalSettings(flush_interval_s=3600)) as writer:
        await asyncio.wait_for(writer.settled(), 5)  # there is nothing to wait for
        position = writer.append_event({"a": 1})
        waiting = asyncio.ensure_future(writer.settled())
        _, pending = await asyncio.wait([waiting], timeout=0.2)
        assert pending and writer.durable < position
        await writer.sync()
        await asyncio.wait_for(waiting, 5)
        assert writer.durable >= position


async def test_events_come_back_in_order(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    async with open_journal(tmp_path) as writer:
        for number in range(20):
            position = writer.append_event({"number": number, "text": "ä\n"})
            if number % 7 == 0:
                await writer.synced(position)
    events = recover(tmp_path, wrap=wrap).events
    assert events == [{"number": number, "text": "ä\n"} for number in range(20)]


async def test_a_released_leg_is_not_recovered(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    async with open_journal(tmp_path) as writer:
        writer.append_packets(1, [NOW_US], [b"one"])
        writer.append_packets(2, [NOW_US], [b"two"])
        writer.forget_leg(1)
        with pytest.raises(KeyError):
            writer.leg_tail(1)
    assert recover(tmp_path, wrap=wrap).legs.keys() == {2}
    assert check(tmp_path, wrap=wrap) == []


async def test_a_slot_is_not_reused_while_its_packets_wait(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    async with open_journal(tmp_path, JournalSettings(flush_interval_s=60)) as writer:
        writer.append_packets(1, [NOW_US], [b"one"])
        writer.forget_leg(1)
        writer.append_packets(2, [NOW_US], [b"two"])
        await writer.sync()
        assert contents(read_leg(tmp_path, 2, writer.leg_tail(2), wrap)) == [b"two"]
        freed = writer.open_leg(3)
        assert freed == 0, "after the flush the slot of leg 1 is free again"


async def test_each_segment_begins_with_a_checkpoint(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    state = {"calls": 0}

    def checkpoint() -> list[dict[str, Any] | bytes]:
        return [{"calls": state["calls"]}, b'{"raw":true}']

    async with open_journal(tmp_path, JournalSettings(flush_interval_s=60, segment_bytes=400), checkpoint) as writer:
        for number in range(30):
            state["calls"] += 1
            writer.append_event({"number": number, "text": "x" * 50})
            await writer.sync()
    assert len(segment_numbers(tmp_path)) > 3
    events = recover(tmp_path, wrap=wrap).events
    calls = events[0]["calls"]
    assert events[1] == {"raw": True}
    assert [event["number"] for event in events[2:]] == list(range(calls, 30))


async def test_segments_rotate_by_age(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, JournalSettings(flush_interval_s=60, segment_seconds=30)) as writer:
        for _ in range(3):
            writer.append_event({})
            await writer.sync()
            fake_clock.advance(31)
    assert segment_numbers(tmp_path) == [1, 2, 3]


async def test_writing_goes_on_where_it_stopped(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    for number in range(3):
        async with open_journal(tmp_path) as writer:
            writer.append_packets(9, [NOW_US + number], [bytes([number])])
    found = recover(tmp_path, wrap=wrap)
    assert contents(read_leg(tmp_path, 9, found.legs[9].tail, wrap)) == [b"\0", b"\1", b"\2"]
    assert check(tmp_path, wrap=wrap) == []


class _FailingFile(SegmentFile):
    """A disk that is full until told otherwise, and then leaves half a batch behind before it fails once more."""

    full = True

    def write(self, flight: Flight) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(flight)


async def test_a_full_disk_loses_nothing_up_to_the_bound(tmp_path: Path, open_journal: Any, wrap: Wrap) -> None:
    told: list[JournalTrouble] = []
    failed = asyncio.Event()

    def on_trouble(trouble: JournalTrouble) -> None:
        told.append(trouble)
        failed.set()

    limits = JournalSettings(flush_interval_s=0.001, retry_s=0.001, max_pending_bytes=5_000)
    async with open_journal(tmp_path, limits, None, on_trouble) as writer:
        disk = _FailingFile(tmp_path, wrap)
        writer._file = disk
        writer.append_event({"kept": 1})
        await asyncio.wait_for(failed.wait(), 5)
        for number in range(10):
            writer.append_packets(1, [NOW_US + number], [bytes(1000)])
        assert 0 < writer.dropped_packets < 10
        disk.full = False
        await asyncio.wait_for(writer.sync(), 5)
        kept = 10 - writer.dropped_packets
        assert len(read_leg(tmp_path, 1, writer.leg_tail(1), wrap).lengths) == kept
    assert told[0].error is not None and told[-1].error is None
    assert recover(tmp_path, wrap=wrap).events == [{"kept": 1}]
    assert check(tmp_path, wrap=wrap) == []


async def test_closing_on_a_full_disk_says_so(tmp_path: Path) -> None:
    spawner = Spawner()
    writer = JournalWriter(tmp_path, time=JournalTime(FakeClock()), random_u32=lambda: 1)
    await writer.start(spawner)
    writer._file = _FailingFile(tmp_path)
    writer.append_event({})
    with pytest.raises(OSError, match="No space left"):
        await writer.close()
    await spawner.close()


def test_reading_a_leg_that_has_nothing(tmp_path: Path) -> None:
    empty = read_leg(tmp_path, 1, ChainPointer())
    assert len(empty.lengths) == 0 and empty.data.dtype == np.uint8
