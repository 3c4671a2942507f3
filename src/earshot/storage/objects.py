"""The storage in a bucket of an object store that speaks S3: AWS, MinIO, Ceph and their like.

Every request has a time limit and is tried twice at most: who asks tries again. What a store answers instead becomes a
sentence (`away`). The one rule: nothing is taken for put before the store says how big it is, and nothing for deleted
in a bucket that keeps old versions.
"""

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from earshot.clock import Clock, SystemClock
from earshot.storage.away import BeyondTheEnd, PlaceAway, Replaced, said
from earshot.storage.names import NAME_BYTES, checked

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig, RetryConfig

SCHEME: Final = "s3"
PREFIX_BYTES: Final = 256
CHUNK_BYTES: Final = 256 * 1024
PIECE_BYTES: Final = 4 << 20
"""What is asked for at a time: a reader that is slow holds no connection, and each request ends in time."""
PART_BYTES: Final = 8 << 20
PARTS_AT_ONCE: Final = 2
LARGEST_AT_ONCE: Final = 1 << 30
"""The largest object, in bytes, that `put_instead` can put: it does not go in parts."""
DELETED_AT_ONCE: Final = 1000
"""As many as one request may name."""
RETRIES: Final = 1
CONNECT_S: Final = 5.0
VERSIONS_S: Final = 600.0
"""How long it is believed that a bucket keeps old versions, or does not."""
PROBE: Final = ".earshot-probe"
"""An object of no meaning, by which it is tried what may be done."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or what in it begins with `prefix`: `s3://bucket` or `s3://bucket/prefix`."""

    name: str
    prefix: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """What `text` names. Raises ValueError for what names no bucket."""
        name, _, prefix = text.removeprefix(f"{SCHEME}://").partition("/")
        if not text.startswith(f"{SCHEME}://") or re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) is None:
            raise ValueError(f"{text!r} is not a bucket, such as {SCHEME}://bucket/prefix")
        prefix = prefix.rstrip("/")
        if prefix and (not prefix.isprintable() or len(checked(prefix).encode()) > PREFIX_BYTES):
            raise ValueError(f"the prefix of {text!r} has control characters, or more than {PREFIX_BYTES} bytes")
        return cls(name, prefix)

    def __str__(self) -> str:
        return f"{SCHEME}://{self.name}/{self.prefix}" if self.prefix else f"{SCHEME}://{self.name}"

    def checked(self, name: str) -> str:
        """`name` if an object here can have it. Raises ValueError."""
        if any(char < " " or char == "\x7f" for char in checked(name)):
            raise ValueError(f"object name {name!r} has control characters")
        if len(f"{self.prefix}/{name}".encode()) > NAME_BYTES:
            raise ValueError(f"an object name of more than {NAME_BYTES} bytes with the prefix {self.prefix}")
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAccess:
    """How object stores are reached. Empty: AWS, its variables and roles. `endpoint` is a URL; `path_style` has the
    bucket in the path, not in the host name; `ca` is PEM of authorities that are trusted beside the system's."""

    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    path_style: bool = True
    allow_http: bool = False
    ca: bytes = b""
    timeout_s: float = 30.0


def opened(bucket: Bucket, access: ObjectAccess) -> S3Store:
    """The bucket as the library sees it; nothing is asked yet. Raises ValueError for what cannot be."""
    client: ClientConfig = {
        "allow_http": access.allow_http,
        "connect_timeout": timedelta(seconds=min(CONNECT_S, access.timeout_s)),
        "timeout": timedelta(seconds=access.timeout_s),
    }
    if access.ca:
        client["root_certificate"] = access.ca
    retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=access.timeout_s)}
    more: dict[str, Any] = {"region": access.region} if access.region else {}
    if access.endpoint:
        scheme, _, host = access.endpoint.rstrip("/").partition("://")
        more["endpoint"] = f"{scheme}://{host}" if access.path_style else f"{scheme}://{bucket.name}.{host}"
    if access.access_key:
        key = {"access_key_id": access.access_key, "secret_access_key": access.secret_key, "token": None}
        more["credential_provider"] = lambda: {**key, "expires_at": None}  # a token of the environment is not ours
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        client_options=client,
        retry_config=retry,
        virtual_hosted_style_request=not access.path_style,
        checksum_algorithm="SHA256",
        **more,
    )


