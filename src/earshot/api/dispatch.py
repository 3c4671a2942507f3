"""From a decoded request to its handler: one table. A command without a row is declared but not built yet."""

from collections.abc import Awaitable, Callable
from typing import Any

from earshot.api import (
    access,
    agent_window,
    blackouts,
    calls,
    chats,
    exports,
    imports,
    mailing,
    recordings,
    status,
    system,
    terminology,
)
from earshot.api.context import Context
from earshot.api.media import MediaReply
from earshot.api.permissions import needed
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_REQUEST_TYPE, Result, failed

Answer = Result | MediaReply
Handler = Callable[[Context, Request], Any]

HANDLERS: dict[str, Handler] = {
    "TEST": status.test,
    "BLACKOUTSTART": blackouts.blackout_start,
    "BLACKOUTSTOP": blackouts.blackout_stop,
    "AGENTBLACKOUTSTART": blackouts.agent_blackout_start,
    "AGENTBLACKOUTSTOP": blackouts.agent_blackout_stop,
    "CHATSTART": chats.chat_start,
    "CHATUPDATE": chats.chat_update,
    "CHATSTOP": chats.chat_stop,
    "AGENTWINDOW": agent_window.agent_window,
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
    "FETCHTERMINOLOGY": terminology.fetch_terminology,
    "CALLLIST": recordings.call_list,
    "EXPORT": exports.export,
    "COMBINEDEXPORT": exports.combined_export,
    "MULTIEXPORT": exports.multi_export,
    "ADDGROUP": access.add_group,
    "MODIFYGROUPPERMISSION": access.modify_group_permission,
    "MODIFYROLE": access.modify_role,
    "MODIFYROLEGROUPPERMISSION": access.modify_role_group_permission,
    "MODIFYUSERROLE": access.modify_user_role,
    "MODIFYROLEPERMISSION": access.modify_role_permission,
    "EMAIL": mailing.email,
    "COMBINEDEMAIL": mailing.combined_email,
    "IMPORTUSER": imports.import_user,
    "IMPORTAGENTPHONE": imports.import_agent_phone,
    "IMPORTWORKSTATION": imports.import_workstation,
}


def missing_permissions(request: Request) -> list[str]:
    """The permissions that this request needs and its actor does not have, by name."""
    wanted = needed(request.command.name, request.params)
    return sorted(name for name in wanted if not request.actor.may(name))


class Api:
    """The one door to all commands. Answers at once where it can, and with an awaitable where it must wait."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        handler = HANDLERS.get(request.command.name)
        if handler is None:
            return failed(request, INVALID_REQUEST_TYPE, f"{request.command.name} is not available in this release")
        if request.actor.permissions is not None and (missing := missing_permissions(request)):
            why = f"{request.command.name} needs the permission {' and '.join(missing)}"
            return failed(request, INVALID_REQUEST_TYPE, why)
        answer: Answer | Awaitable[Answer] = handler(self.context, request)
        return answer

    async def answer(self, request: Request) -> Answer:
        """The same for doors that wait anyway."""
        answer = self(request)
        return await answer if isinstance(answer, Awaitable) else answer
