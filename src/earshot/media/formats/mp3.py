"""WAV to MP3, streaming: constant bit rate through LAME, behind an Info frame of our own.

The encoder delays the sound by 1,105 samples (138 ms at 8 kHz). Players undo this if an Info frame ("LAME tag") says
so; and as the length is known beforehand, ours can be right without going back. LAME is called by lameenc: the one in
PyAV is three times slower, and serves where there is no lameenc. The one rule: memory holds a block.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO, Protocol

from earshot.errors import BadInput
from earshot.media.formats.sound import Shape, Sound, WavFile, shape_of

FRAME = 576
"""Samples per MP3 frame at 8 to 24 kHz (MPEG-2 and 2.5, layer III)."""

ENCODER_DELAY = 576
"""What the Info frame calls encoder delay; the decoder's own 529 samples come on top."""

BITS_PER_SECOND = {(8000, 1): 24_000, (8000, 2): 48_000, (16000, 1): 32_000, (16000, 2): 64_000}
"""By sample rate and channels."""

QUALITY = 7
"""LAME's scale from 0, best, to 9, fastest; 7 is half the work of its default."""


class Lame(Protocol):
    """An encoder: frames in, whole MP3 frames out as they become ready."""

    def encode(self, block: bytes) -> bytes:
        """Take 16-bit samples, channels interleaved, low byte first."""
        ...

    def flush(self) -> bytes:
        """The rest, after the last block."""
        ...


class LameByLameenc:
    """LAME through lameenc."""

    def __init__(self, shape: Shape) -> None:
        self._encoder: Any = import_module("lameenc").Encoder()
        self._encoder.silence()
        self._encoder.set_channels(shape.channels)
        self._encoder.set_in_sample_rate(shape.sample_rate_hz)
        self._encoder.set_out_sample_rate(shape.sample_rate_hz)
        self._encoder.set_bit_rate(BITS_PER_SECOND[shape.sample_rate_hz, shape.channels] // 1000)
        self._encoder.set_quality(QUALITY)

    def encode(self, block: bytes) -> bytes:
        """See `Lame.encode`."""
        return bytes(self._encoder.encode(block))

    def flush(self) -> bytes:
        """See `Lame.flush`."""
        return bytes(self._encoder.flush())


class LameByAv:
    """LAME through PyAV."""

    def __init__(self, shape: Shape) -> None:
        import av

        self._shape = shape
        self._layout = "mono" if shape.channels == 1 else "stereo"
        self._place = 0
        context = av.CodecContext.create("libmp3lame", "w")
        context.sample_rate = shape.sample_rate_hz
        context.layout = self._layout
        context.format = "s16p"
        context.bit_rate = BITS_PER_SECOND[shape.sample_rate_hz, shape.channels]
        context.time_base = Fraction(1, shape.sample_rate_hz)
        context.options = {"compression_level": str(QUALITY)}
        self._context = context

    def encode(self, block: bytes) -> bytes:
        """See `Lame.encode`."""
        import av
        import numpy as np

        samples = np.frombuffer(block, "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, "s16", self._layout)
        frame.sample_rate = self._shape.sample_rate_hz
        frame.time_base = Fraction(1, self._shape.sample_rate_hz)
        frame.pts = self._place
        self._place += len(block) // (2 * self._shape.channels)
        return b"".join(bytes(packet) for packet in self._context.encode(frame))

    def flush(self) -> bytes:
        """See `Lame.flush`."""
        return b"".join(bytes(packet) for packet in self._context.encode(None))


def best_lame(shape: Shape) -> Lame:
    """The faster of the encoders that are installed."""
    return LameByLameenc(shape) if find_spec("lameenc") is not None else LameByAv(shape)


def encode_mp3(file: BinaryIO) -> Iterator[bytes]:
    """The MP3 of a WAV file as `media.render` writes it (8 or 16 kHz, one or two channels), piece by piece.

    Raises BadInput if `file` is no such WAV.
    """
    wav = WavFile(file)
    return mp3_of(Sound(shape_of([wav.info]), [wav]))


def mp3_of(sound: Sound, lame: Lame | None = None) -> Iterator[bytes]:
    """The MP3 of a sound at 8 or 16 kHz, piece by piece. Raises BadInput for another rate."""
    shape = sound.shape
    mp3_size(shape)
    lame = lame or best_lame(shape)
    opened = False
    for data in _encoded(lame, sound):
        if data and not opened:
            opened = True
            yield _info_frame(data[:4], shape)
        if data:
            yield data


def _encoded(lame: Lame, sound: Sound) -> Iterator[bytes]:
    """The bare MP3 frames, several at a time."""
    if sound.shape.frames:
        for block in sound.raw():
            yield lame.encode(block)
        yield lame.flush()


def mp3_frames(frames: int) -> int:
    """How many MP3 frames so many samples become: the last is padded, and two more carry the delay."""
    return -(-frames // FRAME) + 2 if frames else 0


def mp3_size(shape: Shape) -> int:
    """How many bytes the MP3 will have, the Info frame included. Raises BadInput for a rate that it is not made at."""
    if (shape.sample_rate_hz, shape.channels) not in BITS_PER_SECOND:
        raise BadInput(f"no MP3 of {shape.channels} channels at {shape.sample_rate_hz} Hz")
    return (mp3_frames(shape.frames) + 1) * _frame_bytes(shape) if shape.frames else 0


def _frame_bytes(shape: Shape) -> int:
    """No frame is padded: at these rates every frame has the same whole number of bytes."""
    return FRAME // 8 * BITS_PER_SECOND[shape.sample_rate_hz, shape.channels] // shape.sample_rate_hz


def _info_frame(header: bytes, shape: Shape) -> bytes:
    """A silent frame that tells length, encoder delay and padding; laid out as LAME does, without a seek table."""
    size = _frame_bytes(shape)
    frames = mp3_frames(shape.frames)
    padding = frames * FRAME - ENCODER_DELAY - shape.frames
    side_information = 9 if shape.channels == 1 else 17
    tag = struct.pack(">4sIII", b"Info", 0x03, frames, (frames + 1) * size)
    lame = b"LAME3.100" + bytes(12) + (ENCODER_DELAY << 12 | padding).to_bytes(3, "big") + bytes(12)
    return (header + bytes(side_information) + tag + lame).ljust(size, b"\0")
