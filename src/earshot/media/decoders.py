"""Decoders: from payload bytes to 16-bit samples, a batch of packets at a time.

Which codec uses which is the table in `codecs`; where the samples go is `timeline`. The one rule: `decode` returns
exactly the samples that were asked for, as silence where the bytes could not be decoded, and never raises.
"""

import io
from collections.abc import Iterable
from functools import cache
from typing import Protocol, cast

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from numpy.typing import NDArray

from earshot.media.packets import Bytes, Int64s, Samples

G729_FRAME = 10
CACHED_PAIRS = 16_384


class Decoder(Protocol):
    """A decoder with a memory: feed it one stream in order. Losses between batches or packets need no word."""

    failed: int
    noise: int

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """Decode payloads in order; returns sum(samples) mono samples, those of packet i at sum(samples[:i]).

        Counts packets that could not be decoded in `failed` and comfort noise frames in `noise`.
        """
        ...


def payload_bytes(data: Bytes, start: Int64s, size: Int64s) -> Bytes:
    """The payloads one after another, gathered from `data`; fast when they lie at equal steps with equal sizes."""
    count = size.size
    if count == 0:
        return np.zeros(0, np.uint8)
    first, width = int(start[0]), int(size[0])
    if bool((size == width).all()):
        step = int(start[1]) - first if count > 1 else width
        if step >= width and first + step * count <= data.size + step - width and bool((np.diff(start) == step).all()):
            view = np.lib.stride_tricks.as_strided(data[first:], (count, width), (step, 1), writeable=False)
            return np.ascontiguousarray(view).reshape(-1)
        gathered: Bytes = data[start[:, None] + np.arange(width)]
        return gathered.reshape(-1)
    ends = np.cumsum(size)
    index = np.repeat(start - (ends - size), size) + np.arange(int(ends[-1]))
    picked: Bytes = data[index]
    return picked


