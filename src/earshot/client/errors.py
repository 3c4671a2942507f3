"""What can go wrong between a program and the server, as exceptions.

The one rule: the name of the exception says whether the command may have been carried out.
"""

from typing import TYPE_CHECKING

from earshot.errors import EarshotError

if TYPE_CHECKING:
    from earshot.client.reply import Reply


class ClientError(EarshotError):
    """Base of everything that the client raises."""


class CommandFailed(ClientError):
    """The server answered with something else than API_OK: `label` (RESULTTYPE), `message` (RESULTMSG), `reply`."""

    def __init__(self, reply: "Reply") -> None:
        super().__init__(f"{reply.command}: {reply.label}: {reply.message}")
        self.label = reply.label
        self.message = reply.message
        self.reply = reply


class NotConnected(ClientError):
    """The server could not be reached; the command was not sent."""


class NotAnswered(ClientError):
    """The connection broke after the command was sent: it may have been carried out, or not."""


class TimedOut(NotAnswered):
    """No answer came in time: the command may have been carried out, or not."""
