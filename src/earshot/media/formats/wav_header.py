"""The head of a WAV file of 16-bit PCM: written and read. RF64 beyond 4 GiB (EBU Tech 3306).

No samples here, and nothing that needs NumPy: whoever only copies sound need not wait for it to load. The one rule:
sizes are known before the first byte is written.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

from earshot.errors import BadInput

MOST_RIFF = 0xFFFFFFFF - 36
FORMAT = struct.Struct("<4sIHHIIHH")
PCM, EXTENSIBLE = 1, 0xFFFE


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


class Readable(Protocol):
    """What a header is read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; fewer at the end."""
        ...


def read_wav_info(file: Readable) -> WavInfo:
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


def _exactly(file: Readable, size: int) -> bytes:
    data = file.read(size) if size <= 1 << 20 else b""
    if len(data) != size:
        raise BadInput("a WAV file with an impossible header")
    return data
