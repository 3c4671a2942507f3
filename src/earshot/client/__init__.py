"""The Python client: every command as a method, exports as files, events as an iterator (docs/client.md).

`AsyncClient` lives in an event loop, `Client` anywhere else. The one rule: a command that may have been carried out is
never sent twice, unless twice is the same as once (`REPEATABLE`).
"""

from earshot.client.blocking import Client
from earshot.client.client import AsyncClient
from earshot.client.errors import ClientError, CommandFailed, NotAnswered, NotConnected, TimedOut
from earshot.client.events import RECONNECTED, Event
from earshot.client.http import Progress, Saved
from earshot.client.repeatable import REPEATABLE
from earshot.client.reply import Reply
from earshot.client.server import Server

__all__ = [
    "RECONNECTED",
    "REPEATABLE",
    "AsyncClient",
    "Client",
    "ClientError",
    "CommandFailed",
    "Event",
    "NotAnswered",
    "NotConnected",
    "Progress",
    "Reply",
    "Saved",
    "Server",
    "TimedOut",
]
