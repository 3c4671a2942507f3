"""The small parts: peaks, spans, resampling, painting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.synthetic import snr_db, tone

from earshot.media.canvas import Canvas, saturated_sum
from earshot.media.peaks import Peaks, peaks_per_second
from earshot.media.resample import filter_for, resample
from earshot.media.spans import MOST, Spans, intersection, merged


def test_peaks_are_lowest_and_highest_of_each_stretch() -> None:
    left = np.zeros(8000, np.int16)
    left[5], left[159], left[160] = -32768, 32767, 1000
    right = np.full(8000, -8, np.int16)
    peaks = Peaks(2, 8000, 50)
    peaks.add([left[:320], right[:320]])
    peaks.add([left[320:7999], right[320:7999]])
    pairs = np.frombuffer(peaks.result(), np.int8).reshape(-1, 2, 2)
    assert pairs.shape[0] == 50
    assert pairs[0, 0].tolist() == [-128, 127]
    assert pairs[1, 0].tolist() == [0, 3]
    assert not pairs[:, 1].any()
    assert not pairs[2:].any()


def test_a_long_recording_has_fewer_peaks() -> None:
    assert [peaks_per_second(seconds) for seconds in (0, 1200, 1201, 3600, 43_200, 10**6)] == [50, 50, 20, 10, 1, 1]


def test_peaks_refuse_a_stretch_that_is_no_number_of_frames() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        Peaks(1, 8000, 30)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(8000, 16000), (16000, 8000), (48000, 16000), (48000, 8000)])
@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_resampling_keeps_place_and_sound(rate_in: int, rate_out: int, hertz: int) -> None:
    source, wanted = tone(rate_in, 1, hertz), tone(rate_out, 1, hertz)
    context = filter_for(rate_in, rate_out).context
    got = resample(np.concatenate((np.zeros(context, np.int16), source)), rate_in, rate_out, wanted.size)
    assert snr_db(wanted[400:-400], got[400:-400]) > 60


def test_resampling_by_an_odd_factor() -> None:
    context = filter_for(44100, 16000).context
    got = resample(np.concatenate((np.zeros(context, np.int16), tone(44100, 1, 1000))), 44100, 16000, 16000)
    assert snr_db(tone(16000, 1, 1000)[400:-400], got[400:-400]) > 60


def test_what_does_not_fit_below_the_new_rate_is_filtered_out() -> None:
    got = resample(tone(48000, 1, 11_000), 48000, 16000, 16000)
    assert np.abs(got[200:-200]).max() < 12


def test_a_drift_step_is_bridged_and_a_loss_is_not() -> None:
    canvas = Canvas(8000, 1000)
    canvas.reserve(1000)
    ones = np.ones(300, np.int16)
    canvas.paint(1, np.array([0, 101, 300]), np.array([100, 100, 100]), ones)
    got = canvas.cut(8000, 0, 1000)
    assert got[:201].all()
    assert not got[201:300].any()
    assert got[300:400].all()


def test_two_streams_at_once_are_added_one_stream_twice_is_not() -> None:
    canvas = Canvas(8000, 400)
    canvas.reserve(400)
    loud = np.full(200, 20_000, np.int16)
    canvas.paint(1, np.array([0, 50]), np.array([100, 100]), loud)
    assert set(canvas._piece(0, 150).tolist()) == {20_000}
    canvas.paint(2, np.array([100]), np.array([200]), loud)
    got = canvas.cut(8000, 0, 400)
    assert set(got[:100].tolist()) == {20_000}
    assert set(got[100:150].tolist()) == {32_767}
    assert set(got[150:300].tolist()) == {20_000}


def test_the_sum_of_nothing_is_nothing() -> None:
    assert saturated_sum([]) is None


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)).map(lambda s: (float(s[0]), float(s[0] + s[1]))))


@given(spans, spans)
def test_spans_against_sets_of_seconds(left: list[tuple[float, float]], right: list[tuple[float, float]]) -> None:
    def seconds(listed: list[tuple[float, float]]) -> set[int]:
        return {second for start, end in listed for second in range(int(start), int(end))}

    assert seconds(merged(left, 0.0)) == seconds(left)
    assert seconds(intersection([merged(left, 0.0), merged(right, 0.0)])) == seconds(left) & seconds(right)


def test_many_spans_become_few() -> None:
    collected = Spans()
    for second in range(20_000):
        collected.add(float(second), second + 0.02)
    result = collected.result(20_000.0)
    assert len(result) <= MOST
    assert (result[0][0], result[-1][1]) == (0.0, 19_999.02)
