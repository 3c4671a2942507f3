"""The words of this house on the pages: labels are shown as FETCHTERMINOLOGY names them.

What the terms are is for `earshot.api.terminology`. The one rule: a page without the database, or of a house that never
changed a term, shows the words that the templates have.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from earshot.errors import StoreUnavailable

NAME_OF: Final = {
    "Agent": "agent",
    "Agent number": "devicealias",
    "Device": "deviceid",
    "Devices": "deviceid",
    "Caller (ANI)": "ani",
    "Called (DNIS)": "dnis",
    "ACD group": "group",
    "Gate": "gate",
    "Call ID": "callid",
    "Direction": "calldirection",
    "Station": "station",
    **{f"User field {number}": f"user{number}" for number in range(1, 16)},
}
"""The labels of the pages, and the terms they go by."""

PLAIN_PATHS: Final = ("/static/", "/live", "/metrics", "/healthz", "/api/", "/webapi.aspx")
"""Where no words of ours are shown."""

Terms = Mapping[str, str]


class TermsOfTheHouse:
    """ASGI middleware behind the gate: puts the terms into `request.state.terms` for requests of pages."""

    def __init__(self, app: ASGIApp, read: Callable[[], Awaitable[Terms]]) -> None:
        self._app = app
        self._read = read
        self._last: Terms = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
        if scope["type"] == "http" and not scope["path"].lower().startswith(PLAIN_PATHS):
            with contextlib.suppress(StoreUnavailable):
                self._last = await self._read()
            Request(scope).state.terms = self._last
        await self._app(scope, receive, send)


def word_for(request: Request) -> Callable[[str], str]:
    """`word(label)` for the templates: the label as this house calls it."""
    terms: Terms = getattr(request.state, "terms", {})

    def word(label: str) -> str:
        return terms.get(NAME_OF.get(label, ""), "") or label

    return word
