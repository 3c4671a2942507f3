"""`earshot user`: the people who may log in."""

import sys
from typing import Annotated

import typer

from earshot import operations
from earshot.cli.running import ConfigFile, DataDir, loaded, run

user_cli = typer.Typer(no_args_is_help=True, help="The people who may log in.")


@user_cli.callback()
def _user() -> None:
    """A group of one command is a group all the same."""


@user_cli.command("create")
def user_create(
    name: Annotated[str, typer.Argument(help="User name to log in with.")],
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Create a user, or give an existing one a new password."""
    settings = loaded(config, data_dir=data_dir)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not password:
        raise typer.BadParameter("an empty password opens nothing; send one on standard input")
    typer.echo(run(operations.create_user(settings, name, password, admin)))
