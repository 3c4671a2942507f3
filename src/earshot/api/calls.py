"""Call handling commands: CALLSTART, CALLSTOP, CALLUPDATE, RECORDSTART, RECORDSTOP (specification, first section).

They only offer what happened to the cores: what is recorded is decided there, and starting or stopping never fails
because of the state of a device.
"""

from collections.abc import Awaitable

from earshot.api.context import Context
from earshot.api.sight import shows_agent, shows_device
from earshot.api.variables import changes_in
from earshot.engine.inputs import CallRefused, Input, StartCall, StartRecording, StopCall, StopRecording, UpdateCall
from earshot.errors import StoreUnavailable
from earshot.protocol.decode import Request
from earshot.protocol.results import DEVICE_INVALID, Result, failed, ok, sent_to_cores

NO_DEVICE = "Could not find a device matching given parameters"
LONGEST_NUMBER = 18
"""Digits of the largest record number that a database keeps."""


def _send(context: Context, request: Request, told: Input) -> Result:
    sent = context.cores.send(told)
    return sent_to_cores(request, sent.reached, sent.missed)


def _instance(request: Request) -> str | None:
    return request.get("CALLINSTANCE") if "CALLINSTANCE" in request.params else None


def _device(context: Context, request: Request) -> str | None:
    """The device that is meant, if the actor is shown what the command can touch: the calls there, and the agent whose
    phone it says is used there."""
    device, sees = context.resolve(request), request.actor.sees
    if device is None or sees.everything:
        return device
    owner = context.directory.by_phone.get(request.get("DEVICEALIAS"))
    is_shown = shows_device(context, sees, device, _instance(request))
    return device if is_shown and (owner is None or shows_agent(context, sees, owner)) else None


def _lookup_only(request: Request) -> tuple[str, ...]:
    """What served to find the device is not changed by an update; beside a DEVICEID it is data."""
    return () if request.get("DEVICEID") else ("DEVICEALIAS", "STATIONNAME")


def _refusal(context: Context) -> str:
    """The label under which every core refuses new calls now; empty while one of them takes calls."""
    refusals = {link.refuses_new_calls() for link in context.cores.links}
    return "" if "" in refusals or not refusals else refusals.pop()


def _refused(context: Context, request: Request, device: str, label: str) -> Result:
    """Say so to the client, and give the call its verdict like any other."""
    why = label.removeprefix("API_ERROR_").lower()
    changes, instance = changes_in(request), _instance(request) or ""
    context.cores.send(CallRefused(device_id=device, instance=instance, why=why, said=changes, by="api"))
    return failed(request, label, "No recording can begin now")


def call_start(context: Context, request: Request) -> Result:
    device = _device(context, request)
    if device is None:
        return failed(request, DEVICE_INVALID, NO_DEVICE)
    instance = _instance(request) or ""
    refusal = _refusal(context)
    if refusal:
        return _refused(context, request, device, refusal)
    return _send(context, request, StartCall(device_id=device, instance=instance, changes=changes_in(request)))


def call_stop(context: Context, request: Request) -> Result:
    device = _device(context, request)
    if device is None:
        return failed(request, DEVICE_INVALID, NO_DEVICE)
    return _send(context, request, StopCall(device_id=device, instance=_instance(request)))


def call_update(context: Context, request: Request) -> Result | Awaitable[Result]:
    if request.get("RECORDID"):
        return _update_recording(context, request, request.get("RECORDID"))
    device = _device(context, request)
    if device is None:
        return failed(request, DEVICE_INVALID, NO_DEVICE)
    instance = _instance(request)
    changes = changes_in(request, leave_out=_lookup_only(request))
    in_call = any(link.state.open_call(device, instance) for link in context.cores.links)
    if not in_call and request.get("UPDATE_IF_NOT_RECORDING") == "Y":
        just_ended = any(link.state.ended_call(device, instance) for link in context.cores.links)
        if just_ended:
            told = UpdateCall(device_id=device, instance=instance, changes=changes, ended_too=True)
            answer = _send(context, request, told)
            return ok(request, "Updated recording in database") if answer.ok else answer
        return _update_last_recording(context, request, device, instance)
    return _send(context, request, UpdateCall(device_id=device, instance=instance, changes=changes))


async def _update_last_recording(context: Context, request: Request, device: str, instance: str | None) -> Result:
    try:
        record_id = await context.store.last_recording_of_device(device, instance)
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    if record_id is None:
        return failed(request, "API_RECORDID_INVALID", "There is no previous recording of this device to update")
    return await _update_recording(context, request, str(record_id))


async def _update_recording(context: Context, request: Request, record_id: str) -> Result:
    changes = changes_in(request)
    if request.get("RECORDID") and request.get("DEVICEID"):
        changes["device_id"] = request.get("DEVICEID")
    found = False
    try:
        if is_number(record_id) and await _is_shown(context, request, int(record_id)):
            async with context.audit.together():
                found = await context.store.update_recording(int(record_id), changes)
                if found:
                    fields = ", ".join(sorted(changes))
                    await context.audit.note(request.actor, "changed", f"recording {int(record_id)}", fields=fields)
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    if not found:
        return failed(request, "API_RECORDID_INVALID", f"There is no recording {record_id}")
    return ok(request, "Updated recording in database")


def is_number(record_id: str) -> bool:
    """Whether a RECORDID is a number that a recording can have."""
    return record_id.isascii() and record_id.isdecimal() and len(record_id.lstrip("0")) <= LONGEST_NUMBER


async def _is_shown(context: Context, request: Request, record_id: int) -> bool:
    """Whether the actor sees the recording; nobody learns of one that they do not."""
    if request.actor.sees.everything:
        return True
    return await context.store.newest_recording("record_id", str(record_id), request.actor.sees) is not None


def record_start(context: Context, request: Request) -> Result:
    device = _device(context, request)
    if device is None:
        return failed(request, DEVICE_INVALID, NO_DEVICE)
    refusal = _refusal(context)
    if refusal and not any(link.state.open_call(device, _instance(request)) for link in context.cores.links):
        return _refused(context, request, device, refusal)
    told = StartRecording(device_id=device, instance=_instance(request), changes=changes_in(request))
    return _send(context, request, told)


def record_stop(context: Context, request: Request) -> Result:
    device = _device(context, request)
    if device is None:
        return failed(request, DEVICE_INVALID, NO_DEVICE)
    changes = changes_in(request, leave_out=_lookup_only(request))
    return _send(context, request, StopRecording(device_id=device, instance=_instance(request), changes=changes))
