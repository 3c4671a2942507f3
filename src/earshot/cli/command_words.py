"""Words about commands for the command line: what completes what was begun, what was meant, what a command takes.

Nothing is sent here. The one rule: every word comes from the command table.
"""

import difflib
import shlex
import textwrap
from collections.abc import Iterable, Sequence

from earshot.protocol.command import Command
from earshot.protocol.commands import COMMANDS, FAMILIES
from earshot.protocol.parameters import KIND_WORDS, Parameter
from earshot.protocol.reference import FAMILY_TITLES, rule_in_words
from earshot.protocol.results import CODES
from earshot.protocol.shared_token import NAMES

EVERYWHERE = ("REQUESTID", *NAMES)
"""Names that every command takes."""
VALUES = {"flag": ("Y", "N"), "direction": ("I", "O")}
WIDTH = 100


def commands_like(begun: str) -> list[tuple[str, str]]:
    """The commands that begin with what is typed, each with its sentence."""
    return [(name, command.sentence) for name, command in COMMANDS.items() if name.startswith(begun.upper())]


def words_like(command: str, words: Sequence[str], begun: str) -> list[tuple[str, str]]:
    """What `begun` may become behind `command` and the `words` that follow it: NAME= or NAME=VALUE, each with a hint.

    Bash breaks words at `=`: there `begun` may be the value alone, or `=` itself, and the value alone is the answer.
    """
    known = COMMANDS.get(command.upper())
    if known is None:
        return []
    whole = [*words, begun]
    if begun == "=" and len(whole) > 1:
        return [(value, hint) for value, hint in _values(known, whole[-2], "")]
    if len(whole) > 2 and whole[-2] == "=":
        return [(value, hint) for value, hint in _values(known, whole[-3], begun)]
    name, equals, value = begun.partition("=")
    if equals:
        return [(f"{name}={full}", hint) for full, hint in _values(known, name, value)]
    given = {word.partition("=")[0].upper() for word in words}
    return [
        (f"{parameter.name}=", parameter.meaning)
        for parameter in known.parameters
        if parameter.name.startswith(begun.upper()) and parameter.name not in given
    ]


def _values(command: Command, name: str, begun: str) -> list[tuple[str, str]]:
    parameter = command.spelt.get(name.upper())
    if parameter is None:
        return []
    known = parameter.choices or VALUES.get(parameter.kind, ())
    return [(value, parameter.meaning) for value in known if value.startswith(begun.upper())]


def meant(word: str, known: Iterable[str]) -> str:
    """` Did you mean A or B?` for a word that is none of `known`; "" when nothing is near."""
    near = difflib.get_close_matches(word.upper(), dict.fromkeys(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def unknown_command(word: str) -> str:
    """What to say to a command that does not exist; "" for one that does."""
    return "" if word.upper() in COMMANDS else f"there is no command {word}.{meant(word, COMMANDS)}"


def unknown_parameter(command: Command, word: str) -> str:
    """What to say to a parameter that the command does not read; "" for one that it does."""
    if word.upper() in command.spelt or word.upper() in EVERYWHERE:
        return ""
    names = [parameter.name for parameter in command.parameters]
    return f"{command.name} has no parameter {word}.{meant(word, [*names, *command.spelt])}"


def overview() -> str:
    """All commands by family, for the help."""
    parts = []
    for family, commands in FAMILIES.items():
        names = textwrap.fill(", ".join(command.name for command in commands), 76, break_long_words=False)
        parts.append(f"\b\n{FAMILY_TITLES[family]}:\n{textwrap.indent(names, '  ')}")
    return "\n\n".join(parts)


def described(command: Command) -> str:
    """A command with its parameters, rules, notes, answers and an example, for a terminal."""
    doors = " and ".join({"tcp": "TCP", "http": "HTTP"}[door] for door in command.doors)
    parts = [command.name, f"  {command.sentence} Over {doors}.", ""]
    needed = set(command.required)
    if command.parameters:
        parts.append("Parameters (* see rules)")
        for parameter in command.parameters:
            mark = "*" if parameter in needed else " "
            parts += _hanging(f"{mark} {parameter.name:<24}", f"{parameter.meaning} ({kind_in_words(parameter)})")
        parts.append("")
    for title, sentences in (("Rules", [rule_in_words(rule) for rule in command.requires]), ("Notes", command.notes)):
        if sentences:
            parts += [title, *(line for sentence in sentences for line in _hanging("  - ", sentence)), ""]
    parts.append("Answers")
    for possible in command.returns:
        parts += _hanging(f"  {CODES[possible.label]:>2} {possible.label:<32} ", possible.sentence)
    example = shlex.join(["earshot", "send", command.name, *(f"{name}={value}" for name, value in command.example)])
    parts += ["", "Example", f"  {example}{'' if 'tcp' in command.doors else ' --output .'}"]
    return "\n".join(parts)


def kind_in_words(parameter: Parameter) -> str:
    """What values a parameter takes."""
    return KIND_WORDS[parameter.kind] + (f" {', '.join(parameter.choices)}" if parameter.choices else "")


def _hanging(begin: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin), break_long_words=False)
