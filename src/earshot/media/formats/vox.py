"""WAV to VOX: Dialogic's ADPCM (OKI), 4 bits a sample, 8 kHz, one channel, no header.

The sound comes in that shape already (`sound` brings it there). The one rule: the samples agree with what sox makes of
the same sound.
"""

import os
from collections.abc import Iterator

from earshot.errors import BadInput
from earshot.media.formats.sound import Shape, Sound

RATE_HZ = 8000
AT_ONCE = 32_768
"""Samples that are encoded at a time; they become fewer bytes than this."""


def vox_size(shape: Shape) -> int:
    """How many bytes the VOX will have: half a byte a sample, a half at the end filled. Raises BadInput for a shape
    that is not one channel at 8 kHz."""
    if (shape.channels, shape.sample_rate_hz) != (1, RATE_HZ):
        raise BadInput(f"no VOX of {shape.channels} channels at {shape.sample_rate_hz} Hz")
    return -(-shape.frames // 2)


def vox_of(sound: Sound) -> Iterator[bytes]:
    """The VOX of a sound of one channel at 8 kHz, piece by piece. Raises BadInput for another."""
    import soundfile

    vox_size(sound.shape)
    # libsndfile writes 256 bytes at a time: into a file in memory that costs a tenth of a call back into Python. What
    # was taken out of it is a hole and costs nothing.
    written = os.memfd_create("vox")
    place, left = 0, sound.shape.frames
    try:
        with soundfile.SoundFile(written, "w", RATE_HZ, 1, "VOX_ADPCM", "LITTLE", "RAW", closefd=False) as encoder:
            for samples in _even(sound):
                encoder.buffer_write(samples, "int16")
                piece = os.pread(written, AT_ONCE, place)
                place += len(piece)
                os.ftruncate(written, 0)
                left -= len(samples) // 2
                # Half a byte that no sample fills is zero, as with sox.
                yield piece[:-1] + bytes([piece[-1] & 0xF0]) if left < 0 else piece
    finally:
        os.close(written)


def _even(sound: Sound) -> Iterator[bytes]:
    """The samples as bytes, an even number at a time, because libsndfile takes no half byte; silence fills the last."""
    kept = b""
    for block in sound.blocks():
        kept += block.tobytes()
        for at in range(0, len(kept) & ~3, AT_ONCE * 2):
            yield kept[at : min(at + AT_ONCE * 2, len(kept) & ~3)]
        kept = kept[len(kept) & ~3 :]
    if kept:
        yield kept + b"\0\0"
