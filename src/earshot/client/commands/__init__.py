"""All commands as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from earshot.client.commands.calls import CallsCommands
from earshot.client.commands.control import ControlCommands
from earshot.client.commands.exports import ExportsCommands
from earshot.client.commands.imports import ImportsCommands
from earshot.client.commands.people import PeopleCommands
from earshot.client.commands.status import StatusCommands
from earshot.client.sender import Answer, File


class Commands(
    CallsCommands[Answer, File],
    StatusCommands[Answer, File],
    ControlCommands[Answer, File],
    ImportsCommands[Answer, File],
    ExportsCommands[Answer, File],
    PeopleCommands[Answer, File],
):
    """Every command of the protocol, one method each, named as the command in small letters."""
