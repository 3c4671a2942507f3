"""Journal time under a wall clock that is set."""

import numpy as np
import pytest

from earshot.clock import FakeClock
from earshot.journal.timeline import ArrivalTimes, JournalTime


def test_journal_time_does_not_follow_the_wall_clock() -> None:
    clock = FakeClock(now=1_000.0)
    time = JournalTime(clock)
    assert time.now_us() == 1_000_000_000
    clock.jump(-500)
    clock.advance(2)
    assert time.now_us() == 1_002_000_000


def test_a_restart_does_not_go_back() -> None:
    assert JournalTime(FakeClock(now=10.0), not_before_us=99_000_000).now_us() == 99_000_000


@pytest.mark.parametrize("step", [-86_400.0, -2.0, -0.5, 0.5, 2.0, 86_400.0])
def test_stamps_of_before_and_after_a_step_come_out_even(step: float) -> None:
    """A packet every 20 ms; the wall clock is set in the middle of one drain period of 200 ms."""
    clock = FakeClock(now=1_000.0, monotonic=50.0)
    arrivals = ArrivalTimes(clock, JournalTime(clock))
    times: list[int] = []
    for period in range(5):
        stamps = []
        for packet in range(10):
            clock.advance(0.02)
            if period == 2 and packet == 0:
                clock.jump(step)
            stamps.append(int(clock.now() * 1e6))
        arrivals.read_clocks()
        times += arrivals.convert(np.array(stamps)).tolist()
    assert np.allclose(np.array(times), 1_000_000_000 + 20_000 * np.arange(1, 51), atol=2)


def test_a_packet_that_waited_across_the_step_keeps_its_time() -> None:
    clock = FakeClock(now=1_000.0, monotonic=50.0)
    arrivals = ArrivalTimes(clock, JournalTime(clock))
    clock.advance(1)
    before = int(clock.now() * 1e6)
    clock.advance(1)
    arrivals.read_clocks()
    clock.jump(-3600)
    clock.advance(0.1)
    arrivals.read_clocks()
    after = int(clock.now() * 1e6)
    assert arrivals.convert(np.array([before, after])).tolist() == [1_001_000_000, 1_002_100_000]


def test_without_a_stamp_it_is_now_and_nothing_is_in_the_future() -> None:
    clock = FakeClock(now=1_000.0)
    arrivals = ArrivalTimes(clock, JournalTime(clock))
    late = int(clock.now() * 1e6) + 400
    assert arrivals.convert(np.array([0, late])).tolist() == [1_000_000_000, 1_000_000_000]
