"""Status commands: DEVICELIST, DEVICESTATUS, DEVICERECORDINGSTATUS, CHANNELS, STATIONS.

They read the state of the cores and change nothing. Layouts follow the examples of the specification; where its list
and its example differ, the example wins (reference.md 14.3).
"""

from datetime import datetime

from earshot.api.context import Context
from earshot.api.sight import shows_device
from earshot.api.variables import person_nodes, user_nodes
from earshot.engine.model import Call, Device, State
from earshot.engine.variables import CallVariables
from earshot.errors import StoreUnavailable
from earshot.protocol.decode import Request
from earshot.protocol.dialect import CHANNEL_STATES
from earshot.protocol.results import DEVICE_INVALID, Node, Result, failed, ok
from earshot.protocol.times import legacy_time, unix_seconds

ACTIVE_INSTANCES = "Following active call instances found for specified deviceID, devicealias, crm_user or sys_user"


def test(context: Context, request: Request) -> Result:
    """The echo: answers without touching anything."""
    return ok(request)


def _time(context: Context, microseconds: int | None) -> str:
    if not microseconds:
        return ""
    return legacy_time(datetime.fromtimestamp(microseconds / 1e6, context.settings.zone))


def _unixtime(context: Context, seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, context.settings.zone)
    return str(unix_seconds(moment, from_local_clock=context.dialect.unixtime_from_local_clock))


def _call_nodes(variables: CallVariables) -> list[Node]:
    return [
        ("GROUP", variables.group),
        ("GATE", variables.gate),
        ("ANI", variables.ani),
        ("DNIS", variables.dnis),
        *user_nodes(variables),
        ("CALLDIRECTION", variables.direction),
        ("ISTRUNK", variables.is_trunk),
        ("STATION", variables.station),
    ]


def _recording_nodes(variables: CallVariables, recording: bool, file_name: str) -> list[Node]:
    return [
        ("ISRECORDING", "Y" if recording else "N"),
        ("ISRECORDINGVIDEO", "N"),
        ("FILENAME", file_name),
        ("CALLID", variables.call_id),
        ("SESSIONID", variables.session_id),
        ("CALLINSTANCE", variables.call_instance),
    ]


def _device_node(context: Context, state: State, device: Device, call: Call | None) -> Node:
    variables = call.variables if call else device.last or CallVariables(device_id=device.device_id)
    recording = call.recording_now() if call else None
    file_name = recording.file_name if recording else device.last_file_name
    alias = variables.device_alias or device.alias
    started, stopped = (call.started_us, None) if call else (device.last_started_us, device.last_stopped_us)
    agent = context.directory.agent_on(device.device_id, alias)
    nodes: list[Node] = [
        ("DEVICEID", device.device_id),
        ("DEVICEALIAS", alias),
        *person_nodes(agent),
        *_with_station(context, device, _call_nodes(variables)),
        ("STARTTIME", _time(context, started)),
        ("STOPTIME", _time(context, stopped)),
        ("COREIDENT", str(state.core)),
        ("RECORDING", tuple(_recording_nodes(variables, recording is not None, file_name))),
    ]
    return ("DEVICE", tuple(nodes))


def _with_station(context: Context, device: Device, nodes: list[Node]) -> list[Node]:
    """STATION as sent with the call, else as mapped to the device."""
    mapped = context.directory.station_of_device.get(device.device_id, "")
    return [("STATION", mapped) if node == ("STATION", "") else node for node in nodes]


def _newest_call(state: State, device: Device, call_id: str = "") -> Call | None:
    for key in reversed(device.calls):
        if not call_id or state.calls[key].variables.call_id == call_id:
            return state.calls[key]
    return None


def device_list(context: Context, request: Request) -> Result:
    found = [
        _device_node(context, link.state, device, _newest_call(link.state, device))
        for link in context.cores.links
        for device in link.state.devices.values()
        if shows_device(context, request.actor.sees, device.device_id)
    ]
    return ok(request, body=(("DEVICES", (("COUNT", str(len(found))), *found)),))


def _device(context: Context, request: Request) -> str | None:
    """The device that is meant, if the actor is shown it."""
    device_id, sees = context.resolve(request), request.actor.sees
    return device_id if device_id is not None and shows_device(context, sees, device_id) else None


def device_status(context: Context, request: Request) -> Result:
    device_id = _device(context, request)
    call_id = request.get("CALLID")
    found: list[Node] = []
    for link in context.cores.links:
        device = link.state.devices.get(device_id) if device_id is not None else None
        if device is None:
            continue
        call = _newest_call(link.state, device, call_id)
        shown = call.variables if call else device.last
        if not call_id or (shown is not None and shown.call_id == call_id):
            found.append(_device_node(context, link.state, device, call))
    if not found:
        return failed(request, DEVICE_INVALID, "Could not find a device matching given parameters")
    body = (("DEVICES", (("COUNT", str(len(found))), *found)),)
    return ok(request, "Found the following matching devices", body)


def _status_word(call: Call) -> str:
    if call.recording_now() is None:
        return "notrecording"
    held = any(gap.until_us is None for gap in call.gaps)
    return "recordpaused" if held else "recording"


def device_recording_status(context: Context, request: Request) -> Result:
    device_id = _device(context, request)
    body: list[Node] = []
    for link in context.cores.links:
        device = link.state.devices.get(device_id) if device_id is not None else None
        if device is None:
            continue
        agent = context.directory.agent_on(device.device_id, device.alias)
        nodes: list[Node] = [
            ("DEVICEID", device.device_id),
            ("DEVICEALIAS", device.alias),
            *person_nodes(agent),
            ("COREIDENT", str(link.ident)),
        ]
        for call in (link.state.calls[key] for key in device.calls):
            recording = call.recording_now()
            instance: list[Node] = [
                *_with_station(context, device, _call_nodes(call.variables)),
                ("STARTTIME", _time(context, call.started_us)),
                ("STOPTIME", ""),
                *_recording_nodes(call.variables, recording is not None, recording.file_name if recording else ""),
                ("STATUS", _status_word(call)),
            ]
            nodes.append(("RECORDING", tuple(instance)))
        body.append(("DEVICE", tuple(nodes)))
    if not body:
        return failed(request, DEVICE_INVALID, "Could not find a device matching given parameters")
    return ok(request, ACTIVE_INSTANCES, tuple(body))


def channels(context: Context, request: Request) -> Result:
    shown: list[Node] = []
    for link in context.cores.links:
        for channel in link.channels():
            state = context.dialect.channel_state(CHANNEL_STATES.index(channel.state))
            may = channel.device_id == "" or shows_device(context, request.actor.sees, channel.device_id)
            shown.append(
                (
                    "CHANNEL",
                    (
                        ("ID", str(channel.number)),
                        ("STATE", state),
                        ("PLAYBACKEXTENSION", ""),
                        ("RECORDINGDEVICEALIAS", channel.device_alias if may else ""),
                        ("RECORDINGDEVICE", channel.device_id if may else ""),
                        ("LASTSTATECHANGE", _time(context, int(channel.changed_at * 1e6))),
                        ("LASTSTATECHANGEUNIXTIME", _unixtime(context, channel.changed_at)),
                    ),
                )
            )
    return ok(request, body=(("COUNT", str(len(shown))), ("CHANNELS", tuple(shown))))


async def stations(context: Context, request: Request) -> Result:
    try:
        mapped = await context.store.stations()
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    nodes = tuple(("STATION", (("STATIONNAME", one.station), ("DEVICEID", one.device_id))) for one in mapped)
    return ok(request, body=(("COUNT", str(len(nodes))), ("STATIONS", nodes)))
