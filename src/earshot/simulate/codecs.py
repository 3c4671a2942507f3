"""Encoders of the simulated phones: a track becomes RTP payloads of 20 ms, once, and every call reuses them.

What lives here: G.711 in NumPy, G.722, Opus and G.726-32 through PyAV, and the cache of encoded tracks. What does not:
decoders (the recorder's are in its own room) and RTP headers. The one rule: payload n of a track holds its samples
[160 n, 160 n + 160) at 8 kHz, whatever the codec.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from earshot.simulate.speech import FRAME_SAMPLES, RATE, Samples, track

TELEPHONE_EVENT = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How a codec is offered and stamped. `step` is RTP timestamp units per 20 ms frame (RFC 3551, RFC 7587)."""

    name: str
    payload_type: int
    rtpmap: str
    clock_rate: int
    fmtp: str = ""

    @property
    def step(self) -> int:
        return self.clock_rate // 50


CODECS = {
    codec.name: codec
    for codec in (
        Codec(name="PCMU", payload_type=0, rtpmap="PCMU/8000", clock_rate=8_000),
        Codec(name="PCMA", payload_type=8, rtpmap="PCMA/8000", clock_rate=8_000),
        Codec(name="G722", payload_type=9, rtpmap="G722/8000", clock_rate=8_000),
        Codec(name="G726-32", payload_type=2, rtpmap="G726-32/8000", clock_rate=8_000),
        Codec(name="OPUS", payload_type=111, rtpmap="opus/48000/2", clock_rate=48_000, fmtp="useinbandfec=0"),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """An encoded track: `data` holds all payloads one after another, payload n at `offsets[n]`, `lengths[n]` bytes."""

    codec: Codec
    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    def payload(self, number: int) -> bytes:
        """Payload `number`, counted from the start of the track and wrapped at its end."""
        at = number % len(self.lengths)
        return bytes(self.data[self.offsets[at] : self.offsets[at] + self.lengths[at]])


def mulaw(samples: Samples) -> NDArray[np.uint8]:
    """G.711 µ-law bytes of int16 samples (ITU-T G.711 table 2)."""
    wide = samples.astype(np.int32)
    sign = np.where(wide < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(wide), 32_635) + 132
    exponent = np.frexp(magnitude)[1] - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return np.asarray(~(sign | (exponent << 4) | mantissa) & 0xFF, np.uint8)


def alaw(samples: Samples) -> NDArray[np.uint8]:
    """G.711 A-law bytes of int16 samples (ITU-T G.711 table 1), even bits inverted."""
    wide = samples.astype(np.int32) >> 3
    mask = np.where(wide >= 0, 0xD5, 0x55)
    magnitude = np.where(wide >= 0, wide, -wide - 1)
    segment = np.maximum(np.frexp(magnitude)[1] - 5, 0)
    mantissa = (magnitude >> np.maximum(segment, 1)) & 0x0F
    return np.asarray(((segment << 4) | mantissa) ^ mask, np.uint8)


def encode(codec_name: str, samples: Samples) -> Frames:
    """Encode 8 kHz samples (a whole number of 160) as 20 ms payloads. Raises KeyError for an unknown codec."""
    codec = CODECS[codec_name]
    if len(samples) % FRAME_SAMPLES or not len(samples):
        raise ValueError("a track is a whole number of 20 ms frames, at least one")
    payloads = _ENCODERS[codec_name](samples)
    lengths = np.array([len(payload) for payload in payloads], np.int64)
    data = np.frombuffer(b"".join(payloads), np.uint8)
    return Frames(codec, data, np.cumsum(lengths) - lengths, lengths)


@cache
def frames(conversation: str, party: str, codec_name: str) -> Frames:
    """The encoded track of one party of a conversation; encoded at the first call, cached for the process."""
    return encode(codec_name, track(conversation, party))


def _companded(compand: Callable[[Samples], NDArray[np.uint8]]) -> Callable[[Samples], list[bytes]]:
    def payloads(samples: Samples) -> list[bytes]:
        return [row.tobytes() for row in compand(samples).reshape(-1, FRAME_SAMPLES)]

    return payloads


def _g722(samples: Samples) -> list[bytes]:
    # 64 kbit/s over 16 kHz sound: one byte per two samples, 160 bytes per 20 ms. The RTP clock stays 8 kHz (RFC 3551).
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    pieces = [*resampler.resample(_sound(samples, RATE)), *resampler.resample(None)]
    wide = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    exact = np.zeros(2 * len(samples), np.int16)
    exact[: min(len(exact), len(wide))] = wide[: len(exact)]
    return list(_encoded("g722", exact, 16_000, bit_rate=64_000))


def _g726(samples: Samples) -> list[bytes]:
    # RFC 3551 packs G726-32 from the least significant bits up, which is the "little endian" variant.
    nibbles = b"".join(_encoded("g726le", samples, RATE, bit_rate=32_000))
    size = FRAME_SAMPLES // 2
    return [nibbles[start : start + size] for start in range(0, len(samples) // 2, size)]


def _opus(samples: Samples) -> list[bytes]:
    options = {"application": "voip", "frame_duration": "20", "compression_level": "3", "vbr": "on"}
    packets = list(_encoded("libopus", samples, RATE, bit_rate=20_000, options=options))
    return packets[: len(samples) // FRAME_SAMPLES]


def _encoded(
    name: str, samples: Samples, rate: int, *, bit_rate: int, options: dict[str, str] | None = None
) -> Iterator[bytes]:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono"
    context.format = "s16"
    context.bit_rate = bit_rate
    context.options = options or {}
    size = rate // 50
    for number, start in enumerate(range(0, len(samples), size)):
        frame = _sound(samples[start : start + size], rate)
        frame.pts = number * size
        for packet in context.encode(frame):
            yield bytes(packet)
    for packet in context.encode(None):
        yield bytes(packet)


def _sound(samples: Samples, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[np.newaxis, :], format="s16", layout="mono")
    frame.sample_rate = rate
    frame.pts = 0
    return frame


_ENCODERS: dict[str, Callable[[Samples], list[bytes]]] = {
    "PCMU": _companded(mulaw),
    "PCMA": _companded(alaw),
    "G722": _g722,
    "G726-32": _g726,
    "OPUS": _opus,
}
