"""When a recording is heard or taken away, once per opening: players and downloads ask for a file in many pieces.

The one rule: no piece goes out before its opening is in the audit trail, whichever byte it begins with.
"""

from collections import OrderedDict
from typing import Final

from starlette.requests import Request

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.api.hearing import HEARD
from earshot.clock import Clock
from earshot.web.replies import ONE_RANGE

OPENING_S: Final = 900.0
"""Pieces that follow each other within this time belong to one opening."""
REMEMBERED: Final = 20_000


class Openings:
    """Notes who listened to, watched or exported what."""

    def __init__(self, audit: AuditTrail, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._last: OrderedDict[tuple[object, ...], float] = OrderedDict()

    async def note(self, actor: Actor, act: str, subject: str, request: Request, **detail: str) -> None:
        """Note it unless this request goes on with an opening that is noted. Raises StoreUnavailable.

        A download that begins anew is a new one; so is listening after the page was opened again (`begin`).
        """
        if request.method == "HEAD":
            return
        key = (actor.kind, actor.user_id, actor.name, actor.address, act, subject, *detail.values())
        now = self._clock.monotonic()
        known = self._last.get(key)
        goes_on = known is not None and now - known < OPENING_S
        if goes_on and (act == "listened" or not _begins(request)):
            self._remember(key, now)
            return
        await self._audit.note(actor, act, subject, **detail)
        self._remember(key, now)

    def begin(self, actor: Actor, record_id: int) -> None:
        """The page of the recording was opened: what is heard from now on is a new opening."""
        opened = (actor.kind, actor.user_id, actor.name, actor.address, "listened", f"recording {record_id}")
        for heard in ((), (HEARD,)):
            self._last.pop((*opened, *heard), None)

    def _remember(self, key: tuple[object, ...], now: float) -> None:
        self._last[key] = now
        self._last.move_to_end(key)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)


def _begins(request: Request) -> bool:
    """Whether the request asks for the beginning of the file, or all of it."""
    wanted = ONE_RANGE.fullmatch(request.headers.get("range", ""))
    return wanted is None or (wanted[1] != "" and int(wanted[1]) == 0)
