"""WAV files of 16-bit PCM: header, streaming writer, reader. RF64 beyond 4 GiB (EBU Tech 3306).

No codec but PCM lives here. The one rule: the number of frames is known before the first byte is written, so a file is
written once, front to back, hashed on the way.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from earshot.errors import BadInput
from earshot.media.packets import Samples

MOST_RIFF = 0xFFFFFFFF - 36
FORMAT = struct.Struct("<4sIHHIIHH")
PCM, EXTENSIBLE = 1, 0xFFFE
BLOCK_FRAMES = 65_536


@dataclass(frozen=True, slots=True)
class WavInfo:
    """What a WAV file holds: channels, frames a second, frames, and the offset in bytes of the first."""

    channels: int
    sample_rate_hz: int
    frames: int
    data_offset: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate_hz


def wav_header(channels: int, sample_rate_hz: int, frames: int) -> bytes:
    """The 44 bytes before the samples; 80 bytes of RF64 when sizes do not fit into 32 bits."""
    size = frames * channels * 2
    layout = FORMAT.pack(b"fmt ", 16, PCM, channels, sample_rate_hz, sample_rate_hz * channels * 2, channels * 2, 16)
    if size <= MOST_RIFF:
        return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + layout + struct.pack("<4sI", b"data", size)
    large = struct.pack("<4sIQQQI", b"ds64", 28, 72 + size, size, frames, 0)
    opening = struct.pack("<4sI4s", b"RF64", 0xFFFFFFFF, b"WAVE")
    return opening + large + layout + struct.pack("<4sI", b"data", 0xFFFFFFFF)


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


def read_wav_info(file: BinaryIO) -> WavInfo:
    """Read the header of a 16-bit PCM WAV or RF64 file from its begin; the file is left at the first frame.

    Raises BadInput if it is none.
    """
    riff, _, wave = struct.unpack("<4sI4s", _exactly(file, 12))
    if riff not in (b"RIFF", b"RF64") or wave != b"WAVE":
        raise BadInput("not a WAV file")
    offset, channels, rate, large = 12, 0, 0, 0
    while True:
        name, size = struct.unpack("<4sI", _exactly(file, 8))
        offset += 8
        if name == b"data":
            break
        body = _exactly(file, size + (size & 1))
        offset += len(body)
        if name == b"ds64":
            large = struct.unpack_from("<Q", body, 8)[0]
        elif name == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if kind not in (PCM, EXTENSIBLE) or bits != 16 or not channels or not rate:
                raise BadInput("only 16-bit PCM is understood")
    if not channels:
        raise BadInput("a WAV file without a format")
    return WavInfo(channels, rate, (large if size == 0xFFFFFFFF else size) // (2 * channels), offset)


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


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size) if size <= 1 << 20 else b""
    if len(data) != size:
        raise BadInput("a WAV file with an impossible header")
    return data
