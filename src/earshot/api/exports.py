"""EXPORT, COMBINEDEXPORT and MULTIEXPORT: which recordings are meant, whether they may be had, and the answer.

How the file is made is behind `Exports`. The one rule: what the asker may not see is answered as if it were not there.
"""

import structlog

from earshot.actor import Actor
from earshot.api.context import Context
from earshot.api.exporting import ExportJob, ExportKind
from earshot.api.hearing import heard, may_hear
from earshot.api.media import MediaReply
from earshot.api.recordings import UNIQUE_FIELDS
from earshot.errors import BadInput, EarshotError, OutOfDiskSpace, StoreUnavailable
from earshot.ports import RecordingRow
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_FORMAT, PROCESSING_ERROR, Result, failed

log = structlog.get_logger(__name__)

MOST_IDENT = 2**63


async def export(context: Context, request: Request) -> Result | MediaReply:
    """One recording as a file; a field that is not unique gives the most recent match (specification, EXPORT)."""
    field = UNIQUE_FIELDS.get(request.get("UNIQUEFIELD").replace("_", "").upper())
    if field is None:
        return failed(request, INVALID_FORMAT, f"UNIQUEFIELD {request.get('UNIQUEFIELD')} is not a field of recordings")
    try:
        row = await context.store.newest_recording(field, request.get("UNIQUEID"), request.actor.sees)
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    if row is None or not shows(request.actor, row):
        return failed(request, "API_FILE_NOT_FOUND", "No recording matches")
    return await _answer(context, request, (row,), "single")


async def combined_export(context: Context, request: Request) -> Result | MediaReply:
    """Several recordings joined, by ascending number (specification, COMBINEDEXPORT)."""
    return await _several(context, request, "combined")


async def multi_export(context: Context, request: Request) -> Result | MediaReply:
    """Several recordings, a file each, in a ZIP (specification, MULTIEXPORT)."""
    return await _several(context, request, "multi")


def idents_in(text: str, most: int) -> list[int]:
    """The record numbers of an IDENT list, each once, ascending; blanks between commas count for nothing. Raises
    BadInput for what is no number, for none at all, and for more than `most`."""
    numbers: set[int] = set()
    for part in text.split(","):
        one = part.strip()
        if not one:
            continue
        if not (one.isascii() and one.isdigit()) or len(one) > 20:
            raise BadInput(f"IDENT {one[:40]} is not the number of a recording")
        numbers.add(int(one))
    if not numbers:
        raise BadInput("IDENT names no recording")
    if len(numbers) > most:
        raise BadInput(f"IDENT names {len(numbers)} recordings; one export may have {most}")
    return sorted(numbers)


def shows(actor: Actor, row: RecordingRow) -> bool:
    """Whether the actor may know of the recording."""
    variables = row.sealed.variables
    return actor.sees.shows(
        agent_id=row.sealed.agent_id,
        device_id=variables.device_id,
        device_alias=variables.device_alias,
        group=variables.group,
        gate=variables.gate,
    )


def owner_of(actor: Actor) -> str:
    """Who stands in the line of exports: a person or a token, or a machine that speaks the protocol."""
    return f"{actor.kind} {actor.name} {actor.address if actor.kind == 'protocol' else ''}".strip()


async def _several(context: Context, request: Request, kind: ExportKind) -> Result | MediaReply:
    exports = context.exports
    if exports is None:
        return failed(request, PROCESSING_ERROR, "Exports are not running")
    try:
        idents = idents_in(request.get("IDENT"), exports.most_recordings)
        found = [await _visible(context, request.actor, ident) for ident in idents]
        rows = [row for row in found if row is not None]
        if exports.skip_missing:
            rows = [row for row in rows if await context.storage.exists(row.sealed.object_name)]
    except BadInput as wrong:
        return failed(request, INVALID_FORMAT, str(wrong))
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    missing = sorted(set(idents) - {row.record_id for row in rows})
    if missing and (not rows or not exports.skip_missing):
        return failed(request, "API_FILE_NOT_FOUND", f"There is no recording {_shown(missing)}")
    return await _answer(context, request, tuple(rows), kind)


def _shown(numbers: list[int]) -> str:
    few = ",".join(map(str, numbers[:10]))
    return f"{few} and {len(numbers) - 10} more" if len(numbers) > 10 else few


async def _visible(context: Context, actor: Actor, ident: int) -> RecordingRow | None:
    row = await context.store.recording(ident) if 0 < ident < MOST_IDENT else None
    return row if row is not None and shows(actor, row) else None


async def _answer(
    context: Context, request: Request, rows: tuple[RecordingRow, ...], kind: ExportKind
) -> Result | MediaReply:
    exports, wanted = context.exports, request.get("MEDIA_FORMAT")
    if exports is None:
        return failed(request, PROCESSING_ERROR, "Exports are not running")
    encrypted = request.get("ENCRYPT") == "Y"
    if encrypted and wanted != "CAV":
        log.info("encrypt_ignored", request_id=request.request_id, format=wanted, why="only CAV can be encrypted")
    password = request.get("PASSWORD") if encrypted and wanted == "CAV" else ""
    job = ExportJob(
        rows=rows,
        kind=kind,
        format=wanted,
        password=password,
        owner=owner_of(request.actor),
        hears=may_hear(request.actor),
    )
    try:
        reply = await exports.reply(job)
    except FileNotFoundError:
        return failed(request, "API_FILE_NOT_FOUND", "The media of a recording is gone")
    except ValueError as wrong:
        return failed(request, INVALID_FORMAT, str(wrong))
    except OutOfDiskSpace as full:
        return failed(request, "API_ERROR_OUT_OF_DISK_SPACE", str(full))
    except EarshotError as trouble:
        return failed(request, PROCESSING_ERROR, str(trouble))
    detail = {"format": wanted, "kind": kind, "encrypted": "yes" if password else ""}
    try:
        async with context.audit.together():
            for row in rows:
                told = detail | heard(request.actor, row)
                await context.audit.note(request.actor, "exported", f"recording {row.record_id}", **told)
    except StoreUnavailable as error:
        if reply.ranged is not None:
            reply.ranged.release()
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    return reply


async def media_of(context: Context, row: RecordingRow, wanted: str, *, hears: bool = False) -> MediaReply | None:
    """The recording as `wanted` (a value of MEDIA_FORMAT) for who `hears` what is hidden; None when its media is gone.
    Raises ValueError for another, EarshotError when it cannot be made now."""
    if context.exports is None:
        raise EarshotError("exports are not running")
    try:
        job = ExportJob(rows=(row,), kind="single", format=wanted, owner="player", hears=hears)
        return await context.exports.reply(job)
    except FileNotFoundError:
        return None
