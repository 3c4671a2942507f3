"""Silence over spans of a sound that itself stays as it is: in the bytes of a WAV file, and in its peaks.

Pure but for `SilencedFile`. Who may hear what is decided elsewhere. The one rule: what a byte becomes depends on where
it lies alone, so that a file may be read in any pieces and from anywhere.
"""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from earshot.media.formats.wav_header import WavInfo, read_wav_info
from earshot.media.spans import Span, merged

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Holes = tuple[tuple[int, int], ...]
"""Spans [first, last) of the bytes of a file, sorted, that do not overlap."""


def holes_in(info: WavInfo, spans: Sequence[Span]) -> Holes:
    """The bytes of the WAV file that hold `spans` (seconds from its start), widened to whole frames."""
    found = []
    for start, end in merged(spans, 0.0):
        first = min(max(math.floor(start * info.sample_rate_hz), 0), info.frames)
        last = min(math.ceil(end * info.sample_rate_hz), info.frames)
        if last > first:
            width = info.channels * 2
            found.append((info.data_offset + first * width, info.data_offset + last * width))
    return tuple(found)


def silenced(data: bytes, offset: int, holes: Holes) -> bytes:
    """`data`, which lies at `offset` in the file, with zeros in the holes: silence, as samples are signed."""
    changed: bytearray | None = None
    for first, last in holes:
        begin, end = max(first - offset, 0), min(last - offset, len(data))
        if begin < end:
            changed = bytearray(data) if changed is None else changed
            changed[begin:end] = bytes(end - begin)
    return data if changed is None else bytes(changed)


def silenced_peaks(peaks: bytes, channels: int, per_second: int, spans: Sequence[Span]) -> bytes:
    """Peaks (`media.peaks`) with zeros in every stretch that a span touches."""
    width = 2 * max(channels, 1)
    holes = [
        (max(math.floor(start * per_second), 0) * width, math.ceil(end * per_second) * width) for start, end in spans
    ]
    return silenced(peaks, 0, tuple(holes))


class SilencedFile(io.RawIOBase):
    """A WAV file read from its begin to its end, silent in `spans`. Closes `file`. Raises BadInput if it is none."""

    def __init__(self, file: BinaryIO, spans: Sequence[Span]) -> None:
        self._file = file
        self._holes = holes_in(read_wav_info(file), spans)
        self._at = file.seek(0)

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """See `io.RawIOBase`."""
        place = memoryview(buffer).cast("B")
        data = silenced(self._file.read(len(place)), self._at, self._holes)
        place[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """See `io.IOBase`."""
        self._file.close()
        super().close()
