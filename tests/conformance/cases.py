"""The conformance cases: one file per example of the specification, read into values.

A case is a text file, `cases/<family>/<name>.case`:

    # source: api-server-commands.txt:181-207     where the example stands
    # door: tcp http                              the doors it can come through
    # command: CALLUPDATE                         what it is read as
    # decodes: DEVICEID=555 USER3="Follow up"     the parameters it is read into, all of them
    # erratum: ...                                what the specification gets wrong, and what we do (any number)
    # refused: decoding                           the request is refused while it is read, before any handler
    # since: later                                the command is declared, not carried out yet
    # setup: CALLSTART DEVICEID=555               a request to be sent before (any number, in order)
    # needs: recording 555                        the device must have a finished recording first
    # needs: mail 1509                            a mail server, and a finished recording of that number and device
    # needs: desktop ceddy                        a desktop agent of that computer and user must be there
    # any: STARTTIME FILENAME                     tags that are compared by their being there, not by their text
    # many: DEVICE PROCESSOR#                     elements that may be there any number of times; # stands for a number
    >>> request
    (verbatim; an XML document, or a URL)
    <<< specification
    (the reply of the specification, verbatim, where it shows one)
    <<< ours
    (the reply we give, where it differs; the errata say why)

`# request: ours` says that the specification shows no request for this reply, and this one was made up.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from earshot.protocol.results import Node
from earshot.protocol.xml import read_result, write_request

CASES = Path(__file__).parent / "cases"
_HEADER = re.compile(r"# ([a-z]+): (.*)")
_SECTION = re.compile(r"(?m)^(>>> request|<<< specification|<<< ours)\n")
KNOWN_HEADERS = frozenset(
    ("source", "door", "command", "decodes", "erratum", "since", "setup", "needs", "any", "many", "request", "refused")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example. `request` is verbatim; `specification` and `ours` are replies, "" where there is none."""

    name: str
    source: str
    doors: tuple[str, ...]
    command: str
    params: dict[str, str]
    errata: tuple[str, ...]
    later: bool
    refused: bool
    setup: tuple[bytes, ...]
    needs: str
    any_text: frozenset[str]
    many: frozenset[str]
    request: str
    specification: str
    ours: str

    @property
    def is_url(self) -> bool:
        """Whether the request is a URL, not a document."""
        return self.request.startswith("http://")

    @property
    def query(self) -> str:
        """The query string of a URL case."""
        return self.request.strip().partition("?")[2]

    @property
    def document(self) -> bytes:
        """The request document as bytes."""
        return self.request.encode()

    @property
    def reply(self) -> Node | None:
        """The reply that is expected: ours where it differs, else the specification's, None where neither stands."""
        text = self.ours or self.specification
        return read_result(text.encode()) if text else None


def load(path: Path) -> Case:
    """Read one case file. Raises ValueError for a header that is not known or a section that is missing."""
    head, *rest = _SECTION.split(path.read_text(encoding="utf-8"))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    headers: dict[str, list[str]] = {}
    for line in head.splitlines():
        found = _HEADER.fullmatch(line)
        if found is None or found.group(1) not in KNOWN_HEADERS:
            raise ValueError(f"{path}: {line!r} is no header of a case")
        headers.setdefault(found.group(1), []).append(found.group(2))
    return Case(
        name=f"{path.parent.name}/{path.stem}",
        source=headers["source"][0],
        doors=tuple(headers["door"][0].split()),
        command=headers["command"][0],
        params=_pairs(headers.get("decodes", [""])[0]),
        errata=tuple(headers.get("erratum", ())),
        later=headers.get("since") == ["later"],
        refused=headers.get("refused") == ["decoding"],
        setup=tuple(_setup(number, line) for number, line in enumerate(headers.get("setup", ()))),
        needs=headers.get("needs", [""])[0],
        any_text=frozenset(" ".join(headers.get("any", ())).split()),
        many=frozenset(" ".join(headers.get("many", ())).split()),
        request=sections[">>> request"],
        specification=sections.get("<<< specification", ""),
        ours=sections.get("<<< ours", ""),
    )


def all_cases() -> list[Case]:
    """Every case, in the order of its name."""
    return [load(path) for path in sorted(CASES.rglob("*.case"))]


def differences(expected: Node, got: Node, case: Case, where: str = "") -> list[str]:
    """What of `got` is not as `expected`, as sentences; tags and their order count, texts unless `any` names them."""
    tag, content = _kind(expected, case), expected[1]
    got_tag, got_content = _kind(got, case), got[1]
    where = f"{where}/{tag}"
    if tag != got_tag:
        return [f"{where}: the tag is {got_tag}"]
    if isinstance(content, str) or isinstance(got_content, str):
        if tag in case.any_text or content == got_content:
            return []
        return [f"{where}: {got_content!r} instead of {content!r}"]
    return _children(content, got_content, case, where)


def _children(expected: tuple[Node, ...], got: tuple[Node, ...], case: Case, where: str) -> list[str]:
    found: list[str] = []
    left = list(got)
    repeated: set[str] = set()
    for node in expected:
        kind = _kind(node, case)
        if kind in case.many:
            if kind not in repeated:
                repeated.add(kind)
                while left and _kind(left[0], case) == kind:
                    found += differences(node, left.pop(0), case, where)
        elif not left:
            found.append(f"{where}: {kind} is missing")
        else:
            found += differences(node, left.pop(0), case, where)
    return found + [f"{where}: {node[0]} is too much" for node in left]


def _kind(node: Node, case: Case) -> str:
    """The tag of a node; of numbered tags that may repeat, with # for the number."""
    numbered = node[0].rstrip("0123456789") + "#"
    return numbered if numbered in case.many else node[0]


def _pairs(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in shlex.split(text))}


def _setup(number: int, line: str) -> bytes:
    command, *words = shlex.split(line)
    return write_request(command, f"setup{number}", list(_pairs(shlex.join(words)).items()))
