"""What the generated methods of the commands need: something that sends a command, and something that saves a file.

The one rule: nothing here knows whether the client waits or is awaited; `Answer` and `File` say it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from earshot.client.values import Sent

Answer = TypeVar("Answer")
"""A Reply, or what can be awaited for one."""
File = TypeVar("File")
"""A Saved, or what can be awaited for one."""


class Sender(ABC, Generic[Answer, File]):
    """Base of the generated classes."""

    @abstractmethod
    def send(
        self, command: str, parameters: Mapping[str, Sent], *, check: bool = True, timeout_s: float | None = None
    ) -> Answer:
        """Send any command with parameters by their names in the protocol; None leaves one out.

        Raises CommandFailed for an answer that is not API_OK, unless `check` is False; NotConnected, NotAnswered,
        TimedOut.
        """

    @abstractmethod
    def save(
        self,
        command: str,
        parameters: Mapping[str, Sent],
        to: Path | str,
        *,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> File:
        """Save the media that an export command answers with, over HTTP, as `to`: a file, or a folder to put it in.

        `progress` gets the bytes that are there and the bytes of the whole, None where that is not known. A connection
        that breaks is taken up again where it broke. Raises CommandFailed, NotConnected, NotAnswered, OSError.
        """
