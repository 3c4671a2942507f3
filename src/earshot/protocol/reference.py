"""The reference pages, made from the tables: `python -m earshot.protocol.reference docs/reference`.

What does not live here: anything a page says about a command; that stands in the command's row.
The one rule: a page is never edited by hand; a test compares the files with what this module makes.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

from earshot.protocol.command import Command, Requirement, When
from earshot.protocol.commands import COMMANDS, FAMILIES
from earshot.protocol.events import events_page
from earshot.protocol.parameters import ID_LIMIT, KIND_WORDS, Parameter
from earshot.protocol.results import CODES, FIRST_PROVISIONAL, OK, Node, Result
from earshot.protocol.xml import escape, write_node

GENERATED = "<!-- Made from the command table by `python -m earshot.protocol.reference docs/reference`. -->\n\n"
FAMILY_TITLES = {
    "calls": "Call handling",
    "status": "Status",
    "control": "Recording control",
    "imports": "Imports",
    "exports": "Exports",
    "people": "Groups, roles and users",
}
REQUEST_ID = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where each thing that the table says of one command is shown to be so: names of conformance cases, none where
    nothing shows it. By spelling (capitals), (parameter, value), names looked up by, and return in the table's order.
    """

    spellings: Mapping[str, Sequence[str]]
    choices: Mapping[tuple[str, str], Sequence[str]]
    lookups: Mapping[tuple[str, ...], Sequence[str]]
    returns: Sequence[Sequence[str]]

    def missing(self) -> list[str]:
        """What nothing shows, in words."""
        spelt = [f"spelling {tag}" for tag, where in self.spellings.items() if not where]
        chosen = [f"{name}={value}" for (name, value), where in self.choices.items() if not where]
        found = [f"lookup by {' and '.join(choice)}" for choice, where in self.lookups.items() if not where]
        return spelt + chosen + found + [f"return {n}" for n, where in enumerate(self.returns, 1) if not where]


def pages() -> dict[str, str]:
    """Every page of the reference: file name to Markdown text."""
    made = {f"{name}.md": GENERATED + command_page(command) for name, command in COMMANDS.items()}
    made["README.md"] = GENERATED + index_page()
    made["result-codes.md"] = GENERATED + result_codes_page()
    made["events.md"] = GENERATED + events_page()
    return made


def index_page() -> str:
    """The list of all commands by family."""
    parts = [
        "# Commands\n",
        "A request is an XML document over TCP (port 5620), or a URL or a posted form or document at `/webAPI.aspx` "
        "(port 2012). Every request carries TYPE and REQUESTID; names and commands may be in any letter case. The "
        "answer is one line. What RESULTCODE means: [result codes](result-codes.md).\n",
        "Commands marked *declared* are read and checked, and answered with an error until a later release.\n",
    ]
    for family, commands in FAMILIES.items():
        parts.append(f"## {FAMILY_TITLES[family]}\n")
        parts.append("| Command | Purpose | Doors | Status |\n|---|---|---|---|")
        for command in commands:
            link = f"[{command.name}]({command.name}.md)"
            parts.append(f"| {link} | {command.sentence} | {_doors(command)} | {_status(command)} |")
        parts.append("")
    return "\n".join(parts)


def result_codes_page() -> str:
    """All labels and numbers, with the commands that give them."""
    parts = [
        "# Result codes\n",
        f"Match on RESULTTYPE. The numbers from {FIRST_PROVISIONAL} on were never published by the original product; "
        "ours are provisional. 17 and 19 are not used.\n",
        "| RESULTCODE | RESULTTYPE | Commands |\n|---|---|---|",
    ]
    for label, code in sorted(CODES.items(), key=lambda item: item[1]):
        users = [c.name for c in COMMANDS.values() if any(r.label == label and not r.never for r in c.returns)]
        links = "" if label == OK else ", ".join(f"[{name}]({name}.md)" for name in users)
        meaning = "; ".join(part for part in (ANY_COMMAND.get(label, ""), links) if part) or "no command"
        parts.append(f"| {code} | {label} | {meaning} |")
    return "\n".join(parts) + "\n"


