"""Segments of screen sessions on their way from the intake folder into the storage.

A segment is journalled before it is moved, so that after a crash it is either still in the intake folder or in the
storage under the name that the journal knows. The one rule: what an agent says of a segment is checked against the
file, and a file that does not agree is thrown away and counted as spoilt.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import structlog

from earshot.core.chat_rows import MICROSECONDS
from earshot.core.recorder import Recorder
from earshot.engine.chat_values import Chat, SegmentKept, SegmentSpoilt
from earshot.errors import BadInput
from earshot.ports import Storage
from earshot.ports.capture import EXTENSIONS, SegmentFinished, segment_file
from earshot.storage.names import checked, safe_part
from earshot.vault.files import create, opened
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import destroy, destroy_in, header_of
from earshot.vault.sealed_file import name_digest

log = structlog.get_logger(__name__)

MEDIA_TYPES = {extension: kind for kind, extension in EXTENSIONS.items()}
LONGEST_SEGMENT_S = 86_400.0
COPY_BYTES = 1 << 20
ON_THE_WAY = ".encrypted"
"""The ending of a file that is being encrypted; what a crash left of one is removed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it really is."""

    sha256: str
    size: int
    changed_at: float


def _read(path: Path, keyring: Keyring | None) -> Found | None:
    """None if there is no such file, or none that can be read."""
    digest, size = hashlib.sha256(), 0
    try:
        changed_at = path.stat().st_mtime
        with opened(path, keyring) as file:
            while piece := file.read(COPY_BYTES):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return None
    return Found(digest.hexdigest(), size, changed_at)


def _encrypt(path: Path, keyring: Keyring, name: str) -> None:
    """Have the file encrypted for the object `name`, where it lies, durably. Raises OSError: it is as it was."""
    header = header_of(path)
    if header is not None and header.digest == name_digest(name):
        return
    copy = path.with_name(path.name + ON_THE_WAY)
    with opened(path, keyring) as plain, create(copy, keyring, name) as file:
        while piece := plain.read(COPY_BYTES):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if header is None:
        copy.replace(path)
        return
    with path.open("r+b", buffering=0) as before:
        copy.replace(path)
        destroy_in(before.fileno())


def _remove(path: Path) -> None:
    """Remove a file of whoever put it. Raises OSError."""
    with suppress(OSError):
        destroy(path)
    path.unlink(missing_ok=True)


class Intake:
    """`settled` waits until the journal is durable; `duration_of` measures a file of which nothing is known, in
    seconds, and raises ValueError for one that is no video. With a `keyring` files are encrypted where they lie, as
    soon as they are heard of; whoever puts them may have encrypted them already."""

    def __init__(
        self,
        recorder: Recorder,
        storage: Storage,
        folder: Path,
        *,
        zone: tzinfo,
        settled: Callable[[], Awaitable[None]],
        duration_of: Callable[[Path], float],
        keyring: Keyring | None = None,
    ) -> None:
        self._recorder = recorder
        self._storage = storage
        self._folder = folder
        self._zone = zone
        self._settled = settled
        self._duration_of = duration_of
        self._keyring = keyring

    def object_name(self, chat: Chat, number: int, media_type: str) -> str:
        """Where segment `number` of the session lies in the storage: the same name whenever it is asked."""
        local = datetime.fromtimestamp(chat.started_us / MICROSECONDS, UTC).astimezone(self._zone)
        place = f"screens/{local:%Y%m%d}/{safe_part(chat.session_id)}"
        return checked(f"{place}/{segment_file(chat.key, number, media_type)}")

    def file_of(self, chat: Chat, number: int, media_type: str) -> Path:
        """Where it lies before that. Raises BadInput for a number or a kind that cannot be."""
        return self._folder / segment_file(chat.key, number, media_type)

    async def take(self, chat: Chat, told: SegmentFinished) -> None:
        """Take a reported segment in, or note that it is spoilt."""
        try:
            path = self.file_of(chat, told.number, told.media_type)
        except BadInput as wrong:
            self._spoilt(chat, told.number, str(wrong))
            return
        if any(segment.number == told.number for segment in chat.segments):
            return
        found = await asyncio.to_thread(_read, path, self._keyring)
        if found is None or (found.sha256, found.size) != (told.sha256.lower(), told.size) or not found.size:
            self._spoilt(chat, told.number, "the file is not there" if found is None else "the file is another one")
            await asyncio.to_thread(_remove, path)
            return
        duration_s = told.duration_s if 0 < told.duration_s <= LONGEST_SEGMENT_S else 0.0
        began_us = int(told.began_at * MICROSECONDS) if 0 < told.began_at < 2**40 else chat.started_us
        await self._keep(chat, told.number, told.media_type, found, began_us, duration_s)

    async def _keep(
        self, chat: Chat, number: int, media_type: str, found: Found, began_us: int, duration_s: float
    ) -> None:
        kept = SegmentKept(
            chat=chat.key,
            number=number,
            object_name=self.object_name(chat, number, media_type),
            media_type=media_type,
            sha256=found.sha256,
            size=found.size,
            began_us=began_us,
            duration_s=duration_s,
        )
        self._recorder.apply(kept)
        try:
            await self._encrypt(chat, kept)
        except OSError as failure:
            log.error("segment_not_encrypted_yet", chat=chat.key, number=number, why=str(failure))
        await self._settled()
        try:
            await self.put(chat, kept)
        except OSError as failure:
            log.error("segment_not_stored_yet", chat=chat.key, number=number, why=str(failure))

    async def _encrypt(self, chat: Chat, kept: SegmentKept) -> None:
        """Nothing of it lies plain in the intake folder when this returns. Raises OSError."""
        if self._keyring is not None:
            path = self.file_of(chat, kept.number, kept.media_type)
            await asyncio.to_thread(_encrypt, path, self._keyring, kept.object_name)

    async def put(self, chat: Chat, kept: SegmentKept) -> None:
        """Have the segment in the storage; nothing to do if it is there. Raises OSError: try again later."""
        path = self.file_of(chat, kept.number, kept.media_type)
        if await asyncio.to_thread(path.is_file):
            await self._encrypt(chat, kept)
            await self._storage.put_file(kept.object_name, path)
        elif not await self._storage.exists(kept.object_name):
            self._spoilt(chat, kept.number, "the file is gone")

    def _spoilt(self, chat: Chat, number: int, why: str) -> None:
        log.error("segment_spoilt", chat=chat.key, session=chat.session_id, number=number, why=why)
        self._recorder.apply(SegmentSpoilt(chat=chat.key, number=number, why=why))

    # --- after a restart ----------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Look through the folder: what belongs to a session is taken in, unfinished and unknown files are removed."""
        chats = self._recorder.state.chats
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        for path in sorted(await asyncio.to_thread(lambda: list(self._folder.iterdir()))):
            key, _, number = path.stem.rpartition("-")
            chat, media_type = chats.get(key), MEDIA_TYPES.get(path.suffix)
            if chat is None or media_type is None or not number.isdecimal():
                log.warning("intake_file_removed", name=path.name)
                await asyncio.to_thread(_remove, path)
            elif all(segment.number != int(number) for segment in chat.segments):
                await self._take_unreported(chat, int(number), media_type, path)
        for chat in list(chats.values()):
            for kept in list(chat.segments):
                await self.put(chat, kept)

    async def _take_unreported(self, chat: Chat, number: int, media_type: str, path: Path) -> None:
        """A segment was finished and the process ended before it heard of it."""
        found = await asyncio.to_thread(_read, path, self._keyring)
        try:
            duration_s = await asyncio.to_thread(self._duration_of, path)
        except ValueError as why:
            self._spoilt(chat, number, str(why))
            await asyncio.to_thread(_remove, path)
            return
        if found is not None:
            began_us = max(chat.started_us, int((found.changed_at - duration_s) * MICROSECONDS))
            await self._keep(chat, number, media_type, found, began_us, duration_s)
