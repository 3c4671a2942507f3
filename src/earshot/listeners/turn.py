"""A turn of the event loop: what was read from many connections is carried out together, then answered together.

Not here: what is carried out, and what is written. Doing one thing many times over keeps it in the caches of the
processor, and of answers that are written one right after the other only the first must wake the client. The one rule:
nothing waits for longer than the turn, and what goes wrong on one connection is nothing to the others.
"""

import asyncio
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

MOST = 64
"""So many connections are served without waiting for the end of the turn."""


class Connection(Protocol):
    """What has its turn."""

    def carry_out(self) -> None: ...

    def send(self) -> None: ...

    def abort(self) -> None: ...


class Turn:
    """The connections from which something was read in this turn."""

    def __init__(self) -> None:
        self._read: list[Connection] = []

    def join(self, connection: Connection) -> None:
        """Have what the connection asked for carried out and answered before the event loop reads again."""
        self._read.append(connection)
        if len(self._read) == 1:
            asyncio.get_running_loop().call_soon(self._end)
        elif len(self._read) >= MOST:
            self._end()

    def _end(self) -> None:
        connections, self._read = self._read, []
        for connection in connections:
            try:
                connection.carry_out()
            except Exception:
                log.exception("connection_failed")
                connection.abort()
        for connection in connections:
            connection.send()
