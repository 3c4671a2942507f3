"""From a decoded request to its handler: one table. A command without a row is declared but not built yet."""

from collections.abc import Awaitable, Callable
from typing import Any

from earshot.api import calls, imports, recordings, status, system
from earshot.api.context import Context
from earshot.api.media import MediaReply
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_REQUEST_TYPE, Result, failed

Answer = Result | MediaReply
Handler = Callable[[Context, Request], Any]

HANDLERS: dict[str, Handler] = {
    "TEST": status.test,
    "CALLSTART": calls.call_start,
    "CALLSTOP": calls.call_stop,
    "CALLUPDATE": calls.call_update,
    "RECORDSTART": calls.record_start,
    "RECORDSTOP": calls.record_stop,
    "DEVICELIST": status.device_list,
    "DEVICESTATUS": status.device_status,
    "DEVICERECORDINGSTATUS": status.device_recording_status,
    "SYSTEMSTATUS": system.system_status,
    "CHANNELS": status.channels,
    "STATIONS": status.stations,
    "FETCHTERMINOLOGY": status.fetch_terminology,
    "CALLLIST": recordings.call_list,
    "EXPORT": recordings.export,
    "IMPORTUSER": imports.import_user,
    "IMPORTAGENTPHONE": imports.import_agent_phone,
    "IMPORTWORKSTATION": imports.import_workstation,
}


class Api:
    """The one door to all commands. Answers at once where it can, and with an awaitable where it must wait."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        handler = HANDLERS.get(request.command.name)
        if handler is None:
            return failed(request, INVALID_REQUEST_TYPE, f"{request.command.name} is not available in this release")
        answer: Answer | Awaitable[Answer] = handler(self.context, request)
        return answer

    async def answer(self, request: Request) -> Answer:
        """The same for doors that wait anyway."""
        answer = self(request)
        return await answer if isinstance(answer, Awaitable) else answer
