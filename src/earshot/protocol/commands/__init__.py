"""The command table: all 36 commands of the specification, by name.

The rows stand in one module per family; this one only gathers them.
The one rule: a command exists when, and only when, it has its row here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from earshot.protocol.command import Command
from earshot.protocol.commands import calls, control, exports, imports, people, status

FAMILIES: Mapping[str, tuple[Command, ...]] = MappingProxyType(
    {
        "calls": calls.COMMANDS,
        "status": status.COMMANDS,
        "control": control.COMMANDS,
        "imports": imports.COMMANDS,
        "exports": exports.COMMANDS,
        "people": people.COMMANDS,
    }
)
"""The commands by family, in the order of the specification."""

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {command.name: command for family in FAMILIES.values() for command in family}
)
"""Every command by its name in capitals."""
