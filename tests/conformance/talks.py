"""Talks: whole dialogues with a server, one file per command, read into values. What `cases` hold one by one in the
specification's words, talks hold in ours: every return, lookup, choice and spelling.

A talk is a text file, `talks/<family>/<name>.talk`, of lines:

    # source: api-server-commands.txt:1005-1042   where it stands in the specification
    # doors: tcp                                  the doors it goes through; those of the command without this line
    # with: calllist_limit=2                      a setting of the server
    # anything else                               a remark
    ! recording 555                               a condition is brought about (`conditions` lists them)
    > CALLSTART DEVICEID=555 USER_1..15=v         a request, tags verbatim; 1..15 makes fifteen of it, v1 to v15
    < API_OK CALLSTART sent to all of *           its RESULTTYPE and RESULTMSG; * stands for any text
      COUNT=1 -DEVICEID=200                       elements of the answer that are there, and (with -) that are not

An answer that is media is `< MEDIA audio/wav`. The one rule: what a talk needs is a line of it, never code of its own.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from earshot.protocol.results import Node

TALKS = Path(__file__).parent / "talks"
MEDIA = "MEDIA"
_MANY = re.compile(r"(.*?)(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer. `before` are conditions to bring about first; `shown` are (tag, text) pairs."""

    line: int
    command: str
    fields: tuple[tuple[str, str], ...]
    label: str
    message: str
    shown: tuple[tuple[str, str], ...]
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One dialogue. `doors` are empty where the commands say it; `settings` are those of the server."""

    name: str
    source: str
    doors: tuple[str, ...]
    settings: dict[str, str]
    exchanges: tuple[Exchange, ...]


def load(path: Path) -> Talk:
    """Read one talk. Raises ValueError for a line that is none of its kinds."""
    headers: dict[str, str] = {}
    settings: dict[str, str] = {}
    exchanges: list[Exchange] = []
    before: list[str] = []
    asked: tuple[int, str] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark, _, rest = line.partition(" ")
        name, _, value = rest.partition(": ")
        if not line.strip():
            continue
        if mark == "#" and name in ("source", "doors"):
            headers[name] = value
        elif mark == "#" and name == "with":
            settings |= dict([value.split("=", 1)])
        elif mark == "!":
            before.append(rest)
        elif mark == ">":
            asked = number, rest
        elif mark == "<" and asked is not None:
            exchanges.append(_exchange(asked, rest, tuple(before)))
            asked, before = None, []
        elif line.startswith("  ") and exchanges and asked is None:
            shown = tuple(_pairs(shlex.split(line)))
            exchanges[-1] = _with_shown(exchanges[-1], shown)
        elif mark != "#":
            raise ValueError(f"{path}:{number}: {line!r} is no line of a talk")
    if asked is not None or before or not exchanges or "source" not in headers:
        raise ValueError(f"{path}: a request without its answer, a condition for nothing, or no source")
    return Talk(
        name=f"{path.parent.name}/{path.stem}",
        source=headers["source"],
        doors=tuple(headers.get("doors", "").split()),
        settings=settings,
        exchanges=tuple(exchanges),
    )


def all_talks() -> list[Talk]:
    """Every talk, in the order of its name."""
    return [load(path) for path in sorted(TALKS.rglob("*.talk"))]


def fits(wanted: str, got: str) -> bool:
    """Whether a text is as wanted, where * stands for any text."""
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), got, re.DOTALL) is not None


def missing(exchange: Exchange, answer: Node) -> list[str]:
    """Which of the elements that the talk shows are not in the answer, or are though they must not be."""
    texts = list(_texts(answer))
    found = []
    for tag, text in exchange.shown:
        there = any(one == tag.removeprefix("-") and fits(text, value) for one, value in texts)
        if there is tag.startswith("-"):
            found.append(f"{tag}={text}")
    return found


def _texts(node: Node) -> list[tuple[str, str]]:
    tag, content = node
    if isinstance(content, str):
        return [(tag, content)]
    return [pair for child in content for pair in _texts(child)]


def _exchange(asked: tuple[int, str], answered: str, before: tuple[str, ...]) -> Exchange:
    line, request = asked
    command, *words = shlex.split(request)
    label, _, message = answered.partition(" ")
    fields = tuple(one for pair in _pairs(words) for one in _each(*pair))
    return Exchange(line=line, command=command, fields=fields, label=label, message=message, shown=(), before=before)


def _with_shown(exchange: Exchange, shown: tuple[tuple[str, str], ...]) -> Exchange:
    return Exchange(
        line=exchange.line,
        command=exchange.command,
        fields=exchange.fields,
        label=exchange.label,
        message=exchange.message,
        shown=exchange.shown + tuple(one for pair in shown for one in _each(*pair)),
        before=exchange.before,
    )


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in words]
    if any(not sign for _, sign, _ in pairs):
        raise ValueError(f"{words}: each is TAG=value")
    return [(tag, value) for tag, _, value in pairs]


def _each(tag: str, value: str) -> list[tuple[str, str]]:
    many = _MANY.fullmatch(tag)
    if many is None:
        return [(tag, value)]
    stem, first, last = many[1], int(many[2]), int(many[3])
    return [(f"{stem}{number}", f"{value}{number}") for number in range(first, last + 1)]
