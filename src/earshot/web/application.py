"""The web application put together: which path is answered by what.

No answers here. The one rule: every path of the HTTP port stands in this table.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from earshot.errors import StoreUnavailable
from earshot.protocol.results import Result
from earshot.protocol.xml import write
from earshot.web.account import Account
from earshot.web.console import Console
from earshot.web.gate import LEGACY_PLAYER, WEB_API, Gate
from earshot.web.health import Health
from earshot.web.pages import Pages
from earshot.web.recording import Recordings
from earshot.web.updates import Pace, Updates
from earshot.web.webapi import ApiDoor, WebApi

STATIC: Final = Path(__file__).with_name("static")


def build_app(
    console: Console,
    api: ApiDoor,
    *,
    allowed: Callable[[str], bool] | None = None,
    pace: Pace | None = None,
    written: Callable[[Result], bytes] = write,
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """The ASGI application of the HTTP port.

    `api` answers decoded commands of /webAPI.aspx for peers whose address `allowed` lets in (None: everybody, which is
    right only on loopback). `pace` is that of the live updates, `written` turns a result into bytes, `more` are
    the routes of services.
    """
    web_api = WebApi(api, console.storage, allowed, written)
    return Starlette(
        routes=[
            Route(WEB_API, web_api.answer, methods=["GET", "POST"]),
            *_page_routes(console, pace),
            *more,
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Gate, logins=console.logins)],
        exception_handlers={HTTPException: _sorry(console), StoreUnavailable: _sorry(console)},
    )


def _page_routes(console: Console, pace: Pace | None) -> list[Route]:
    account, pages, health = Account(console), Pages(console), Health(console.registry)
    recordings, updates = Recordings(console), Updates(console, pace)
    one = "/recordings/{record_id:int}"
    return [
        Route("/", pages.now),
        Route("/live", updates.stream),
        Route("/latest", pages.latest),
        Route("/recordings", pages.recordings),
        Route(one, recordings.page),
        Route(one + "/peaks.json", recordings.peaks),
        Route(one + "/wave.svg", recordings.small_picture),
        Route(one + "/audio.wav", recordings.wav),
        Route(one + "/audio.mp3", recordings.mp3),
        Route("/calls", pages.calls),
        Route("/calls/{number:int}", pages.call),
        Route(LEGACY_PLAYER + "{record_id:int}/{flag}", pages.legacy_player),
        Route(LEGACY_PLAYER + "{record_id:int}", pages.legacy_player),
        Route("/login", account.ask, methods=["GET"]),
        Route("/login", account.enter, methods=["POST"]),
        Route("/logout", account.leave, methods=["POST"]),
        Route("/whoami", account.whoami),
        Route("/healthz", health.healthz),
        Route("/metrics", health.metrics),
    ]


def _sorry(console: Console) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, failure: Exception) -> Response:
        if isinstance(failure, HTTPException):
            status, title = failure.status_code, failure.detail
            sentence = "There is nothing at this address." if status == 404 else "This cannot be done here."
        else:
            status, title = 503, "The database cannot be reached"
            sentence = "Recording goes on, and its rows arrive when the database is back. Try again in a moment."
        response = console.sorry(request, status, title, sentence)
        if isinstance(failure, HTTPException) and failure.headers:
            response.headers.update(failure.headers)
        return response

    return answer
