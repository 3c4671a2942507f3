"""What a recording can be handed out as: one table of formats.

The one rule: an encoder reads sealed WAV files and yields bytes, in bounded memory, without knowing who asked; and how
many bytes it will yield is known before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from earshot.media.formats.mp3 import mp3_of, mp3_size
from earshot.media.formats.sound import Shape, Sound, shape_of
from earshot.media.formats.vox import RATE_HZ, vox_of, vox_size
from earshot.media.formats.wav_header import WavInfo, wav_header

CAV = "CAV"
"""The format that is a container and not a way to write sound: see `formats.cav`."""


@dataclass(frozen=True, slots=True)
class Format:
    """Media type (RFC 2046), file extension with its dot, and the encoder of a sound: its bytes in pieces.

    `size` is how many bytes that will be, `shape` what the files must be brought to. Both raise BadInput for sounds
    that the format cannot hold. `as_stored` says that the sealed file of a recording itself is the answer.
    """

    media_type: str
    extension: str
    encode: Callable[[Sound], Iterator[bytes]]
    size: Callable[[Shape], int]
    shape: Callable[[Sequence[WavInfo]], Shape] = shape_of
    as_stored: bool = False


def wav_of(sound: Sound) -> Iterator[bytes]:
    """The sound as 16-bit PCM WAV, RF64 where it is larger than 4 GiB."""
    yield _wav_header(sound.shape)
    yield from sound.raw()


def wav_size(shape: Shape) -> int:
    """How many bytes the WAV will have."""
    return len(_wav_header(shape)) + shape.frames * shape.channels * 2


def _wav_header(shape: Shape) -> bytes:
    return wav_header(shape.channels, shape.sample_rate_hz, shape.frames)


def _narrow(infos: Sequence[WavInfo]) -> Shape:
    return shape_of(infos, channels=1, sample_rate_hz=RATE_HZ)


FORMATS: dict[str, Format] = {
    "WAV": Format("audio/wav", ".wav", wav_of, wav_size, as_stored=True),
    "MP3": Format("audio/mpeg", ".mp3", mp3_of, mp3_size),
    "VOX": Format("application/octet-stream", ".vox", vox_of, vox_size, _narrow),
}
"""By the value of MEDIA_FORMAT in upper case."""
