"""The web application put together: which path is answered by what.

No answers here. The one rule: every path of the HTTP port stands in this table, with the permission that it
needs; what services add says so as well.
"""

from collections import Counter
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

from earshot.api.permissions import EXPORT, LIVE_MONITORING, PASSWORD_CHANGES, PLAYBACK, SEARCH, SYSTEM_STATUS
from earshot.errors import StoreUnavailable
from earshot.protocol.results import Result
from earshot.protocol.shared_token import SharedToken
from earshot.protocol.xml import write
from earshot.web.account import Account
from earshot.web.console import Console
from earshot.web.gate import LEGACY_PLAYER, METRICS, WEB_API, Gate
from earshot.web.health import Health
from earshot.web.pages import Pages
from earshot.web.permitted import needs, page
from earshot.web.recording import Recordings
from earshot.web.terms import TermsOfTheHouse
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
    token: SharedToken | None = None,
    counters: Counter[str] | None = None,
) -> Starlette:
    """The ASGI application of the HTTP port.

    `api` answers decoded commands of /webAPI.aspx for peers whose address `allowed` lets in (None: everybody, which is
    right only on loopback), with `token` where one is shared. `pace` is that of the live updates, `written` turns a
    result into bytes, `more` are the routes of services, which find the console in the state of the application;
    `counters` counts refusals.
    """
    web_api = WebApi(api, console.storage, allowed, written, token, counters)
    app = Starlette(
        routes=[
            Route(WEB_API, web_api.answer, methods=["GET", "POST"]),
            *_page_routes(console, pace),
            *more,
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(Gate, logins=console.logins, authority=console.authority, bearers=console.bearers),
            *([Middleware(TermsOfTheHouse, read=console.terms)] if console.terms is not None else []),
        ],
        exception_handlers={HTTPException: _sorry(console), StoreUnavailable: _sorry(console)},
    )
    app.state.console = console
    return app


def _page_routes(console: Console, pace: Pace | None) -> list[Route]:
    account, pages, health = Account(console), Pages(console), Health(console.registry)
    recordings, updates = Recordings(console), Updates(console, pace)
    one = "/recordings/{record_id:int}"
    return [
        Route("/", page(pages.now)),
        Route("/live", needs(updates.stream, SYSTEM_STATUS, LIVE_MONITORING)),
        Route("/latest", page(pages.latest, SEARCH)),
        Route("/recordings", page(pages.recordings, SEARCH)),
        Route(one, page(recordings.page, SEARCH, PLAYBACK)),
        Route(one + "/peaks.json", needs(recordings.peaks, SEARCH, PLAYBACK)),
        Route(one + "/wave.svg", needs(recordings.small_picture, SEARCH, PLAYBACK)),
        Route(one + "/audio.wav", needs(recordings.wav, PLAYBACK, EXPORT)),
        Route(one + "/audio.mp3", needs(recordings.mp3, PLAYBACK, EXPORT)),
        Route("/calls", page(pages.calls, SYSTEM_STATUS)),
        Route("/calls/{number:int}", page(pages.call, SYSTEM_STATUS)),
        Route(LEGACY_PLAYER + "{record_id:int}/{flag}", page(pages.legacy_player)),
        Route(LEGACY_PLAYER + "{record_id:int}", page(pages.legacy_player)),
        Route("/login", account.ask, methods=["GET"]),
        Route("/login", account.enter, methods=["POST"]),
        Route("/logout", page(account.leave), methods=["POST"]),
        Route("/account", page(account.own), methods=["GET"]),
        Route("/account", page(account.change_password, PASSWORD_CHANGES), methods=["POST"]),
        Route("/whoami", account.whoami),
        Route("/healthz", health.healthz),
        Route(METRICS, needs(health.metrics, SYSTEM_STATUS)),
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
