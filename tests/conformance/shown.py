"""What the cases and the talks show of the command table, and the page about it: `python -m tests.conformance.shown
docs/reference`.

The table says what there is to be shown (each parameter, each spelling, each choice of a value, each way to name
somebody, each return); the cases and talks say what is. Both run against a real server (`test_live`, `test_talks`), so
what stands here as done has been seen. The one rule: nothing is done because somebody wrote that it is.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from tests.conformance.cases import Case, all_cases
from tests.conformance.talks import MEDIA, all_talks, fits

from earshot.protocol.command import Command, Return
from earshot.protocol.commands import COMMANDS
from earshot.protocol.reference import GENERATED, Evidence, status_page
from earshot.protocol.results import OK
from earshot.protocol.xml import parse

PAGE = "status.md"
_QUOTED = re.compile(r'"([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it was sent and the answer it got: `where` names the case or the line of the talk."""

    where: str
    command: Command
    fields: tuple[tuple[str, str], ...]
    label: str
    message: str

    @property
    def params(self) -> dict[str, str]:
        """The values by canonical name, in their one form where they have one; blank ones left out."""
        read = {}
        for tag, text in self.fields:
            parameter = self.command.spelt.get(tag.upper())
            if parameter is not None and text.strip():
                try:
                    read[parameter.name] = parameter.normal(text.strip())
                except ValueError:
                    continue
        return read

    @property
    def is_success(self) -> bool:
        return self.label in (OK, MEDIA)


def everything_seen() -> list[Seen]:
    """Every exchange of the cases that run live, and of the talks."""
    from_cases = [seen for case in all_cases() if not case.later for seen in _of_case(case)]
    from_talks = [
        Seen(
            where=f"{talk.name}:{one.line}",
            command=COMMANDS[one.command],
            fields=one.fields,
            label=one.label,
            message=one.message,
        )
        for talk in all_talks()
        for one in talk.exchanges
    ]
    return from_cases + from_talks


def _of_case(case: Case) -> Iterator[Seen]:
    if case.reply is None:
        return
    fields = parse_qsl(case.query, keep_blank_values=True) if case.is_url else parse(case.document)[1]
    children = case.reply[1]
    assert not isinstance(children, str)
    head = {tag: text for tag, text in children[:5] if isinstance(text, str)}
    yield Seen(
        where=case.name,
        command=COMMANDS[case.command],
        fields=tuple(fields),
        label=head["RESULTTYPE"],
        message=head["RESULTMSG"],
    )


def evidence() -> dict[str, Evidence]:
    """What is seen of each command, by name."""
    seen: dict[str, list[Seen]] = defaultdict(list)
    for one in everything_seen():
        seen[one.command.name].append(one)
    return {name: _evidence(command, seen[name]) for name, command in COMMANDS.items()}


def _evidence(command: Command, seen: list[Seen]) -> Evidence:
    good = [one for one in seen if one.is_success]
    return Evidence(
        spellings={
            tag: _where(one for one in good if any(tag == sent.upper() for sent, _ in one.fields))
            for tag in command.spelt
        },
        choices={
            (parameter.name, value): _where(one for one in good if one.params.get(parameter.name) == value)
            for parameter in command.parameters
            for value in parameter.choices
        },
        lookups={
            choice: _where(one for one in good if _looks_up(one, number, choice))
            for number, requirement in enumerate(command.requires)
            if len(requirement.choices) > 1
            for choice in requirement.choices
        },
        returns=[_where(one for one in seen if _shows(one, possible)) for possible in command.returns],
    )


def _looks_up(one: Seen, number: int, choice: tuple[str, ...]) -> bool:
    """Whether `choice` is what counted for that requirement in this request."""
    requirement, params = one.command.requires[number], one.params
    met = requirement.met_by(params)
    return requirement.applies(params) and bool(met) and choice in met and (met[0] == choice or len(met) == 1)


def _shows(one: Seen, possible: Return) -> bool:
    """Whether the answer is this return: its label, and one of the messages that its sentence quotes, if it does."""
    if possible.never:
        return one.is_success and one.label == OK
    if one.label != possible.label:
        return False
    quoted = [re.sub(r"\d+(,\d+)*", "*", text) for text in _QUOTED.findall(possible.sentence)]
    return not quoted or any(fits(text, one.message) or fits(one.message, text) for text in quoted)


def _where(found: Iterator[Seen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.where for one in found))


def page() -> str:
    """The page as it must be."""
    return GENERATED.replace("earshot.protocol.reference", "tests.conformance.shown") + status_page(evidence())


def main(arguments: list[str]) -> int:
    """Write the page into the folder that is named; returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tests.conformance.shown FOLDER\n")
        return 2
    (Path(arguments[0]) / PAGE).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
