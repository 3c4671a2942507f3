"""Live updates of the dashboard as server-sent events: a snapshot on connecting, then what changed.

Nothing is kept for a reader: one that is slow or comes back gets the newest state. The one rule: a stream ends with the
login it was opened by, and shows what that login may see at that time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from earshot.actor import Actor
from earshot.api.live import LiveCall, LiveDevice, LiveScreen, LiveSnapshot
from earshot.api.permissions import LIVE_MONITORING, SYSTEM_STATUS
from earshot.web.bearers import WrongToken, bearer_token
from earshot.web.console import Console
from earshot.web.gate import COOKIE
from earshot.web.logins import LockedOut
from earshot.web.permitted import actor_of

SHOWN_CALLS: Final = 300
SHOWN_DEVICES: Final = 600
SHOWN_SCREENS: Final = 100
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
        events = self._events(request)
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    async def _events(self, request: Request) -> AsyncIterator[bytes]:
        console, pace, clock = self._console, self._pace, self._console.clock
        actor = actor_of(request)
        shown = visible(console.live.snapshot(), actor)
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
                    still = await self._still(request, actor)
                    if still is None:
                        return
                    actor = still
                change: dict[str, Any] = {}
                if newer is None:
                    watch = console.live.subscribe()
                else:
                    newer = visible(newer, actor)
                    change, shown = difference(shown, newer), newer
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

    async def _still(self, request: Request, actor: Actor) -> Actor | None:
        """Who watches, looked at anew; None when the login or the token is over, or may not watch any more."""
        secret = bearer_token(request.headers.get("authorization", ""))
        if secret:
            try:
                now: Actor | None = await self._console.bearers.actor_of(secret, actor.address)
            except (WrongToken, LockedOut):
                now = None
        else:
            user = await self._console.logins.user_of(request.cookies.get(COOKIE, ""))
            now = await self._console.authority.person(user, actor.address) if user else None
        return now if now is not None and any(map(now.may, (SYSTEM_STATUS, LIVE_MONITORING))) else None

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


def visible(snapshot: LiveSnapshot, actor: Actor) -> LiveSnapshot:
    """What of a snapshot the actor may see. Sentences for operators are for those who may see the system's status."""
    notices = snapshot.notices if actor.may(SYSTEM_STATUS) else ()
    if actor.sees.everything:
        return snapshot if notices == snapshot.notices else replace(snapshot, notices=notices)
    calls = tuple(call for call in snapshot.calls if _shows(actor, call, call.group, call.gate))
    devices = tuple(device for device in snapshot.devices if _shows(actor, device, "", ""))
    screens = tuple(screen for screen in snapshot.screens if _shows_screen(actor, screen))
    return replace(snapshot, calls=calls, devices=devices, screens=screens, notices=notices)


def _shows_screen(actor: Actor, screen: LiveScreen) -> bool:
    return actor.sees.shows(
        agent_id=screen.agent_id,
        device_id="",
        device_alias=screen.device_alias,
        group=screen.group,
        gate=screen.gate,
    )


def _shows(actor: Actor, what: LiveCall | LiveDevice, group: str, gate: str) -> bool:
    return actor.sees.shows(
        agent_id=what.agent_id, device_id=what.device_id, device_alias=what.device_alias, group=group, gate=gate
    )


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
        "screens": snapshot.screens[:SHOWN_SCREENS],
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
    if old.screens != new.screens:
        change["screens"] = new.screens[:SHOWN_SCREENS]
    if old.notices != new.notices:
        change["notices"] = new.notices
    return change
