"""Silence over spans of a WAV file: the same in whatever pieces it is read, and nowhere but in the spans."""

import io
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.errors import BadInput
from earshot.media.formats.wav_header import WavInfo, read_wav_info, wav_header
from earshot.media.hiding import SilencedFile, holes_in, silenced, silenced_peaks

RATE = 50
FRAMES = 200
MOMENTS = st.integers(-50, 250).map(lambda frame: (frame * 20 + 7) / 1000)
"""In seconds, none of them where a frame begins."""
SPANS = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda two: (min(two), max(two))), max_size=4)


def a_file(channels: int, tail: bytes = b"LIST") -> bytes:
    """Four seconds without a zero among the samples, and a chunk behind them."""
    return wav_header(channels, RATE, FRAMES) + b"\x55\xaa" * (FRAMES * channels) + tail


def whole(data: bytes, spans: list[tuple[float, float]]) -> tuple[bytes, WavInfo]:
    info = read_wav_info(io.BytesIO(data))
    return silenced(data, 0, holes_in(info, spans)), info


@given(st.integers(1, 2), SPANS)
def test_the_frames_of_the_spans_are_zero_and_nothing_else_is_touched(
    channels: int, spans: list[tuple[float, float]]
) -> None:
    data = a_file(channels)
    quiet, info = whole(data, spans)
    assert len(quiet) == len(data)
    end = info.data_offset + FRAMES * channels * 2
    assert quiet[: info.data_offset] == data[: info.data_offset] and quiet[end:] == b"LIST"
    frames = np.frombuffer(quiet[info.data_offset : end], np.int16).reshape(-1, channels)
    for number, frame in enumerate(frames):
        touched = any(start < (number + 1) / RATE and stop > number / RATE for start, stop in spans)
        assert frame.any() != touched


@given(st.integers(1, 2), SPANS, st.lists(st.integers(0, 1000), max_size=6))
def test_any_pieces_make_the_whole(channels: int, spans: list[tuple[float, float]], cuts: list[int]) -> None:
    data = a_file(channels)
    quiet, info = whole(data, spans)
    holes = holes_in(info, spans)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [silenced(data[first:last], first, holes) for first, last in pairwise(edges)]
    assert b"".join(pieces) == quiet


@given(SPANS, st.integers(1, 300))
def test_a_file_that_is_read_is_the_same(spans: list[tuple[float, float]], size: int) -> None:
    data = a_file(2)
    with io.BufferedReader(SilencedFile(io.BytesIO(data), spans), size) as file:
        read = b"".join(iter(lambda: file.read(size), b""))
    assert read == whole(data, spans)[0]


def test_what_is_no_wav_file_is_not_given_out() -> None:
    source = io.BytesIO(b"OggS" + bytes(100))
    with pytest.raises(BadInput):
        SilencedFile(source, [(0.0, 1.0)])


def test_peaks_are_zero_in_every_stretch_that_a_span_touches() -> None:
    peaks = np.full((100, 2, 2), 9, np.int8)
    quiet = np.frombuffer(silenced_peaks(peaks.tobytes(), 2, 50, [(0.5, 0.61), (1.9, 7.0)]), np.int8)
    loud = cast(list[bool], quiet.reshape(100, 4).all(axis=1).tolist())
    assert [number for number, one in enumerate(loud) if not one] == [*range(25, 31), *range(95, 100)]
