"""Sealed WAV files as the sound that an encoder reads: one after the other, brought to one rate and one number of
channels, block by block.

No encoder here. The one rule: how many frames come out is known before the first of them is read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from earshot.errors import BadInput
from earshot.media.formats.wav_header import WavInfo, read_wav_info

if TYPE_CHECKING:
    from earshot.media.packets import Samples

COPY_BYTES = 1 << 16
"""Small enough that memory is taken from the heap again and again and not from the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Channels (1 or 2), frames a second, and frames of a sound."""

    channels: int
    sample_rate_hz: int
    frames: int


def frames_at(info: WavInfo, sample_rate_hz: int) -> int:
    """How many frames the file has at another rate; a frame that is begun counts."""
    return -(-info.frames * sample_rate_hz // info.sample_rate_hz)


def shape_of(infos: Sequence[WavInfo], *, channels: int = 0, sample_rate_hz: int = 0) -> Shape:
    """The shape of the files joined: the highest rate and the most channels among them, unless they are given.

    Raises BadInput for more than two channels.
    """
    if any(info.channels > 2 for info in infos):
        raise BadInput("more than two channels are not understood")
    rate = sample_rate_hz or max((info.sample_rate_hz for info in infos), default=8000)
    width = channels or max((info.channels for info in infos), default=1)
    return Shape(channels=width, sample_rate_hz=rate, frames=sum(frames_at(info, rate) for info in infos))


class WavFile:
    """An open WAV file of which every byte that is read goes into a hash. Raises BadInput if it is none."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.info = read_wav_info(self)
        self._left = self.info.frames * self.info.channels * 2

    def read(self, size: int) -> bytes:
        """The next bytes, as `BinaryIO.read`."""
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def raw(self) -> Iterator[bytes]:
        """The samples as they lie in the file. What is missing at its end is silence, so that the length holds."""
        while self._left:
            wanted = min(self._left, COPY_BYTES)
            data = self.read(wanted)
            self._left -= wanted
            yield data if len(data) == wanted else data.ljust(wanted, b"\0")

    def sha256(self) -> str:
        """The hash of the whole file in hexadecimal, what lies behind the samples included."""
        while self.read(COPY_BYTES):
            pass
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Sound:
    """Files that are heard one after the other in one shape. To be read once."""

    shape: Shape
    files: Iterable[WavFile]

    def blocks(self) -> "Iterator[Samples]":
        """All frames as int16[frames, channels]."""
        from earshot.media.formats.reshape import reshaped

        for file in self.files:
            yield from reshaped(file, self.shape)

    def raw(self) -> Iterator[bytes]:
        """The same as bytes, interleaved, low byte first; without looking at them where nothing is to be changed."""
        for file in self.files:
            if (file.info.channels, file.info.sample_rate_hz) == (self.shape.channels, self.shape.sample_rate_hz):
                yield from file.raw()
            else:
                for block in Sound(self.shape, [file]).blocks():
                    yield block.tobytes()
