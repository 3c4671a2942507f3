"""Finding recordings for the list: what the form says, turned into a RecordingFilter and one page of rows.

No HTML here. The one rule: the work of one page is bounded. What the store has no index for (text anywhere, warnings)
is looked for in at most SCANNED rows; the page says so and goes on from there when asked.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final
from urllib.parse import urlencode

from earshot.actor import Visibility
from earshot.ports import RecordingFilter, RecordingRow, Store
from earshot.web.presenting import WARNING_WORDS

ROWS: Final = 50
"""Rows of one page."""
BATCH: Final = 200
SCANNED: Final = 2_000
"""Most rows that one page looks at."""
TRAIL: Final = 40
"""Most pages that "newer" finds its way back through, step by step."""

ANYWHERE: Final = ""
FIELDS: Final = {
    ANYWHERE: "Anywhere",
    "device_id": "Device",
    "device_alias": "Agent number",
    "ani": "Caller (ANI)",
    "dnis": "Called (DNIS)",
    "call_id": "Call ID",
    "group": "ACD group",
    "gate": "Gate",
} | {f"user{number}": f"User field {number}" for number in range(1, 16)}
"""What can be searched for by its exact value, and the text that is looked for in all of them."""

WARNINGS: Final = tuple(WARNING_WORDS)

Cursor = tuple[float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What the form of the list says. `first_day` and `last_day` are local and inclusive; `trail` holds the places of
    the pages before this one, oldest step last, None standing for the newest page."""

    text: str = ""
    field: str = ANYWHERE
    first_day: date | None = None
    last_day: date | None = None
    warning: str = ""
    before: Cursor | None = None
    trail: tuple[Cursor | None, ...] = ()

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.text or self.first_day or self.last_day or self.warning)

    def link(self, before: Cursor | None, trail: tuple[Cursor | None, ...]) -> str:
        """The list with the same filters at another place."""
        pairs = [("q", self.text), ("field", self.field), ("warning", self.warning)]
        pairs += [("from", str(self.first_day or "")), ("to", str(self.last_day or ""))]
        pairs += [("before", written_cursor(before))]
        query = [(name, value) for name, value in pairs if value]
        query += [("back", written_cursor(step)) for step in trail[-TRAIL:]]
        return "/recordings" + (f"?{urlencode(query)}" if query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows, newest first, and where to go on. `stopped_early`: more rows may match behind those that were looked at."""

    rows: list[RecordingRow]
    older: str = ""
    newer: str = ""
    newest: str = ""
    stopped_early: bool = False


def read_search(query: Mapping[str, str], steps: list[str]) -> Search:
    """The search that a query string describes; what cannot be understood is left out. `steps` are its "back"s."""
    field = query.get("field", ANYWHERE)
    warning = query.get("warning", "")
    return Search(
        text=query.get("q", "").strip()[:255],
        field=field if field in FIELDS else ANYWHERE,
        first_day=_day(query.get("from", "")),
        last_day=_day(query.get("to", "")),
        warning=warning if warning in WARNINGS else "",
        before=read_cursor(query.get("before", "")),
        trail=tuple(read_cursor(step) for step in steps[-TRAIL:]),
    )


async def find(store: Store, search: Search, zone: tzinfo | None, sees: Visibility) -> Page:
    """One page of what matches, of the recordings that may be seen. Raises StoreUnavailable."""
    exact = {search.field: search.text} if search.text and search.field != ANYWHERE else {}
    since = _midnight(search.first_day, zone) if search.first_day else None
    until = math.nextafter(_midnight(search.last_day + timedelta(days=1), zone), 0) if search.last_day else None
    text = search.text.casefold() if search.text and search.field == ANYWHERE else ""
    sieve = bool(text or search.warning)
    found: list[RecordingRow] = []
    place, seen, more = search.before, 0, True
    while more and len(found) <= ROWS and seen < SCANNED:
        wanted = RecordingFilter(equals=exact, since=since, until=until, before=place, seen_by=sees)
        limit = BATCH if sieve else ROWS + 1
        batch = await store.recordings(wanted, limit)
        seen += len(batch)
        more = len(batch) == limit
        found += [row for row in batch if matches(row, text, search.warning)]
        if batch:
            place = cursor_of(batch[-1])
        if not sieve:
            break
    return _page(search, found, place, more)


def _page(search: Search, found: list[RecordingRow], place: Cursor | None, more: bool) -> Page:
    rows = found[:ROWS]
    onward = cursor_of(rows[-1]) if len(found) > ROWS else (place if more else None)
    trail = (*search.trail, search.before)
    return Page(
        rows=rows,
        older=search.link(onward, trail) if onward else "",
        newer=search.link(search.trail[-1], search.trail[:-1]) if search.trail else "",
        newest=search.link(None, ()) if search.before else "",
        stopped_early=more and len(found) <= ROWS,
    )


def matches(row: RecordingRow, text: str, warning: str) -> bool:
    """Whether the case-folded `text` is anywhere in the row's names and numbers, and `warning` among its warnings."""
    if warning and warning not in row.warnings:
        return False
    if not text:
        return True
    known = row.sealed.variables
    values = (known.device_id, known.device_alias, known.station, known.ani, known.dnis, known.call_id, known.group)
    agent = f"{row.agent_first_name} {row.agent_last_name}"
    return any(text in value.casefold() for value in (*values, known.gate, agent, row.sys_user, *known.users))


def cursor_of(row: RecordingRow) -> Cursor:
    """The place of a row in the order of the list."""
    return row.sealed.recording_time, row.record_id


def written_cursor(cursor: Cursor | None) -> str:
    """A place as text, exact to the last bit."""
    return f"{cursor[0]!r}_{cursor[1]}" if cursor else ""


def read_cursor(text: str) -> Cursor | None:
    """The place that `written_cursor` wrote; None for anything else."""
    moment, _, number = text[:60].partition("_")
    try:
        cursor = float(moment), int(number)
    except ValueError:
        return None
    return cursor if math.isfinite(cursor[0]) and 0 <= cursor[1] < 2**63 else None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < 9999 else None


def _midnight(day: date, zone: tzinfo | None) -> float:
    return datetime.combine(day, time.min, zone).timestamp()
