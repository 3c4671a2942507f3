"""A MediaReply as an HTTP response: headers, HEAD, one byte range (RFC 9110 section 14), bytes from the Storage.

No decisions about who may have the file. The one rule: the first bytes are in hand before a status is sent, so that a
lost object is a clear 404 and never a broken download.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from earshot.api.media import MediaReply, RangedBytes
from earshot.ports import Storage
from earshot.storage.placed import size_read

ONE_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE)
UNSAFE_IN_NAME: Final = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|]')


class RangeNotSatisfiable(Exception):
    """The wanted range lies behind the end (416)."""


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The span [start, stop) that a Range header asks for of `size` bytes; None for the whole.

    What is no single byte range is ignored, as RFC 9110 section 14.2 allows. Raises RangeNotSatisfiable.
    """
    found = ONE_RANGE.fullmatch(header) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = int(found[2])
        if length == 0 or size == 0:
            raise RangeNotSatisfiable
        return max(0, size - length), size
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable
    return start, min(last, size - 1) + 1


def disposition(file_name: str, inline: bool) -> str:
    """A Content-Disposition with a plain name for old clients and the true one beside it (RFC 6266, RFC 8187)."""
    name = UNSAFE_IN_NAME.sub("_", file_name.replace("\\", "/").rsplit("/", 1)[-1])[:200] or "recording"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    kind = "inline" if inline else "attachment"
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def respond(reply: MediaReply, request: Request, storage: Storage, *, inline: bool = False) -> Response:
    """Send `reply`, or the part of it that the request's Range names. Raises FileNotFoundError if there is none, and
    what its bytes raise before the first of them."""
    if reply.ranged is None:
        return await _response(reply, request, storage, inline)
    try:
        response = await _response(reply, request, storage, inline)
    except BaseException:
        reply.ranged.release()
        raise
    if not isinstance(response, _Released):
        reply.ranged.release()
    return response


async def _response(reply: MediaReply, request: Request, storage: Storage, inline: bool) -> Response:
    headers = {"Content-Disposition": disposition(reply.file_name, inline)}
    tag = f'"{hashlib.sha256(reply.etag.encode()).hexdigest()[:32]}"' if reply.etag else ""
    if tag:
        headers["ETag"] = tag
    if reply.chunks is not None:
        if reply.size is not None:
            headers["Content-Length"] = str(reply.size)
        if request.method == "HEAD":
            return _head(200, headers, reply.media_type)
        return StreamingResponse(await _begun(reply.chunks), headers=headers, media_type=reply.media_type)

    size = await size_read(storage, reply.object_name) if reply.ranged is None else reply.size or 0
    span = None
    if reply.supports_range:
        headers["Accept-Ranges"] = "bytes"
        if_range = request.headers.get("if-range")
        if if_range is None or if_range == tag:
            try:
                span = wanted_range(request.headers.get("range"), size)
            except RangeNotSatisfiable:
                return Response(status_code=416, headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"})
    start, stop = span or (0, size)
    status = 206 if span else 200
    headers["Content-Length"] = str(stop - start)
    if span:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if request.method == "HEAD":
        return _head(status, headers, reply.media_type)
    if reply.ranged is not None:
        chunks = await _begun(reply.ranged.read(start, stop))
        return _Released(chunks, status, headers, reply.media_type, reply.ranged)
    chunks = await _begun(storage.read(reply.object_name, start, stop))
    return StreamingResponse(chunks, status, headers, reply.media_type)


class _Released(StreamingResponse):
    """Releases what it reads from when it is sent, or the client is gone."""

    def __init__(
        self, chunks: AsyncIterator[bytes], status: int, headers: dict[str, str], media_type: str, source: RangedBytes
    ) -> None:
        super().__init__(chunks, status, headers, media_type)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._source.release()


def _head(status: int, headers: dict[str, str], media_type: str) -> Response:
    """The headers that GET would have; a length that is not known is not claimed."""
    response = Response(status_code=status, headers=headers, media_type=media_type)
    if "Content-Length" not in headers:
        del response.headers["Content-Length"]
    return response


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, the first of them already read."""
    first = await anext(chunks, b"")

    async def again() -> AsyncIterator[bytes]:
        try:
            yield first
            async for chunk in chunks:
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    return again()
