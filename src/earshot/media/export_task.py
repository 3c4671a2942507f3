"""One export as a value that crosses into another process: which sealed files become which file, and how that is done.

Nothing here knows rows, permissions or caches. The one rule: a task whose files are there says how many bytes it will
make before it makes them, and memory holds a block however long the recordings are.
"""

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from earshot.media.formats import CAV, FORMATS, wav_size
from earshot.media.formats.cav.container import AUDIO, METADATA, METADATA_XML, Content, cav_of, cav_size, moment_of
from earshot.media.formats.sound import COPY_BYTES, Sound, WavFile, shape_of
from earshot.media.formats.wav_header import WavInfo, read_wav_info
from earshot.media.formats.zip import Member, ZipLayout
from earshot.media.hiding import SilencedFile
from earshot.vault.files import create, opened, plain_size, written_upto
from earshot.vault.keyring import Keyring

Report = Callable[[int], None]
"""Told how many bytes of the file can be read now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A sealed recording: where its WAV lies, the SHA-256 it was sealed with, and for a CAV its metadata and what else
    belongs to it as (name in the CAV, path). `entry` is its name in a ZIP, without an ending; `name` the object that
    its file is, where that is known. `silent` are the spans that the asker does not hear, in seconds."""

    record_id: int
    path: str
    sha256: str
    entry: str = ""
    metadata: str = ""
    metadata_xml: str = ""
    attached: tuple[tuple[str, str], ...] = ()
    name: str = ""
    silent: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTask:
    """`sources` in their order, made into `kind` and `format` and written to `out`. `created` is the moment of the
    export, ISO 8601 in UTC. `metadata` and `metadata_xml` are those of a joined CAV. `password` encrypts a CAV;
    `log2_n` is the cost of that (`cav.sealed.Slowness`), 0 for the usual one. `master_keys` open encrypted sources,
    `out_key` encrypts the file that is made; both in hexadecimal, empty where nothing is encrypted."""

    out: str
    kind: Literal["single", "combined", "multi"]
    format: str
    created: str
    sources: tuple[SourceFile, ...]
    metadata: str = ""
    metadata_xml: str = ""
    password: str = ""
    log2_n: int = 0
    master_keys: tuple[str, ...] = field(default=(), repr=False)
    out_key: str = field(default="", repr=False)

    @property
    def keyring(self) -> Keyring | None:
        """What opens the sources."""
        return Keyring(tuple(map(bytes.fromhex, self.master_keys))) if self.master_keys else None

    def opened(self, source: SourceFile) -> BinaryIO:
        """A source as the asker hears it, to be read once. Raises OSError, Altered, WrongKey, BadInput."""
        file = self.as_sealed(source)
        if not source.silent:
            return file
        try:
            return io.BufferedReader(SilencedFile(file, source.silent), COPY_BYTES)
        except BaseException:
            file.close()
            raise

    def as_sealed(self, source: SourceFile) -> BinaryIO:
        """The file itself, whoever asks: to be compared with what was sealed. Raises OSError, Altered, WrongKey."""
        return opened(Path(source.path), self.keyring, source.name)

    def to_json(self) -> bytes:
        """One line, for `from_json`."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "ExportTask":
        """The task of such a line."""
        said: dict[str, Any] = json.loads(line)
        sources = [
            SourceFile(
                **{
                    **one,
                    "attached": tuple((name, path) for name, path in one["attached"]),
                    "silent": tuple((start, end) for start, end in one["silent"]),
                }
            )
            for one in said.pop("sources")
        ]
        return cls(sources=tuple(sources), master_keys=tuple(said.pop("master_keys")), **said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a task: the size of the file, and the numbers of the recordings whose media is not as it was
    sealed."""

    size: int
    altered: tuple[int, ...]


def size_of(task: ExportTask) -> int:
    """How many bytes the file of the task will have. Raises FileNotFoundError, BadInput for media that is no WAV."""
    infos = [_info(task, source) for source in task.sources]
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
    with create(Path(task.out), bytes.fromhex(task.out_key) or None) as out:
        if task.kind == "multi":
            _write_zip(task, out, heard, report)
        else:
            for piece in _pieces(task, task.sources, heard):
                out.write(piece)
                report(written_upto(out))
        size = out.tell()
    return Done(size=size, altered=tuple(sorted(heard.altered)))


