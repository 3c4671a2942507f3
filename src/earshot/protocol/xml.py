"""XML in and out: bytes to raw pairs, results to one line of bytes.

What does not live here: what the pairs mean (`decode`), where a message ends (`framing`).
The one rule: a document type or an entity of the sender's own is refused, whatever else is repaired.
"""

import re
from typing import TypeAlias

from lxml import etree

from earshot.errors import BadInput
from earshot.protocol.commands import COMMANDS
from earshot.protocol.dialect import LEGACY_TYPOS, MODERN, Dialect
from earshot.protocol.results import CODES, OK, STANDARD, Node, Result, Shape

Raw: TypeAlias = tuple[str, list[tuple[str, str]]]
"""A request as it was read: the name of its root, and (tag, text) of the root's children, as sent."""

_FLAT = re.compile(
    r"\s*+<([A-Za-z_][A-Za-z0-9_]*+)>\s*+"
    r"((?:<([A-Za-z_][A-Za-z0-9_]*+)>[^<>&\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]*+</\3>\s*+)*)"
    r"</\1>[\s\0]*+"
)
"""Repeated, not possessively so: see `usual`. On Python 3.11.2 `<R><A></R>` would be a document."""
_OWN_MARKUP = re.compile(r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<!", re.DOTALL)
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*?\?>", re.IGNORECASE)
_ENCODING = re.compile(
    rb"^\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"'](iso-8859-1|latin-?1|windows-1252)[\"']", re.IGNORECASE
)
_REPAIRABLE = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->"
    r"|&(?:#(?:(\d{1,7})|[xX]([0-9a-fA-F]{1,6}));|(?!(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z_][\w.\-]*);))",
    re.DOTALL,
)
_CONTROLS = {code: None for code in (*range(0x20), 0x7F, 0xFFFE, 0xFFFF) if code not in (0x09, 0x0A, 0x0D)}
_UNSAFE = re.compile("[&<>\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": "\t", "\n": "&#10;", "\r": "&#13;"}

_parser = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    collect_ids=False,
)


def parse(data: bytes) -> Raw:
    """Read one request document. Raises BadInput when it cannot be read, even after the repairs of reference.md F7."""
    try:
        flat = _FLAT.fullmatch(data.decode())
    except UnicodeDecodeError:
        flat = None
    if flat is not None:
        pieces = flat.group(2).replace("<", ">").split(">")  # "", tag, text, /tag, gap, tag, text, ...
        return flat.group(1), list(zip(pieces[1::4], pieces[2::4], strict=True))
    root = _root_of(_text_of(data))
    return _local(root.tag), [(_local(child.tag), _content(child)) for child in root]


def read_result(data: bytes) -> Node:
    """Read an answer document into a tree of nodes; texts are stripped. Raises BadInput when it cannot be read."""
    return _node(_root_of(_text_of(data)))


def write(result: Result, dialect: Dialect = MODERN) -> bytes:
    """`result` as one line of UTF-8, ended by CRLF, in the order of tags that its command documents (F2, F9, F10).

    Raises KeyError for a label without a number.
    """
    shape = result.shape
    if shape is STANDARD:
        shape = SHAPES.get(result.request_type, STANDARD)
    head = _head(result, shape, dialect)
    body = "".join([write_node(node) for node in result.body]) if result.body else ""
    return f"<RESULT>{head}{body}</RESULT>\r\n".encode()


def _head(result: Result, shape: Shape, dialect: Dialect) -> str:
    label, message, tag = result.label, result.message, shape.type_tag
    if dialect.legacy_typos:
        message = LEGACY_TYPOS.get((result.request_type, message), message)
    kind, ident = escape(result.request_type), escape(result.request_id)
    if shape.id_first:
        names = f"<REQUESTID>{ident}</REQUESTID><{tag}>{kind}</{tag}>"
    else:
        names = f"<{tag}>{kind}</{tag}><REQUESTID>{ident}</REQUESTID>"
    if shape.bare and dialect.strict_legacy and label == OK:
        return names
    outcome = (_OUTCOMES if dialect.error_resulttype == "label" else _NAMELESS_OUTCOMES)[label]
    return f"{names}{outcome}<RESULTMSG>{message if message == label else escape(message)}</RESULTMSG>"


def write_node(node: Node) -> str:
    """One element; an empty one is an open and a close tag (reference.md D8)."""
    tag, content = node
    if isinstance(content, str):
        return f"<{tag}>{escape(content)}</{tag}>" if content else f"<{tag}></{tag}>"
    return f"<{tag}>{''.join([write_node(child) for child in content])}</{tag}>"


def write_request(command: str, request_id: str, params: list[tuple[str, str]]) -> bytes:
    """A request document for a client to send, ended by CRLF."""
    fields = "".join([f"<{name}>{escape(value)}</{name}>" for name, value in params])
    document = (
        f"<REQUEST><TYPE>{escape(command)}</TYPE><REQUESTID>{escape(request_id)}</REQUESTID>{fields}</REQUEST>\r\n"
    )
    return document.encode()


def escape(text: str) -> str:
    """`text` as XML content on one line; characters that XML cannot hold are left out."""
    if text.isalnum() or _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(lambda match: _ESCAPES.get(match.group(), ""), text)


_OUTCOMES = {label: f"<RESULTTYPE>{label}</RESULTTYPE><RESULTCODE>{code}</RESULTCODE>" for label, code in CODES.items()}
_NAMELESS_OUTCOMES = {
    label: f"<RESULTTYPE>{OK if label == OK else 'ERROR'}</RESULTTYPE><RESULTCODE>{code}</RESULTCODE>"
    for label, code in CODES.items()
}

SHAPES: dict[str, Shape] = {name: command.shape for name, command in COMMANDS.items() if command.shape != STANDARD}
"""The commands whose answers depart from the standard head."""


def _text_of(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        named = _ENCODING.match(data)
        codec = "cp1252" if named is not None and named.group(1).lower() == b"windows-1252" else "latin-1"
        return data.decode(codec, errors="replace")


def _root_of(text: str) -> etree._Element:
    text = text.strip("\0\ufeff \t\r\n")
    declaration = _DECLARATION.match(text)
    if declaration is not None:
        text = text[declaration.end() :].lstrip()
    if "<!" in text and any(found.group() == "<!" for found in _OWN_MARKUP.finditer(text)):
        raise BadInput("Document types and entities are not accepted")
    try:
        return etree.fromstring(text, _parser)
    except (etree.XMLSyntaxError, ValueError):
        repaired = _REPAIRABLE.sub(_repair, text.translate(_CONTROLS))
    try:
        return etree.fromstring(repaired, _parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadInput(f"The XML cannot be read: {getattr(error, 'msg', None) or error}") from None


def _repair(match: re.Match[str]) -> str:
    decimal, hexadecimal = match.groups()
    if decimal is None and hexadecimal is None:
        return "&amp;" if match.group() == "&" else match.group()
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    allowed = (
        code in (0x09, 0x0A, 0x0D) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    )
    return match.group() if allowed else ""


def _local(tag: str) -> str:
    return tag.rpartition("}")[2] if tag[0] == "{" else tag


def _content(element: etree._Element) -> str:
    return "".join(map(str, element.itertext())) if len(element) else element.text or ""


def _node(element: etree._Element) -> Node:
    if len(element):
        return _local(element.tag), tuple(_node(child) for child in element)
    return _local(element.tag), (element.text or "").strip()
