"""The gate before every page: who is logged in, where a request comes from, and the headers that every answer carries.

No pages here. The one rule: a path is closed unless OPEN_PATHS names it, and a change of state needs a request that
began on our own pages.
"""

import ipaddress
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earshot.errors import StoreUnavailable
from earshot.web.logins import Logins

COOKIE: Final = "earshot_login"
WEB_API: Final = "/webAPI.aspx"
LEGACY_PLAYER: Final = "/MediaPlayer/ExternalCallListPlayer/"
OPEN_PATHS: Final = frozenset({"/login", "/whoami", "/healthz", WEB_API})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Gate:
    """ASGI middleware around all routes. Puts the logged-in user, or None, into `request.state.user`."""

    def __init__(self, app: ASGIApp, logins: Logins) -> None:
        self._app = app
        self._logins = logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            return
        scope["path"] = canonical_path(scope["path"])

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope, receive)
        refusal = await self._refusal(request)
        await (refusal or self._app)(scope, receive, send_guarded)

    async def _refusal(self, request: Request) -> Response | None:
        request.state.user = None
        path = request.url.path
        is_api = path == WEB_API
        if not is_api and request.method not in SAFE_METHODS and not is_same_origin(request.headers):
            return PlainTextResponse("This request did not come from an Earshot page.\n", 403)
        if is_api or path == "/healthz" or path.startswith("/static/"):
            return None
        try:
            request.state.user = await self._logins.user_of(request.cookies.get(COOKIE, ""))
        except StoreUnavailable:
            if path not in OPEN_PATHS:
                return PlainTextResponse("The database cannot be reached just now. Recording goes on.\n", 503)
        if request.state.user or path in OPEN_PATHS or (path == "/metrics" and is_loopback(request)):
            return None
        return ask_to_log_in(request)


def canonical_path(path: str) -> str:
    """The spelling that the routes know of the two legacy paths, which old clients write in any letter case."""
    folded = path.lower()
    if folded == WEB_API.lower():
        return WEB_API
    if folded.startswith(LEGACY_PLAYER.lower()):
        return LEGACY_PLAYER + path[len(LEGACY_PLAYER) :]
    return path


def is_same_origin(headers: Headers) -> bool:
    """Whether a request that changes something was made by one of our own pages: by Sec-Fetch-Site (Fetch Metadata)
    where the browser sends it, else by Origin against Host. A request with neither is refused."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin, host = headers.get("origin"), headers.get("host")
    return bool(origin and host) and urlsplit(origin or "").netloc.lower() == (host or "").lower()


def is_loopback(request: Request) -> bool:
    """Whether the peer is this machine."""
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def ask_to_log_in(request: Request) -> Response:
    """401 for programs and media, a way to the login page for people."""
    wants_page = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    if not wants_page or request.url.path == "/live":
        return JSONResponse({"error": "login required"}, 401)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/login?next={quote(request.url.path + query, safe='/')}", 303)


def safe_next(target: str) -> str:
    """`target` if it is a path on this server, else "/": nobody is sent elsewhere after logging in."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target or len(target) > 2_000:
        return "/"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in target):
        return "/"
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc and parts.path != "/login" else "/"
