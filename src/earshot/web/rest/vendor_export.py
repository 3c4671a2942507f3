"""The vendor's Export API (reference.md 12): recordings as a ZIP, by direct download.

What may be exported and how it is noted is decided by EXPORT, MULTIEXPORT and COMBINEDEXPORT. The one rule: a ZIP is
never held in memory; its members are read twice, once for their checksum.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from earshot.api.media import MediaReply
from earshot.api.permissions import EXPORT
from earshot.media.formats.zip import Member, ZipLayout
from earshot.protocol.results import INVALID_FORMAT, Result
from earshot.web.replies import disposition
from earshot.web.rest import vendor_paths as paths
from earshot.web.rest.desk import Desk, who
from earshot.web.rest.files import file_problems, sent
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, refusal_of
from earshot.web.rest.vendor import as_text, body_of, documented, given, query_of, text_in

ZIP: Final = "application/zip"
MOST_IDENTS: Final = 10_000


class Idents(BaseModel):
    """RECORDIDs, unless the query has them."""

    idents: list[int]


class VendorExport:
    """/api/WebExport."""

    tag = "vendor exports"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route(
        "GET",
        paths.SINGLE_EXPORT,
        EXPORT,
        summary="One recording as a ZIP",
        response_class=Response,
        openapi_extra=query_of(
            uniquefield="A field of recordings, such as ident.",
            uniquevalue="Its value; of several recordings the most recent is taken.",
            mediaformat="WAV, MP3, VOX or CAV.",
            encrypt="true for a CAV with a password.",
            password="Of the CAV; the header X-Export-Password keeps it out of addresses.",
        ),
    )
    async def single(self, request: Request) -> Response:
        """EXPORT."""
        with documented():
            params = await given(request)
            fields = [
                ("UNIQUEFIELD", text_in(params, "uniquefield")),
                ("UNIQUEID", text_in(params, "uniquevalue")),
                ("MEDIA_FORMAT", text_in(params, "mediaformat")),
                ("ENCRYPT", text_in(params, "encrypt")),
                ("PASSWORD", request.headers.get("x-export-password", "") or text_in(params, "password")),
            ]
            return await self._zipped(request, "EXPORT", fields)

    @route(
        "POST",
        paths.MULTI_EXPORT,
        EXPORT,
        summary="Several recordings as a ZIP with a file each",
        response_class=Response,
        openapi_extra=query_of(mediaformat="WAV, MP3, VOX or CAV.", idents="RECORDIDs, by commas.") | body_of(Idents),
    )
    async def multi(self, request: Request) -> Response:
        """MULTIEXPORT."""
        with documented():
            return await self._several(request, "MULTIEXPORT")

    @route(
        "POST",
        paths.COMBINED_EXPORT,
        EXPORT,
        summary="Several recordings joined into one file, as a ZIP",
        response_class=Response,
        openapi_extra=query_of(mediaformat="WAV, MP3, VOX or CAV.", idents="RECORDIDs, by commas.") | body_of(Idents),
    )
    async def combined(self, request: Request) -> Response:
        """COMBINEDEXPORT: in the order of their numbers."""
        with documented():
            return await self._several(request, "COMBINEDEXPORT")

    async def _several(self, request: Request, command: str) -> Response:
        params = await given(request)
        named: Any = params.get("idents", params.get("", ""))
        if isinstance(named, list):
            if len(named) > MOST_IDENTS:
                raise Problem(404, f"idents are more than {MOST_IDENTS}", INVALID_FORMAT)
            named = ",".join(as_text("idents", one) for one in named)
        if not isinstance(named, str):
            raise Problem(404, "idents are numbers", INVALID_FORMAT)
        fields = [("IDENT", named), ("MEDIA_FORMAT", text_in(params, "mediaformat"))]
        return await self._zipped(request, command, fields)

    async def _zipped(self, request: Request, command: str, fields: Sequence[tuple[str, str]]) -> Response:
        answer = await self._desk.answer(who(request), command, fields)
        if isinstance(answer, Result):
            raise refusal_of(answer)
        if answer.media_type == ZIP or answer.chunks is not None:
            return await sent(answer, request, self._desk)
        with file_problems():
            return await zipped(answer, self._desk)


async def zipped(reply: MediaReply, desk: Desk) -> Response:
    """A file as the only member of a ZIP, sent once its checksum is known. Raises as reading it does."""

    def read() -> AsyncIterator[bytes]:
        if reply.ranged is not None:
            return reply.ranged.read(0, reply.size or 0)
        return desk.context.storage.read(reply.object_name)

    released = reply.ranged.release if reply.ranged is not None else lambda: None
    try:
        size = crc = 0
        async for chunk in read():
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    except BaseException:
        released()
        raise
    now = datetime.fromtimestamp(desk.context.clock.now(), desk.zone)
    layout = ZipLayout((now.year, now.month, now.day, now.hour, now.minute, now.second))
    stem, _, ending = reply.file_name.rpartition(".")
    member = Member(reply.file_name, size, crc)

    async def pieces() -> AsyncIterator[bytes]:
        yield layout.before(member)
        async for chunk in read():
            yield chunk
        yield layout.after([member])

    headers = {
        "Content-Length": str(layout.size([member])),
        "Content-Disposition": disposition(f"{stem or ending}.zip", inline=False),
    }
    return _Releasing(pieces(), headers, released)


class _Releasing(StreamingResponse):
    """Releases what it reads from when it is sent, or the client is gone."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: dict[str, str], released: Callable[[], None]) -> None:
        super().__init__(pieces, headers=headers, media_type=ZIP)
        self._released = released

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._released()
