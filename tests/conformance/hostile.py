"""Hostile requests, made from the command table: every parameter of every command with every wrong value, and what a
server may answer to them.

Only data and what is made of the table lives here; `test_hostile_values` sends it.
"""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from earshot.protocol.command import Command
from earshot.protocol.parameters import Parameter
from earshot.protocol.reference import ANY_COMMAND
from earshot.protocol.results import OK

Fields = tuple[tuple[str, str], ...]

MEGABYTE = 1 << 20
SHORT: tuple[str, ...] = (
    "",
    " ",
    "\t\r\n",
    "x" * 255,
    "x" * 256,
    "9" * 256,
    "9" * 20,
    "9" * 10,
    "-1",
    "-9999999999",
    "0",
    "00",
    "1.5",
    "1e308",
    "NaN",
    "Infinity",
    "٣",
    "²",
    "0x1F",
    "\x00",
    "a\x00b",
    "\x01\x1f\x7f\x85",
    "a\r\nSet-Cookie: x=1",
    "\u202egnp.exe\u2066",
    "\U0001f600\U0001f1e6",
    "a\ud800b",
    "\ufeff\ufffe\uffff",
    "' OR 1=1 --",
    '"; DROP TABLE users; --',
    "%' ESCAPE '!",
    "../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows",
    "C:\\x\\..\\..",
    "CON",
    "<b>&amp;]]></b>",
    "</REQUEST><REQUEST>",
    "&lt;!ENTITY&gt;",
    "%0d%0a%00%s",
    "%s%n%x",
    "{0.__class__}",
    "{{7*7}}${7*7}",
    "$(id)`id`|id",
    ",,,",
    "1,1,1",
    "1,,x",
    "=1+1",
    "N",
    "a\u0301" * 100,
)
LONG: tuple[str, ...] = ("x" * 4000, "x" * 4001, "1," * 33_000, "x" * MEGABYTE)

BOMBS: tuple[str, ...] = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>{before}&b;{after}',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>{before}&a;{after}',
    "{before}&nosuch;{after}",
    "{before}&#0;{after}",
    "{before}&#xD800;{after}",
    "{before}<![CDATA[<x>]]>{after}",
    "{before}<!-- a -->b<?php x ?>{after}",
    "{before}<a><b><c>d</c></b></a>{after}",
    "{before}" + "<a>" * 200 + "</a>" * 200 + "{after}",
    "{before}\x00{after}",
    "{before}\x08{after}",
)
"""Documents around a value, raw: `before` and `after` are what stands around it."""

LOOKED_UP = {
    "DEVICEID": "555",
    "DEVICEALIAS": "3545",
    "STATIONNAME": "COMPUTER1",
    "COMPUTERNAME": "ceddy",
    "SYS_USER": "smith.1",
    "CRM_USER": "crmjohn",
    "USERNAME": "jsmith",
    "FIRSTNAME": "John",
    "LASTNAME": "Smith",
    "AGENTID": "1",
    "USERID": "1",
    "PHONEID": "555",
    "IDENT": "1",
    "RECORDID": "1",
    "ROLENAME": "Supervisor",
    "GROUPNAME": "Sales",
    "UNIQUEID": "1",
    "UNIQUEFIELD": "RECORDID",
    "TOADDRESS": "jane@uptivity.com",
}
"""What the server that is attacked knows, so that only the hostile value is wrong."""

SILENT_FAILURE = "API_ERROR_PROCESSING_MESSAGE"


def usual_fields(command: Command) -> dict[str, str]:
    """A request that the command takes, about what the server knows."""
    return {name: LOOKED_UP.get(name, value) for name, value in command.example} | (
        {"UNIQUEID": "IDENT"} if command.name == "COMBINEDEMAIL" else {}
    )


def variants(command: Command, parameter: Parameter, value: str) -> Iterator[Fields]:
    """The usual request with `value` for `parameter`; and where there are several ways to name somebody, with this one
    only."""
    usual = usual_fields(command)
    yield tuple((usual | {parameter.name: value}).items())
    for requirement in command.requires:
        named = {name for choice in requirement.choices for name in choice}
        mine = [choice for choice in requirement.choices if parameter.name in choice]
        if len(requirement.choices) > 1 and mine:
            others = {name: text for name, text in usual.items() if name not in named}
            whole = {name: LOOKED_UP.get(name, "1") for name in mine[0]}
            yield tuple((others | whole | {parameter.name: value}).items())


def doubled(command: Command, parameter: Parameter) -> Iterator[Fields]:
    """The parameter twice: two values, value and blank, and by two of its names; and not at all."""
    usual = tuple((name, text) for name, text in usual_fields(command).items() if name != parameter.name)
    name, text = parameter.name, usual_fields(command).get(parameter.name, LOOKED_UP.get(parameter.name, "1"))
    yield usual
    yield (*usual, (name, text), (name, "other"))
    yield (*usual, (name, text), (name, ""))
    yield (*usual, (name, ""), (name.lower(), text))
    yield (*usual, *((spelling, text) for spelling in parameter.accepted_names()))


def document(command: str, ident: str, fields: Fields) -> bytes:
    """A request as a client without scruples writes it: what XML cannot hold is in it, raw."""
    inner = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in fields)
    text = f"<REQUEST><TYPE>{command}</TYPE><REQUESTID>{ident}</REQUESTID>{inner}</REQUEST>"
    return text.encode("utf-8", "surrogatepass")


def bomb(pattern: str, command: Command, parameter: Parameter) -> bytes:
    """`pattern` with the request around its value."""
    before = f"<REQUEST><TYPE>{command.name}</TYPE><REQUESTID>1</REQUESTID><{parameter.name}>"
    after = f"</{parameter.name}></REQUEST>"
    return pattern.replace("{before}", before).replace("{after}", after).encode()


def documented(command: Command) -> frozenset[str]:
    """Every RESULTTYPE that the reference lists for the command. That the server failed is no answer to bad values,
    unless the command itself says what it means by it."""
    own = {possible.label for possible in command.returns if not possible.never}
    return frozenset(own | (ANY_COMMAND.keys() - {SILENT_FAILURE}) | {OK})
