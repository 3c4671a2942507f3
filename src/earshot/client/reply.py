"""An answer as a value: the standard tags by name, the rest nested, lists as rows.

The one rule: an answer is read whatever dialect the server writes; what it does not say is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from earshot.errors import BadInput
from earshot.protocol.results import CODES, OK, Node
from earshot.protocol.xml import read_result

Value: TypeAlias = str | dict[str, "Value"] | list["Value"]
"""The content of a tag: text, tags, or a list of either when the tag comes more than once."""

ROWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "CALLLIST": ("SEARCHRESULT",),
        "DEVICELIST": ("DEVICES", "DEVICE"),
        "DEVICESTATUS": ("DEVICES", "DEVICE"),
        "DEVICERECORDINGSTATUS": ("DEVICE", "RECORDING"),
        "CHANNELS": ("CHANNELS", "CHANNEL"),
        "STATIONS": ("STATIONS", "STATION"),
        "FETCHTERMINOLOGY": ("SETTINGS", "TERMINOLOGY"),
        "IMPORTUSER": ("USERS", "USER"),
    }
)
"""Where the rows of an answer are: the tags that lead to them."""

HEAD = frozenset({"REQUESTTYPE", "REQUESTID", "RESULTTYPE", "RESULTCODE", "RESULTMSG"})
LABELS: Mapping[int, str] = MappingProxyType({code: label for label, code in CODES.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to one command. `body` holds the tags after the standard ones, `rows` those that a list repeats.

    `raw` is the document as it came.
    """

    command: str
    request_id: str
    resulttype: str
    resultcode: int
    resultmsg: str
    body: Mapping[str, Value] = field(default_factory=dict)
    rows: tuple[Mapping[str, Value], ...] = ()
    raw: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the command did what it should."""
        return self.label == OK

    @property
    def label(self) -> str:
        """RESULTTYPE, or the name of RESULTCODE where the server writes ERROR for all of them."""
        return self.resulttype if self.resulttype in CODES else LABELS.get(self.resultcode, self.resulttype)

    @property
    def message(self) -> str:
        """RESULTMSG."""
        return self.resultmsg

    def text(self, tag: str) -> str:
        """The text of a tag of the body; "" when it is missing or holds tags."""
        value = self.body.get(tag, "")
        return value if isinstance(value, str) else ""

    @classmethod
    def of(cls, command: str, document: bytes) -> "Reply":
        """Read an answer to `command`. Raises BadInput for what is none."""
        tag, nodes = read_result(document)
        if tag.upper() != "RESULT" or isinstance(nodes, str):
            raise BadInput(f"The answer to {command} is no RESULT")
        head: dict[str, str] = {}
        rest: list[Node] = []
        for name, content in nodes:
            is_head = isinstance(content, str) and name not in head and (name in HEAD or (name == "TYPE" and not rest))
            if is_head and isinstance(content, str):
                head[name] = content
            else:
                rest.append((name, content))
        code = head.get("RESULTCODE", "")
        body = _nested(tuple(rest))
        return cls(
            command=command,
            request_id=head.get("REQUESTID", ""),
            resulttype=head.get("RESULTTYPE", OK),
            resultcode=int(code) if code.isdecimal() else CODES[OK],
            resultmsg=head.get("RESULTMSG", ""),
            body=body,
            rows=_rows(body, ROWS.get(command, ())),
            raw=document,
        )


def _nested(nodes: tuple[Node, ...]) -> dict[str, Value]:
    made: dict[str, Value] = {}
    for tag, content in nodes:
        value: Value = content if isinstance(content, str) else _nested(content)
        known = made.get(tag)
        if known is None:
            made[tag] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            made[tag] = [known, value]
    return made


def _rows(body: Mapping[str, Value], path: tuple[str, ...]) -> tuple[Mapping[str, Value], ...]:
    """What stands at the end of `path`, each time that it is there."""
    found: list[Mapping[str, Value]] = [body] if path else []
    for tag in path:
        below: list[Mapping[str, Value]] = []
        for one in found:
            value = one.get(tag, [])
            below += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
        found = below
    return tuple(found)
