"""Places: where recordings are moved or copied to, by their destination, a folder or a bucket of an object store.

A place bears a marker, made when its archive action is. A folder without it is a disk that is not mounted, a bucket
without it is none of ours. The one rule: whoever uses a place looks for the marker first.
"""

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from earshot.clock import Clock, SystemClock
from earshot.ports import Storage
from earshot.storage.away import PlaceAway
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.local import LocalStorage
from earshot.storage.object_keys import ObjectKeys
from earshot.storage.objects import SCHEME, Bucket, ObjectAccess, ObjectStorage
from earshot.vault.keyring import Keyring

MARKER: Final = ".earshot-archive"
"""The object that says that a place is ours."""
BELIEVED_S: Final = 5.0
"""How long a bucket is believed to be there, or away, without another look."""


class Place(Protocol):
    """One place. `destination` is what people call it, `storage` has its objects, encrypted where there is a key."""

    @property
    def destination(self) -> str: ...

    @property
    def plain(self) -> Storage:
        """Its objects as they lie there."""
        ...

    @property
    def storage(self) -> Storage: ...

    async def prepare(self) -> None:
        """Make it a place of ours, and see that everything can be done there. Raises OSError."""
        ...

    async def look(self, *, anew: bool = False) -> None:
        """See that it is there now; `anew` believes no earlier look. Raises PlaceAway."""
        ...

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`; None if it is away."""
        ...


class FolderPlace:
    """A place that is a folder of this machine."""

    def __init__(self, root: Path, encrypted: Callable[[Storage, str], Storage]) -> None:
        self.destination = str(root)
        self.plain = LocalStorage(root)
        self.storage = encrypted(self.plain, self.destination)
        self._root = root

    async def prepare(self) -> None:
        """See `Place.prepare`."""
        prepare(self._root)

    async def look(self, *, anew: bool = False) -> None:
        """See `Place.look`."""
        if not (self._root / MARKER).is_file():
            raise PlaceAway(errno.ENODEV, os.strerror(errno.ENODEV), self.destination)

    def local_path(self, name: str) -> Path | None:
        """See `Place.local_path`."""
        return self.storage.local_path(name) if (self._root / MARKER).is_file() else None


class BucketPlace:
    """A place in an object store."""

    def __init__(
        self, bucket: Bucket, access: ObjectAccess, encrypted: Callable[[Storage, str], Storage], clock: Clock
    ) -> None:
        self.destination = str(bucket)
        self.plain = self._objects = ObjectStorage(bucket, access, clock)
        self.storage = encrypted(self.plain, self.destination)
        self._clock = clock
        self._looked_at = float("-inf")
        self._away: PlaceAway | None = None

    async def prepare(self) -> None:
        """See `Place.prepare`."""
        await self._objects.try_out()
        await self._objects.write(MARKER, b"An archive of Earshot.\n")
        await self.look(anew=True)

    async def look(self, *, anew: bool = False) -> None:
        """See `Place.look`."""
        if anew or self._clock.monotonic() >= self._looked_at + BELIEVED_S:
            self._away = await self._found()
            self._looked_at = self._clock.monotonic()
        if self._away is not None:
            raise type(self._away)(*self._away.args)

    async def _found(self) -> PlaceAway | None:
        try:
            async for _ in self._objects.read(MARKER):
                break
        except FileNotFoundError:
            return PlaceAway(errno.ENODEV, f"{self.destination} has no {MARKER}: it is no archive, or another one")
        except PlaceAway as away:
            return away
        return None

    def local_path(self, name: str) -> Path | None:
        """See `Place.local_path`."""
        return self._objects.local_path(name)


class Places:
    """Makes places of destinations: encrypted with the `keyring`, kept up in the `register`, buckets by `access`."""

    def __init__(
        self,
        keyring: Keyring | None = None,
        register: ObjectKeys | None = None,
        access: ObjectAccess | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._keyring = keyring
        self._register = register
        self._access = access or ObjectAccess()
        self._clock = clock or SystemClock()
        self._kinds: Mapping[str, Callable[[str], Place]] = {"": self._folder, SCHEME: self._bucket}

    def at(self, destination: str) -> Place:
        """The place; nothing is asked of it yet. Raises ValueError for a destination that cannot be one."""
        scheme, colon, _ = destination.partition("://")
        kind = self._kinds.get(scheme if colon and "/" not in scheme else "")
        if kind is None:
            raise ValueError(f"{destination!r} is neither an absolute path nor {SCHEME}://bucket/prefix")
        return kind(destination)

    def _folder(self, destination: str) -> Place:
        root = Path(destination)
        if not root.is_absolute():
            raise ValueError("the destination is an absolute path, or a bucket: s3://bucket/prefix")
        return FolderPlace(root, self._encrypted)

    def _bucket(self, destination: str) -> Place:
        return BucketPlace(Bucket.read(destination), self._access, self._encrypted, self._clock)

    def _encrypted(self, plain: Storage, destination: str) -> Storage:
        if self._keyring is None:
            return plain
        return EncryptedStorage(plain, self._keyring, self._register, destination)


def prepare(root: Path) -> None:
    """Make the folder `root` a place, with the marker in it. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).touch()
