"""ZIP files of stored members (PKWARE APPNOTE 6.3): as bytes in order, of a size that is known beforehand, and read
back strictly.

Nothing is deflated: sound does not shrink, and this way a member can be reached by its offset. The one rule: names,
sizes and checksums of the members decide every byte that is not theirs, so that a reader can tell each altered byte.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from earshot.errors import BadInput

LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
END64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR = struct.Struct("<4sIQI")
UTF8 = 0x0800
MOST = 0xFFFFFFFF
MOST_MEMBERS = 0xFFFF
MOST_DIRECTORY = 64 << 20


class Seekable(Protocol):
    """A file that is read from anywhere."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; fewer at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there, as every file."""
        ...


Moment = tuple[int, int, int, int, int, int]
"""Year, month, day, hour, minute, second."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the ZIP: its name with forward slashes, its size, the CRC-32 of its bytes (0 while not known)."""

    name: str
    size: int
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A member and the offset of its first byte."""

    member: Member
    offset: int


class ZipLayout:
    """What stands around the members. `most` is where 32 bits end (ZIP64 begins): lower in tests."""

    def __init__(self, made_at: Moment, most: int = MOST) -> None:
        year, month, day, hour, minute, second = made_at
        self._date = max(year - 1980, 0) << 9 | month << 5 | day
        self._time = hour << 11 | minute << 5 | second // 2
        self._most = most

    def before(self, member: Member) -> bytes:
        """The local header, which stands before the bytes of the member."""
        name, large = member.name.encode(), member.size >= self._most
        sizes = MOST if large else member.size
        extra = struct.pack("<HHQQ", 1, 16, member.size, member.size) if large else b""
        version = 45 if large else 20
        stamp = (self._time, self._date, member.crc, sizes, sizes)
        return LOCAL.pack(b"PK\3\4", version, UTF8, 0, *stamp, len(name), len(extra)) + name + extra

    def after(self, members: Sequence[Member]) -> bytes:
        """The directory and the end, which stand after all members."""
        pieces, at = [], 0
        for member in members:
            pieces.append(self._entry(member, at))
            at += len(self.before(member)) + member.size
        directory = b"".join(pieces)
        count, size = len(members), len(directory)
        end = b""
        if at >= self._most or size >= self._most or count >= MOST_MEMBERS:
            end = END64.pack(b"PK\6\6", END64.size - 12, 45, 45, 0, 0, count, count, size, at)
            end += LOCATOR.pack(b"PK\6\7", 0, at + size, 1)
        shown = min(count, MOST_MEMBERS)
        places = (MOST if size >= self._most else size, MOST if at >= self._most else at)
        return directory + end + END.pack(b"PK\5\6", 0, 0, shown, shown, *places, 0)

    def size(self, members: Sequence[Member]) -> int:
        """How many bytes the whole file has."""
        return sum(len(self.before(member)) + member.size for member in members) + len(self.after(members))

    def _entry(self, member: Member, offset: int) -> bytes:
        name, large, far = member.name.encode(), member.size >= self._most, offset >= self._most
        wide = ([member.size, member.size] if large else []) + ([offset] if far else [])
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        sizes = MOST if large else member.size
        version = 45 if wide else 20
        # Made on Unix: a file that its owner may write and all may read.
        return (
            CENTRAL.pack(
                b"PK\1\2",
                3 << 8 | version,
                version,
                UTF8,
                0,
                self._time,
                self._date,
                member.crc,
                sizes,
                sizes,
                len(name),
                len(extra),
                0,
                0,
                0,
                0o100644 << 16,
                MOST if far else offset,
            )
            + name
            + extra
        )


def read_zip(file: Seekable, most: int = MOST) -> list[Placed]:
    """The members of a ZIP as `ZipLayout` writes it. Raises BadInput for any byte outside the members that is not as
    it must be; the bytes of the members are the reader's to check."""
    size = file.seek(0, 2)
    end = _at(file, size - END.size, END.size)
    magic, _, _, _, count, directory_size, directory_at, _ = END.unpack(end)
    if magic != b"PK\5\6":
        raise BadInput("the end of the ZIP is missing or altered")
    if MOST in (directory_size, directory_at) or count == MOST_MEMBERS:
        end64 = _at(file, size - END.size - LOCATOR.size - END64.size, END64.size)
        magic, _, _, _, _, _, _, count, directory_size, directory_at = END64.unpack(end64)
        if magic != b"PK\6\6":
            raise BadInput("the end of the ZIP is missing or altered")
    if directory_at + directory_size > size or directory_size > MOST_DIRECTORY:
        raise BadInput("the directory of the ZIP lies behind its end")
    members, moment = _members(_at(file, directory_at, directory_size), count)
    layout = ZipLayout(moment, most)
    placed, at = [], 0
    for member in members:
        header = layout.before(member)
        if _at(file, at, len(header)) != header:
            raise BadInput(f"the header of {member.name} in the ZIP is altered")
        placed.append(Placed(member, at + len(header)))
        at += len(header) + member.size
    if at != directory_at or _at(file, at, size - at) != layout.after(members):
        raise BadInput("the directory of the ZIP is altered")
    return placed


def _members(directory: bytes, count: int) -> tuple[list[Member], Moment]:
    members: list[Member] = []
    at, moment = 0, (1980, 0, 0, 0, 0, 0)
    while at < len(directory):
        fields = CENTRAL.unpack(_cut(directory, at, CENTRAL.size))
        time, date, crc, _, size, name_size, extra_size = fields[5:12]
        at += CENTRAL.size
        name = _cut(directory, at, name_size)
        extra = _cut(directory, at + name_size, extra_size)
        if size == MOST:
            size = struct.unpack("<Q", _cut(extra, 4, 8))[0]
        try:
            members.append(Member(name.decode(), size, crc))
        except UnicodeDecodeError:
            raise BadInput("a name in the ZIP is altered") from None
        at += name_size + extra_size
        moment = (1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2)
    if len(members) != count:
        raise BadInput("the ZIP does not hold as many files as it says")
    return members, moment


def _cut(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise BadInput("the directory of the ZIP is altered")
    return data[at : at + size]


def _at(file: Seekable, at: int, size: int) -> bytes:
    if at < 0 or size < 0 or size > MOST_DIRECTORY * 2:
        raise BadInput("too short for a ZIP")
    file.seek(at)
    data = file.read(size)
    if len(data) != size:
        raise BadInput("the ZIP is cut off")
    return data
