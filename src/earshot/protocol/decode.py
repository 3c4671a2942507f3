"""From bytes, or a query string, to a `Request` whose every requirement is met, or to the `Result` that refuses it.

What does not live here: what the commands are (`commands/`) and what they do.
The one rule: no command has a line of its own here; whatever differs between them stands in the table.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from earshot.actor import PROTOCOL, Actor
from earshot.errors import BadInput
from earshot.protocol.command import Command, Door
from earshot.protocol.commands import COMMANDS
from earshot.protocol.parameters import ID_LIMIT
from earshot.protocol.query import parse_query
from earshot.protocol.results import (
    INVALID_FORMAT,
    INVALID_REQUEST_TYPE,
    REQUESTID_INVALID,
    UNKNOWN_TYPE,
    Result,
)
from earshot.protocol.usual import read_usual
from earshot.protocol.xml import parse

REQUEST_ID_LIMIT = 64
NOT_A_NUMBER = "REQUESTID is not a number"
NOTHING: Mapping[str, str] = MappingProxyType({})

_SALVAGED = {
    name: re.compile(rb"<%b>\s{0,64}([^<&]{1,128})</%b>" % (name, name), re.IGNORECASE)
    for name in (b"TYPE", b"REQUESTTYPE", b"REQUESTID")
}
_SALVAGE_WINDOW = 4096


class Request(NamedTuple):
    """A request that its command accepts.

    `params` holds the values by canonical name, stripped and brought to the form of their kind; a parameter that came
    blank is there with "", one that did not come is not there. `warnings` are sentences for the log. `actor` asks.
    """

    command: Command
    request_id: str
    params: Mapping[str, str]
    door: Door
    warnings: tuple[str, ...] = ()
    actor: Actor = PROTOCOL

    def get(self, name: str) -> str:
        """The value of parameter `name` (canonical), "" when it is missing or blank."""
        return self.params.get(name, "")


def decode_xml(data: bytes, door: Door = "tcp") -> Request | Result:
    """Decode one XML message. Never raises: what is wrong comes back as the reply to send."""
    request = decode_usual(data, door)
    if request is not None:
        return request
    try:
        root, pairs = parse(data)
    except BadInput as error:
        return malformed(str(error), data)
    return decode_pairs(pairs, door, "" if root.upper() == "REQUEST" else root)


def decode_usual(data: bytes, door: Door) -> Request | None:
    """Decode, in less time, one whole message of the usual form without errors; None for everything else.

    Needs no framing: it is None as well for a part of a message and for more than one.
    """
    usual = read_usual(data)
    if usual is None:
        return None
    command, request_id, params = usual
    if not request_id or len(request_id) > REQUEST_ID_LIMIT or door not in command.doors:
        return None
    answer = _checked(command, request_id, params, door)
    return answer if isinstance(answer, Request) else None


def decode_query(query: bytes | str, door: Door = "http") -> Request | Result:
    """Decode a query string or a form body. Never raises: what is wrong comes back as the reply to send."""
    return decode_pairs(parse_query(query), door)


def malformed(reason: str, data: bytes = b"") -> Result:
    """The reply to bytes that are no request, with as much of their type and id as can be made out."""
    found = {}
    for name, pattern in _SALVAGED.items():
        match = pattern.search(data, 0, _SALVAGE_WINDOW)
        found[name] = match.group(1).decode("utf-8", errors="replace").strip() if match is not None else ""
    kind = (found[b"TYPE"] or found[b"REQUESTTYPE"]).upper()
    request_id = found[b"REQUESTID"]
    if len(request_id) > REQUEST_ID_LIMIT:
        request_id = ""
    return Result(kind[:REQUEST_ID_LIMIT], request_id, INVALID_FORMAT, reason)


def decode_pairs(pairs: Sequence[tuple[str, str]], door: Door, root: str = "") -> Request | Result:
    """Decode raw (name, value) pairs; `root` is the type when no TYPE or REQUESTTYPE is among them.

    Of a repeated name the last value that is not blank counts (reference.md F19).
    """
    fields = dict(pairs)
    tags = "".join(fields)
    if len(fields) != len(pairs) or tags.upper() != tags:
        fields = {tag.upper(): text for tag, text in pairs}
        fields |= {tag.upper(): text for tag, text in pairs if text.strip()}
    request_id = fields.pop("REQUESTID", "").strip()
    kind = (fields.pop("TYPE", "").strip() or fields.pop("REQUESTTYPE", "").strip() or root).upper()
    shown = kind[:REQUEST_ID_LIMIT]
    if not request_id or len(request_id) > REQUEST_ID_LIMIT:
        why = f"REQUESTID is longer than {REQUEST_ID_LIMIT} characters" if request_id else "REQUESTID is required"
        return Result(shown, "", REQUESTID_INVALID, why)
    if not kind:
        return Result("", request_id, INVALID_REQUEST_TYPE, "TYPE is required")
    command = COMMANDS.get(kind)
    if command is None:
        return Result(shown, request_id, UNKNOWN_TYPE, f"There is no command {shown}")
    if door not in command.doors:
        return Result(kind, request_id, INVALID_REQUEST_TYPE, f"{kind} is available over HTTP only")
    if not command.parameters:
        return Request(command, request_id, NOTHING, door, () if request_id.isdigit() else (NOT_A_NUMBER,))
    return _fill(command, request_id, fields, door)


def _fill(command: Command, request_id: str, fields: dict[str, str], door: Door) -> Request | Result:
    params: dict[str, str] = {}
    plain, spelt = command.plain, command.spelt
    for tag, text in fields.items():
        value = text.strip()
        name = plain.get(tag)
        if name is None or len(value) > ID_LIMIT:
            parameter = spelt.get(tag)
            if parameter is None:
                continue
            name = parameter.name
            try:
                value = parameter.normal(value)
            except BadInput as error:
                return Result(command.name, request_id, parameter.wrong, str(error), (), command.shape)
        if value or name not in params:
            params[name] = value
    return _checked(command, request_id, params, door)


def _checked(command: Command, request_id: str, params: dict[str, str], door: Door) -> Request | Result:
    warnings: tuple[str, ...] = ()
    for requirement in command.requires:
        if not requirement.applies(params):
            continue
        if not requirement.is_met(params):
            label, message = requirement.answer()
            return Result(command.name, request_id, label, message, (), command.shape)
        if requirement.only_one and len(met := requirement.met_by(params)) > 1:
            warnings += (f"Only one of {requirement.in_words()} is meant to be given; {met[0][0]} counts",)
    if not request_id.isdigit():
        warnings += (NOT_A_NUMBER,)
    return Request(command, request_id, params, door, warnings)
