"""One leg from raw packets to samples on the timeline, window by window.

Joins intake, ordering, timeline, decoders and canvas; files, channels and warnings are `render`. The one rule: memory
holds a window and a look ahead, however long the call is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from earshot.media.canvas import Canvas, saturated_sum
from earshot.media.codecs import CodecKind, kind_of, wants_wideband
from earshot.media.decoders import Decoder
from earshot.media.events import Digits
from earshot.media.intake import AROUND_US, Intake
from earshot.media.ordering import OrderedPackets, Ordering
from earshot.media.packets import Codec, Digit, Int64s, LegFigures, LegSource, Samples
from earshot.media.rtp_columns import RtpColumns
from earshot.media.spans import Span, Spans, without
from earshot.media.timeline import SoundPackets, Timeline

EDGE_S = 0.1
"""Around a blackout, packets this near to it are missing because of it: they come in packets, and not to the moment."""

QUIET_S = 5.0
"""Packets that stay away this long without being lost are a pause (hold); shorter is silence suppression."""


@dataclass(slots=True)
class _Stream:
    """What one SSRC keeps between windows: its timeline, and by payload type the open decoder and its epoch."""

    timeline: Timeline
    decoders: dict[int, tuple[int, Decoder]]
    counted: int = 0
    lost: int | None = None


@dataclass(frozen=True, slots=True)
class _Sound:
    """The sound packets among ordered packets: `at` their places, the decoded `samples` and `ticks` each lasts."""

    at: Int64s
    types: Int64s
    samples: Int64s
    ticks: Int64s
    clocks: Int64s


class LegSound:
    """Turns the packets of one leg into samples relative to `start_us`; `stop_us` bounds the timeline.

    `wideband` tells whether a codec above 8 kHz was heard, `undecodable` counts packets of unknown payload types.
    `lost_spans` and `quiet_spans` collect where packets were lost and where none were sent for long. `masks` are the
    blackouts, sorted, in seconds from the start: what is missing there was not lost, and keys pressed there are not
    told, nor those whose last packets came after.
    """

    def __init__(self, source: LegSource, start_us: int, stop_us: int, masks: Sequence[Span] = ()) -> None:
        self.description = source.description
        self.intake = Intake(source.chunks, start_us, stop_us)
        self.wideband = False
        self.undecodable = 0
        self.lost_spans = Spans()
        self.quiet_spans = Spans()
        self._start_us, self._stop_us = start_us, stop_us
        self._masks = masks
        self._masked_packets = 0
        self._ordering = Ordering()
        self._streams: dict[int, _Stream] = {}
        self._canvases: dict[int, Canvas] = {}
        self._codecs: Counter[str] = Counter()
        self._digits = Digits(source.description.label, start_us)
        self._noise = 0
        self._sound_end: float | None = None

    def window(self, cut_us: int | None) -> None:
        """Order, place, decode and paint what arrived before `cut_us` (everything that was read, if None)."""
        taken = self.intake.take()
        if taken is None:
            return
        times, columns = taken
        upto_us = self._stop_us if cut_us is None else min(cut_us + AROUND_US, self._stop_us)
        rest = [np.zeros(0, np.int64)]
        for packets in self._ordering.window(columns, times, cut_us):
            self._heard(packets, times, columns, upto_us)
            rest.append(packets.rest)
        self.intake.give_back(times, columns, np.concatenate(rest))

    def cut(self, rate: int, first: int, last: int) -> Samples | None:
        """Finished frames first to last at `rate` Hz; None if there was never any sound so far."""
        return saturated_sum([canvas.cut(rate, first, last) for canvas in self._canvases.values()])

    def digits(self) -> list[Digit]:
        """The telephone-events so far."""
        return [key for key, _ in self._told()]

    def _told(self) -> list[tuple[Digit, Span]]:
        """Each with the span in which it was down, by what arrived."""
        keys = zip(self._digits.found, self._digits.held_s, strict=True)
        spans = [(key, (key.at_s - held_s, key.at_s + key.duration_s)) for key, held_s in keys]
        return [(key, span) for key, span in spans if not self._is_masked(*span)]

    def _is_masked(self, start_s: float, end_s: float) -> bool:
        return any(end_s > begin and start_s < end for begin, end in self._masks)

    def refused(self) -> int:
        """Packets that no decoder could make sound of: of unknown payload types, or damaged."""
        return self.undecodable + sum(decoder.failed for decoder in self._open_decoders())

    def report(self, silent: bool) -> LegFigures:
        """The figures so far."""
        counts, told = self._ordering.counts, self._told()
        return LegFigures(
            label=self.description.label,
            side=self.description.side,
            participant=self.description.participant,
            codec=max(self._codecs, key=lambda name: self._codecs[name], default=""),
            received=counts.received,
            lost=max(counts.lost - self._masked_packets, 0),
            late=counts.late,
            duplicated=counts.duplicated,
            reordered=counts.reordered,
            ssrc_changes=max(len(self._ordering.streams) - 1, 0),
            clock_jumps=sum(stream.timeline.clock_jumps for stream in self._streams.values()),
            comfort_noise=self._noise + sum(decoder.noise for decoder in self._open_decoders()),
            digits="".join(digit.key for digit, _ in told),
            silent=silent,
            digits_at=tuple((floor(start * 1000) / 1000, ceil(end * 1000) / 1000) for _, (start, end) in told),
        )

    def _open_decoders(self) -> list[Decoder]:
        return [decoder for stream in self._streams.values() for _, decoder in stream.decoders.values()]

    def _heard(self, packets: OrderedPackets, times: Int64s, columns: RtpColumns, upto_us: int) -> None:
        """The packets of one SSRC in a window."""
        stream = self._streams.setdefault(packets.ssrc, _Stream(Timeline(), {}))
        types = columns.payload_type[packets.row].astype(np.int64)
        sound = self._sound_among(packets, types, times, columns)
        ready = int(np.searchsorted(sound.at, packets.ready))
        if ready:
            at = sound.at
            ordered = SoundPackets(
                times[packets.row[at]], packets.ticks[at], packets.number[at], sound.ticks, sound.clocks
            )
            placement = stream.timeline.place(ordered, ready)
            self._note_gaps(packets, sound, placement.samples(8000, self._start_us), ready, stream)
            groups = sound.types[:ready] + 128 * placement.epoch
            for group in dict.fromkeys(groups.tolist()) if bool((groups != groups[0]).any()) else [int(groups[0])]:
                chosen = np.flatnonzero(groups == group)
                codec = self.description.codec(group % 128)
                kind = kind_of(codec)
                assert codec is not None and kind is not None
                positions = placement.samples(kind.rate(codec), self._start_us)[chosen]
                rows, samples = packets.row[at[chosen]], sound.samples[chosen]
                decoder = _decoder_for(stream, group, codec, kind)
                decoded = decoder.decode(columns.data, columns.start[rows], columns.size[rows], samples)
                self._canvas(kind.rate(codec), upto_us).paint(packets.ssrc, positions, samples, decoded)
        stream.counted += packets.ready

    def _sound_among(self, packets: OrderedPackets, types: Int64s, times: Int64s, columns: RtpColumns) -> _Sound:
        """Tell sound from comfort noise, keys and the unknown by payload type; count and collect the latter."""
        samples = np.zeros(types.size, np.int64)
        clocks = np.full(types.size, 8000, np.int64)
        ticks = np.zeros(types.size, np.int64)
        for payload_type in np.flatnonzero(np.bincount(types, minlength=128)).tolist():
            at = np.flatnonzero(types == payload_type)
            rows = packets.row[at]
            ready = int(np.searchsorted(at, packets.ready))
            codec = self.description.codec(payload_type)
            kind = kind_of(codec)
            if kind is None or codec is None:
                self.undecodable += ready
            elif kind.kind == "noise":
                self._noise += ready
            elif kind.kind == "event":
                told = np.flatnonzero(columns.size[rows[:ready]] >= 4)
                starts = columns.start[rows[told]]
                self._digits.add(
                    packets.ssrc, codec.clock_rate, times[rows[told]], packets.ticks[at[told]], columns.data, starts
                )
            else:
                lasting = kind.samples(codec, columns.data, columns.start[rows], columns.size[rows])
                samples[at] = lasting
                clocks[at] = codec.clock_rate
                ticks[at] = lasting * codec.clock_rate // kind.rate(codec)
                self._codecs[codec.name.upper()] += ready
                self.wideband = self.wideband or wants_wideband(codec)
        at = np.flatnonzero(samples)
        return _Sound(at, types[at], samples[at], ticks[at], clocks[at])

    def _note_gaps(
        self, packets: OrderedPackets, sound: _Sound, positions: Int64s, ready: int, stream: _Stream
    ) -> None:
        """Where sound packets leave time uncovered: lost if numbers are missing, quiet if it lasts."""
        lost = packets.number[sound.at[:ready]] - sound.at[:ready] - stream.counted
        lost_before = np.diff(lost, prepend=lost[0] if stream.lost is None else stream.lost)
        stream.lost = int(lost[-1])
        begins = positions / 8000
        ends = begins + sound.ticks[:ready] / sound.clocks[:ready]
        previous = np.concatenate(([begins[0] if self._sound_end is None else self._sound_end], ends[:-1]))
        self._sound_end = float(ends[-1])
        for at in np.flatnonzero((lost_before > 0) & (begins > previous)).tolist():
            start_s, end_s = float(previous[at]), float(begins[at])
            pieces = without((start_s, end_s), self._masks, EDGE_S) if self._masks else [(start_s, end_s)]
            for piece in pieces:
                self.lost_spans.add(*piece)
            missing_s = sum(until - since for since, until in pieces)
            self._masked_packets += round(int(lost_before[at]) * (1.0 - missing_s / (end_s - start_s)))
        for at in np.flatnonzero((lost_before <= 0) & (begins - previous >= QUIET_S)).tolist():
            self.quiet_spans.add(float(previous[at]), float(begins[at]))

    def _canvas(self, rate: int, upto_us: int) -> Canvas:
        total = -(-(self._stop_us - self._start_us) * rate // 1_000_000)
        canvas = self._canvases.setdefault(rate, Canvas(rate, total))
        canvas.reserve((upto_us - self._start_us) * rate // 1_000_000 + 1)
        return canvas


def _decoder_for(stream: _Stream, group: int, codec: Codec, kind: CodecKind) -> Decoder:
    """The open decoder of a payload type, a fresh one when the stream began anew; its counts go on."""
    epoch, payload_type = divmod(group, 128)
    known = stream.decoders.get(payload_type)
    if known is not None and known[0] == epoch:
        return known[1]
    assert kind.decoder is not None
    decoder = kind.decoder(codec)
    if known is not None:
        decoder.failed, decoder.noise = known[1].failed, known[1].noise
    stream.decoders[payload_type] = (epoch, decoder)
    return decoder
