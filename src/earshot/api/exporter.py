"""The exporter of the running system: jobs become works, works become files, files are read while they are made.

Who may export what is for the handlers. The one rule: one file is made once, however many ask for it at a time; and it
is made beside this process, never in it.
"""

import asyncio
import hashlib
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from earshot.api.export_cache import ExportCache
from earshot.api.export_claims import Claim
from earshot.api.export_metadata import as_json, as_xml, facts, iso, joined_facts
from earshot.api.export_queue import Work
from earshot.api.export_workshop import Workshop
from earshot.api.exporting import EXPORT_FORMATS, ExportedFile, ExportJob, ExportView
from earshot.api.hearing import hidden_spans, wav_reply
from earshot.api.media import MediaReply
from earshot.clock import Clock
from earshot.engine.blackout_gaps import WORDS
from earshot.errors import OutOfDiskSpace
from earshot.media.export_task import ExportTask, SourceFile, size_of
from earshot.media.formats import CAV, FORMATS
from earshot.ports import RecordingRow, Storage
from earshot.storage.placed import name_at_place
from earshot.tasks import Spawner
from earshot.vault.files import create
from earshot.vault.keyring import KEY_BYTES, Keyring

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
Attached = Callable[[RecordingRow], Awaitable[Sequence[tuple[str, Path]]]]
"""What else belongs to a recording, such as its screen video: (name in the CAV, file on this machine)."""


async def nothing_attached(row: RecordingRow) -> Sequence[tuple[str, Path]]:
    """A recording of sound alone."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """`workers` exports are made at a time; `cache_bytes` of finished ones are kept; `reserve_bytes` of the disk stay
    free. `skip_missing` and `most_recordings` as in `Exports`. `log2_n` is the cost of a CAV's password, 0 for ours."""

    workers: int = 1
    cache_bytes: int = 2 << 30
    reserve_bytes: int = 0
    skip_missing: bool = False
    most_recordings: int = 1000
    log2_n: int = 0


