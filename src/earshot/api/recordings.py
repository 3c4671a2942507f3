"""What has been recorded: CALLLIST, and EXPORT of one recording."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from earshot.api.context import Context
from earshot.api.media import MediaReply
from earshot.api.variables import filters_in, user_nodes
from earshot.errors import StoreUnavailable
from earshot.media.formats import FORMATS, Format
from earshot.ports import RecordingFilter, RecordingRow
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_FORMAT, Node, Result, failed, ok

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


async def export(context: Context, request: Request) -> Result | MediaReply:
    """One recording as a file; a field that is not unique gives the most recent match (specification, EXPORT)."""
    field = UNIQUE_FIELDS.get(request.get("UNIQUEFIELD").replace("_", "").upper())
    if field is None:
        return failed(request, INVALID_FORMAT, f"UNIQUEFIELD {request.get('UNIQUEFIELD')} is not a field of recordings")
    wanted = request.get("MEDIA_FORMAT")
    if wanted not in FORMATS:
        return failed(request, INVALID_FORMAT, f"MEDIA_FORMAT {wanted} cannot be exported yet; use WAV or MP3")
    try:
        row = await context.store.newest_recording(field, request.get("UNIQUEID"))
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    reply = await media_of(context, row, wanted) if row is not None else None
    if reply is None:
        return failed(request, "API_FILE_NOT_FOUND", "No recording matches, or its media is not there")
    return reply


async def media_of(context: Context, row: RecordingRow, wanted: str) -> MediaReply | None:
    """The recording as `wanted` (a key of `FORMATS`); None when its media is gone. Raises ValueError for another."""
    sealed = row.sealed
    known = FORMATS.get(wanted)
    if known is None:
        raise ValueError(f"{wanted} is not a format that recordings can be had in")
    if not await context.storage.exists(sealed.object_name):
        return None
    file_name = sealed.object_name.rsplit("/", 1)[-1].rsplit(".", 1)[0] + known.extension
    if known.as_stored:
        return MediaReply(
            media_type=known.media_type,
            file_name=file_name,
            object_name=sealed.object_name,
            size=sealed.audio_size,
            supports_range=True,
            etag=sealed.audio_sha256,
        )
    path = context.storage.local_path(sealed.object_name)
    if path is None:
        raise ValueError(f"{wanted} can only be made from recordings on this machine")
    chunks = _encoded(path, known)
    return MediaReply(media_type=known.media_type, file_name=file_name, chunks=chunks, etag=sealed.audio_sha256)


async def _encoded(path: Path, wanted: Format) -> AsyncIterator[bytes]:
    """The file in another format, piece by piece; each piece is made in a thread, so the loop never waits."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        pieces = wanted.encode(file)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
    finally:
        file.close()
