"""Marks made at the same true time land together, whatever the clocks and the network do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.media.synthetic import START_US, chunks_of, read

from earshot.media.packets import LegDescription, LegPackets, LegSource, Side
from earshot.media.render import render_recording

SILENT_CODE, CLICK_CODE = 0xD5, 0xAA
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Line:
    """A phone and a network: clock error, jitter, loss, packet length, and where its counters start."""

    ppm: float
    jitter_us: int
    loss: float = 0.0
    packet: int = 160
    sequence: int = 65_000
    timestamp: int = 2**32 - 100_000
    extra_delay_us: int = 0


def marked_leg(line: Line, seconds: int, marks_s: list[float], seed: int) -> LegPackets:
    """What such a phone sends: silence, with a click at each of the true times."""
    random = np.random.default_rng(seed)
    pace = 8000 * (1 + line.ppm * 1e-6)
    count = int(seconds * pace / line.packet)
    payload = np.full((count, line.packet), SILENT_CODE, np.uint8)
    places = (np.array(marks_s) * pace).astype(np.int64)
    places = places[places < payload.size]
    payload.reshape(-1)[places] = CLICK_CODE
    index = np.arange(count)
    raw = np.zeros((count, 12 + line.packet), np.uint8)
    raw[:, 0], raw[:, 1] = 0x80, 8
    raw[:, 2:4] = ((index + line.sequence) & 0xFFFF).astype(">u2").view(np.uint8).reshape(-1, 2)
    stamps = (index * line.packet + line.timestamp) & 0xFFFFFFFF
    raw[:, 4:8] = stamps.astype(">u4").view(np.uint8).reshape(-1, 4)
    raw[:, 12:] = payload
    left = (index + 1) * line.packet / pace * 1e6
    arrived = (left + random.integers(0, line.jitter_us + 1, count) + line.extra_delay_us).astype(np.int64) + START_US
    kept = random.random(count) >= line.loss
    kept[places // line.packet] = True
    order = np.argsort(arrived, kind="stable")
    order = order[kept[order]]
    return LegPackets(arrived[order], np.full(order.size, 12 + line.packet), raw[order].tobytes())


def clicks(channel: np.ndarray) -> np.ndarray:
    found = np.flatnonzero(np.abs(channel.astype(np.int32)) > 5000)
    return found[np.concatenate(([True], np.diff(found) > 8))]


def rendered_clicks(tmp_path: Path, lines: tuple[Line, Line], seconds: int, marks: list[float]) -> list[np.ndarray]:
    sides: tuple[Side, Side] = ("agent", "other")
    legs = [
        LegSource(LegDescription(side=side), chunks_of(marked_leg(line, seconds, marks, seed), 5000))
        for seed, (side, line) in enumerate(zip(sides, lines, strict=True))
    ]
    out = tmp_path / "out.wav"
    render_recording(legs, START_US, START_US + seconds * 1_000_000, [], out)
    whole = read(out)
    return [clicks(whole[:, channel]) for channel in (0, 1)]


@pytest.mark.parametrize(
    "lines",
    [
        (Line(ppm=100, jitter_us=60_000, loss=0.01), Line(ppm=-100, jitter_us=60_000, loss=0.02, packet=240)),
        (Line(ppm=-100, jitter_us=60_000, loss=0.05), Line(ppm=0, jitter_us=0)),
    ],
)
def test_two_drifting_legs_stay_together_for_an_hour(tmp_path: Path, lines: tuple[Line, Line]) -> None:
    marks = [second + 0.5 for second in range(5, HOUR_S - 5, 10)]
    left, right = rendered_clicks(tmp_path, lines, HOUR_S, marks)
    assert left.size == right.size == len(marks)
    true = np.array(marks) * 8000
    assert np.abs(left - right).max() <= 0.020 * 8000
    assert np.abs(left - true).max() <= 0.020 * 8000
    assert np.abs(right - true).max() <= 0.020 * 8000


def test_without_drift_and_jitter_no_sample_moves(tmp_path: Path) -> None:
    marks = [0.25 * mark for mark in range(1, 200)]
    left, right = rendered_clicks(tmp_path, (Line(0, 0), Line(0, 0, packet=80, timestamp=7)), 60, marks)
    assert left.tolist() == right.tolist() == [int(mark * 8000) for mark in marks]
