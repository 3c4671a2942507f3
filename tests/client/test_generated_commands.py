"""The generated methods are what the table says, and what they send is what the server reads."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from earshot.client.client import AsyncClient
from earshot.client.commands import Commands
from earshot.client.generate import FOLDER, always_needed, main, modules
from earshot.client.repeatable import REPEATABLE, is_repeatable
from earshot.client.reply import ROWS
from earshot.client.sender import Sender
from earshot.client.values import as_pairs
from earshot.protocol.command import Command
from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import Request, decode_xml
from earshot.protocol.xml import write_request


class Noted(Commands[tuple[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]):
    """Sends nothing, and says what it would have sent."""

    def send(
        self, command: str, parameters: Mapping[str, Any], *, check: bool = True, timeout_s: float | None = None
    ) -> tuple[str, Mapping[str, Any]]:
        return command, parameters

    def save(
        self, command: str, parameters: Mapping[str, Any], to: Path | str, *, progress: Any = None
    ) -> tuple[str, Mapping[str, Any]]:
        return command, parameters


def test_the_modules_on_disk_are_what_the_table_says() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    assert on_disk == modules(), "run: python -m earshot.client.generate"


def test_the_generator_writes_its_modules(tmp_path: Path) -> None:
    assert main([str(tmp_path / "new")]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == modules().keys()
    assert main(["one", "two"]) == 2


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
class TestEachCommand:
    def test_takes_every_parameter_and_says_what_it_is_for(self, command: Command) -> None:
        method = getattr(AsyncClient, command.name.lower())
        taken = inspect.signature(method).parameters
        missing = {parameter.name.lower() for parameter in command.parameters} - taken.keys()
        assert not missing
        required = {name for name, each in taken.items() if each.default is inspect.Parameter.empty}
        assert {name.lower() for name in always_needed(command)} == required - {"self", "to"}
        assert command.sentence in (method.__doc__ or "")

    def test_sends_what_the_server_reads(self, command: Command) -> None:
        example = {name.lower(): value for name, value in command.example}
        is_file = "tcp" not in command.doors
        name, values = getattr(Noted(), command.name.lower())(*(["x"] if is_file else []), **example)
        assert name == command.name
        request = decode_xml(write_request(name, "1", as_pairs(values)), "http")
        assert isinstance(request, Request)
        assert dict(request.params) == {name: command.spelt[name].normal(value) for name, value in command.example}


def test_nothing_else_is_there() -> None:
    made = {name for name in vars(AsyncClient).keys() | vars(Commands).keys() if not name.startswith("_")}
    for base in Commands.__mro__:
        if base not in Sender.__mro__ and base is not Commands:
            made |= {name for name in vars(base) if not name.startswith("_")}
    own = {"close", "events", "save", "send", "send_pairs"}
    assert made - own == {name.lower() for name in COMMANDS}


def test_rows_and_repeatable_name_what_there_is() -> None:
    assert set(COMMANDS) >= REPEATABLE
    for name, path in ROWS.items():
        nodes: Any = COMMANDS[name].reply
        for tag in path:
            assert tag in dict(nodes), f"{name} answers without {tag}"
            nodes = dict(nodes)[tag]


@pytest.mark.parametrize(
    ("command", "pairs", "expected"),
    [
        ("CALLLIST", [("DEVICEID", "1")], True),
        ("CALLSTART", [("DEVICEID", "1")], False),
        ("CALLSTOP", [("DEVICEID", "1")], False),
        ("IMPORTUSER", [("ACTION", "LIST")], True),
        ("IMPORTUSER", [("ACTION", "ADD")], False),
    ],
)
def test_what_may_be_sent_again(command: str, pairs: list[tuple[str, str]], expected: bool) -> None:
    assert is_repeatable(command, pairs) is expected