ANY_COMMAND = {
    OK: "any: success",
    "API_INVALID_REQUEST_TYPE": "any: TYPE is missing, the command cannot come this way, or a permission is missing",
    "API_INVALID_MESSAGE_FORMAT": "any: the message cannot be read, or a value is too long or not acceptable",
    "API_REQUESTID_INVALID": "any: REQUESTID is missing, blank or longer than 64 characters",
    "API_UNKNOWN_MESSAGE_TYPE": "any: there is no such command",
    "API_ERROR_PROCESSING_MESSAGE": "any: the server failed; its log says why",
    "API_ERROR_OUT_OF_DISK_SPACE": "any that begins a recording: the disk reserve is reached",
    "API_ERROR_NO_FREE_CHANNELS": "any that begins a recording: all channels are taken",
}


def status_page(evidence: Mapping[str, Evidence]) -> str:
    """Command by parameter by return: what is done. Done is what a conformance case shows, sent to a real server."""
    parts = [
        "# Status\n",
        "What of the command table is carried out: each parameter in each spelling, each value of a choice, each way "
        "to name a device or a person, each answer. *done* means that at least one conformance case "
        "(`tests/conformance`), sent to a running server, shows it; the number of cases follows, and for answers the "
        "first of them.\n",
        "| Command | Parameters | Spellings | Lookups | Returns | Status |\n|---|---|---|---|---|---|",
    ]
    for name, command in COMMANDS.items():
        one = evidence[name]
        counts = [
            f"{sum(map(bool, shown))} of {len(shown)}"
            for shown in (
                [one.spellings[parameter.name] for parameter in command.parameters],
                list(one.spellings.values()),
                list(one.lookups.values()),
                list(one.returns),
            )
        ]
        status = "not" if one.missing() or not command.done else "done"
        parts.append(f"| [{name}](#{name.lower()}) | {' | '.join(counts)} | {status} |")
    return "\n".join([*parts, "", *(_command_status(COMMANDS[name], one) for name, one in evidence.items())]) + "\n"


def _command_status(command: Command, shown: Evidence) -> str:
    rows = []
    for parameter in command.parameters:
        names = ", ".join(f"{name} ({_done(shown.spellings[name])})" for name in parameter.accepted_names())
        values = ", ".join(f"{value} ({_done(shown.choices[parameter.name, value])})" for value in parameter.choices)
        rows.append(f"| {parameter.name} | {names} | {values} |")
    lookups = [f"{' and '.join(choice)} ({_done(where)})" for choice, where in shown.lookups.items()]
    answers = [
        f"| {each.label} | {each.never or each.sentence} | {_done(where)} | {where[0] if where else ''} |"
        for each, where in zip(command.returns, shown.returns, strict=True)
    ]
    parts = [f"## {command.name}\n"]
    if rows:
        parts += ["| Parameter | Spellings | Values |\n|---|---|---|", *rows, ""]
    if lookups:
        parts += [f"Named by: {'; '.join(lookups)}.\n"]
    return "\n".join([*parts, "| Return | When | Status | Shown by |\n|---|---|---|---|", *answers, ""])


def _done(where: Sequence[str]) -> str:
    return f"done, {len(where)}" if where else "not"


