"""Where else the media of a recording lie that a blackout took sound from: copies in archives, and what moves left.

The recording itself is rewritten by `resealing`. The one rule: a removal is not done before nothing of it lies
anywhere: a place that is away is an error, and the removal is tried again.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from earshot.core.turns import Turns
from earshot.ports import Storage
from earshot.ports.blackouts import SealedMedia, SealedMediaStore
from earshot.ports.retention import Copy, Leftover
from earshot.storage.placed import name_at_place
from earshot.vault.files import create
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard

log = structlog.get_logger(__name__)


class Places(Protocol):
    """What of `earshot.ports.retention.RetentionStore` is used here."""

    async def leftovers_of(self, record_ids: Sequence[int]) -> list[Leftover]: ...

    async def removed(self, leftovers: Sequence[Leftover]) -> None: ...

    async def copies(self, record_id: int) -> list[Copy]: ...

    async def copy_renewed(self, copy: Copy, audio_sha256: str) -> None: ...


class Elsewhere:
    """`work` is a folder on this machine for files that are on their way; with a `keyring` they are encrypted. What is
    on its way to an archive is given up by who has its turn, of `turns`."""

    def __init__(
        self,
        store: SealedMediaStore,
        places: Places,
        storage: Storage,
        work: Path,
        keyring: Keyring | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._store = store
        self._places = places
        self._storage = storage
        self._work = work
        self._keyring = keyring
        self._turns = turns or Turns()

    async def copies_of(self, media: SealedMedia) -> Sequence[str]:
        """The names of its copies. Raises StoreUnavailable."""
        return [copy.object_name for copy in await self._places.copies(media.record_id)]

    async def renew(self, rewritten: Sequence[SealedMedia]) -> None:
        """Have every copy of these recordings be what the recording is now, and remove what moves and copies left
        behind, ended in the middle or not. Raises OSError (a place is away, among others), StoreUnavailable."""
        for one in rewritten:
            async with self._turns.of(one.record_id):
                for media in await self._store.of_calls([one.call_key]):
                    if media.record_id == one.record_id:
                        await self._remove_leftovers(media)
                        await self._renew_copies(media)

    async def _remove_leftovers(self, media: SealedMedia) -> None:
        left = await self._places.leftovers_of([media.record_id])
        gone = [one for one in left if one.object_name != media.object_name]
        for one in gone:
            await self._storage.delete(one.object_name)
        await self._places.removed(gone)

    async def _renew_copies(self, media: SealedMedia) -> None:
        for copy in await self._places.copies(media.record_id):
            if copy.audio_sha256 == media.audio_sha256:
                continue
            await self._bring(media, copy.object_name)
            await self._places.copy_renewed(copy, media.audio_sha256)
            log.warning("copy_rewritten", recording=media.record_id, object=copy.object_name)

    async def _bring(self, media: SealedMedia, target: str) -> None:
        """Put the media as they are now at `target`."""
        on_the_way = self._work / f"blackout-copy-{media.record_id}"
        digest = hashlib.sha256()
        try:
            with create(on_the_way, self._keyring, name_at_place(target)) as file:
                async for chunk in self._storage.read(media.object_name):
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            if digest.hexdigest() != media.audio_sha256:
                raise OSError(f"the media of recording {media.record_id} changed while they were copied")
            await self._storage.put_file(target, on_the_way)
        finally:
            discard(on_the_way)
