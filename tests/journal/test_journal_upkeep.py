"""Carrying, releasing, removing, redacting: what is kept stays whole, also when killed between any two steps."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


async def test_a_long_call_pins_no_old_segments(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL, lambda: [{"state": 1}]) as writer:
        upkeep = Upkeep(writer, carry_after_s=50)
        for minute in range(10):
            short = 100 + minute
            await speak(writer, fake_clock, [1, short], range(6 * minute, 6 * minute + 6))
            upkeep.release_leg(short)
            await upkeep.round()
            assert len(segment_numbers(tmp_path)) <= 14
            assert check(tmp_path, [1], writing=True) == []
        tail = writer.leg_tail(1)
        assert contents(read_leg(tmp_path, 1, tail)) == [packet(1, number) for number in range(60)]
        chunks = [len(part.data) for part in iter_leg(tmp_path, 1, tail, 200)]
        assert len(chunks) > 5 and sum(chunks) == 60 * 42
        upkeep.close()
    found = recover(tmp_path)
    assert found.legs.keys() == {1} and found.events == [{"state": 1}]
    assert contents(read_leg(tmp_path, 1, found.legs[1].tail)) == [packet(1, number) for number in range(60)]


async def test_a_silent_leg_is_carried_and_found_again(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
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
    found = recover(tmp_path)
    assert found.segments[0].number > 3
    assert contents(read_leg(tmp_path, 1, found.legs[1].tail)) == [packet(1, number) for number in range(3)]
    assert contents(read_leg(tmp_path, 2, found.legs[2].tail)) == [packet(2, number) for number in range(5)]
    async with open_journal(tmp_path, SMALL, list) as writer:
        upkeep = Upkeep(writer, carry_after_s=50)
        await speak(writer, fake_clock, [1], range(3, 5))
        assert contents(read_leg(tmp_path, 1, writer.leg_tail(1))) == [packet(1, number) for number in range(5)]
        upkeep.release_leg(1)
        await upkeep.finish_releases()
        upkeep.close()
    assert carried_legs(tmp_path) == [2]
    assert check(tmp_path) == []


async def test_without_checkpoints_nothing_is_removed(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        upkeep = Upkeep(writer, carry_after_s=5)
        await speak(writer, fake_clock, [1], range(4))
        upkeep.release_leg(1)
        await upkeep.round()
        upkeep.close()
    assert segment_numbers(tmp_path)[0] == 1


async def test_what_a_crash_left_of_a_released_leg_goes(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, [1, 2], range(3))
        carry_segments(tmp_path, [1, 2], [1, 2])
        writer.forget_leg(1)
    assert check(tmp_path) == ["carry/1.leg belongs to no open leg"]
    assert recover(tmp_path).legs.keys() == {2}
    assert check(tmp_path) == []


class Killed(BaseException):
    """Raised in place of a system call: what the process had done until then stays."""


STEPS = ("open", "pwrite", "pwritev", "fdatasync", "fsync", "ftruncate", "unlink")


def killed_at_every_step(
    monkeypatch: pytest.MonkeyPatch, source: Path, work: Callable[[Path], object], verify: Callable[[Path], None]
) -> int:
    """Run `work` on copies of `source`, killed before its 1st, 2nd, ... system call; returns how many there were.

    A write that is killed has written its first half.
    """
    step = 0
    while True:
        directory = source.with_name(f"killed-{step}")
        shutil.copytree(source, directory)
        countdown = [step]
        with monkeypatch.context() as patch:
            for name in STEPS:
                patch.setattr(os, name, _dying(getattr(os, name), name, countdown))
            try:
                work(directory)
                finished = True
            except Killed:
                finished = False
        verify(directory)
        shutil.rmtree(directory)
        if finished:
            return step
        step += 1


def _dying(call: Callable[..., Any], name: str, countdown: list[int]) -> Callable[..., Any]:
    def dying(*arguments: Any, **named: Any) -> Any:
        if countdown[0] == 0:
            if name == "pwritev":
                data = b"".join(arguments[1])
                os.lseek(arguments[0], arguments[2], os.SEEK_SET)
                os.write(arguments[0], data[: len(data) // 2])
            raise Killed
        countdown[0] -= 1
        return call(*arguments, **named)

    return dying


async def test_carrying_killed_at_every_step(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    async with open_journal(source, SMALL) as writer:
        await speak(writer, fake_clock, [1, 2], range(6))
    carry_segments(source, [1, 2], [1, 2])

    def carry_and_remove(directory: Path) -> None:
        carry_segments(directory, [1, 2, 3, 4], [1, 2])
        for number in (1, 2, 3, 4):
            segment_path(directory, number).unlink()

    def verify(directory: Path) -> None:
        found = recover(directory)
        assert check(directory) == []
        for leg in (1, 2):
            expected = [packet(leg, number) for number in range(6)]
            assert contents(read_leg(directory, leg, found.legs[leg].tail)) == expected
        rest = [number for number in segment_numbers(directory) if number <= 4]
        if rest:
            carry_segments(directory, rest, [1, 2])
        for leg in (1, 2):
            expected = [packet(leg, number) for number in range(6)]
            assert contents(read_leg(directory, leg, found.legs[leg].tail)) == expected

    assert killed_at_every_step(monkeypatch, source, carry_and_remove, verify) > 10


async def test_redaction_killed_at_every_step(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    async with open_journal(source, SMALL) as writer:
        start = writer.time.now_us()
        await speak(writer, fake_clock, [1, 2], range(6))
        tail = writer.leg_tail(1)
    carry_segments(source, [1, 2, 3], [1])
    silenced = [packet(1, 0), *(bytes(42) for _ in range(4)), packet(1, 5)]
    span = start + 5_000_000, start + 45_000_000

    def verify(directory: Path) -> None:
        found = recover(directory)
        assert found.torn is None and found.problems == []
        assert redact_leg(directory, 1, tail, *span) == 6
        assert contents(read_leg(directory, 1, tail)) == silenced
        assert contents(read_leg(directory, 2, found.legs[2].tail)) == [packet(2, number) for number in range(6)]
        assert all("belongs" not in problem and "begun" not in problem for problem in check(directory))
        left = b"".join(path.read_bytes() for path in directory.rglob("*.*g"))
        assert packet(1, 0)[12:] in left and packet(2, 1)[12:] in left
        assert not any(packet(1, number)[12:] in left for number in range(1, 5))

    assert killed_at_every_step(monkeypatch, source, lambda path: redact_leg(path, 1, tail, *span), verify) > 10


async def test_redacting_an_open_leg(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path) as writer:
        upkeep = Upkeep(writer)
        start = writer.time.now_us()
        writer.append_packets(1, [start + n for n in range(10)], [packet(1, n) for n in range(10)])
        writer.append_packets(1, [start + 10], [b"short"])
        assert await upkeep.redact(1, start + 3, start + 20) == 7
        read = contents(read_leg(tmp_path, 1, writer.leg_tail(1)))
        assert read == [*(packet(1, n) for n in range(3)), *(bytes(42) for _ in range(7)), b"short"]
        upkeep.close()
    assert check(tmp_path) == []


async def test_check_names_what_is_wrong(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, [1], range(5))
    carry_segments(tmp_path, [1], [1])
    assert check(tmp_path, []) == ["carry/1.leg belongs to no open leg"]
    (tmp_path / "segments" / "notes.txt").write_text("?")
    with carry_path(tmp_path, 1).open("ab") as carried:
        carried.write(b"half a block")
    segment_path(tmp_path, 3).unlink()
    problems = check(tmp_path)
    assert "segments/notes.txt is no file of the journal" in problems
    assert any("carry/1.leg holds no valid block at byte" in problem for problem in problems)
    assert "segments are missing between 1 and 5" in problems
    assert any("the entry of leg 1 does not follow" in problem for problem in problems)
