"""Carrying, releasing, removing, redacting: what is kept stays whole, also when killed between any two steps."""

from pathlib import Path
from typing import Any

import pytest
from tests.journal.journal_keys import Wrap
from tests.journal.killing import killed_at_every_step

from earshot.clock import FakeClock
from earshot.journal.carry import carry_segments
from earshot.journal.check import check
from earshot.journal.format import carried_legs, carry_path, segment_numbers, segment_path
from earshot.journal.reader import LegPackets, iter_leg, read_leg
from earshot.journal.recovery import recover
from earshot.journal.redaction import redact_leg
from earshot.journal.upkeep import Upkeep
from earshot.journal.writer import JournalSettings, JournalWriter

SMALL = JournalSettings(flush_interval_s=60, segment_bytes=64)
"""Each flush makes a segment of its own."""


def contents(read: LegPackets) -> list[bytes]:
    return [read.packet(index) for index in range(len(read.lengths))]


def packet(leg: int, number: int) -> bytes:
    return bytes(12) + bytes([leg, number]) * 15


async def speak(writer: JournalWriter, clock: FakeClock, legs: list[int], numbers: range) -> None:
    """One packet per leg and segment, ten seconds apart."""
    for number in numbers:
        for leg in legs:
            writer.append_packets(leg, [writer.time.now_us()], [packet(leg, number)])
        await writer.sync()
        clock.advance(10)


async def test_a_long_call_pins_no_old_segments(
    tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL, lambda: [{"state": 1}]) as writer:
        upkeep = Upkeep(writer, carry_after_s=50)
        for minute in range(10):
            short = 100 + minute
            await speak(writer, fake_clock, [1, short], range(6 * minute, 6 * minute + 6))
            upkeep.release_leg(short)
            await upkeep.round()
            assert len(segment_numbers(tmp_path)) <= 14
            assert check(tmp_path, [1], writing=True, wrap=wrap) == []
        tail = writer.leg_tail(1)
        assert contents(read_leg(tmp_path, 1, tail, wrap)) == [packet(1, number) for number in range(60)]
        chunks = [len(part.data) for part in iter_leg(tmp_path, 1, tail, 200, wrap=wrap)]
        assert len(chunks) > 5 and sum(chunks) == 60 * 42
        upkeep.close()
    found = recover(tmp_path, wrap=wrap)
    assert found.legs.keys() == {1} and found.events == [{"state": 1}]
    assert contents(read_leg(tmp_path, 1, found.legs[1].tail, wrap)) == [packet(1, number) for number in range(60)]


async def test_a_silent_leg_is_carried_and_found_again(
    tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL, list) as writer:
        upkeep = Upkeep(writer, carry_after_s=50)
        await speak(writer, fake_clock, [1], range(3))
        fake_clock.advance(4000)
        await speak(writer, fake_clock, [2], range(3))
        fake_clock.advance(4000)
        await speak(writer, fake_clock, [2], range(3, 5))
        await upkeep.round()
        upkeep.close()
    found = recover(tmp_path, wrap=wrap)
    assert found.segments[0].number > 3
    assert contents(read_leg(tmp_path, 1, found.legs[1].tail, wrap)) == [packet(1, number) for number in range(3)]
    assert contents(read_leg(tmp_path, 2, found.legs[2].tail, wrap)) == [packet(2, number) for number in range(5)]
    async with open_journal(tmp_path, SMALL, list) as writer:
        upkeep = Upkeep(writer, carry_after_s=50)
        await speak(writer, fake_clock, [1], range(3, 5))
        assert contents(read_leg(tmp_path, 1, writer.leg_tail(1), wrap)) == [packet(1, number) for number in range(5)]
        upkeep.release_leg(1)
        await upkeep.finish_releases()
        upkeep.close()
    assert carried_legs(tmp_path) == [2]
    assert check(tmp_path, wrap=wrap) == []


