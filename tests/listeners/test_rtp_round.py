"""Every place has its turn once per period, whatever is added, taken out, or cut short."""

import random

import pytest

from earshot.listeners.rtp_round import Round

PERIOD_S = 0.5


def longest_wait(seed: int, tick_s: float, growth_per_s: float, cut: bool) -> float:
    """The longest time between two turns of a place, after 20 seconds of ticks that come somewhat late."""
    chance = random.Random(seed)
    turn, now, longest = Round(PERIOD_S, 0.0), 0.0, 0.0
    drained_at: list[float] = []
    while now < 20.0:
        now += tick_s * chance.uniform(1.0, 1.1)
        while len(drained_at) < min(growth_per_s * now, 1000):
            drained_at.append(now)
        for first, end in turn.due(now, len(drained_at)):
            upto = first + max(1, (end - first) * 9 // 10) if cut else end
            for place in range(first, upto):
                longest = max(longest, now - drained_at[place])
                drained_at[place] = now
            turn.drained(upto)
            if upto < end:
                break
    return longest


@pytest.mark.parametrize("tick_s", [0.01, 0.05, 0.25, 0.5, 2.0])
@pytest.mark.parametrize("growth_per_s", [0.5, 5.0, 50.0, 400.0, 1e6])
def test_nobody_waits_longer_than_a_period_and_two_ticks(tick_s: float, growth_per_s: float) -> None:
    for seed in range(3):
        assert longest_wait(seed, tick_s, growth_per_s, cut=False) <= PERIOD_S + 2.2 * tick_s


def test_what_was_cut_short_is_next() -> None:
    turn = Round(PERIOD_S, 10.0)
    assert turn.due(10.25, 100) == [(0, 50)]
    turn.drained(30)
    assert turn.due(10.25, 100) == [(30, 50)] and turn.behind == pytest.approx(0.2)
    turn.drained(50)
    assert turn.due(10.25, 100) == [] and turn.behind == pytest.approx(0)
    assert turn.due(10.65, 100) == [(50, 100), (0, 30)]
    turn.drained(100)
    turn.drained(30)
    assert turn.due(99.0, 100) == [(30, 100), (0, 30)], "no place twice, however late"


def test_nobody_is_there_and_then_somebody() -> None:
    turn = Round(PERIOD_S, 0.0)
    assert turn.due(7.0, 0) == [] and turn.behind == 0
    assert turn.due(7.5, 3) == [(0, 3)]


def test_cut_slices_catch_up() -> None:
    assert longest_wait(1, 0.01, 1e6, cut=True) <= 2 * PERIOD_S
