"""Live updates of the dashboard as server-sent events: a snapshot on connecting, then what changed.

Nothing is kept for a reader: one that is slow or comes back gets the newest state. The one rule: a stream ends with the
login it was opened by.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from earshot.api.live import LiveCall, LiveSnapshot
from earshot.web.console import Console
from earshot.web.gate import COOKIE

SHOWN_CALLS: Final = 300
SHOWN_DEVICES: Final = 600
STREAMS: Final = 64
"""Most open streams; the next is asked to come back later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds: between two changes at the least, of silence before a heartbeat, between two looks at the login."""

    between_s: float = 0.5
    heartbeat_s: float = 15.0
    login_s: float = 60.0


class Updates:
    """GET /live."""

    def __init__(self, console: Console, pace: Pace | None = None) -> None:
        self._console = console
        self._pace = pace or Pace()
        self._open = 0

    async def stream(self, request: Request) -> Response:
        """The event stream of one reader."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._open >= STREAMS:
            return PlainTextResponse("Too many dashboards are open.\n", 503, {"Retry-After": "30"})
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        events = self._events(request.cookies.get(COOKIE, ""))
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    async def _events(self, token: str) -> AsyncIterator[bytes]:
        console, pace, clock = self._console, self._pace, self._console.clock
        shown = console.live.snapshot()
        self._open += 1
        try:
            yield b"retry: 2000\n\n" + event("snapshot", self._timed(whole(shown)))
            sent_at = looked_at = clock.monotonic()
            watch = console.live.subscribe()
            while True:
                newer = await _next_within(watch, pace.heartbeat_s)
                now = clock.monotonic()
                if now - looked_at >= pace.login_s:
                    looked_at = now
                    if await console.logins.user_of(token) is None:
                        return
                change = difference(shown, newer) if newer else {}
                if newer is None:
                    watch = console.live.subscribe()
                else:
                    shown = newer
                if change:
                    yield event("change", self._timed(change))
                elif newer is None or now - sent_at >= pace.heartbeat_s:
                    yield b": still here\n\n"
                else:
                    continue
                sent_at = now
                await asyncio.sleep(pace.between_s)
        finally:
            self._open -= 1

    def _timed(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"now": self._console.clock.now(), **values}


async def _next_within(watch: AsyncIterator[LiveSnapshot], seconds: float) -> LiveSnapshot | None:
    """The next snapshot; None when none came in time, after which `watch` may be spent."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(watch, None)
    except TimeoutError:
        return None


def event(name: str, values: Mapping[str, Any]) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2) with a JSON document, which has no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(values) + b"\n\n"


def _newest(snapshot: LiveSnapshot) -> dict[str, LiveCall]:
    calls = sorted(snapshot.calls, key=lambda call: call.started_at, reverse=True)[:SHOWN_CALLS]
    return {call.key: call for call in calls}


def _counts(snapshot: LiveSnapshot) -> dict[str, int]:
    states = Counter(call.state for call in snapshot.calls)
    return {
        "calls": len(snapshot.calls),
        "recording": states["recording"],
        "waiting": states["waiting"],
        "no_sound": states["no_sound"],
        "devices": len(snapshot.devices),
    }


def whole(snapshot: LiveSnapshot) -> dict[str, Any]:
    """A snapshot as JSON values: counts of everything, details of what a screen can show (the newest calls)."""
    return {
        "counts": _counts(snapshot),
        "calls": list(_newest(snapshot).values()),
        "devices": snapshot.devices[:SHOWN_DEVICES],
        "notices": snapshot.notices,
    }


def difference(old: LiveSnapshot, new: LiveSnapshot) -> dict[str, Any]:
    """What a reader who knows `old` must hear to know `new`; empty if nothing. `gone` holds keys of calls."""
    before, after = _newest(old), _newest(new)
    change: dict[str, Any] = {}
    if changed := [call for key, call in after.items() if before.get(key) != call]:
        change["calls"] = changed
    if gone := [key for key in before if key not in after]:
        change["gone"] = gone
    if _counts(old) != _counts(new):
        change["counts"] = _counts(new)
    if old.devices != new.devices:
        change["devices"] = new.devices[:SHOWN_DEVICES]
    if old.notices != new.notices:
        change["notices"] = new.notices
    return change
