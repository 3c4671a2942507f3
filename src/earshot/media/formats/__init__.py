"""What a recording can be handed out as: one table of formats.

The one rule: an encoder reads the sealed WAV and yields bytes, in bounded memory, without knowing who asked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from earshot.media.formats.mp3 import encode_mp3

COPY_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Format:
    """Media type (RFC 2046), file extension with its dot, and the encoder: open WAV in, pieces of the file out.

    `as_stored` says that the sealed file itself is the answer, so that ranges of it can be served.
    """

    media_type: str
    extension: str
    encode: Callable[[BinaryIO], Iterator[bytes]]
    as_stored: bool = False


def copied(file: BinaryIO) -> Iterator[bytes]:
    """The file as it is."""
    while piece := file.read(COPY_BYTES):
        yield piece


FORMATS: dict[str, Format] = {
    "WAV": Format("audio/wav", ".wav", copied, as_stored=True),
    "MP3": Format("audio/mpeg", ".mp3", encode_mp3),
}
"""By the value of MEDIAFORMAT in upper case."""
