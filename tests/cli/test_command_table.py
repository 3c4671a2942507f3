"""The table of commands: each is imported when it is asked for, and nothing else is."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from earshot.cli import PLACES, cli


@pytest.mark.parametrize("command", PLACES)
def test_every_command_of_the_table_is_there_and_says_what_it_does(command: str) -> None:
    shown = CliRunner().invoke(cli, [command, "--help"])
    assert shown.exit_code == 0 and f" {command} " in shown.output
    assert "--install-completion" not in shown.output


def test_the_help_lists_all_of_them() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    listed = {line.split()[1] for line in shown.output.splitlines() if line.startswith("│ ") and len(line.split()) > 2}
    assert {*PLACES, "version"} <= listed


def test_a_command_does_not_wait_for_what_only_others_need() -> None:
    seen = "import sys; from earshot.cli import cli; cli(['version'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout.split()
    assert {"earshot.errors", "typer"} <= set(loaded)
    assert not {"sqlalchemy", "numpy", "earshot.config", "earshot.operations"} & set(loaded)
