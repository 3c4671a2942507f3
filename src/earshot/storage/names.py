"""Names of media objects: made from a device and a time, checked before they become paths, shown as Windows paths.

The pattern is that of reference.md 6.5, `<YYYYMMDD>/<X>/<X>-HH-mm-ss.wav`. Nothing here touches a disk. The one rule: a
name that `checked` lets pass stays inside the storage on every system.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count

PART_CHARS = 64
"""The longest device or alias that goes into a name, in characters; what is longer is cut."""
PART_BYTES = 160
NAME_BYTES = 1024
COMPONENT_BYTES = 255
UNNAMED = "unknown"
WINDOWS_PREFIX = "C:\\Recordings\\"

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\s]')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_INVISIBLE = ("C", "Zl", "Zp")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checked(name: str) -> str:
    """`name` if it is a relative path with forward slashes that stays where it is put. Raises ValueError."""
    if not name:
        raise ValueError("an object needs a name")
    if "\\" in name or "\0" in name:
        raise ValueError(f"object name {name!r} has a backslash or a NUL")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as why:
        raise ValueError(f"object name {name!r} is not text") from why
    if size > NAME_BYTES:
        raise ValueError(f"an object name of {size} bytes is longer than {NAME_BYTES}")
    for part in name.split("/"):
        if part in ("", ".", ".."):
            raise ValueError(f"object name {name!r} is not a plain relative path")
        if len(part.encode()) > COMPONENT_BYTES:
            raise ValueError(f"a part of object name {name!r} is longer than {COMPONENT_BYTES} bytes")
    return name


def safe_part(text: str) -> str:
    """`text` as one part of a path that every common file system takes: never empty, at most `PART_CHARS` characters
    and `PART_BYTES` bytes long, without separators, white space, control characters or reserved names. Letters of all
    scripts stay."""
    composed = unicodedata.normalize("NFC", text.strip())
    visible = "".join(
        "_" if unicodedata.category(char).startswith(_INVISIBLE) or _FORBIDDEN.match(char) else char
        for char in composed
    )
    short = visible[:PART_CHARS].encode()[:PART_BYTES].decode(errors="ignore").strip(". ")
    if not short or not short.strip("_"):
        return UNNAMED
    return f"_{short}" if _RESERVED.fullmatch(short) else short


def object_name(
    *,
    device_id: str,
    device_alias: str,
    at: float,
    zone: tzinfo,
    taken: Callable[[str], bool],
    extension: str = ".wav",
) -> str:
    """The name of a new recording: the alias when there is one, else the device, at `at` seconds since the epoch as
    local time of `zone`; `-1`, `-2`, ... when `taken` says that the name before is in use."""
    who = safe_part(device_alias if device_alias.strip() else device_id)
    local = (_EPOCH + timedelta(seconds=int(at))).astimezone(zone)
    stem = f"{local:%Y%m%d}/{who}/{who}-{local:%H-%M-%S}"
    name = f"{stem}{extension}"
    for number in count(1):
        if not taken(name):
            break
        name = f"{stem}-{number}{extension}"
    return checked(name)


def windows_name(name: str, prefix: str = WINDOWS_PREFIX) -> str:
    """Object `name` as FILENAME shows it, `C:\\Recordings\\20110131\\DESK1\\DESK1-17-03-14.wav`."""
    return prefix + checked(name).replace("/", "\\")
