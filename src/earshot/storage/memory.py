"""The storage in memory, for tests: same contract as `local.LocalStorage` (tests/contracts).

The one rule: an object is replaced as a whole, never changed, so that a reader keeps what it began with.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from earshot.storage.names import checked

CHUNK_BYTES = 256 * 1024


class MemoryStorage:
    """The port `earshot.ports.Storage` over a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def put_file(self, name: str, source: Path) -> None:
        """See `earshot.ports.Storage.put_file`."""
        self._objects[checked(name)] = await asyncio.to_thread(source.read_bytes)
        await asyncio.to_thread(source.unlink)

    async def exists(self, name: str) -> bool:
        """See `earshot.ports.Storage.exists`."""
        return checked(name) in self._objects

    async def size(self, name: str) -> int:
        """See `earshot.ports.Storage.size`."""
        return len(self._found(name))

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `earshot.ports.Storage.read`."""
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("a range of bytes begins and ends at 0 or later")
        wanted = self._found(name)[start:stop]
        for at in range(0, len(wanted), CHUNK_BYTES):
            yield wanted[at : at + CHUNK_BYTES]

    def local_path(self, name: str) -> Path | None:
        """See `earshot.ports.Storage.local_path`: nowhere."""
        checked(name)
        return None

    async def destroy_keys(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.destroy_keys`: objects are kept as they come, this knows of no keys."""
        return {}

    async def delete(self, name: str) -> None:
        """See `earshot.ports.Storage.delete`."""
        self._objects.pop(checked(name), None)

    async def delete_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `earshot.ports.Storage.delete_all`."""
        wrong: dict[str, str] = {}
        for name in names:
            try:
                await self.delete(name)
            except ValueError as why:
                wrong[name] = str(why)
        return wrong

    async def names(self) -> AsyncIterator[tuple[str, int]]:
        """See `earshot.ports.Storage.names`."""
        for name, found in list(self._objects.items()):
            yield name, len(found)

    def _found(self, name: str) -> bytes:
        try:
            return self._objects[checked(name)]
        except KeyError as why:
            raise FileNotFoundError(name) from why
