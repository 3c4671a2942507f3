"""The folder of finished exports: kept while somebody reads them and while there is room, oldest use first out.

Its calls are quick and touch one file each. The one rule: it begins empty, because nothing says any more what a file of
an earlier process was made of.
"""

import shutil
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Entry:
    """A finished file: its size, what media it was made of (SHA-256), who holds it, whether it may stay after, and the
    `key` it is encrypted with, which is nowhere on the disk (empty where it is plain)."""

    path: Path
    size: int
    sha256s: frozenset[str]
    kept: bool
    holders: int = 0
    key: bytes = field(default=b"", repr=False)


class ExportCache:
    """Finished files by key, up to `most_bytes` of those that nobody holds."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def begin(self) -> None:
        """Make the folder, empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def used_bytes(self) -> int:
        """What all finished files take."""
        return sum(entry.size for entry in self._entries.values())

    def unfinished(self, key: str) -> Path:
        """Where a file is written until it is whole."""
        return self.folder / f"{key}.part"

    def add(
        self, key: str, size: int, sha256s: frozenset[str], *, kept: bool, holders: int, encrypted_with: bytes = b""
    ) -> Entry:
        """The file of `unfinished` is whole, and so many hold it already."""
        path = self.folder / key
        self.unfinished(key).replace(path)
        entry = self._entries[key] = Entry(path, size, sha256s, kept, holders + 1, encrypted_with)
        self.let_go(key, entry)
        return entry

    def hold(self, key: str) -> Entry:
        """The entry, not to be removed until `let_go`. Raises KeyError."""
        entry = self._entries[key]
        entry.holders += 1
        self._entries.move_to_end(key)
        return entry

    def let_go(self, key: str, entry: Entry) -> None:
        """One holder less."""
        entry.holders -= 1
        if entry.holders == 0 and not entry.kept:
            self._remove(key, entry)
        self._make_room()

    def forget(self, sha256s: frozenset[str]) -> None:
        """Nothing made of any of these media is found any more. Who reads it still reads it to the end."""
        for key, entry in list(self._entries.items()):
            if sha256s & entry.sha256s:
                entry.kept = False
                self._remove(key, entry)

    def give_way(self, wanted_bytes: int) -> None:
        """Remove what nobody holds until so many bytes are free of it, or nothing is left."""
        freed = 0
        for key, entry in list(self._entries.items()):
            if freed >= wanted_bytes:
                return
            if not entry.holders:
                freed += entry.size
                self._remove(key, entry)

    def _make_room(self) -> None:
        over = self.used_bytes - self._most_bytes
        if over > 0:
            self.give_way(over)

    def _remove(self, key: str, entry: Entry) -> None:
        if self._entries.get(key) is entry:
            del self._entries[key]
            entry.path.unlink(missing_ok=True)
