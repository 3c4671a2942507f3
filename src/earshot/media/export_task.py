"""One export as a value that crosses into another process: which sealed files become which file, and how that is done.

Nothing here knows rows, permissions or caches. The one rule: a task whose files are there says how many bytes it will
make before it makes them, and memory holds a block however long the recordings are.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from earshot.media.formats import CAV, FORMATS, wav_size
from earshot.media.formats.cav.container import AUDIO, METADATA, METADATA_XML, Content, cav_of, cav_size, moment_of
from earshot.media.formats.sound import COPY_BYTES, Sound, WavFile, shape_of
from earshot.media.formats.wav_header import WavInfo, read_wav_info
from earshot.media.formats.zip import Member, ZipLayout

Report = Callable[[int], None]
"""Told how many bytes of the file can be read now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A sealed recording: where its WAV lies, the SHA-256 it was sealed with, and for a CAV its metadata and what else
    belongs to it as (name in the CAV, path). `entry` is its name in a ZIP, without an ending."""

    record_id: int
    path: str
    sha256: str
    entry: str = ""
    metadata: str = ""
    metadata_xml: str = ""
    attached: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTask:
    """`sources` in their order, made into `kind` and `format` and written to `out`. `created` is the moment of the
    export, ISO 8601 in UTC. `metadata` and `metadata_xml` are those of a joined CAV. `password` encrypts a CAV;
    `log2_n` is the cost of that (`cav.sealed.Slowness`), 0 for the usual one."""

    out: str
    kind: Literal["single", "combined", "multi"]
    format: str
    created: str
    sources: tuple[SourceFile, ...]
    metadata: str = ""
    metadata_xml: str = ""
    password: str = ""
    log2_n: int = 0

    def to_json(self) -> bytes:
        """One line, for `from_json`."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "ExportTask":
        """The task of such a line."""
        said: dict[str, Any] = json.loads(line)
        sources = [
            SourceFile(**{**one, "attached": tuple((name, path) for name, path in one["attached"])})
            for one in said.pop("sources")
        ]
        return cls(sources=tuple(sources), **said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a task: the size of the file, and the numbers of the recordings whose media is not as it was
    sealed."""

    size: int
    altered: tuple[int, ...]


def size_of(task: ExportTask) -> int:
    """How many bytes the file of the task will have. Raises FileNotFoundError, BadInput for media that is no WAV."""
    infos = [_info(source) for source in task.sources]
    if task.kind == "multi":
        members = [
            Member(_entry(task, source), _size(task, [source], [info]))
            for source, info in zip(task.sources, infos, strict=True)
        ]
        return ZipLayout(moment_of(task.created)).size(members)
    return _size(task, task.sources, infos)


def perform(task: ExportTask, report: Report) -> Done:
    """Make the file. Raises FileNotFoundError, OSError, BadInput for media that is no WAV."""
    heard = _Heard()
    with open(task.out, "wb", buffering=0) as out:
        if task.kind == "multi":
            _write_zip(task, out, heard, report)
        else:
            for piece in _pieces(task, task.sources, heard):
                out.write(piece)
                report(out.tell())
        size = out.tell()
    return Done(size=size, altered=tuple(sorted(heard.altered)))


class _Heard:
    """Which recordings were found to be other than they were sealed."""

    def __init__(self) -> None:
        self.altered: set[int] = set()

    def compare(self, source: SourceFile, sha256: str) -> None:
        """The hash of what was read against that of what was sealed."""
        if source.sha256 and sha256 != source.sha256:
            self.altered.add(source.record_id)


def _info(source: SourceFile) -> WavInfo:
    with open(source.path, "rb") as file:
        return read_wav_info(file)


def _entry(task: ExportTask, source: SourceFile) -> str:
    extension = ".cav" if task.format == CAV else FORMATS[task.format].extension
    return (source.entry or str(source.record_id)) + extension


def _size(task: ExportTask, sources: Sequence[SourceFile], infos: Sequence[WavInfo]) -> int:
    if task.format != CAV:
        chosen = FORMATS[task.format]
        return chosen.size(chosen.shape(infos))
    size = cav_size(task.created, _numbers(sources), _contents(task, sources, infos, _Heard()))
    return _encrypted_size(size) if task.password else size


def _encrypted_size(size: int) -> int:
    from earshot.media.formats.cav.sealed import encrypted_size

    return encrypted_size(size)


def _encrypted(plain: Iterator[bytes], task: ExportTask) -> Iterator[bytes]:
    from earshot.media.formats.cav.sealed import Slowness, encrypted

    return encrypted(plain, task.password, Slowness(log2_n=task.log2_n) if task.log2_n else None)


def _numbers(sources: Sequence[SourceFile]) -> list[int]:
    return [source.record_id for source in sources]


def _pieces(task: ExportTask, sources: Sequence[SourceFile], heard: _Heard) -> Iterator[bytes]:
    """The bytes of one file made of `sources`."""
    infos = [_info(source) for source in sources]
    if task.format != CAV:
        yield from _sound(task.format, sources, infos, heard)
        return
    plain = cav_of(task.created, _numbers(sources), _contents(task, sources, infos, heard))
    yield from _encrypted(plain, task) if task.password else plain


def _sound(format_name: str, sources: Sequence[SourceFile], infos: Sequence[WavInfo], heard: _Heard) -> Iterator[bytes]:
    chosen = FORMATS[format_name]
    return chosen.encode(Sound(chosen.shape(infos), _opened(sources, heard)))


def _opened(sources: Sequence[SourceFile], heard: _Heard) -> Iterator[WavFile]:
    """One file at a time; what was read of it is compared with what was sealed."""
    for source in sources:
        with open(source.path, "rb", buffering=0) as file:
            wav = WavFile(file)
            yield wav
            heard.compare(source, wav.sha256())


def _contents(
    task: ExportTask, sources: Sequence[SourceFile], infos: Sequence[WavInfo], heard: _Heard
) -> list[Content]:
    first = sources[0]
    joined = task.kind == "combined"
    texts = (task.metadata, task.metadata_xml) if joined else (first.metadata, first.metadata_xml)
    contents = [_text(name, text) for name, text in zip((METADATA, METADATA_XML), texts, strict=True)]
    if len(sources) == 1:
        size = Path(first.path).stat().st_size
        contents.append(Content(AUDIO, size, lambda: _as_sealed(first, heard)))
    else:
        size = wav_size(shape_of(infos))
        contents.append(Content(AUDIO, size, lambda: _sound("WAV", sources, infos, heard)))
    return contents + [_attached(name, Path(path)) for source in sources for name, path in source.attached]


def _text(name: str, text: str) -> Content:
    data = text.encode()
    return Content(name, len(data), lambda: (data,))


def _attached(name: str, path: Path) -> Content:
    return Content(name, path.stat().st_size, lambda: _copied(path))


def _copied(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(COPY_BYTES):
            yield piece


def _as_sealed(source: SourceFile, heard: _Heard) -> Iterator[bytes]:
    """The file byte for byte."""
    digest = hashlib.sha256()
    for piece in _copied(Path(source.path)):
        digest.update(piece)
        yield piece
    heard.compare(source, digest.hexdigest())


def _write_zip(task: ExportTask, out: BinaryIO, heard: _Heard, report: Report) -> None:
    """One member per source. Its checksum is known when it is written: its header is written twice, and until then
    nothing of it may be read."""
    layout = ZipLayout(moment_of(task.created))
    members: list[Member] = []
    for source in task.sources:
        begin = out.tell()
        promised = Member(_entry(task, source), _size(task, [source], [_info(source)]))
        out.write(layout.before(promised))
        crc, size = 0, 0
        for piece in _pieces(task, [source], heard):
            out.write(piece)
            crc = zlib.crc32(piece, crc)
            size += len(piece)
        if size != promised.size:
            raise ValueError(f"recording {source.record_id} has {size} bytes and not {promised.size}")
        members.append(Member(promised.name, size, crc))
        end = out.tell()
        out.seek(begin)
        out.write(layout.before(members[-1]))
        out.seek(end)
        report(end)
    out.write(layout.after(members))
    report(out.tell())
