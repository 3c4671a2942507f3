"""Synthetic legs for the tests of the sound room: packets made by hand, one at a time, from known samples."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from earshot.media.packets import Codec, LegDescription, LegPackets, LegSource, Samples, Side

START_US = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet and the time at which it arrived, in microseconds after START_US."""

    at_us: int
    packet: bytes


def rtp(payload: bytes, sequence: int, timestamp: int, *, ssrc: int = 0x1234, payload_type: int = 8) -> bytes:
    """One RTP packet with a plain header."""
    header = struct.pack(">BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return header + payload


def spoken(
    payloads: Sequence[bytes],
    *,
    ptime_us: int = 20_000,
    ticks: int = 160,
    first_us: int = 0,
    sequence: int = 100,
    timestamp: int = 5000,
    ssrc: int = 0x1234,
    payload_type: int = 8,
) -> list[Sent]:
    """Payloads sent as a phone does: packet i holds the sound from first_us + i * ptime and leaves when it is full."""
    return [
        Sent(
            first_us + (index + 1) * ptime_us,
            rtp(payload, sequence + index, timestamp + index * ticks, ssrc=ssrc, payload_type=payload_type),
        )
        for index, payload in enumerate(payloads)
    ]


def batch(sent: Iterable[Sent]) -> LegPackets:
    """Packets as the journal gives them back, in the order given."""
    rows = list(sent)
    times = np.array([START_US + row.at_us for row in rows], np.int64)
    return LegPackets(times, np.array([len(row.packet) for row in rows], np.int64), b"".join(r.packet for r in rows))


def leg(
    sent: Iterable[Sent], side: Side = "agent", codecs: dict[int, Codec] | None = None, size: int = 10**9
) -> LegSource:
    """A leg of these packets, in chunks of `size`, in the order given."""
    rows = list(sent)
    chunks = [batch(rows[first : first + size]) for first in range(0, len(rows), size)]
    return LegSource(LegDescription(side=side, label=side, codecs=codecs or {}), chunks)


def codes(count: int, seed: int = 1) -> bytes:
    """Random G.711 bytes: any byte is a sample, so every sample of the result can be checked."""
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8).tobytes()


def split(data: bytes, size: int) -> list[bytes]:
    """Pieces of equal size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def a_law(data: bytes) -> Samples:
    """What libavcodec makes of A-law: the oracle for our own table."""
    return oracle("pcm_alaw", data, 8000)


def oracle(name: str, data: bytes, rate: int) -> Samples:
    """Decode with a bare decoder of libavcodec, one packet."""
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono"
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in context.decode(av.Packet(data))])


def encoded(name: str, samples: Samples, rate: int, frame: int, bit_rate: int) -> list[bytes]:
    """Encode with libavcodec, a packet per `frame` samples."""
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono"
    context.format = "s16"
    context.bit_rate = bit_rate
    context.time_base = Fraction(1, rate)
    packets: list[bytes] = []
    for at in range(0, samples.size, frame):
        piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[at : at + frame])[None], "s16", "mono")
        piece.sample_rate = rate
        piece.pts = at
        packets += [bytes(packet) for packet in context.encode(piece)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def tone(rate: int, seconds: float, hertz: float = 440.0, level: float = 12000.0) -> Samples:
    """A tone whose level swells slowly, so that a wrong delay cannot hide in its period."""
    time = np.arange(int(rate * seconds)) / rate
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time + 1)
    return (np.sin(2 * np.pi * hertz * time) * level * swell).astype(np.int16)


def snr_db(wanted: NDArray[np.integer], got: NDArray[np.integer]) -> float:
    """Signal to noise in dB."""
    signal = wanted.astype(np.float64)
    noise = got.astype(np.float64) - signal
    return float(10 * np.log10((signal**2).sum() / max((noise**2).sum(), 1e-9)))


def read(path: Path) -> NDArray[np.int16]:
    """A WAV file as int16[frames, channels], read by libsndfile."""
    samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    assert isinstance(samples, np.ndarray)
    return samples


def chunks_of(packets: LegPackets, size: int) -> Iterator[LegPackets]:
    """The same packets in smaller chunks."""
    ends = np.concatenate(([0], np.cumsum(packets.lengths)))
    for first in range(0, packets.times_us.size, size):
        last = min(first + size, packets.times_us.size)
        data = packets.data[int(ends[first]) : int(ends[last])]
        yield LegPackets(packets.times_us[first:last], packets.lengths[first:last], data)
