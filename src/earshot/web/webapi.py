"""The door of the old HTTP clients: /webAPI.aspx (reference.md section 4), the protocol of port 5620 in URLs.

Commands are decoded by `earshot.protocol` and answered elsewhere. The one rule: whatever the protocol can say is said
in its XML with HTTP 200; only a refused peer gets a status of HTTP's own.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from earshot.actor import PROTOCOL, Actor
from earshot.api.media import MediaReply
from earshot.errors import EarshotError, OutOfDiskSpace, StoreUnavailable
from earshot.ports import Storage
from earshot.protocol.decode import Request, decode_query, decode_xml, malformed
from earshot.protocol.results import PROCESSING_ERROR, Result, failed
from earshot.protocol.shared_token import SharedToken, is_refusal
from earshot.protocol.xml import write
from earshot.web.bodies import BodyTooLarge, BodyTooSlow, read_body
from earshot.web.gate import address_of
from earshot.web.replies import respond

log = structlog.get_logger(__name__)

BODY_BYTES: Final = 1024 * 1024
XML_TYPES: Final = frozenset({"text/xml", "application/xml"})
BLANKS: Final = b"\xef\xbb\xbf \t\r\n\0"
"""What may stand before the first `<` of an XML body, byte order mark included."""

ApiDoor = Callable[[Request], Awaitable[Result | MediaReply]]
"""What answers a decoded request: with a result, or for the export commands with a file."""


class WebApi:
    """GET and POST of /webAPI.aspx. `written` turns a result into bytes, in whichever dialect is configured."""

    def __init__(
        self,
        api: ApiDoor,
        storage: Storage,
        allowed: Callable[[str], bool] | None = None,
        written: Callable[[Result], bytes] = write,
        token: SharedToken | None = None,
        counters: Counter[str] | None = None,
    ) -> None:
        self._api = api
        self._storage = storage
        self._allowed = allowed
        self._written = written
        self._token = token
        self._counters: Counter[str] = Counter() if counters is None else counters

    async def answer(self, request: HttpRequest) -> Response:
        """One command: 403 for a peer that is not let in, else XML or the file."""
        peer = address_of(request)
        if self._allowed is not None and not self._allowed(peer):
            self._counters["http_refused_address"] += 1
            log.warning("web_api_refused", peer=peer)
            return PlainTextResponse("This address is not on the allow-list of the API.\n", 403)
        if request.headers.get("sec-fetch-site") == "cross-site":
            return PlainTextResponse("Pages of other sites may not use the API.\n", 403)
        actor: Actor | None = getattr(request.state, "actor", None)
        decoded = await self._decoded(request, None if actor is not None else self._token)
        if isinstance(decoded, Result):
            if is_refusal(decoded):
                self._counters["http_refused_token"] += 1
                log.warning("web_api_token_refused", peer=peer, command=decoded.request_type, why=decoded.label)
            return self._xml(decoded)
        decoded = decoded._replace(actor=actor or replace(PROTOCOL, address=peer))
        for warning in decoded.warnings:
            log.info("api_warning", command=decoded.command.name, request_id=decoded.request_id, warning=warning)
        try:
            reply = await self._api(decoded)
        except StoreUnavailable as why:
            return self._xml(failed(decoded, "API_DATABASE_QUERY_ERROR", str(why)))
        except Exception:
            log.exception("command_failed", command=decoded.command.name, request_id=decoded.request_id)
            return self._xml(failed(decoded, PROCESSING_ERROR, "The command failed; the log says why"))
        if isinstance(reply, Result):
            return self._xml(reply)
        try:
            return await respond(reply, request, self._storage)
        except FileNotFoundError:
            return self._xml(failed(decoded, "API_FILE_NOT_FOUND", "The media of this recording is gone"))
        except OutOfDiskSpace as full:
            return self._xml(failed(decoded, "API_ERROR_OUT_OF_DISK_SPACE", str(full)))
        except EarshotError as trouble:
            return self._xml(failed(decoded, PROCESSING_ERROR, str(trouble)))

    async def _decoded(self, request: HttpRequest, token: SharedToken | None) -> Request | Result:
        """The request; where a `token` is shared it must be among the parameters or in a header."""
        header = shared_header(request)
        query = request.scope["query_string"]
        if request.method != "POST":
            return token.decode_query(query, header=header) if token else decode_query(query)
        try:
            body = await read_body(request, BODY_BYTES)
        except BodyTooLarge:
            return malformed(f"The request is larger than {BODY_BYTES} bytes")
        except BodyTooSlow:
            return malformed("The request did not arrive in time")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in XML_TYPES or body.lstrip(BLANKS)[:1] == b"<":
            return token.decode_xml(body, "http", header) if token else decode_xml(body, "http")
        pairs = b"&".join(part for part in (query, body.strip()) if part)
        return token.decode_query(pairs, header=header) if token else decode_query(pairs)

    def _xml(self, result: Result) -> Response:
        return Response(self._written(result), media_type="text/xml; charset=utf-8")


def shared_header(request: HttpRequest) -> str:
    """The shared token where it comes as a header: `X-API-Token: ...` or `Authorization: Bearer ...`."""
    sent = request.headers.get("x-api-token", "").strip()
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return sent or (value.strip() if scheme.lower() == "bearer" else "")
