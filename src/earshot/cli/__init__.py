"""The command line: the table of its commands, and the entry point.

Thin: each command, in a module beside this one, reads its options and calls the room that does the work. The one rule:
a module is imported when its command is asked for, because what all of them need takes seconds to import.
"""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from earshot import __version__
from earshot.errors import ConfigurationError, EarshotError

PLACES: dict[str, tuple[str, str]] = {
    "serve": ("serve", "serve"),
    "send": ("send", "send"),
    "events": ("events", "events"),
    "simulate": ("simulate", "simulate"),
    "user": ("users", "user_cli"),
    "role": ("access", "role_cli"),
    "group": ("access", "group_cli"),
    "token": ("tokens", "token_cli"),
    "schedule": ("schedules", "schedule_cli"),
    "retention": ("retention", "retention_cli"),
    "hold": ("retention", "hold_cli"),
    "delete": ("retention", "delete"),
    "blackout": ("blackout", "blackout"),
    "check": ("check", "check"),
    "verify": ("ledger", "verify"),
    "ledger": ("ledger", "ledger_cli"),
    "key": ("keys", "key_cli"),
    "audit": ("audit", "audit_cli"),
    "vcon": ("vcon", "vcon"),
    "cav": ("cav", "cav_cli"),
    "mail": ("mail", "mail_cli"),
    "webhook": ("webhooks", "webhook_cli"),
    "location": ("preferences", "location_cli"),
    "terminology": ("preferences", "terminology_cli"),
}
"""Where each command lives: a module of this package, and the function or group in it."""


class _Commands(TyperGroup):
    """The commands of `PLACES`, each imported when it is asked for, and those of the group itself."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*PLACES, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in PLACES and cmd_name not in self.commands:
            module, name = PLACES[cmd_name]
            found = getattr(import_module(f"{__name__}.{module}"), name)
            if isinstance(found, typer.Typer):
                command: Any = get_group(found)
            else:
                alone = typer.Typer(add_completion=False)
                alone.command()(found)
                command = get_command(alone)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return super().get_command(ctx, cmd_name)


cli = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=True, help="Earshot, the open call recording system."
)


@cli.callback()
def _earshot() -> None:
    """Earshot, the open call recording system."""


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"earshot {__version__}")


def main() -> None:
    """Entry point: errors that we raise on purpose are one line, not a stack trace."""
    try:
        cli()
    except ConfigurationError as wrong:
        typer.echo(f"earshot: {wrong}", err=True)
        sys.exit(2)
    except (EarshotError, OSError) as failure:
        typer.echo(f"earshot: {failure}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
