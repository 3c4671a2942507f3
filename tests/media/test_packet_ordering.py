"""Order, wraps, duplicates, losses: counted as a person with a list of packets would."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.synthetic import START_US, Sent, batch, rtp

from earshot.media.ordering import OrderCounts, OrderedPackets, Ordering
from earshot.media.rtp_columns import parse


def packets(numbers: list[int], *, step_us: int = 20_000, ticks: int = 160, base: int = 0) -> list[Sent]:
    """Packets with these numbers, in this order of arrival."""
    return [Sent(i * step_us, rtp(b"x" * 160, base + number, number * ticks + 77)) for i, number in enumerate(numbers)]


def ordered(sent: list[Sent], ordering: Ordering | None = None, cut_us: int | None = None) -> list[OrderedPackets]:
    chunk = batch(sent)
    columns = parse(np.frombuffer(chunk.data, np.uint8), np.asarray(chunk.lengths, np.int64))
    return (ordering or Ordering()).window(columns, chunk.times_us, None if cut_us is None else START_US + cut_us)


def counts(sent: list[Sent]) -> OrderCounts:
    ordering = Ordering()
    ordered(sent, ordering)
    return ordering.counts


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        ([1, 2, 3, 4], OrderCounts(received=4)),
        ([1, 2, 5, 6], OrderCounts(received=4, lost=2)),
        ([1, 3, 2, 4], OrderCounts(received=4, late=1, reordered=1)),
        ([4, 5, 6, 1, 2, 3, 7], OrderCounts(received=7, late=3, reordered=1)),
        ([1, 3, 2, 5, 4], OrderCounts(received=5, late=2, reordered=2)),
        ([1, 2, 2, 3, 3, 3], OrderCounts(received=6, duplicated=3)),
        ([1, 2, 3, 1], OrderCounts(received=4, duplicated=1)),
        ([2, 1], OrderCounts(received=2, late=1, reordered=1)),
        ([1, 4, 2, 2], OrderCounts(received=4, lost=1, late=1, reordered=1, duplicated=1)),
    ],
)
@pytest.mark.parametrize("base", [0, 65533])
def test_counts(numbers: list[int], wanted: OrderCounts, base: int) -> None:
    assert counts(packets(numbers, base=base)) == wanted


def test_numbers_and_timestamps_go_on_over_their_wraps() -> None:
    sent = [Sent(i * 20_000, rtp(b"x", 65530 + i, 2**32 - 1000 + i * 160)) for i in range(20)]
    (stream,) = ordered(sent)
    assert (np.diff(stream.number) == 1).all()
    assert (np.diff(stream.ticks) == 160).all()


def test_a_sender_that_starts_again_loses_nothing() -> None:
    first = packets(list(range(10)), base=40000)
    second = [Sent(300_000 + i * 20_000, rtp(b"y", i, 5_000_000 + i * 160)) for i in range(10)]
    ordering = Ordering()
    (stream,) = ordered(first + second, ordering)
    assert ordering.counts == OrderCounts(received=20)
    assert stream.row.tolist() == list(range(20))


def test_a_long_outage_is_loss_not_a_new_start() -> None:
    before, after = packets(list(range(5))), packets(list(range(4005, 4010)))
    after = [Sent(4000 * 20_000 + sent.at_us + 100_000, sent.packet) for sent in after]
    assert counts(before + after) == OrderCounts(received=10, lost=4000)


def test_each_ssrc_is_ordered_by_itself() -> None:
    mine = packets([3, 1, 2])
    other = [Sent(5_000 + i * 20_000, rtp(b"z", 9 - i, 0, ssrc=99)) for i in range(3)]
    streams = ordered(sorted(mine + other, key=lambda sent: sent.at_us))
    assert [stream.ssrc for stream in streams] == [0x1234, 99]
    assert [(np.diff(stream.number) > 0).all() for stream in streams] == [True, True]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_order_of_rows_and_any_copies_give_the_same_packets(data: st.DataObject) -> None:
    base = data.draw(st.integers(0, 65535))
    numbers = sorted(data.draw(st.sets(st.integers(0, 200), min_size=2, max_size=60)))
    sent = [Sent(number * 20_000, rtp(b"p", base + number, 2**32 - 9000 + number * 160)) for number in numbers]
    copies = data.draw(st.lists(st.sampled_from(sent), max_size=20))
    late = [Sent(copy.at_us + data.draw(st.integers(0, 3_000_000)), copy.packet) for copy in copies]
    shuffled = data.draw(st.permutations(sent + late))
    ordering = Ordering()
    (stream,) = ordered(shuffled, ordering)
    assert [shuffled[row].packet for row in stream.row.tolist()] == [one.packet for one in sent]
    assert ordering.counts.duplicated == len(copies)
    assert ordering.counts.late == 0
    assert ordering.counts.lost == numbers[-1] - numbers[0] + 1 - len(numbers)


@given(st.permutations(list(range(12))), st.integers(0, 65535))
@settings(max_examples=80, deadline=None)
def test_any_order_of_arrival_gives_the_same_order(numbers: list[int], base: int) -> None:
    ordering = Ordering()
    (stream,) = ordered(packets(numbers, base=base), ordering)
    assert [numbers[row] for row in stream.row.tolist()] == list(range(12))
    assert ordering.counts.lost == 0
    assert ordering.counts.late == sum(number < max(numbers[:i], default=-1) for i, number in enumerate(numbers))


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_windows_give_what_one_pass_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    arrivals = np.arange(60) * 20_000 + random.integers(0, 100_000, 60)
    sent = [Sent(int(at), rtp(b"p", 65500 + i, i * 160)) for i, at in enumerate(arrivals) if random.random() > 0.1]
    sent += [sent[int(i)] for i in random.integers(0, len(sent), 5)]
    sent.sort(key=lambda one: one.at_us)
    whole = Ordering()
    (wanted,) = ordered(sent, whole)
    parts = Ordering()
    pending, got = sent, []
    for cut_us in (300_000, 700_000, None):
        (stream,) = ordered(pending, parts, cut_us)
        got += [pending[row].packet for row in stream.row[: stream.ready].tolist()]
        pending = [pending[row] for row in stream.rest.tolist()]
    assert got == [sent[row].packet for row in wanted.row.tolist()]
    # A burst of late packets that a cut runs through counts as two reorderings.
    assert abs(parts.counts.reordered - whole.counts.reordered) <= 4
    assert replace(parts.counts, reordered=0) == replace(whole.counts, reordered=0)
