"""The gate before every page: who asks, where a request comes from, and the headers that every answer carries.

No pages here, and what somebody may do is asked at each route (`permitted`). The one rule: a path is closed unless
OPEN_PATHS names it, and a change of state needs a token, or a request that began on our own pages.
"""

import ipaddress
import math
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earshot.actor import Actor
from earshot.api.permissions import SYSTEM_STATUS
from earshot.api.tokens import PersonMaker
from earshot.errors import StoreUnavailable
from earshot.web.bearers import Bearers, WrongToken, basic_token, bearer_token
from earshot.web.logins import LockedOut, Logins
from earshot.web.rest.problems import as_problem
from earshot.web.rest.vendor_paths import spelt

COOKIE: Final = "earshot_login"
WEB_API: Final = "/webAPI.aspx"
LEGACY_PLAYER: Final = "/MediaPlayer/ExternalCallListPlayer/"
METRICS: Final = "/metrics"
REST: Final = "/api/"
"""Below it refusals are problem documents, and Basic logins with a token as the password are taken; not from pages of
other sites, because a browser may send those by itself."""
THIS_MACHINE: Final = Actor(kind="system", name="metrics", permissions=frozenset({SYSTEM_STATUS}))
"""Who reads the figures from this machine itself, without a login."""
LEDGER_KEY: Final = "/.well-known/earshot-ledger.json"
OPEN_PATHS: Final = frozenset({"/login", "/whoami", "/healthz", WEB_API, LEDGER_KEY})
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
    """ASGI middleware around all routes.

    Puts into `request.state.actor` who asks (a person, a token, None for nobody) and into `request.state.user` the
    person's user, or None.
    """

    def __init__(self, app: ASGIApp, logins: Logins, authority: PersonMaker, bearers: Bearers) -> None:
        self._app = app
        self._logins = logins
        self._authority = authority
        self._bearers = bearers

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
        if refusal is not None and scope["path"].startswith(REST):
            refusal = as_problem(refusal)
        await (refusal or self._app)(scope, receive, send_guarded)

    async def _refusal(self, request: Request) -> Response | None:
        request.state.user = request.state.actor = None
        path = request.url.path
        is_api = path == WEB_API
        if path == "/healthz" or path.startswith("/static/"):
            return None if request.method in SAFE_METHODS else PlainTextResponse("This can only be read.\n", 405)
        secret = bearer_token(request.headers.get("authorization", ""))
        if secret:
            return await self._let_in_program(request, secret)
        if is_api:
            return None
        secret = basic_token(request.headers.get("authorization", "")) if path.startswith(REST) else ""
        if secret and request.headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            return await self._let_in_program(request, secret)
        if request.method not in SAFE_METHODS and not is_same_origin(request.headers):
            return PlainTextResponse("This request did not come from an Earshot page.\n", 403)
        try:
            await self._let_in_person(request)
        except StoreUnavailable:
            if path not in OPEN_PATHS:
                return PlainTextResponse("The database cannot be reached just now. Recording goes on.\n", 503)
        if request.state.actor is None and path == METRICS and is_loopback(request):
            request.state.actor = THIS_MACHINE
        return None if request.state.actor or path in OPEN_PATHS else ask_to_log_in(request)

    async def _let_in_person(self, request: Request) -> None:
        user = await self._logins.user_of(request.cookies.get(COOKIE, ""))
        if user is not None:
            request.state.actor = await self._authority.person(user, address_of(request))
            request.state.user = user

    async def _let_in_program(self, request: Request, secret: str) -> Response | None:
        """A token needs no proof of where the request began: no browser sends it by itself."""
        try:
            request.state.actor = await self._bearers.actor_of(secret, address_of(request))
        except WrongToken:
            return JSONResponse({"error": "this token opens nothing"}, 401, {"WWW-Authenticate": "Bearer"})
        except LockedOut as locked:
            wait = str(math.ceil(locked.wait_s))
            return JSONResponse({"error": "too many wrong tokens"}, 429, {"Retry-After": wait})
        except StoreUnavailable:
            return PlainTextResponse("The database cannot be reached just now. Recording goes on.\n", 503)
        return None


def address_of(request: Request) -> str:
    """The address of the peer, empty where there is none."""
    return request.client.host.removeprefix("::ffff:") if request.client else ""


def canonical_path(path: str) -> str:
    """The spelling that the routes know of the legacy paths, which old clients write in any letter case."""
    folded = path.lower()
    if folded == WEB_API.lower():
        return WEB_API
    if folded.startswith(LEGACY_PLAYER.lower()):
        return LEGACY_PLAYER + path[len(LEGACY_PLAYER) :]
    return spelt(path)


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
