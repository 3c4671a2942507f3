"""What has been recorded: CALLLIST. Exports are in `exports`. The one rule: a list shows what the asker may see."""

from earshot.api.context import Context
from earshot.api.variables import filters_in, user_nodes
from earshot.errors import StoreUnavailable
from earshot.ports import RecordingFilter, RecordingRow
from earshot.protocol.decode import Request
from earshot.protocol.results import Node, Result, failed, ok

UNIQUE_FIELDS = {
    "RECORDID": "record_id",
    "IDENT": "record_id",
    "AGENTID": "agent_id",
    "USERID": "agent_id",
    "SGROUP": "group",
    "GROUP": "group",
    "STATIONNAME": "station",
    "CALLDIRECTION": "direction",
    "ARCHIVEACTION": "archive_action",
    "ARCHIVEACTIONID": "archive_action",
    "AUDIOHASH": "audio_sha256",
    "FILENAME": "file_name",
    **{name.replace("_", "").upper(): name for name in ("device_id", "device_alias", "station", "call_instance")},
    **{name.replace("_", "").upper(): name for name in ("call_id", "session_id", "gate", "ani", "dnis", "direction")},
    **{name.replace("_", "").upper(): name for name in ("priority", "keep_days", "sys_user", "crm_user")},
    **{f"USER{number}": f"user{number}" for number in range(1, 16)},
}
"""Both vocabularies of UNIQUEFIELD (API words and column names), underscores and case left out (reference.md 2.3)."""


def _seconds(text: str) -> float | None:
    return float(text) if text else None


async def call_list(context: Context, request: Request) -> Result:
    cap = context.settings.calllist_limit
    limit = min(int(request.get("CALLCOUNT") or cap), cap)
    wanted = RecordingFilter(
        equals=filters_in(request),
        sys_user=request.get("SYS_USER"),
        crm_user=request.get("CRM_USER"),
        since=_seconds(request.get("CALLDATESTART")),
        until=_seconds(request.get("CALLDATEEND")),
        seen_by=request.actor.sees,
    )
    try:
        rows = await context.store.recordings(wanted, limit) if limit else []
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    asked = "PLAYBACKLINK" in request.params and request.get("PLAYBACKLINK") != "N"
    linked = context.settings.playback_links and asked
    found = tuple(_search_result(context, number, row, linked) for number, row in enumerate(rows, 1))
    return ok(request, body=found)


def _search_result(context: Context, number: int, row: RecordingRow, linked: bool) -> Node:
    sealed, variables = row.sealed, row.sealed.variables
    nodes: list[Node] = [
        ("CALLNUMBER", str(number)),
        ("DEVICEID", variables.device_id),
        ("DEVICEALIAS", variables.device_alias),
        ("ANI", variables.ani),
        ("DNIS", variables.dnis),
        ("CALLDIRECTION", variables.direction),
        ("GROUP", variables.group),
        ("GATE", variables.gate),
        *user_nodes(variables),
        ("RECORDID", str(row.record_id)),
        ("RECORDINGTIME", str(int(sealed.recording_time))),
        ("DURATION", str(round(sealed.duration_s))),
        ("AGENTFIRSTNAME", row.agent_first_name),
        ("AGENTLASTNAME", row.agent_last_name),
        ("CRM_USER", row.crm_user),
        ("SYS_USER", row.sys_user),
    ]
    if linked:
        path = f"/MediaPlayer/ExternalCallListPlayer/{row.record_id}/false"
        nodes.append(("PLAYBACKLINK", context.settings.public_url + path))
    return ("SEARCHRESULT", tuple(nodes))
