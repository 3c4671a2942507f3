"""Encryption around any storage: what is put is encrypted with a key of its own, what is read is decrypted.

Plain objects of an older archive are read as they are, but not one that the register of objects knows to have been
encrypted. Sizes and ranges are those of the plain bytes, and a range decrypts only the chunks that hold it. The format
is that of `earshot.vault.sealed_file`. The one rule: an object goes with its key: it is destroyed before the object is
deleted, and once it is replaced.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Protocol, cast, runtime_checkable

import structlog

from earshot.ports import Storage
from earshot.storage.local import unfinished
from earshot.storage.names import checked
from earshot.storage.object_keys import PLAIN, ObjectKeys
from earshot.vault import Altered, VaultError
from earshot.vault.files import EncryptedReader, create, opened
from earshot.vault.keyring import Keyring, wrapped_by
from earshot.vault.overwriting import Replacing, clear, destroy, discard, header_of, rewrap, rewrapped
from earshot.vault.sealed_file import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MAGIC,
    OVERHEAD_BYTES,
    SLOTS,
    Cipher,
    Header,
    chunk_at,
    chunks_of,
    stored_size,
)

log = structlog.get_logger(__name__)

ATTEMPTS = 5
CHUNKS_AT_ONCE = 4
COPY_BYTES = 1 << 20
ON_THE_WAY = ".encrypted"
"""The ending of a file that is being encrypted, beside the one it is made of."""


@runtime_checkable
class Exchanging(Protocol):
    """What a storage does besides where others may replace an object while it is put anew."""

    async def version(self, name: str) -> str:
        """What tells the object from all that it was and will be. Raises FileNotFoundError."""
        ...

    async def put_instead(self, name: str, source: Path, version: str) -> bool:
        """Put `source` in the place of the object that is `version`; False if that is not there any more."""
        ...


class EncryptedStorage:
    """The port `earshot.ports.Storage` over `inner`, with `keyring`. A place inside an archive has one of its own.

    `register` is kept up with what is put and deleted here; objects are in it under `place`. Without one, whatever has
    no header of ours is plain.
    """

    def __init__(self, inner: Storage, keyring: Keyring, register: ObjectKeys | None = None, place: str = "") -> None:
        self.inner = inner
        self._keyring = keyring
        self._register = register
        self._place = place

    async def put_file(self, name: str, source: Path) -> None:
        """See `earshot.ports.Storage.put_file`. A source that was encrypted for `name` by `earshot.vault.files.create`
        is taken over as it is; of any other an encrypted copy is, which is made beside it."""
        checked(name)
        if await asyncio.to_thread(self._is_encrypted, source, name):
            await self._replace(name, source)
            return
        copy = source.with_name(source.name + ON_THE_WAY)
        try:
            await asyncio.to_thread(self._encrypt, source, copy, name)
            await self._replace(name, copy)
        finally:
            await asyncio.to_thread(discard, copy)
        await asyncio.to_thread(source.unlink)

    def _is_encrypted(self, source: Path, name: str) -> bool:
        try:
            with opened(source, self._keyring, name) as file:
                return isinstance(file, EncryptedReader)
        except VaultError:
            return False

    def _encrypt(self, source: Path, copy: Path, name: str) -> None:
        with source.open("rb", buffering=0) as plain, create(copy, self._keyring, name) as file:
            while piece := plain.read(COPY_BYTES):
                file.write(piece)

    async def _replace(self, name: str, source: Path) -> None:
        is_new = self._register is not None and not await self.inner.exists(name)
        if is_new:
            await asyncio.to_thread(self._enter_new, name, source)
        replacing = Replacing(source, self.inner.local_path(name))
        replaced = False
        await asyncio.to_thread(replacing.begin)
        try:
            await self.inner.put_file(name, source)
            replaced = True
        finally:
            await asyncio.to_thread(replacing.finish, replaced=replaced)
        if not is_new:
            await self._enter_again(name)  # not before: what lay there may be plain, and may have stayed

    async def exists(self, name: str) -> bool:
        """See `earshot.ports.Storage.exists`."""
        return await self.inner.exists(name)

    async def size(self, name: str) -> int:
        """See `earshot.ports.Storage.size`: of the plain bytes. Raises WrongKey, KeyDestroyed, Altered."""
        for _ in range(ATTEMPTS):
            header = await self._header(name)
            size = await self.inner.size(name)
            if header is None:
                if await self._header(name) is None:
                    return size
            elif size == stored_size(header.size):
                header.opened(self._keyring, name)
                return header.size
            elif not await self._has_changed(name, header):
                break
        raise Altered(f"{name} was cut or extended")

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `earshot.ports.Storage.read`. Raises WrongKey, KeyDestroyed, Altered too; at the first chunk, where it is
        the whole object that is not as it was put."""
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("a range of bytes begins and ends at 0 or later")
        for attempt in range(ATTEMPTS):
            header = await self._header(name)
            reading = self._plain(name, start, stop) if header is None else self._opened(name, header, start, stop)
            async with aclosing(reading):
                try:
                    first = await anext(reading, b"")
                except (VaultError, FileNotFoundError) as why:
                    if attempt + 1 < ATTEMPTS and await self._has_changed(name, header):
                        continue
                    if isinstance(why, VaultError):
                        log.error("object_cannot_be_decrypted", object=name, why=str(why))
                    raise
                if header is None and await self._has_changed(name, None):
                    continue
                yield first
                async for chunk in reading:
                    yield chunk
                return
        raise Altered(f"{name} is replaced again and again")

    async def _has_changed(self, name: str, header: Header | None) -> bool:
        """Whether another object has taken the place of the one with that header."""
        try:
            now = await self._header(name)
        except (FileNotFoundError, Altered):
            return False
        return (now and now.statement) != (header and header.statement)

    async def _plain(self, name: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        async for chunk in self.inner.read(name, start, stop):
            yield chunk

    async def _opened(self, name: str, header: Header, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        cipher = header.opened(self._keyring, name)
        if await self.inner.size(name) != stored_size(header.size):
            raise Altered(f"{name} was cut or extended")
        stop = header.size if stop is None else min(stop, header.size)
        numbers = chunks_of(header.size, start, stop)
        if not numbers:
            return
        upto = min(chunk_at(numbers[-1] + 1), stored_size(header.size))
        raw = cast(AsyncGenerator[bytes, None], self.inner.read(name, chunk_at(numbers[0]), upto))
        buffer, number = bytearray(), numbers[0]
        async with aclosing(raw):
            async for piece in raw:
                buffer += piece
                whole = len(buffer) // (CHUNK_BYTES + OVERHEAD_BYTES)
                if whole >= CHUNKS_AT_ONCE:
                    plain = await asyncio.to_thread(_decrypted, cipher, number, buffer, whole)
                    yield _cut(plain, number, start, stop)
                    number += whole
        left = len(numbers) - (number - numbers[0])
        if left:
            plain = await asyncio.to_thread(_decrypted, cipher, number, buffer, left)
            yield _cut(plain, number, start, stop)

    async def _header(self, name: str) -> Header | None:
        """The header of an object; None for one that was never encrypted. Raises FileNotFoundError, Altered."""
        header = await self._found_header(name)
        if header is None and self._register is not None:
            if not await asyncio.to_thread(self._register.was_encrypted, self._place, name):
                return None
            header = await self._found_header(name)  # a plain object may have been encrypted just now
            if header is None:
                self._register.refuse(name)
                raise Altered(f"{name} was encrypted, and lies there plain: it was replaced by another file")
        return header

    async def _found_header(self, name: str) -> Header | None:
        raw = b"".join([piece async for piece in self.inner.read(name, 0, HEADER_BYTES)])
        return Header.read(raw) if raw.startswith(MAGIC) else None

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`."""
        return self.inner.local_path(name)

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.destroy_keys`."""
        paths: dict[str, Path] = {}
        wrong: dict[str, str] = {}
        for name in names:
            try:
                path = self.inner.local_path(name)
            except ValueError as why:
                wrong[name] = str(why)
            else:
                paths |= {name: path} if path is not None else {}
        return wrong | await asyncio.to_thread(_destroy, paths)

    async def delete(self, name: str) -> None:
        """See `earshot.ports.Storage.delete`; its key is destroyed first."""
        checked(name)
        for why in (await self.destroy_keys([name])).values():
            raise OSError(why)
        await self.inner.delete(name)
        await self._forget([name])

    async def delete_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.delete_all`; their keys are destroyed first."""
        kept = dict(await self.destroy_keys(names))
        kept |= await self.inner.delete_all([name for name in names if name not in kept])
        await self._forget([name for name in names if name not in kept])
        return kept

    async def names(self) -> AsyncIterator[tuple[str, int]]:
        """See `earshot.ports.Storage.names`: with plain sizes, as the objects say themselves."""
        async for name, size in self.inner.names():
            try:
                header = await self._header(name)
            except FileNotFoundError:
                continue
            except Altered:
                header = None
            yield name, size if header is None else header.size

    # --- the register -------------------------------------------------------------------------------------------------

    def _enter_new(self, name: str, source: Path) -> None:
        """Enter an object that will be put from `source`, which is encrypted. Raises OSError."""
        header = header_of(source)
        if header is not None and self._register is not None:
            self._register.enter(self._place, [(name, _wrapped_by(header))])

    async def enter(self, found: Mapping[str, str]) -> None:
        """Enter objects that are there in the register, if there is one: the fingerprint of the master key of each, or
        PLAIN. What is deleted meanwhile is left out."""
        if self._register is None or not found:
            return
        await asyncio.to_thread(self._register.enter, self._place, found.items())
        gone = [name for name in found if not await self.inner.exists(name)]
        if gone:
            await self._forget(gone)

    async def _enter_again(self, name: str) -> None:
        """Enter an object as it lies there; not one that cannot be read."""
        with suppress(OSError):
            await self.enter({name: await self.wrapped_by(name)})

    async def _forget(self, names: Sequence[str]) -> None:
        if self._register is not None:
            await asyncio.to_thread(self._register.forget, self._place, names)

    # --- keys ---------------------------------------------------------------------------------------------------------

    async def wrapped_by(self, name: str) -> str:
        """The fingerprint of the master key that the key of an object is wrapped by; empty for a plain object.

        Raises FileNotFoundError, KeyDestroyed, Altered.
        """
        header = await self._header(name)
        return PLAIN if header is None else _wrapped_by(header)

    async def key_problem(self, name: str) -> str:
        """What is wrong with the key of an object that can be read: a sentence, empty if nothing is."""
        header = await self._header(name)
        return "" if header is None else header.problem(self._keyring)

    async def rewrap(self, name: str, work: Path) -> bool:
        """Have the key of an object wrapped by the current master key; whether there was anything to do. Where objects
        cannot be changed in place, the object is put anew, by way of the folder `work`, still encrypted.

        Raises FileNotFoundError, WrongKey, KeyDestroyed, Altered, OSError.
        """
        header = await self._header(name)
        if header is None:
            return False
        path = self.inner.local_path(name)
        if path is not None:
            done = await asyncio.to_thread(rewrap, path, self._keyring)
            if done:
                await self._enter_again(name)
            return done
        if await self.wrapped_by(name) == self._keyring.current and not header.problem(self._keyring):
            return False
        return await self._put_rewrapped(name, work)

    async def _put_rewrapped(self, name: str, work: Path) -> bool:
        """What was deleted or replaced meanwhile stays as it is, where the storage can tell."""
        inner = self.inner if isinstance(self.inner, Exchanging) else None
        version = await inner.version(name) if inner is not None else ""
        handle, made = await asyncio.to_thread(mkstemp, ON_THE_WAY, "rewrapped-", work)
        copy = Path(made)
        try:
            with await asyncio.to_thread(open, handle, "w+b", 0) as file:
                async for piece in self.inner.read(name):
                    await asyncio.to_thread(file.write, piece)
                header = Header.read(os.pread(handle, HEADER_BYTES, 0))
                os.pwrite(handle, rewrapped(header, self._keyring), SLOTS[0])
            if inner is None:
                await self._replace(name, copy)
                return True
            replacing = Replacing(copy, None)
            await asyncio.to_thread(replacing.begin)
            try:
                done = await inner.put_instead(name, copy, version)
            finally:
                await asyncio.to_thread(replacing.finish, replaced=True)
        finally:
            await asyncio.to_thread(discard, copy)
        await self._enter_again(name)
        return done


def _wrapped_by(header: Header) -> str:
    return wrapped_by(next((slot for slot in header.slots if any(slot)), b""))


def _destroy(paths: Mapping[str, Path]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, path in paths.items():
        try:
            clear(path)
            for one in (path, unfinished(path)):
                destroy(one)
        except OSError as why:
            kept[name] = str(why)
    return kept


def _decrypted(cipher: Cipher, number: int, buffer: bytearray, count: int) -> bytes:
    """The plain bytes of the first `count` chunks in `buffer`, which are taken out of it. Raises Altered."""
    plain = []
    for place in range(count):
        begin = place * (CHUNK_BYTES + OVERHEAD_BYTES)
        plain.append(cipher.open(number + place, bytes(buffer[begin : begin + CHUNK_BYTES + OVERHEAD_BYTES])))
    del buffer[: count * (CHUNK_BYTES + OVERHEAD_BYTES)]
    return b"".join(plain)


def _cut(plain: bytes, number: int, start: int, stop: int) -> bytes:
    """What of the chunks from `number` on lies in [start, stop)."""
    first = number * CHUNK_BYTES
    return plain[max(start - first, 0) : stop - first]
