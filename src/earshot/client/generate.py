"""The methods of the commands, made from the table: `python -m earshot.client.generate [FOLDER]`.

One module per family in `earshot/client/commands`, and one that joins them. What a command is stands in its row alone.
The one rule: what is made is never edited by hand; a test compares the files with what this module makes.
"""

import re
import sys
import textwrap
from pathlib import Path

from earshot.protocol.command import Command
from earshot.protocol.commands import FAMILIES
from earshot.protocol.parameters import KEYNAME_SPELLINGS, Parameter
from earshot.protocol.reference import FAMILY_TITLES, rule_in_words

FOLDER = Path(__file__).with_name("commands")
WIDTH = 119
NO_BREAK = "\0"
TYPES = {
    "text": "Text",
    "integer": "Whole",
    "count": "Whole",
    "seconds": "Number",
    "unixtime": "Moment",
    "flag": "Flag",
    "direction": "Direction",
    "list": "Many",
    "key": "Whole",
}
HOW = ("check: bool = True", "timeout_s: float | None = None")
PROGRESS = "Callable[[int, int | None], None]"
HEAD = '''"""{title}, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
{imports}

class {name}(Sender[Answer, File]):
    """{title}."""
'''


def modules() -> dict[str, str]:
    """Every module: file name to text."""
    made = {f"{family}.py": _family(family, commands) for family, commands in FAMILIES.items()}
    made["__init__.py"] = _joined()
    return made


def signature_type(parameter: Parameter, required: bool) -> str:
    """The annotation of a parameter."""
    if parameter.kind == "choice":
        known = [choice for choice in parameter.choices if choice not in KEYNAME_SPELLINGS]
        inner = ", ".join(f'"{each}"' for each in known if "_" not in each or each.replace("_", "") not in known)
        return f"Literal[{inner}]" if required else f'Literal[{inner}, ""] | None'
    return TYPES[parameter.kind] + ("" if required else " | None")


def always_needed(command: Command) -> set[str]:
    """The parameters without which no request of the command is accepted."""
    return {
        name
        for requirement in command.requires
        if not requirement.when and len(requirement.choices) == 1
        for name in requirement.choices[0]
    }


def _family(family: str, commands: tuple[Command, ...]) -> str:
    methods = "\n".join(_method(command) for command in commands)
    return HEAD.format(title=FAMILY_TITLES[family], imports=_imports(methods), name=class_of(family)) + "\n" + methods


def class_of(family: str) -> str:
    """The name of the class of a family."""
    return f"{family.capitalize()}Commands"


def _imports(text: str) -> str:
    used = sorted({kind for kind in TYPES.values() if re.search(rf": {kind}(,| \| None = None)", text)})
    lines = []
    if PROGRESS in text:
        lines.append("from collections.abc import Callable")
        lines.append("from pathlib import Path")
    if "Literal[" in text:
        lines.append("from typing import Literal")
    lines += [""] * bool(lines)
    lines.append("from earshot.client.sender import Answer, File, Sender")
    if used:
        lines.append(f"from earshot.client.values import {', '.join(used)}")
    return "\n".join(lines) + "\n"


def _method(command: Command) -> str:
    required = always_needed(command)
    ordered = sorted(command.parameters, key=lambda parameter: parameter.name not in required)
    is_file = "tcp" not in command.doors
    arguments = ["self", "to: Path | str", "*"] if is_file else ["self", "*"]
    for parameter in ordered:
        kind = signature_type(parameter, parameter.name in required)
        default = "" if parameter.name in required else " = None"
        arguments.append(f"{parameter.name.lower()}: {kind}{default}")
    how = [f"progress: {PROGRESS} | None = None"] if is_file else list(HOW)
    pairs = [f'"{parameter.name}": {parameter.name.lower()}' for parameter in ordered]
    values = ", ".join(pairs)
    call = f'return self.{"save" if is_file else "send"}("{command.name}", '
    rest = "to, progress=progress)" if is_file else "check=check, timeout_s=timeout_s)"
    parts = [
        f"    def {command.name.lower()}(",
        *_listed([*arguments, *how], 8),
        f"    ) -> {'File' if is_file else 'Answer'}:",
        *_docstring(command, ordered),
    ]
    if len(call) + len(values) + len(rest) + 12 <= WIDTH:
        parts.append(f"        {call}{{{values}}}, {rest}")
    else:
        parts += [f"        {call}{{", *_listed(pairs, 12), f"        }}, {rest}"]
    return "\n".join(parts) + "\n"


def _docstring(command: Command, parameters: list[Parameter]) -> list[str]:
    lines = [f'        """{command.sentence}', ""]
    for parameter in parameters:
        if parameter.name.startswith("USER") and parameter.name[4:].isdigit():
            if parameter.name == "USER1":
                lines.append("        user1 to user15: Free fields.")
            continue
        lines += _wrapped(f"{parameter.name.lower()}: {parameter.meaning}", 8, 12)
    if parameters:
        lines.append("")
    lines += [line for rule in command.requires for line in _wrapped(rule_in_words(rule), 8, 12)]
    lines += [line for note in command.notes for line in _wrapped(note, 8, 12)]
    labels = dict.fromkeys(possible.label for possible in command.returns)
    lines += _wrapped(f"Answers: {', '.join(labels)}.", 8, 12)
    return [*lines, '        """']


def _listed(items: list[str], indent: int) -> list[str]:
    """The items with commas, as many to a line as it takes, none of them broken."""
    whole = ", ".join(item.replace(" ", NO_BREAK) for item in items) + ","
    return [line.replace(NO_BREAK, " ") for line in _wrapped(whole, indent)]


def _wrapped(text: str, indent: int, further: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if further is None else further),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _joined() -> str:
    names = [class_of(family) for family in FAMILIES]
    imports = "\n".join(
        f"from earshot.client.commands.{family} import {class_of(family)}" for family in sorted(FAMILIES)
    )
    bases = "\n".join(f"    {name}[Answer, File]," for name in names)
    return (
        '"""All commands as methods. Made from the command table by `python -m earshot.client.generate`."""\n\n'
        "# fmt: off\n"
        f"{imports}\n"
        "from earshot.client.sender import Answer, File\n\n\n"
        f"class Commands(\n{bases}\n):\n"
        '    """Every command of the protocol, one method each, named as the command in small letters."""\n'
    )


def main(arguments: list[str]) -> int:
    """Write all modules into the folder that is named, or into the package; returns the exit status."""
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m earshot.client.generate [FOLDER]\n")
        return 2
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in modules().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