async def test_without_checkpoints_nothing_is_removed(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        upkeep = Upkeep(writer, carry_after_s=5)
        await speak(writer, fake_clock, [1], range(4))
        upkeep.release_leg(1)
        await upkeep.round()
        upkeep.close()
    assert segment_numbers(tmp_path)[0] == 1


async def test_what_a_crash_left_of_a_released_leg_goes(
    tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, [1, 2], range(3))
        carry_segments(tmp_path, [1, 2], [1, 2], wrap)
        writer.forget_leg(1)
    assert check(tmp_path, wrap=wrap) == ["carry/1.leg belongs to no open leg"]
    assert recover(tmp_path, wrap=wrap).legs.keys() == {2}
    assert check(tmp_path, wrap=wrap) == []


async def test_carrying_killed_at_every_step(
    tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    async with open_journal(source, SMALL) as writer:
        await speak(writer, fake_clock, [1, 2], range(6))
    carry_segments(source, [1, 2], [1, 2], wrap)

    def carry_and_remove(directory: Path) -> None:
        carry_segments(directory, [1, 2, 3, 4], [1, 2], wrap)
        for number in (1, 2, 3, 4):
            segment_path(directory, number).unlink()

    def verify(directory: Path) -> None:
        found = recover(directory, wrap=wrap)
        assert check(directory, wrap=wrap) == []
        for leg in (1, 2):
            expected = [packet(leg, number) for number in range(6)]
            assert contents(read_leg(directory, leg, found.legs[leg].tail, wrap)) == expected
        rest = [number for number in segment_numbers(directory) if number <= 4]
        if rest:
            carry_segments(directory, rest, [1, 2], wrap)
        for leg in (1, 2):
            expected = [packet(leg, number) for number in range(6)]
            assert contents(read_leg(directory, leg, found.legs[leg].tail, wrap)) == expected

    assert killed_at_every_step(monkeypatch, source, carry_and_remove, verify) > 10


async def test_redaction_killed_at_every_step(
    tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    async with open_journal(source, SMALL) as writer:
        start = writer.time.now_us()
        await speak(writer, fake_clock, [1, 2], range(6))
        tail = writer.leg_tail(1)
    carry_segments(source, [1, 2, 3], [1], wrap)
    silenced = [packet(1, 0), *(bytes(42) for _ in range(4)), packet(1, 5)]
    span = start + 5_000_000, start + 45_000_000

    def verify(directory: Path) -> None:
        found = recover(directory, wrap=wrap)
        assert found.torn is None and found.problems == []
        assert redact_leg(directory, 1, tail, *span) == 6
        assert contents(read_leg(directory, 1, tail, wrap)) == silenced
        assert contents(read_leg(directory, 2, found.legs[2].tail, wrap)) == [packet(2, number) for number in range(6)]
        assert all("belongs" not in problem and "begun" not in problem for problem in check(directory, wrap=wrap))
        left = b"".join(path.read_bytes() for path in directory.rglob("*.*g"))
        readable = wrap is None
        assert (packet(1, 0)[12:] in left) == readable and (packet(2, 1)[12:] in left) == readable
        assert not any(packet(1, number)[12:] in left for number in range(1, 5))

    assert killed_at_every_step(monkeypatch, source, lambda path: redact_leg(path, 1, tail, *span), verify) > 10


async def test_redacting_an_open_leg(tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path) as writer:
        upkeep = Upkeep(writer)
        start = writer.time.now_us()
        writer.append_packets(1, [start + n for n in range(10)], [packet(1, n) for n in range(10)])
        writer.append_packets(1, [start + 10], [b"short"])
        assert await upkeep.redact(1, start + 3, start + 20) == 7
        read = contents(read_leg(tmp_path, 1, writer.leg_tail(1), wrap))
        assert read == [*(packet(1, n) for n in range(3)), *(bytes(42) for _ in range(7)), b"short"]
        upkeep.close()
    assert check(tmp_path, wrap=wrap) == []


async def test_check_names_what_is_wrong(tmp_path: Path, open_journal: Any, wrap: Wrap, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, [1], range(5))
    carry_segments(tmp_path, [1], [1], wrap)
    assert check(tmp_path, [], wrap=wrap) == ["carry/1.leg belongs to no open leg"]
    (tmp_path / "segments" / "notes.txt").write_text("?")
    with carry_path(tmp_path, 1).open("ab") as carried:
        carried.write(b"half a block")
    segment_path(tmp_path, 3).unlink()
    problems = check(tmp_path, wrap=wrap)
    assert "segments/notes.txt is no file of the journal" in problems
    assert any("carry/1.leg holds no valid block at byte" in problem for problem in problems)
    assert "segments are missing between 1 and 5" in problems
    assert any("the entry of leg 1 does not follow" in problem for problem in problems)