@cache
def mu_law_table() -> Samples:
    """16-bit values of the 256 µ-law codes (ITU-T G.711, table 2)."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def a_law_table() -> Samples:
    """16-bit values of the 256 A-law codes (ITU-T G.711, table 1)."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = code >> 4 & 7
    low = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, low, (low + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _pair_table(table: Samples) -> NDArray[np.int32]:
    """Two codes at a time: a table of 65,536 sample pairs, which halves the look-ups."""
    pairs = np.empty((256, 256, 2), np.int16)
    pairs[..., 0] = table[None, :]
    pairs[..., 1] = table[:, None]
    return pairs.reshape(65536, 2).view(np.int32).reshape(-1)


_PAIR_TABLES: dict[bytes, NDArray[np.int32]] = {}


class G711Decoder:
    """A-law or µ-law by table."""

    def __init__(self, table: Samples) -> None:
        self.failed = 0
        self.noise = 0
        self._table = table
        key = table.tobytes()
        if key not in _PAIR_TABLES:
            _PAIR_TABLES[key] = _pair_table(table)
        self._pairs = _PAIR_TABLES[key]

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """See `Decoder`. Sample-exact."""
        codes = payload_bytes(data, start, size)
        decoded = np.empty(codes.size, np.int16)
        even = codes.size & ~1
        pairs, out = codes[:even].view("<u2"), decoded[:even].view(np.int32)
        for at in range(0, pairs.size, CACHED_PAIRS):
            piece = slice(at, at + CACHED_PAIRS)
            self._pairs.take(pairs[piece], out=out[piece], mode="clip")
        if even != codes.size:
            decoded[-1] = self._table[codes[-1]]
        return decoded


class L16Decoder:
    """Linear 16-bit in network order (RFC 3551, 4.5.11); several channels become their mean."""

    def __init__(self, channels: int) -> None:
        self.failed = 0
        self.noise = 0
        self._channels = max(channels, 1)

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """See `Decoder`. Sample-exact for one channel."""
        whole: Samples = payload_bytes(data, start, samples * 2 * self._channels).view(">i2").astype(np.int16)
        if self._channels > 1:
            whole = whole.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        return whole


class WholeDecoder:
    """A codec of libavcodec in which any number of bytes makes one frame (G.722): one call per batch."""

    def __init__(self, name: str, rate: int, samples_per_byte: int) -> None:
        self.failed = 0
        self.noise = 0
        self._samples_per_byte = samples_per_byte
        self._context = _open(name, rate)

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """See `Decoder`."""
        packed = payload_bytes(data, start, size)
        return _decode_whole(self, self._context, packed, int(samples.sum()), size.size)


class G726Decoder:
    """G.726 at 32 kbit/s; `name` says the order of code words in a byte: g726le (RFC 3551) or g726 (AAL2)."""

    def __init__(self, name: str) -> None:
        self.failed = 0
        self.noise = 0
        # The code size cannot be set on a bare context: a demuxer of the raw format hands us one that knows it.
        self._container = av.open(
            io.BytesIO(bytes(64)), format=name, options={"code_size": "4", "sample_rate": "8000"}, mode="r"
        )
        self._context = self._container.streams.audio[0].codec_context

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """See `Decoder`."""
        packed = payload_bytes(data, start, size)
        return _decode_whole(self, self._context, packed, int(samples.sum()), size.size)


class G729Decoder:
    """G.729 and G.729A in 10-byte frames; a 2-byte SID frame (annex B) is counted and left silent."""

    def __init__(self) -> None:
        self.failed = 0
        self.noise = 0
        self._context = _open("g729", 8000)

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """See `Decoder`. Bytes that make neither a frame nor a SID are ignored."""
        frames = size // G729_FRAME
        total = int(frames.sum())
        self.noise += int((size % G729_FRAME >= 2).sum())
        packed = payload_bytes(data, start, frames * G729_FRAME)
        voiced = _decode_whole(self, self._context, packed, total * 80, size.size)
        if total * 80 == int(samples.sum()):
            return voiced
        out = np.zeros(int(samples.sum()), np.int16)
        ends = np.cumsum(samples)
        index = np.repeat(ends - samples - (np.cumsum(frames) - frames) * 80, frames * 80) + np.arange(voiced.size)
        out[index] = voiced
        return out


class OpusDecoder:
    """Opus (RFC 6716, RFC 7587) decoded to mono at 48 kHz, packet by packet through one decoder."""

    def __init__(self) -> None:
        self.failed = 0
        self.noise = 0
        self._context = _open("libopus", 48000)

    def decode(self, data: Bytes, start: Int64s, size: Int64s, samples: Int64s) -> Samples:
        """See `Decoder`. In-band FEC is not used: a lost packet is silence."""
        out = np.zeros(int(samples.sum()), np.int16)
        view = memoryview(np.ascontiguousarray(data).data)
        position = 0
        for at, length, wanted in zip(start.tolist(), size.tolist(), samples.tolist(), strict=True):
            if wanted:
                decoded = self._one(view[at : at + length])
                have = min(decoded.size, wanted)
                out[position : position + have] = decoded[:have]
            position += wanted
        return out

    def _one(self, payload: memoryview) -> Samples:
        try:
            frames = self._context.decode(av.Packet(bytes(payload)))
        except av.error.FFmpegError:
            self.failed += 1
            return np.zeros(0, np.int16)
        pieces = [_plane(frame) for frame in frames]
        return pieces[0] if len(pieces) == 1 else np.concatenate([*pieces, np.zeros(0, np.int16)])


def _open(name: str, rate: int) -> AudioCodecContext:
    context = cast(AudioCodecContext, av.CodecContext.create(name, "r"))
    context.sample_rate = rate
    context.layout = "mono"
    context.open()
    return context


def _decode_whole(owner: Decoder, context: AudioCodecContext, packed: Bytes, wanted: int, packets: int) -> Samples:
    """All bytes as one packet. If libavcodec refuses, the batch is silence and all its packets have failed."""
    if packed.size == 0:
        return np.zeros(wanted, np.int16)
    try:
        frames = context.decode(av.Packet(packed.tobytes()))
    except av.error.FFmpegError:
        owner.failed += packets
        return np.zeros(wanted, np.int16)
    return _fit(_joined(frames), wanted)


def _joined(frames: Iterable[av.AudioFrame]) -> Samples:
    """Mono 16-bit samples of many frames; a FIFO of libavutil does it without an array per frame."""
    listed = list(frames)
    if len(listed) == 1:
        return _plane(listed[0])
    fifo = AudioFifo()
    for frame in listed:
        frame.pts = None
        fifo.write(frame)
    whole = fifo.read(0, True) if listed else None
    return np.zeros(0, np.int16) if whole is None else _plane(whole)


def _plane(frame: av.AudioFrame) -> Samples:
    """The samples of a mono 16-bit frame, without a copy."""
    return np.frombuffer(cast(bytes, frame.planes[0]), np.int16, frame.samples)


def _fit(samples: Samples, wanted: int) -> Samples:
    if samples.size == wanted:
        return samples
    out = np.zeros(wanted, np.int16)
    have = min(samples.size, wanted)
    out[:have] = samples[:have]
    return out
