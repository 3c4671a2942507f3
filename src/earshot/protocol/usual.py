"""The usual request, read in one step: framing, parsing and the names of its parameters, for what most clients send.

Usual is a document of plain elements with short plain texts: no attributes, entities, comments, declarations, no name
twice. Whatever else comes is left to `framing`, `xml` and `decode`. One expression reads any usual document; the one
that the latest requests of a command all looked like has an expression of its own, which is cheaper by half. The one
rule: what is read here is exactly what the other modules make of the same bytes; they are the oracle of the tests.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from earshot.errors import BadInput
from earshot.protocol.command import Command
from earshot.protocol.commands import COMMANDS
from earshot.protocol.parameters import ID_LIMIT, Parameter

MOST_ELEMENTS = 36
"""One more than CALLSTART has with all its parameters. Not above 49: an expression can refer to 99 groups."""
SHORT_BYTES = 200
SHORT_ELEMENTS = 8
LONGEST_NAME = 64
LAYOUTS_KEPT = 1024
OFTEN = 32
"""A layout that came so often gets an expression of its own. Making one takes 2 ms, hence not for each."""

Usual: TypeAlias = tuple[Command, str, dict[str, str]]
"""The command, its REQUESTID (neither checked yet) and the parameters by canonical name."""
Match: TypeAlias = Callable[[str], re.Match[str] | None]

_TEXT = rf"([ -%'-;=?-~\xa1-\xff]{{0,{ID_LIMIT}}}+)"
"""Printable Latin-1 but `&`, `<` and `>`; of white space only the blank."""
_GAP = r"[ \t\r\n]*+"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_START = "<REQUEST><TYPE>"


def _document(elements: str) -> Match:
    return re.compile(f"<REQUEST>{_GAP}{elements}</REQUEST>{_GAP}").fullmatch


def _any_elements(count: int) -> str:
    """An expression for up to `count` elements in a row, two groups for each: its name and its text.

    The elements are optional, not possessively so: before Python 3.11.5 such a group that does not match breaks those
    around it (CPython issue 106052).
    """
    inner = ""
    for number in range(count, 0, -1):
        inner = rf"(?:<([^>]{{1,{LONGEST_NAME}}}+)>{_TEXT}</\{2 * number - 1}>{_GAP}{inner})?"
    return inner


_short, _long = _document(_any_elements(SHORT_ELEMENTS)), _document(_any_elements(MOST_ELEMENTS))
"""Every place for an element costs something, also when none comes."""


class _Layout:
    """What the elements `tags` of a request mean, in their order.

    `names` are canonical, "" for one that the command does not read; `checked` the parameters that do not take any
    text. `match` is the expression for these elements only, with a group for each text, when the layout has come often.
    """

    __slots__ = ("_tags", "_times", "checked", "command", "match", "names")

    def __init__(
        self, command: Command, tags: tuple[str, ...], names: tuple[str, ...], checked: tuple[Parameter, ...]
    ) -> None:
        self.command = command
        self.names = names
        self.checked = checked
        self.match: Match | None = None
        self._tags = tags
        self._times = 0

    def came(self) -> None:
        """Count. What came often is tried first from now on, if it begins with its type: by that it is found."""
        self._times += 1
        if self._times == OFTEN and self._tags[0] == "TYPE":
            self.match = _document("".join(f"<{tag}>{_TEXT}</{tag}>{_GAP}" for tag in self._tags))
        if self.match is not None:
            _tried_first[self.command.name] = self


_tried_first: dict[str, _Layout] = {}
"""By command, the layout with an expression of its own that came last."""


def read_usual(data: bytes) -> Usual | None:
    """The request in `data`, when that is one usual document and nothing else but blanks and line ends after it.

    None when it is not, or when the request is refused, or may be: the full readers say how.
    """
    try:
        document = data.decode()
    except UnicodeDecodeError:
        return None
    layout = _tried_first.get(document[len(_START) : document.find("<", len(_START))])
    match = layout.match(document) if layout is not None and layout.match is not None else None
    if match is not None:
        texts = match.groups()
    else:
        match = (_short if len(document) <= SHORT_BYTES else _long)(document)
        if match is None:
            return None
        groups = match.groups()[: match.lastindex]
        tags, texts = groups[::2], groups[1::2]
        layout = _layout(texts[tags.index("TYPE")], tags) if "TYPE" in tags else None
        if layout is not None:
            layout.came()
    return _filled(layout, texts) if layout is not None else None


def _filled(layout: _Layout, texts: tuple[str, ...]) -> Usual | None:
    params = dict(zip(layout.names, map(str.strip, texts), strict=True))
    params.pop("", None)
    request_id = params.pop("REQUESTID")
    try:
        for parameter in layout.checked:
            params[parameter.name] = parameter.normal(params[parameter.name])
    except BadInput:
        return None
    return layout.command, request_id, params


@lru_cache(maxsize=LAYOUTS_KEPT)
def _layout(kind: str, tags: tuple[str, ...]) -> _Layout | None:
    """The layout of a request of type `kind` with elements `tags`; None when these are not for reading here."""
    command = COMMANDS.get(kind)
    spelt = [tag.upper() for tag in tags]
    plain = all(map(_NAME.fullmatch, tags)) and len(set(spelt)) == len(spelt)
    if command is None or not plain or "REQUESTID" not in spelt or {"REQUEST", "REQUESTTYPE"} & set(spelt):
        return None
    parameters = {tag: command.spelt[tag] for tag in spelt if tag in command.spelt and tag not in ("TYPE", "REQUESTID")}
    names = {tag: parameter.name for tag, parameter in parameters.items()}
    if len(set(names.values())) != len(names):
        return None
    checked = tuple(parameter for tag, parameter in parameters.items() if tag not in command.plain)
    return _Layout(command, tags, tuple(names.get(tag, tag if tag == "REQUESTID" else "") for tag in spelt), checked)
