"""One recording: its page, its waveform, its sound as WAV and MP3.

Files are sent by `replies`. The one rule: the sealed WAV is served as it lies in the Storage (silent where
`earshot.api.hearing` says so), everything else is made by the exporter.
"""

from collections.abc import Awaitable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from earshot.api.hearing import WAV, heard, hidden_spans, may_hear, shown_to, wav_reply
from earshot.api.media import MediaReply
from earshot.api.permissions import EXPORT, PLAYBACK
from earshot.api.schedules import told_of
from earshot.engine.variables import USER_FIELDS, CallVariables
from earshot.ports import FinishedCall, RecordingRow, Store
from earshot.vault import VaultError
from earshot.web.console import Console
from earshot.web.openings import Openings
from earshot.web.peaks import SMALL_COLUMNS, SMALL_HEIGHT, picture, small_path
from earshot.web.permitted import actor_of, may_see, refused
from earshot.web.replies import respond

SMALL_PICTURE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
    '<path d="{path}" stroke="#3d8f8a" stroke-width="1.3" fill="none"/></svg>'
)

NAMES: Final = (
    ("device_id", "Device"),
    ("device_alias", "Agent number"),
    ("station", "Station"),
    ("ani", "Caller (ANI)"),
    ("dnis", "Called (DNIS)"),
    ("call_id", "Call ID"),
    ("call_instance", "Call instance"),
    ("session_id", "Session ID"),
    ("group", "ACD group"),
    ("gate", "Gate"),
    ("is_trunk", "Trunk"),
    ("priority", "Priority"),
    ("agent_initiated", "Started by the agent"),
    ("cti_initiated", "Started by CTI"),
)


class Recordings:
    """GET of /recordings/{id} and what lies below it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._openings = Openings(console.audit, console.clock)

    async def _row(self, request: Request) -> RecordingRow | None:
        """The recording; None if there is none that may be seen, so that nobody learns which there are."""
        record_id = request.path_params["record_id"]
        row = await self._console.store.recording(record_id) if record_id < 2**63 else None
        if row is None or not may_see(actor_of(request), row.sealed.agent_id, row.sealed.variables):
            return None
        return row

    async def page(self, request: Request) -> Response:
        """The player and everything that is known of the recording and its call."""
        row = await self._row(request)
        if row is None:
            sentence = f"There is no recording {request.path_params['record_id']}. It may have been deleted."
            return self._console.sorry(request, 404, "No such recording", sentence)
        self._openings.begin(actor_of(request), row.record_id)
        row = shown_to(actor_of(request), row)
        found = await call_of(self._console.store, row)
        number, call = found or (None, None)
        values = {"row": row, "sealed": row.sealed, "number": number, "call": call}
        values["decided"] = told_of(call.decision) if call else {}
        values |= await self._stay(row.record_id)
        return self._console.page(request, "recording.html", values | {"facts": facts(row.sealed.variables)})

    async def _stay(self, record_id: int) -> dict[str, Any]:
        """Until when it is kept, and by which holds."""
        desk = self._console.retention
        if desk is None:
            return {"kept": None, "holds": []}
        return {"kept": await desk.kept.kept(record_id), "holds": await desk.kept.holds_of(record_id)}

    async def peaks(self, request: Request) -> Response:
        """What the player draws, as JSON."""
        row = await self._row(request)
        if row is None:
            return JSONResponse({"error": "no such recording"}, 404)
        shown = shown_to(actor_of(request), row)
        return JSONResponse(picture(shown.sealed), headers={"Cache-Control": "private, no-cache"})

    async def small_picture(self, request: Request) -> Response:
        """The waveform of the list, as SVG."""
        row = await self._row(request)
        if row is None:
            return PlainTextResponse("No such recording.\n", 404)
        path = small_path(shown_to(actor_of(request), row).sealed)
        text = SMALL_PICTURE.format(width=SMALL_COLUMNS * 2, height=SMALL_HEIGHT * 2, path=path)
        kept = "private, no-cache" if hidden_spans(row.sealed) else "private, max-age=300"
        return Response(text, media_type="image/svg+xml", headers={"Cache-Control": kept})

    async def wav(self, request: Request) -> Response:
        """The sound as WAV, with ranges; `?download=1` as an attachment."""
        row = await self._row(request)
        if row is None:
            return PlainTextResponse("No such recording.\n", 404)
        refusal = await self._opened(request, row, "wav")
        if refusal is not None:
            return refusal
        if row.sealed.media_type != WAV:
            return await self._exported(request, row, "wav")
        made = wav_reply(self._console.storage, row, file_name(row, "wav"), hears=may_hear(actor_of(request)))
        return await self._sent(made, request)

    async def mp3(self, request: Request) -> Response:
        """The sound as MP3, made by the exporter."""
        row = await self._row(request)
        if row is None:
            return PlainTextResponse("No such recording.\n", 404)
        return await self._opened(request, row, "mp3") or await self._exported(request, row, "mp3")

    async def _opened(self, request: Request, row: RecordingRow, kind: str) -> Response | None:
        """Note that it is listened to, or exported; what to answer instead where that is not allowed."""
        actor, download = actor_of(request), "download" in request.query_params
        permission = EXPORT if download else PLAYBACK
        if not actor.may(permission):
            return refused(request, (permission,))
        act, form = ("exported", {"format": kind.upper()}) if download else ("listened", {})
        await self._openings.note(actor, act, f"recording {row.record_id}", request, **form, **heard(actor, row))
        return None

    async def _exported(self, request: Request, row: RecordingRow, kind: str) -> Response:
        return await self._sent(self._console.export(row.record_id, kind, may_hear(actor_of(request))), request)

    async def _sent(self, made: Awaitable[MediaReply | None], request: Request) -> Response:
        try:
            inline = "download" not in request.query_params
            reply = await made
            if reply is None:
                raise FileNotFoundError
            return await respond(reply, request, self._console.storage, inline=inline)
        except FileNotFoundError:
            return PlainTextResponse("The sound of this recording is gone.\n", 404)
        except VaultError as why:
            return PlainTextResponse(f"The sound of this recording cannot be read: {why}.\n", 500)


def file_name(row: RecordingRow, extension: str) -> str:
    """The last part of FILENAME, which may look like a Windows path, with `extension`."""
    name = row.sealed.file_name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"{name or f'recording-{row.record_id}'}.{extension}"


def facts(variables: CallVariables) -> list[tuple[str, str]]:
    """The call variables that have a value, with the names people read."""
    known = [(label, getattr(variables, name)) for name, label in NAMES]
    known += [(f"User field {number}", variables.users[number - 1]) for number in range(1, USER_FIELDS + 1)]
    if variables.keep_days >= 0:
        known.append(("Kept for", f"{variables.keep_days} days"))
    if variables.archive_action >= 0:
        known.append(("Archive action", str(variables.archive_action)))
    return [(label, value) for label, value in known if value]


async def call_of(store: Store, row: RecordingRow) -> tuple[int, FinishedCall] | None:
    """Number and details of the call a recording belongs to."""
    number = await store.call_number(row.sealed.call_key)
    call = await store.call(number) if number is not None else None
    return (number, call) if number is not None and call is not None else None