class Exporter:
    """Implements `earshot.api.exporting.Exports`. `publish` tells the listeners of events. With a `keyring` files are
    encrypted, each with a key that is in memory only and goes with this process."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        folder: Path,
        settings: ExportSettings,
        publish: Callable[[str, Sequence[tuple[str, str]]], None] = lambda kind, fields: None,
        attached: Attached = nothing_attached,
        keyring: Keyring | None = None,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._settings = settings
        self.attached = attached
        self._keyring = keyring
        self._cache = ExportCache(folder, settings.cache_bytes)
        self._workshop = Workshop(self._cache, publish)
        self._number = 0

    @property
    def skip_missing(self) -> bool:
        """See `Exports.skip_missing`."""
        return self._settings.skip_missing

    @property
    def most_recordings(self) -> int:
        """See `Exports.most_recordings`."""
        return self._settings.most_recordings

    def start(self, spawner: Spawner) -> None:
        """Empty the folder and begin to work; ends when the spawner is closed. Processes begin with the first job."""
        self._cache.begin()
        for number in range(self._settings.workers):
            spawner.spawn(f"export-{number}", self._workshop.keep_working())

    async def file(self, job: ExportJob, progress: Callable[[float], None] = lambda _: None) -> ExportedFile:
        """See `Exports.file`."""
        claim = await self._claim(job)
        try:
            while (fraction := claim.fraction) < 1.0:
                progress(fraction)
                await claim.news()
            progress(1.0)
        except BaseException:
            claim.release()
            raise
        media_type, name = _kind_of_file(job)
        return ExportedFile(
            path=claim.path,
            media_type=media_type,
            file_name=name,
            size=claim.size,
            key=claim.file_key,
            on_release=claim.release,
        )

    async def reply(self, job: ExportJob) -> MediaReply:
        """See `Exports.reply`."""
        _check(job)
        media_type, name = _kind_of_file(job)
        if job.kind == "single" and job.format in FORMATS and FORMATS[job.format].as_stored:
            sealed = job.rows[0].sealed
            if not await self._storage.exists(sealed.object_name):
                raise FileNotFoundError(sealed.object_name)
            return await wav_reply(self._storage, job.rows[0], name, hears=job.hears)
        claim = await self._claim(job)
        return MediaReply(
            media_type=media_type,
            file_name=name,
            ranged=claim,
            size=claim.size,
            supports_range=not job.password,  # it is encrypted anew each time: parts of two would not fit together
            etag=claim.key,
        )

    def under_way(self) -> Sequence[ExportView]:
        """See `Exports.under_way`."""
        return [work.view() for work in sorted(self._workshop.works.values(), key=lambda work: work.number)]

    def forget(self, *audio_sha256s: str) -> None:
        """See `Exports.forget`."""
        gone = frozenset(audio_sha256s)
        for work in self._workshop.works.values():
            if gone & work.sha256s:
                work.kept = False
        self._cache.forget(gone)

    async def _claim(self, job: ExportJob) -> Claim:
        """A claim on the file of a job, which is released by whoever gets it."""
        _check(job)
        if job.kind == "combined":
            job = replace(job, rows=tuple(sorted(job.rows, key=lambda row: row.record_id)))
        texts = self._texts(job)
        key = secrets.token_hex(24) if job.password else _key(job, texts)
        claim = self._claimed(key)
        if claim is None:
            self._number += 1
            number = self._number
            fetched = self._cache.folder / f"{number}.src"
            try:
                task = await self._task(job, key, texts, fetched)
                size = await asyncio.to_thread(size_of, task)
                claim = self._claimed(key) or self._begun(number, key, job, task, size)
            finally:
                if claim is None or key not in self._workshop.works or self._workshop.works[key].number != number:
                    await asyncio.to_thread(shutil.rmtree, fetched, ignore_errors=True)
        return claim

    def _claimed(self, key: str) -> Claim | None:
        """A claim on what is there or under way already."""
        work = self._workshop.works.get(key)
        if work is not None:
            work.waiting += 1
            return Claim(self._cache, key, work.size, self._workshop.unclaimed, work=work)
        if key in self._cache:
            entry = self._cache.hold(key)
            return Claim(self._cache, key, entry.size, self._workshop.unclaimed, entry=entry)
        return None

    def _begun(self, number: int, key: str, job: ExportJob, task: ExportTask, size: int) -> Claim:
        self._check_room(size)
        work = Work(
            number=number,
            key=key,
            job=replace(job, password=""),
            task=task,
            size=size,
            begun_at=self._clock.now(),
            kept=not job.password and not (job.kind == "single" and FORMATS.get(job.format) is FORMATS["WAV"]),
            sha256s=frozenset(row.sealed.audio_sha256 for row in job.rows),
            waiting=1,
        )
        self._workshop.begin(work)
        return Claim(self._cache, key, size, self._workshop.unclaimed, work=work)

    def _check_room(self, size: int) -> None:
        """Raise OutOfDiskSpace if the file would take what recording needs."""
        promised = sum(work.size - work.ready for work in self._workshop.works.values())
        missing = size + promised + self._settings.reserve_bytes - shutil.disk_usage(self._cache.folder).free
        if missing > 0:
            self._cache.give_way(missing)
            if size + promised + self._settings.reserve_bytes > shutil.disk_usage(self._cache.folder).free:
                raise OutOfDiskSpace("an export of this size would take the disk space that recording needs")

    def _texts(self, job: ExportJob) -> list[tuple[str, str]]:
        """The metadata documents of a CAV: one pair for a joined one, else one for each recording."""
        if job.format != CAV:
            return []
        if job.kind == "combined":
            said = [joined_facts(job.rows, hears=job.hears)]
        else:
            said = [facts(row, hidden_spans(row.sealed, hears=job.hears)) for row in job.rows]
        return [(as_json(one), as_xml(one)) for one in said]

    async def _task(self, job: ExportJob, key: str, texts: list[tuple[str, str]], fetched: Path) -> ExportTask:
        joined = job.kind == "combined"
        sources = []
        for place, row in enumerate(job.rows):
            metadata, metadata_xml = texts[place] if texts and not joined else ("", "")
            attached = await self.attached(row) if job.format == CAV else ()
            sources.append(
                SourceFile(
                    record_id=row.record_id,
                    path=str(await self._path(row, fetched)),
                    sha256=row.sealed.audio_sha256,
                    entry=f"{row.record_id}_{_stem(row)}",
                    metadata=metadata,
                    metadata_xml=metadata_xml,
                    attached=tuple((name, str(path)) for name, path in attached),
                    name=name_at_place(row.sealed.object_name) if self._keyring is not None else "",
                    silent=hidden_spans(row.sealed, hears=job.hears),
                )
            )
        metadata, metadata_xml = texts[0] if texts and joined else ("", "")
        return ExportTask(
            out=str(self._cache.unfinished(key)),
            kind=job.kind,
            format=job.format,
            created=iso(self._clock.now()),
            sources=tuple(sources),
            metadata=metadata,
            metadata_xml=metadata_xml,
            password=job.password,
            log2_n=self._settings.log2_n,
            master_keys=tuple(one.hex() for one in self._keyring.keys) if self._keyring is not None else (),
            out_key=secrets.token_hex(KEY_BYTES) if self._keyring is not None else "",
        )

    async def _path(self, row: RecordingRow, fetched: Path) -> Path:
        """Where the media lies on this machine; it is brought here if it lies elsewhere. Raises FileNotFoundError,
        VaultError."""
        name = row.sealed.object_name
        path = self._storage.local_path(name)
        if path is not None:
            if self._keyring is not None:
                await self._storage.size(name)  # what is not the file that was encrypted is not read at all
            return path
        fetched.mkdir(exist_ok=True)
        path = fetched / f"{row.record_id}.wav"
        with create(path, self._keyring, name_at_place(name)) as file:
            async for chunk in self._storage.read(name):
                await asyncio.to_thread(file.write, chunk)
        return path


def _check(job: ExportJob) -> None:
    """Raise ValueError for what cannot be."""
    if job.format not in EXPORT_FORMATS:
        raise ValueError(f"{job.format} is not a format that recordings can be had in")
    if job.kind not in ("single", "combined", "multi"):
        raise ValueError(f"{job.kind} is no kind of export")
    if not job.rows or (job.kind == "single" and len(job.rows) != 1):
        raise ValueError(f"{len(job.rows)} recordings cannot be exported as {job.kind}")


def _key(job: ExportJob, texts: list[tuple[str, str]]) -> str:
    """What tells the file from all others: the media, the blackouts, the form, and what is said of them."""
    digest = hashlib.sha256(f"{job.kind}/{job.format}".encode())
    for row in job.rows:
        blacked_out = [gap for gap in row.sealed.gaps if gap[2] in WORDS]
        silent = hidden_spans(row.sealed, hears=job.hears)
        digest.update(f"\n{row.record_id} {_stem(row)} {row.sealed.audio_sha256} {blacked_out} {silent}".encode())
    for pair in texts:
        digest.update("\0".join(pair).encode())
    return digest.hexdigest()[:48]


def _stem(row: RecordingRow) -> str:
    """The name of the recording's file without folder and ending, safe on every system."""
    name = row.sealed.object_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return UNSAFE.sub("_", name).strip("._")[:100] or "recording"


def _kind_of_file(job: ExportJob) -> tuple[str, str]:
    """Media type (reference.md 4) and file name."""
    if job.kind == "multi":
        media_type, extension = "application/zip", ".zip"
    elif job.format == CAV:
        media_type, extension = "application/octet-stream", ".cav"
    else:
        media_type, extension = FORMATS[job.format].media_type, FORMATS[job.format].extension
    if job.kind == "single":
        return media_type, _stem(job.rows[0]) + extension
    numbers = sorted(row.record_id for row in job.rows)
    span = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
    return media_type, f"recordings-{span}{extension}"