def command_page(command: Command) -> str:
    """The page of one command."""
    parts = [
        f"# {command.name}\n",
        f"{command.sentence}\n",
        f"Doors: {_doors(command)}. Status: {_status(command)}.\n",
        *_parameter_part(command),
        *_list("Rules", [rule_in_words(requirement) for requirement in command.requires]),
        *_list("Notes", list(command.notes)),
        "## Returns\n",
        "| RESULTTYPE | RESULTCODE | When |\n|---|---|---|",
        *(f"| {each.label} | {CODES[each.label]} | {each.never or each.sentence} |" for each in command.returns),
        "",
        "The [general errors](result-codes.md) apply as well.\n",
        "## Example\n",
        *_example(command),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _parameter_part(command: Command) -> list[str]:
    if not command.parameters:
        return ["## Parameters\n", "REQUESTID only.\n"]
    named = set(command.required)
    rows = [_row(parameter, parameter in named) for parameter in command.parameters]
    return [
        "## Parameters\n",
        "REQUESTID is always required: any text of up to 64 characters, repeated in the answer.\n",
        "| Parameter | Needed | Value | Meaning | Also read as |\n|---|---|---|---|---|",
        *_fold_users(rows),
        "",
    ]


def _row(parameter: Parameter, required: bool) -> str:
    value = KIND_WORDS[parameter.kind]
    if parameter.choices:
        value += " " + ", ".join(parameter.choices)
    if parameter.kind == "text" and parameter.limit != ID_LIMIT:
        value += f", up to {parameter.limit} characters"
    others = ", ".join(parameter.accepted_names()[1:])
    needed = "see rules" if required else "no"
    return f"| {parameter.name} | {needed} | {value} | {parameter.meaning} | {others} |"


def _fold_users(rows: list[str]) -> list[str]:
    """One row for USER1 to USER15 instead of fifteen."""
    folded = []
    for row in rows:
        name = row.split("|")[1].strip()
        if name == "USER1":
            folded.append("| USER1 to USER15 | no | text | Free fields. | USER_1 to USER_15 |")
        elif not (name.startswith("USER") and name[4:].isdigit()):
            folded.append(row)
    return folded


def rule_in_words(requirement: Requirement) -> str:
    """A requirement as a sentence: what must be given, and what is answered otherwise."""
    kind = "Exactly one of" if requirement.only_one else "At least one of" if len(requirement.choices) > 1 else "All of"
    names = (
        "; ".join(" and ".join(choice) for choice in requirement.choices)
        if len(requirement.choices) > 1
        else ", ".join(requirement.choices[0])
    )
    if len(requirement.choices) == 1 and len(requirement.choices[0]) == 1:
        kind = "Required"
    when = f" (when {' and '.join(map(_condition, requirement.when))})" if requirement.when else ""
    lenient = " If several are given, the first of this list counts." if requirement.only_one else ""
    return f"{kind}: {names}{when}. Otherwise {requirement.label}.{lenient}"


def _condition(when: When) -> str:
    if when.absent:
        return f"{when.name} is absent or blank"
    return f"{when.name} is {' or '.join(when.values)}" if when.values else f"{when.name} is given"


def _list(title: str, items: list[str]) -> list[str]:
    return [f"## {title}\n", *(f"- {item}" for item in items), ""] if items else []


def _doors(command: Command) -> str:
    return " and ".join({"tcp": "TCP", "http": "HTTP"}[door] for door in command.doors)


def _status(command: Command) -> str:
    return "done in this release" if command.done else "declared"


def _example(command: Command) -> list[str]:
    fields = (("TYPE", command.name), ("REQUESTID", REQUEST_ID), *command.example)
    query = "&".join(f"{name.lower()}={quote_plus(value, safe=',@')}" for name, value in fields)
    parts = []
    if "tcp" in command.doors:
        lines = "\n".join(f"  <{name}>{escape(value)}</{name}>" for name, value in fields)
        parts += ["Over TCP, or posted as XML:\n", f"```xml\n<REQUEST>\n{lines}\n</REQUEST>\n```\n"]
    parts += ["As a URL:\n", f"```text\nhttp://127.0.0.1:2012/webAPI.aspx?{query}\n```\n"]
    if "tcp" in command.doors:
        parts += ["The answer (one line; broken up here):\n", f"```xml\n{_answer(command)}\n```\n"]
    return parts


def _answer(command: Command) -> str:
    to_cores = any("cores" in possible.sentence for possible in command.returns)
    message = f"{command.name} sent to all of the following cores: 1" if to_cores else OK
    head = head_nodes(Result(command.name, REQUEST_ID, OK, message, (), command.shape))
    lines = [line for node in (*head, *command.reply) for line in _indented(node, 1)]
    return "\n".join(["<RESULT>", *lines, "</RESULT>"])


def head_nodes(result: Result) -> tuple[Node, ...]:
    """The standard nodes of an answer in the order of its shape, for showing."""
    names: tuple[Node, ...] = ((result.shape.type_tag, result.request_type), ("REQUESTID", result.request_id))
    if result.shape.id_first:
        names = names[::-1]
    return (*names, ("RESULTTYPE", result.label), ("RESULTCODE", str(result.code)), ("RESULTMSG", result.message))


def _indented(node: Node, depth: int) -> list[str]:
    tag, content = node
    pad = "  " * depth
    if isinstance(content, str):
        return [pad + write_node(node)]
    inner = [line for child in content for line in _indented(child, depth + 1)]
    return [f"{pad}<{tag}>", *inner, f"{pad}</{tag}>"]


def main(arguments: list[str]) -> int:
    """Write all pages into the folder that is named; returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m earshot.protocol.reference FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