class ObjectStorage:
    """The port `earshot.ports.Storage` over a bucket. Raises PlaceAway, an OSError, for all that the store does not do.
    What is put goes with its SHA-256: a store that knows of those refuses what does not agree."""

    def __init__(self, bucket: Bucket, access: ObjectAccess, clock: Clock | None = None) -> None:
        self._bucket = bucket
        self._store = opened(bucket, access)
        self._clock = clock or SystemClock()
        self._keeps_versions = False
        self._one_asks = asyncio.Lock()
        self._known_until = float("-inf")

    # --- putting ------------------------------------------------------------------------------------------------------

    async def put_file(self, name: str, source: Path) -> None:
        """See `earshot.ports.Storage.put_file`. It goes in parts, which count for nothing before all are there."""
        size = await self._before_put(name, source)
        with self._asking(name, may_be_missing=False):
            put = await obstore.put_async(
                self._store, name, source, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        await self._after_put(name, size, put["version"])
        await asyncio.to_thread(source.unlink)

    async def put_instead(self, name: str, source: Path, version: str) -> bool:
        """Put `source` in the place of the object that is `version`; False if that is not there any more. Raises what
        `put_file` does, and OSError for one that is too large."""
        size = await self._before_put(name, source)
        if size > LARGEST_AT_ONCE:
            raise OSError(errno.EFBIG, "too large to be put anew while something else may replace it", name)
        content = await asyncio.to_thread(source.read_bytes)
        try:
            with self._asking(name, may_be_missing=False):
                put = await obstore.put_async(self._store, name, content, mode={"e_tag": version})
        except Replaced:
            return False
        await self._after_put(name, size, put["version"])
        await asyncio.to_thread(source.unlink)
        return True

    async def version(self, name: str) -> str:
        """What tells the object from all that it was and will be. Raises FileNotFoundError."""
        self._bucket.checked(name)
        with self._asking(name):
            return (await obstore.head_async(self._store, name))["e_tag"] or ""

    async def write(self, name: str, content: bytes) -> None:
        """Put something small."""
        with self._asking(name, may_be_missing=False):
            await obstore.put_async(self._store, name, content)

    async def _before_put(self, name: str, source: Path) -> int:
        self._bucket.checked(name)
        size = await asyncio.to_thread(lambda: source.stat().st_size)
        await self.refuse_versions()
        return size

    async def _after_put(self, name: str, size: int, version: str | None) -> None:
        found = await self.size(name)
        if found != size:
            raise PlaceAway(errno.EIO, f"{name} has {found} bytes in {self._bucket}, and {size} were put")
        if _is_version(version):
            self._known_until = float("-inf")
            await self.refuse_versions()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def exists(self, name: str) -> bool:
        """See `earshot.ports.Storage.exists`."""
        try:
            await self.size(name)
        except FileNotFoundError:
            return False
        return True

    async def size(self, name: str) -> int:
        """See `earshot.ports.Storage.size`."""
        self._bucket.checked(name)
        with self._asking(name):
            return (await obstore.head_async(self._store, name))["size"]

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `earshot.ports.Storage.read`. Raises Replaced, an OSError, where another object takes its place after the
        first piece was read."""
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("a range of bytes begins and ends at 0 or later")
        self._bucket.checked(name)
        if stop is not None and stop <= start:
            await self.size(name)
            return
        at, version = start, None
        while stop is None or at < stop:
            upto = at + PIECE_BYTES if stop is None else min(at + PIECE_BYTES, stop)
            try:
                with self._asking(name):
                    same: GetOptions = {"if_match": version} if version else {}
                    found = await obstore.get_async(self._store, name, options={"range": (at, upto), **same})
                    piece = memoryview(await found.bytes_async())
            except BeyondTheEnd:
                return
            version = found.meta["e_tag"]
            for begin in range(0, len(piece), CHUNK_BYTES):
                yield bytes(piece[begin : begin + CHUNK_BYTES])
            at += len(piece)
            if not piece or at >= found.meta["size"]:
                return

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`: nowhere."""
        self._bucket.checked(name)
        return None

    async def names(self) -> AsyncIterator[tuple[str, int]]:
        """See `earshot.ports.Storage.names`, in no order. What is no name of ours is left out."""
        listing = obstore.list(self._store)
        while True:
            with self._asking("", may_be_missing=False):
                some = await anext(listing, None)
            if some is None:
                return
            for one in some:
                if one["path"] != PROBE and _is_name(one["path"]):
                    yield one["path"], one["size"]

    # --- deleting -----------------------------------------------------------------------------------------------------

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.destroy_keys`: objects are kept as they come, this knows of no keys."""
        return {}

    async def delete(self, name: str) -> None:
        """See `earshot.ports.Storage.delete`. In a bucket that keeps old versions it is deleted, and that is an
        error."""
        self._bucket.checked(name)
        if await self.keeps_versions() and not await self.exists(name):
            await self.refuse_versions()  # another deletion would leave nothing but another mark
        with self._asking(name, may_be_missing=False):
            await obstore.delete_async(self._store, name)
        await self.refuse_versions()

    async def delete_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.delete_all`: many in one request, and one by one where that is not taken."""
        kept: dict[str, str] = {}
        good: list[str] = []
        for name in names:
            try:
                good.append(self._bucket.checked(name))
            except ValueError as why:
                kept[name] = str(why)
        for at in range(0, len(good), DELETED_AT_ONCE):
            kept |= await self._delete_some(good[at : at + DELETED_AT_ONCE])
        return kept

    async def _delete_some(self, names: Sequence[str]) -> dict[str, str]:
        try:
            if not await self.keeps_versions():
                with self._asking("", may_be_missing=False):
                    await obstore.delete_async(self._store, names)
                return {}
        except PlaceAway as why:
            if why.silent:
                return dict.fromkeys(names, str(why))
        kept: dict[str, str] = {}
        for number, name in enumerate(names):
            try:
                await self.delete(name)
            except PlaceAway as why:
                if why.silent:
                    return kept | dict.fromkeys(names[number:], str(why))
                kept[name] = str(why)
        return kept

    # --- what the bucket is -------------------------------------------------------------------------------------------

    async def keeps_versions(self) -> bool:
        """Whether what is deleted or replaced stays as an old version: the answer to a put says so."""
        async with self._one_asks:
            if self._clock.monotonic() >= self._known_until:
                with self._asking(PROBE, may_be_missing=False):
                    put = await obstore.put_async(self._store, PROBE, b"")
                    await obstore.delete_async(self._store, PROBE)
                self._keeps_versions = _is_version(put["version"])
                self._known_until = self._clock.monotonic() + VERSIONS_S
            return self._keeps_versions

    async def refuse_versions(self) -> None:
        """Raises PlaceAway for a bucket that keeps old versions."""
        if await self.keeps_versions():
            raise PlaceAway(
                errno.EPERM,
                f"the bucket {self._bucket.name} keeps old versions, so that nothing can be removed from it: suspend "
                f"versioning, and remove the old versions",
            )

    async def try_out(self) -> None:
        """Do once all that will be done: put, read, list, delete. Raises PlaceAway."""
        await self.write(PROBE, b"earshot")
        if b"".join([piece async for piece in self.read(PROBE)]) != b"earshot":
            raise PlaceAway(errno.EIO, f"{self._bucket} does not give back what was put")
        async for _ in self.names():
            break
        self._known_until = float("-inf")
        await self.refuse_versions()

    @contextmanager
    def _asking(self, name: str, *, may_be_missing: bool = True) -> Iterator[None]:
        """Have what the library raises be an OSError with a sentence. What cannot be missing is a bucket that is."""
        try:
            yield
        except (BaseError, OSError) as failure:
            raise said(failure, str(self._bucket), name, may_be_missing=may_be_missing) from None


def _is_version(version: str | None) -> bool:
    return version not in (None, "", "null")


def _is_name(name: str) -> bool:
    try:
        checked(name)
    except ValueError:
        return False
    return True
