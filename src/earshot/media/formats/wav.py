"""WAV files of 16-bit PCM: streaming writer, reader of blocks. Their headers stand in `wav_header`.

No codec but PCM lives here. The one rule: the number of frames is known before the first byte is written, so a file is
written once, front to back, hashed on the way.
"""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from earshot.media.formats.wav_header import WavInfo as WavInfo
from earshot.media.formats.wav_header import read_wav_info as read_wav_info
from earshot.media.formats.wav_header import wav_header as wav_header
from earshot.media.packets import Samples

BLOCK_FRAMES = 65_536


class WavWriter:
    """Writes a WAV file to an open binary file and hashes it. `size` is the bytes written so far."""

    def __init__(self, file: BinaryIO, channels: int, sample_rate_hz: int, frames: int) -> None:
        self.size = 0
        self._file = file
        self._hash = hashlib.sha256()
        self._channels = channels
        self._missing = frames
        self._put(wav_header(channels, sample_rate_hz, frames))

    def write(self, channels: list[Samples]) -> None:
        """The next frames: an array of samples per channel. Raises ValueError beyond the announced frames."""
        frames = channels[0].size
        if len(channels) != self._channels or frames > self._missing:
            raise ValueError("more frames or other channels than the header says")
        self._missing -= frames
        if len(channels) == 1:
            self._put(np.ascontiguousarray(channels[0], "<i2").data)
            return
        whole = np.empty((frames, len(channels)), "<i2")
        for number, samples in enumerate(channels):
            whole[:, number] = samples
        self._put(whole.data)

    def finish(self) -> str:
        """The SHA-256 of all bytes in hexadecimal. Raises ValueError if frames are missing."""
        if self._missing:
            raise ValueError(f"{self._missing} frames are missing")
        return self._hash.hexdigest()

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data) if isinstance(data, bytes) else data.nbytes


def read_wav_blocks(file: BinaryIO, info: WavInfo, frames: int = BLOCK_FRAMES) -> Iterator[Samples]:
    """The samples as int16[frames, channels], block by block; fewer if the file ends before its header says."""
    left = info.frames
    while left:
        data = file.read(min(left, frames) * 2 * info.channels)
        whole = len(data) // (2 * info.channels)
        if whole == 0:
            return
        block = np.frombuffer(data, "<i2", whole * info.channels)
        yield block.reshape(whole, info.channels).astype(np.int16, copy=False)
        left -= whole
