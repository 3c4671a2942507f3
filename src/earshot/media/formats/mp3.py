"""WAV to MP3, streaming: constant bit rate through libmp3lame, behind an Info frame of our own.

The encoder delays the sound by 1,105 samples (138 ms at 8 kHz). Players undo this if an Info frame ("LAME tag") says
so; and as the length is known beforehand, ours can be right without going back. The one rule: memory holds a block.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from earshot.errors import BadInput
from earshot.media.formats.wav import WavInfo, read_wav_blocks, read_wav_info

FRAME = 576
"""Samples per MP3 frame at 8 to 24 kHz (MPEG-2 and 2.5, layer III)."""

ENCODER_DELAY = 576
"""What the Info frame calls encoder delay; the decoder's own 529 samples come on top."""

BLOCK_FRAMES = FRAME * 64
BITS_PER_SECOND = {(8000, 1): 24_000, (8000, 2): 48_000, (16000, 1): 32_000, (16000, 2): 64_000}
"""By sample rate and channels."""


def encode_mp3(file: BinaryIO) -> Iterator[bytes]:
    """The MP3 of a WAV file as `media.render` writes it (8 or 16 kHz, one or two channels), piece by piece.

    Raises BadInput if `file` is no such WAV.
    """
    info = read_wav_info(file)
    context = _encoder(info)
    opened = False
    for packets in _encoded(context, file, info):
        if packets and not opened:
            opened = True
            yield _info_frame(packets[:4], info)
        if packets:
            yield packets


def mp3_frames(frames: int) -> int:
    """How many MP3 frames so many samples become: the last is padded, and two more carry the delay."""
    return -(-frames // FRAME) + 2 if frames else 0


def _encoder(info: WavInfo) -> AudioCodecContext:
    bits = BITS_PER_SECOND.get((info.sample_rate_hz, info.channels))
    if bits is None:
        raise BadInput(f"no MP3 of {info.channels} channels at {info.sample_rate_hz} Hz")
    context = av.CodecContext.create("libmp3lame", "w")
    context.sample_rate = info.sample_rate_hz
    context.layout = _layout(info)
    context.format = "s16p"
    context.bit_rate = bits
    context.time_base = Fraction(1, info.sample_rate_hz)
    # Without a bit reservoir every frame stands alone and seeking is clean; level 7 is half the work of the default.
    context.options = {"reservoir": "0", "compression_level": "7"}
    return context


def _layout(info: WavInfo) -> str:
    return "mono" if info.channels == 1 else "stereo"


def _encoded(context: AudioCodecContext, file: BinaryIO, info: WavInfo) -> Iterator[bytes]:
    """The bare MP3 frames, several at a time."""
    place = 0
    for block in read_wav_blocks(file, info, BLOCK_FRAMES):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block).reshape(1, -1), "s16", _layout(info))
        frame.sample_rate = info.sample_rate_hz
        frame.time_base = Fraction(1, info.sample_rate_hz)
        frame.pts = place
        place += len(block)
        yield b"".join(bytes(packet) for packet in context.encode(frame))
    if place:
        yield b"".join(bytes(packet) for packet in context.encode(None))


def _info_frame(header: bytes, info: WavInfo) -> bytes:
    """A silent frame that tells length, encoder delay and padding; laid out as LAME does, without a seek table."""
    size = FRAME // 8 * BITS_PER_SECOND[info.sample_rate_hz, info.channels] // info.sample_rate_hz
    frames = mp3_frames(info.frames)
    padding = frames * FRAME - ENCODER_DELAY - info.frames
    side_information = 9 if info.channels == 1 else 17
    tag = struct.pack(">4sIII", b"Info", 0x03, frames, (frames + 1) * size)
    lame = b"LAME3.100" + bytes(12) + (ENCODER_DELAY << 12 | padding).to_bytes(3, "big") + bytes(12)
    return (header + bytes(side_information) + tag + lame).ljust(size, b"\0")
