"""What is in a CAV: a ZIP of stored members whose last, manifest.json, names and hashes all others.

No encryption here (`sealed`). The one rule: two looks at the members, one for their hashes and one for their bytes, so
that a CAV is written from its first byte to its last.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from earshot.errors import BadInput
from earshot.media.formats.zip import Member, Moment, Placed, Seekable, ZipLayout, read_zip

FORMAT = "earshot-cav"
VERSION = 1
MANIFEST, METADATA, METADATA_XML, AUDIO = "manifest.json", "metadata.json", "metadata.xml", "audio.wav"
MOST_MANIFEST = 16 << 20
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """A member to be written: its name, its size, and its bytes in pieces, as often as they are asked for."""

    name: str
    size: int
    pieces: Callable[[], Iterable[bytes]]


def manifest(created: str, recordings: Sequence[int], members: Iterable[tuple[str, int, str]]) -> bytes:
    """The manifest: `members` are (name, size, SHA-256 in hexadecimal), `created` is ISO 8601 in UTC."""
    said = {
        "format": FORMAT,
        "version": VERSION,
        "created": created,
        "recordings": list(recordings),
        "members": [{"name": name, "size": size, "sha256": digest} for name, size, digest in members],
    }
    return json.dumps(said, indent=1, ensure_ascii=False).encode() + b"\n"


def cav_size(created: str, recordings: Sequence[int], contents: Sequence[Content]) -> int:
    """How many bytes the CAV will have."""
    unknown = [(one.name, one.size, "0" * 64) for one in contents]
    members = [Member(one.name, one.size) for one in contents]
    members.append(Member(MANIFEST, len(manifest(created, recordings, unknown))))
    return ZipLayout(moment_of(created)).size(members)


def cav_of(created: str, recordings: Sequence[int], contents: Sequence[Content]) -> Iterator[bytes]:
    """The bytes of the CAV in pieces. Raises ValueError when a member is not as long as it says."""
    layout = ZipLayout(moment_of(created))
    members, hashes = [], []
    for one in contents:
        digest, crc, size = hashlib.sha256(), 0, 0
        for piece in one.pieces():
            digest.update(piece)
            crc = zlib.crc32(piece, crc)
            size += len(piece)
        if size != one.size:
            raise ValueError(f"{one.name} has {size} bytes and not {one.size}")
        members.append(Member(one.name, size, crc))
        hashes.append((one.name, size, digest.hexdigest()))
    for member, one in zip(members, contents, strict=True):
        yield layout.before(member)
        yield from one.pieces()
    last = manifest(created, recordings, hashes)
    members.append(Member(MANIFEST, len(last), zlib.crc32(last)))
    yield layout.before(members[-1])
    yield last
    yield layout.after(members)


def moment_of(created: str) -> Moment:
    """The moment of an ISO 8601 text such as 2026-11-22T09:30:00Z, as a ZIP notes it."""
    return (
        int(created[:4]),
        int(created[5:7]),
        int(created[8:10]),
        int(created[11:13]),
        int(created[14:16]),
        int(created[17:19]),
    )


class CavReader:
    """A CAV that is open: plain, or decrypted already. Raises BadInput where it is not as it must be."""

    def __init__(self, file: Seekable) -> None:
        self._file = file
        self.placed = {one.member.name: one for one in read_zip(file)}
        found = self.placed.get(MANIFEST)
        if found is None or found.member.size > MOST_MANIFEST:
            raise BadInput("there is no manifest.json: this is no CAV")
        try:
            said = json.loads(b"".join(self.member(MANIFEST)))
            self.version = int(said["version"])
            self.created = str(said["created"])
            self.recordings = tuple(int(number) for number in said["recordings"])
            self.members = {str(one["name"]): (int(one["size"]), str(one["sha256"])) for one in said["members"]}
            if said["format"] != FORMAT:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise BadInput("manifest.json is not that of a CAV") from None
        if self.version != VERSION:
            raise BadInput(f"this is version {self.version} of the format; only {VERSION} is known here")

    def member(self, name: str) -> Iterator[bytes]:
        """The bytes of a member in pieces. Raises BadInput at the end if they are not those of the ZIP's checksum, and
        KeyError if there is none."""
        yield from _pieces(self._file, self.placed[name])

    def metadata(self) -> dict[str, Any]:
        """What metadata.json says. Raises BadInput when it cannot be read."""
        try:
            said = json.loads(b"".join(self.member(METADATA)))
        except (KeyError, ValueError):
            raise BadInput("metadata.json is missing or no JSON") from None
        return said if isinstance(said, dict) else {}

    def problems(self) -> list[str]:
        """What is not as the manifest says, in sentences; empty when every byte is as it was written."""
        found = [f"{name} is missing" for name in self.members if name not in self.placed]
        for name, one in self.placed.items():
            if name == MANIFEST:
                continue
            size, wanted = self.members.get(name, (-1, ""))
            if size != one.member.size:
                found.append(f"{name} is not in the manifest" if size < 0 else f"{name} has another size")
                continue
            digest = hashlib.sha256()
            try:
                for piece in self.member(name):
                    digest.update(piece)
            except BadInput as why:
                found.append(str(why))
                continue
            if digest.hexdigest() != wanted:
                found.append(f"{name} was altered: its SHA-256 is not that of the manifest")
        return found or self._not_as_sealed()

    def _not_as_sealed(self) -> list[str]:
        said = self.metadata()
        sealed = said.get("sealed_sha256")
        if said.get("silenced"):
            return []  # it says itself that it is not all that was sealed
        if sealed and AUDIO in self.members and self.members[AUDIO][1] != sealed:
            return ["audio.wav is unaltered since the export, but was not as it had been sealed"]
        return []


def _pieces(file: Seekable, placed: Placed) -> Iterator[bytes]:
    at, left, crc = placed.offset, placed.member.size, 0
    while left:
        file.seek(at)
        piece = file.read(min(left, READ_BYTES))
        if not piece:
            raise BadInput(f"{placed.member.name} is cut off")
        crc = zlib.crc32(piece, crc)
        at, left = at + len(piece), left - len(piece)
        yield piece
    if crc != placed.member.crc:
        raise BadInput(f"{placed.member.name} was altered: its checksum is another")
