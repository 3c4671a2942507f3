"""The value a handler gives back when the answer is a file and not XML: a sealed object, or bytes made on the way out.

No HTTP here: the doors decide about headers and ranges. The one rule: exactly one of `object_name`, `chunks` and
`ranged` is set.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class RangedBytes(Protocol):
    """Bytes of a known number that can be read from anywhere, perhaps while they are still being made."""

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes [start, stop) in chunks. Raises EarshotError or FileNotFoundError when they can no longer come."""
        ...

    def release(self) -> None:
        """Nobody reads any more; more than once does no harm."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReply:
    """A file to send. `size` is in bytes, None while unknown (then `supports_range` must be False for `chunks`).

    `object_name` names an object of the Storage, which serves ranges; `chunks` is read once, from the beginning;
    `ranged` is read from anywhere, needs `size`, and is released by whoever sends it. `etag` is any text that changes
    when the bytes change, empty for none.
    """

    media_type: str
    file_name: str
    object_name: str = ""
    chunks: AsyncIterator[bytes] | None = None
    ranged: RangedBytes | None = None
    size: int | None = None
    supports_range: bool = False
    etag: str = ""

    def __post_init__(self) -> None:
        if bool(self.object_name) + (self.chunks is not None) + (self.ranged is not None) != 1:
            raise ValueError("a MediaReply has either an object_name or chunks or ranged bytes")
        if self.chunks is not None and self.supports_range:
            raise ValueError("chunks are read once from the beginning: they cannot serve ranges")
        if self.ranged is not None and self.size is None:
            raise ValueError("ranged bytes have a known size")


Exporter = Callable[[int, str, bool], Awaitable[MediaReply | None]]
"""`export(record_id, format, hears)` gives recording `record_id` as `format` ("wav", "mp3", ...) for who `hears` what
blackouts hide; None if there is none of that id or its media is gone. Raises ValueError for a format it does not
know."""
