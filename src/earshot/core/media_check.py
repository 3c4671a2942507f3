"""`earshot check` of media: each object, wherever it lies, against the SHA-256 and size in its row; copies like it.

Not here: which rows there are (check). An object is read in pieces, so that the memory it takes does not grow with it.
The one rule: nothing is taken for fine that was not read to its end: a place that is away is named, with how much of
what should be there was not looked at.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from earshot.ports.retention import Copy
from earshot.storage.away import PlaceAway
from earshot.storage.placed import MARK, PlacedStorage


@dataclass(slots=True)
class _Away:
    """A place that is away: why, and what of it was not looked at."""

    why: str
    recordings: int = 0
    copies: int = 0


class MediaCheck:
    """`is_rewriting` says that blackouts are still being brought to their end: copies may be as they were before."""

    def __init__(self, storage: PlacedStorage, *, is_rewriting: bool = False) -> None:
        self._storage = storage
        self._is_rewriting = is_rewriting
        self._away: dict[str, _Away] = {}

    async def problem(self, name: str, sha256: str, size: int) -> str:
        """What is wrong with the media of a row: a sentence, empty if nothing is or if its place is away."""
        away = self._away.get(_place(name))
        if away is None:
            wrong, _ = await self._wrong(name, sha256, size)
            away = self._away.get(_place(name))
            if away is None:
                return wrong and f"media object {name} {wrong}"
        away.recordings += 1
        return ""

    async def copy_problem(self, copy: Copy, sha256: str, size: int) -> str:
        """The same of a copy of a recording whose media have that SHA-256 and size now."""
        name = copy.object_name
        away = self._away.get(_place(name))
        if away is None:
            wrong, found = await self._wrong(name, sha256, size)
            away = self._away.get(_place(name))
            if away is None:
                if wrong and found == copy.audio_sha256:
                    wrong = "" if self._is_rewriting else BEFORE
                return wrong and f"copy {name} of recording {copy.record_id} {wrong}"
        away.copies += 1
        return ""

    def not_looked_at(self) -> Iterator[str]:
        """What was left out, one sentence for each place that is away."""
        for place, away in self._away.items():
            left = f"{_count(away.recordings, 'recording')} and {_count(away.copies, 'copy', 'copies')}"
            yield f"archive {place} was not looked at, with {left}: {away.why}"

    async def _wrong(self, name: str, sha256: str, size: int) -> tuple[str, str]:
        """What is wrong with an object, and the SHA-256 of what lies there, empty where it cannot be read. Its place
        is remembered, if that is away."""
        digest, found = hashlib.sha256(), 0
        try:
            async for chunk in self._storage.read(name):
                digest.update(chunk)
                found += len(chunk)
            spare = await self._storage.key_problem(name)
        except OSError as why:
            return await self._unread(name, why), ""
        if found != size:
            return f"has {found} bytes, its row says {size}", digest.hexdigest()
        if digest.hexdigest() != sha256:
            return "was changed: its SHA-256 is not the one of its row", digest.hexdigest()
        return spare and f"can be read, but {spare}", sha256

    async def _unread(self, name: str, why: OSError) -> str:
        try:
            await self._storage.look(name)
        except PlaceAway as away:
            self._away[_place(name)] = _Away(str(away))
            return ""
        if isinstance(why, FileNotFoundError) and not isinstance(why.__cause__, PlaceAway):
            return "is missing"
        return f"cannot be read: {why.__cause__ or why}"


BEFORE = "is what the recording was before a blackout: it has what was removed"


def _place(name: str) -> str:
    """The number of the archive that an object lies in; empty for the main storage."""
    return name[len(MARK) :].partition("/")[0] if name.startswith(MARK) else ""


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or f'{one}s'}"