class _Heard:
    """Which recordings were found to be other than they were sealed."""

    def __init__(self) -> None:
        self.altered: set[int] = set()

    def compare(self, task: ExportTask, source: SourceFile, sha256: str) -> None:
        """The hash of what was read against that of what was sealed; what was silenced on the way is read again."""
        if source.silent:
            digest = hashlib.sha256()
            for piece in _copied(task.as_sealed(source)):
                digest.update(piece)
            sha256 = digest.hexdigest()
        if source.sha256 and sha256 != source.sha256:
            self.altered.add(source.record_id)


def _info(task: ExportTask, source: SourceFile) -> WavInfo:
    with task.opened(source) as file:
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
    infos = [_info(task, source) for source in sources]
    if task.format != CAV:
        yield from _sound(task, sources, infos, heard)
        return
    plain = cav_of(task.created, _numbers(sources), _contents(task, sources, infos, heard))
    yield from _encrypted(plain, task) if task.password else plain


def _sound(task: ExportTask, sources: Sequence[SourceFile], infos: Sequence[WavInfo], heard: _Heard) -> Iterator[bytes]:
    """The sound alone; that within a CAV is WAV."""
    chosen = FORMATS["WAV" if task.format == CAV else task.format]
    return chosen.encode(Sound(chosen.shape(infos), _opened(task, sources, heard)))


def _opened(task: ExportTask, sources: Sequence[SourceFile], heard: _Heard) -> Iterator[WavFile]:
    """One file at a time; what was read of it is compared with what was sealed."""
    for source in sources:
        with task.opened(source) as file:
            wav = WavFile(file)
            yield wav
            heard.compare(task, source, wav.sha256())


def _contents(
    task: ExportTask, sources: Sequence[SourceFile], infos: Sequence[WavInfo], heard: _Heard
) -> list[Content]:
    first = sources[0]
    joined = task.kind == "combined"
    texts = (task.metadata, task.metadata_xml) if joined else (first.metadata, first.metadata_xml)
    contents = [_text(name, text) for name, text in zip((METADATA, METADATA_XML), texts, strict=True)]
    if len(sources) == 1:
        size = plain_size(Path(first.path), task.keyring)
        contents.append(Content(AUDIO, size, lambda: _as_heard(task, first, heard)))
    else:
        size = wav_size(shape_of(infos))
        contents.append(Content(AUDIO, size, lambda: _sound(task, sources, infos, heard)))
    return contents + [_attached(task, name, Path(path)) for source in sources for name, path in source.attached]


def _text(name: str, text: str) -> Content:
    data = text.encode()
    return Content(name, len(data), lambda: (data,))


def _attached(task: ExportTask, name: str, path: Path) -> Content:
    return Content(name, plain_size(path, task.keyring), lambda: _copied(opened(path, task.keyring)))


def _copied(opened_file: BinaryIO) -> Iterator[bytes]:
    with opened_file as file:
        while piece := file.read(COPY_BYTES):
            yield piece


def _as_heard(task: ExportTask, source: SourceFile, heard: _Heard) -> Iterator[bytes]:
    """The file byte for byte, but for what the asker does not hear."""
    digest = hashlib.sha256()
    for piece in _copied(task.opened(source)):
        digest.update(piece)
        yield piece
    heard.compare(task, source, digest.hexdigest())


def _write_zip(task: ExportTask, out: BinaryIO, heard: _Heard, report: Report) -> None:
    """One member per source. Its checksum is known when it is written: its header is written twice, and until then
    nothing of it may be read."""
    layout = ZipLayout(moment_of(task.created))
    members: list[Member] = []
    for source in task.sources:
        begin = out.tell()
        promised = Member(_entry(task, source), _size(task, [source], [_info(task, source)]))
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
        report(written_upto(out))
    out.write(layout.after(members))
    report(written_upto(out))
