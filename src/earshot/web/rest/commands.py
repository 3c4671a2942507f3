"""The commands of the protocol through JSON: their table, and each of them with its own parameter names.

The one rule: nothing is read or refused here that `webAPI.aspx` would not.
"""

from typing import Any

from starlette.requests import Request

from earshot.api.media import MediaReply
from earshot.api.permissions import NEEDED
from earshot.protocol.command import Command
from earshot.protocol.commands import COMMANDS
from earshot.protocol.results import Node
from earshot.web.rest.desk import PARTIAL, Desk, who
from earshot.web.rest.files import sent
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, refusal_of
from earshot.web.rest.values import Listed, Out, Outcome, Text


class ParameterOut(Out):
    """A parameter of a command, with all names under which it is read."""

    name: str
    names: list[str]
    kind: str
    limit: int
    choices: list[str]
    meaning: str
    required: bool


class CommandOut(Out):
    """A command of the protocol. `permission` is what a person or token needs, null where a login is enough."""

    name: str
    family: str
    sentence: str
    done: bool
    doors: list[str]
    permission: str | None
    parameters: list[ParameterOut]
    returns: list[dict[str, str]]
    notes: list[str]
    example: dict[str, str]


class Answered(Outcome):
    """The answer of a command with its nodes: texts, objects, and lists where a tag comes more than once."""

    body: dict[str, Any]


class Commands:
    """/v1/commands: the table of the protocol, and each command with JSON parameters."""

    tag = "commands"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/commands", summary="The table of all commands")
    async def commands(self, request: Request) -> Listed[CommandOut]:
        """The table that the decoder and the reference are made of."""
        return Listed(items=[_command(command) for command in COMMANDS.values()])

    @route("GET", "/v1/commands/{name}", summary="One command")
    async def command(self, request: Request, name: str) -> CommandOut:
        """In any letter case."""
        return _command(_named(name))

    @route("POST", "/v1/commands/{name}", summary="Carry out a command", response_model=Answered)
    async def run(self, request: Request, name: str, body: dict[str, Text | int | bool]) -> Any:
        """Any command with its parameters, as `webAPI.aspx` would: every spelling is read. The export commands answer
        with the file. Which permission is needed, the command says."""
        command, fields = _named(name), [(key, _wire(value)) for key, value in body.items()]
        answer = await self._desk.answer(who(request), command.name, fields)
        if isinstance(answer, MediaReply):
            return await sent(answer, request, self._desk)
        if not answer.ok and answer.label != PARTIAL:
            raise refusal_of(answer)
        return Answered(**dict(Outcome.of(answer)), body=_tree(answer.body))


def _wire(value: str | int | bool) -> str:
    return ("Y" if value else "N") if isinstance(value, bool) else str(value)


def _named(name: str) -> Command:
    command = COMMANDS.get(name.upper())
    if command is None:
        raise Problem(404, "There is no command of that name", "API_UNKNOWN_MESSAGE_TYPE")
    return command


def _tree(nodes: tuple[Node, ...]) -> dict[str, Any]:
    """The nodes of an answer as an object; a tag that comes more than once becomes a list."""
    found: dict[str, Any] = {}
    for tag, content in nodes:
        value = content if isinstance(content, str) else _tree(content)
        if tag not in found:
            found[tag] = value
        elif isinstance(found[tag], list):
            found[tag].append(value)
        else:
            found[tag] = [found[tag], value]
    return found


def _command(command: Command) -> CommandOut:
    required = command.required
    return CommandOut(
        name=command.name,
        family=command.family,
        sentence=command.sentence,
        done=command.done,
        doors=list(command.doors),
        permission=NEEDED[command.name],
        parameters=[
            ParameterOut(
                name=one.name,
                names=list(one.accepted_names()),
                kind=one.kind,
                limit=one.limit,
                choices=list(one.choices),
                meaning=one.meaning,
                required=one in required,
            )
            for one in command.parameters
        ],
        returns=[{"resulttype": one.label, "sentence": one.sentence} for one in command.returns],
        notes=list(command.notes),
        example=dict(command.example),
    )
