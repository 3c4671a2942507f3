"""Sealing: the legs of a call become one WAV file, its hash, its waveform and its figures.

Sound comes from `leg_sound`; rows, names and storage are the core's. The one rule: same packets and same parameters
give the same bytes, and memory holds a window of the call, not the call.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from earshot.media.canvas import saturated_sum
from earshot.media.formats.wav import WavWriter
from earshot.media.intake import AROUND_US, NOTHING_MORE
from earshot.media.leg_sound import LegSound
from earshot.media.packets import Digit, LegFigures, LegSource, Samples
from earshot.media.peaks import Peaks, peaks_per_second
from earshot.media.spans import Span, intersection, merged
from earshot.vault.files import Keys, create

Warned = Literal["silent", "one-sided", "short", "lossy", "mixed", "undecodable"]
Gap = tuple[float, float, str]

NARROW_HZ, WIDE_HZ = 8000, 16000
SIDES: dict[str, tuple[str, ...]] = {"agent": ("agent", "mixed"), "other": ("other", "mixed")}
MOST_PENDING_BYTES = 32 << 20
SLICE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a recording deserves a warning.

    `silent_dbfs`: a leg is silent when its loudest second stays below this RMS (0 dBFS is a full-scale square wave).
    `lossy_percent`: lost packets of all that were sent, of any leg. `short_s`: shorter than this many seconds.
    """

    silent_dbfs: float = -50.0
    lossy_percent: float = 3.0
    short_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A sealed recording. `peaks` as in `media.peaks`; `gaps` are (start_s, end_s, loss | hold | blackout), sorted.

    `broken_packets` were no RTP, `undecodable_packets` no sound we know.
    """

    channels: int
    sample_rate_hz: int
    frames: int
    duration_s: float
    sha256: str
    size: int
    peaks: bytes
    peaks_per_second: int
    leg_figures: tuple[LegFigures, ...]
    gaps: tuple[Gap, ...]
    warnings: tuple[str, ...]
    digits: tuple[Digit, ...]
    broken_packets: int
    undecodable_packets: int


def render_recording(
    legs: Sequence[LegSource],
    start_us: int,
    stop_us: int,
    masks: Sequence[tuple[int, int]],
    out_path: Path,
    *,
    limits: Limits | None = None,
    sample_rate_hz: int | None = None,
    window_s: int = 300,
    sync: bool = False,
    keys: Keys = None,
    name: str = "",
) -> Rendered:
    """Write the sound between two times (microseconds since the epoch) to `out_path` as 16-bit WAV.

    Left is the agent, right the other party; mono if every leg is mixed. `masks` are (start_us, stop_us) to silence.
    The rate is 16 kHz if sound above 8 kHz is heard within the first window, else 8 kHz, unless `sample_rate_hz` (8000
    or 16000) is given. Packets up to 10 s outside the span help to align it. `sync` makes the file durable; with
    `keys` it is encrypted and bound to `name`. Raises OSError when it cannot be written, ValueError for a span that
    ends before it starts.
    """
    if stop_us < start_us:
        raise ValueError("a recording ends after it starts")
    hidden = _mask_spans(masks, start_us, (stop_us - start_us) / 1e6)
    sounds = [LegSound(leg, start_us, stop_us, hidden) for leg in legs]
    cuts = _windows(sounds, start_us, stop_us, window_s)
    finished = next(cuts)
    rate = sample_rate_hz or (WIDE_HZ if any(sound.wideband for sound in sounds) else NARROW_HZ)
    frames = round((stop_us - start_us) * rate / 1_000_000)
    mixed = bool(sounds) and all(sound.description.side == "mixed" for sound in sounds)
    sides, limits = ["mixed"] if mixed else ["agent", "other"], limits or Limits()
    job = _Job(sounds, sides, rate, frames, _mask_frames(masks, start_us, rate), limits.silent_dbfs)
    with create(out_path, keys, name) as file:
        writer = WavWriter(file, len(job.sides), rate, frames)
        while finished is not None:
            job.write(writer, min(finished * rate, frames))
            finished = next(cuts, None)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    return _rendered(job, writer, hidden, limits)


class _Job:
    """A recording being written: how far it has come, its peaks, and which legs have been silent so far."""

    def __init__(
        self,
        sounds: list[LegSound],
        sides: list[str],
        rate: int,
        frames: int,
        masks: list[tuple[int, int]],
        silent_dbfs: float,
    ) -> None:
        self.sounds, self.sides, self.rate, self.frames = sounds, sides, rate, frames
        self.per_second = peaks_per_second(frames / rate)
        self.peaks = Peaks(len(sides), rate, self.per_second)
        self.silent = [True] * len(sounds)
        self._silent_below = 10 ** (silent_dbfs / 10)
        self._masks = masks
        self._done = 0

    def write(self, writer: WavWriter, upto: int) -> None:
        """Write the frames up to `upto`, which every leg has finished, in slices of bounded size."""
        while self._done < upto:
            first, last = self._done, min(self._done + SLICE_S * self.rate, upto)
            parts = [sound.cut(self.rate, first, last) for sound in self.sounds]
            for number, part in enumerate(parts):
                if part is not None:
                    self._mask(part, first)
                    if self.silent[number]:
                        self.silent[number] = _loudest_second(part, self.rate) < self._silent_below
            channels = [self._channel(side, parts, last - first) for side in self.sides]
            writer.write(channels)
            self.peaks.add(channels)
            self._done = last

    def _channel(self, side: str, parts: list[Samples | None], frames: int) -> Samples:
        wanted = SIDES.get(side, ("mixed",))
        heard = [
            part
            for sound, part in zip(self.sounds, parts, strict=True)
            if part is not None and sound.description.side in wanted
        ]
        whole = saturated_sum(heard)
        return np.zeros(frames, np.int16) if whole is None else whole

    def _mask(self, part: Samples, first: int) -> None:
        for begin, end in self._masks:
            if end > first:
                part[max(begin - first, 0) : max(end - first, 0)] = 0


def _windows(sounds: list[LegSound], start_us: int, stop_us: int, window_s: int) -> Iterator[int | None]:
    """Let every leg work through window after window; yields how many seconds are finished."""
    cut = start_us
    while True:
        earliest = cut + 1_000_000
        cut = cut + window_s * 1_000_000
        reached = [sound.intake.read(cut + AROUND_US, MOST_PENDING_BYTES) for sound in sounds]
        lowest = min(reached, default=NOTHING_MORE)
        if lowest < cut + AROUND_US:
            cut = max(earliest, lowest - AROUND_US)
            reached = [sound.intake.read(cut + AROUND_US) for sound in sounds]
        if cut >= stop_us or all(time == NOTHING_MORE for time in reached):
            for sound in sounds:
                sound.intake.read(stop_us + AROUND_US)
                sound.window(None)
            yield -(-(stop_us - start_us) // 1_000_000)
            return
        for sound in sounds:
            sound.window(cut)
        yield max((cut - start_us - AROUND_US) // 1_000_000, 0)


def _mask_frames(masks: Sequence[tuple[int, int]], start_us: int, rate: int) -> list[tuple[int, int]]:
    """Masks in frames, widened to whole frames."""
    return [
        (max((begin - start_us) * rate // 1_000_000, 0), -(-(end - start_us) * rate // 1_000_000))
        for begin, end in masks
        if end > max(begin, start_us)
    ]


def _loudest_second(samples: Samples, rate: int) -> float:
    """The mean square of the loudest second, 1.0 being full scale; a shorter rest counts as a whole second."""
    loudest = 0.0
    whole = samples.size // rate * rate
    for piece in (samples[:whole].reshape(-1, rate), samples[whole:].reshape(1, -1)):
        if piece.size:
            loud = piece.astype(np.float32)
            loudest = max(loudest, float(np.einsum("ij,ij->i", loud, loud).max()) / rate)
    return loudest / 32768.0**2


def _mask_spans(masks: Sequence[tuple[int, int]], start_us: int, duration_s: float) -> list[Span]:
    """Masks in seconds from the start, cut to the recording, those that touch made one."""
    spans = [(max((begin - start_us) / 1e6, 0.0), min((end - start_us) / 1e6, duration_s)) for begin, end in masks]
    return merged([span for span in spans if span[1] > span[0]], 0.0)


def _rendered(job: _Job, writer: WavWriter, hidden: list[Span], limits: Limits) -> Rendered:
    duration_s = job.frames / job.rate
    reports = tuple(sound.report(silent) for sound, silent in zip(job.sounds, job.silent, strict=True))
    refused = sum(sound.refused() for sound in job.sounds)
    return Rendered(
        channels=len(job.sides),
        sample_rate_hz=job.rate,
        frames=job.frames,
        duration_s=duration_s,
        sha256=writer.finish(),
        size=writer.size,
        peaks=job.peaks.result(),
        peaks_per_second=job.per_second,
        leg_figures=reports,
        gaps=_gaps(job, hidden, duration_s),
        warnings=_warnings(job, reports, duration_s, refused, limits),
        digits=tuple(sorted((d for sound in job.sounds for d in sound.digits()), key=lambda digit: digit.at_s)),
        broken_packets=sum(sound.intake.broken for sound in job.sounds),
        undecodable_packets=refused,
    )


def _warnings(
    job: _Job, reports: tuple[LegFigures, ...], duration_s: float, refused: int, limits: Limits
) -> tuple[str, ...]:
    heard = {
        side for side in job.sides for leg in reports if not leg.silent and leg.side in SIDES.get(side, ("mixed",))
    }
    sent = [(leg.lost, leg.lost + leg.received - leg.duplicated) for leg in reports]
    found: dict[Warned, bool] = {
        "silent": not heard,
        "one-sided": len(job.sides) == 2 and len(heard) == 1,
        "short": duration_s < limits.short_s,
        "lossy": any(lost * 100 > total * limits.lossy_percent for lost, total in sent),
        "mixed": any(leg.side == "mixed" for leg in reports),
        "undecodable": refused > 0,
    }
    return tuple(name for name, holds in found.items() if holds)


def _gaps(job: _Job, hidden: list[Span], duration_s: float) -> tuple[Gap, ...]:
    """Loss of any leg, pauses that all legs share, and blackouts."""
    lost = merged([span for sound in job.sounds for span in sound.lost_spans.result(duration_s)], 0.0)
    held = intersection([sound.quiet_spans.result(duration_s) for sound in job.sounds])
    named = {"loss": lost, "hold": held, "blackout": hidden}
    return tuple(sorted((start, end, why) for why, spans in named.items() for start, end in spans))
