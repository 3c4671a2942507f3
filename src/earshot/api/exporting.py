"""What every exporter of recordings asks for: jobs, the files that come of them, and the port `Exports`.

How files are made and kept stands in `export_work` and `export_files`. The one rule: whoever gets an `ExportedFile`
releases it, because until then it stays on the disk.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self

from earshot.api.media import MediaReply
from earshot.errors import EarshotError
from earshot.ports import RecordingRow
from earshot.vault.files import opened

ExportKind = Literal["single", "combined", "multi"]
CHUNK_BYTES = 256 * 1024
EXPORT_FORMATS = ("WAV", "MP3", "VOX", "CAV")
"""The values of MEDIA_FORMAT (specification, EXPORT)."""


def _nothing(fraction: float) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob:
    """Recordings to be handed out: one as a file, several joined into one, or one file each in a ZIP.

    `rows` are the recordings that the asker may have, complete rows where the metadata of a CAV matters; joined ones
    are put into ascending order of their numbers. `password` encrypts a CAV and nothing else. `owner` is who asks, so
    that nobody's hundred jobs stand before another's one; `hears` whether what blackouts hide is heard
    (`earshot.api.hearing`), which needs complete rows too.
    """

    rows: tuple[RecordingRow, ...]
    kind: ExportKind
    format: str
    password: str = field(default="", repr=False)
    owner: str = ""
    hears: bool = False


@dataclass(slots=True, kw_only=True)
class ExportedFile:
    """A finished export on this machine's disk: `size` in bytes, `file_name` as the receiver should call it, `key` what
    it is encrypted with, if it is. It is read by `read` or `open`; implements `earshot.api.media.RangedBytes`.

    It stays where it is until `release`, or until the end of an `async with` block.
    """

    path: Path
    media_type: str
    file_name: str
    size: int
    key: bytes = field(default=b"", repr=False)
    on_release: Callable[[], None] = field(default=lambda: None, repr=False)

    def open(self) -> BinaryIO:
        """The file, to be read. Raises OSError."""
        return opened(self.path, self.key or None)

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """See `RangedBytes.read`."""
        with await asyncio.to_thread(self.open) as file:
            file.seek(start)
            while start < stop:
                chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, stop - start))
                if not chunk:
                    raise EarshotError("the export is shorter than it should be")
                start += len(chunk)
                yield chunk

    def release(self) -> None:
        """The file is no longer needed; more than once does no harm."""
        done, self.on_release = self.on_release, lambda: None
        done()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportView:
    """A job that waits or runs: `fraction` done from 0 to 1, `begun_at` when it was asked for, `waiting` how many want
    its file."""

    number: int
    kind: ExportKind
    format: str
    records: tuple[int, ...]
    owner: str
    running: bool
    fraction: float
    begun_at: float
    waiting: int


class Exports(Protocol):
    """Where exports are had. Work runs beside the process that records, a few jobs at a time, at low priority."""

    @property
    def skip_missing(self) -> bool:
        """Whether recordings that are not there are left out of an export of several, instead of refusing it."""
        ...

    @property
    def most_recordings(self) -> int:
        """How many recordings one export may have."""
        ...

    async def file(self, job: ExportJob, progress: Callable[[float], None] = _nothing) -> ExportedFile:
        """The finished export; `progress` is told the fraction done. Raises FileNotFoundError when the media of a
        recording is gone, ValueError for a kind or format that cannot be, OutOfDiskSpace, EarshotError if it fails."""
        ...

    async def reply(self, job: ExportJob) -> MediaReply:
        """The export as the answer of a command, sent while it is being made, with ranges where the size is known.
        Raises as `file`."""
        ...

    def under_way(self) -> Sequence[ExportView]:
        """The jobs that wait or run, oldest first."""
        ...

    def forget(self, *audio_sha256s: str) -> None:
        """Remove what was made of any media with these hashes: they were deleted, or a part of them blacked out."""
        ...
