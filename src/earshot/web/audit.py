"""The page of the audit trail: search, page through, export.

Nothing here writes to the trail but the export of it, which is an act itself. The one rule: every search is bounded by
the page; exports stream.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from earshot.api.audit_export import FORMATS, every_entry
from earshot.ports.audit import AuditEntry, AuditFilter, AuditLog
from earshot.web.console import Console
from earshot.web.permitted import actor_of
from earshot.web.search import ROWS, Cursor, read_cursor, written_cursor

ACTS: Final = (
    "listened",
    "exported",
    "mailed",
    "changed",
    "deleted",
    "created",
    "logged in",
    "logged out",
    "failed login",
    "locked out",
    "changed password",
    "created token",
    "revoked token",
    "failed token",
)
"""What the form proposes; others can be typed."""

TARGETS: Final = {"recording": "/recordings/{}", "call": "/calls/{}"}
"""Where a subject of that kind and a number can be looked at."""
NUMBERED: Final = re.compile(r"([a-z ]+) (\d{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSearch:
    """What the form says; `first` and `last` are local times as the browser writes them."""

    actor: str = ""
    act: str = ""
    subject: str = ""
    first: str = ""
    last: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered."""
        return any((self.actor, self.act, self.subject, self.first, self.last))

    def link(self, path: str, before: Cursor | None = None) -> str:
        """`path` with the same filters, at another place."""
        pairs = (("actor", self.actor), ("act", self.act), ("subject", self.subject), ("from", self.first))
        query = [(name, value) for name, value in (*pairs, ("to", self.last)) if value]
        query += [("before", written_cursor(before))] if before else []
        return path + (f"?{urlencode(query)}" if query else "")

    def filter(self, zone: tzinfo | None, before: Cursor | None = None) -> AuditFilter:
        """What the log is asked; times are those of `zone`, the last minute or second named included."""
        first, last = _moment(self.first, zone), _moment(self.last, zone)
        behind = 0.0 if last is None else (60.0 if self.last.count(":") == 1 else 1.0)
        return AuditFilter(
            since=first,
            until=None if last is None else last + behind - 1e-6,
            actor=self.actor,
            act=self.act,
            subject=self.subject,
            before=before,
        )


def read_audit_search(query: Mapping[str, str]) -> AuditSearch:
    """The search that a query string describes; times that cannot be understood are left out."""

    def text(name: str) -> str:
        return query.get(name, "").strip()[:255]

    return AuditSearch(
        actor=text("actor"),
        act=text("act"),
        subject=text("subject"),
        first=text("from") if _moment(text("from"), None) is not None else "",
        last=text("to") if _moment(text("to"), None) is not None else "",
    )


def _moment(text: str, zone: tzinfo | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1970 < moment.year < 9999:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def shown(entry: AuditEntry) -> dict[str, Any]:
    """An entry as the template wants it, with a link to its subject where there is a page of it."""
    found = NUMBERED.fullmatch(entry.subject)
    target = TARGETS.get(found[1], "").format(found[2]) if found else ""
    names = ("at", "kind", "actor", "act", "subject", "address")
    return {name: getattr(entry, name) for name in names} | {"details": list(entry.details.items()), "target": target}


class AuditPages:
    """GET of /audit, /audit.csv and /audit.json."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def search(self, request: Request) -> Response:
        """One page of entries."""
        console: Console = request.app.state.console
        search = read_audit_search(request.query_params)
        place = read_cursor(request.query_params.get("before", ""))
        entries = await self._log.entries(search.filter(console.zone, place), ROWS + 1)
        last = entries[ROWS - 1] if len(entries) > ROWS else None
        values = {
            "entries": [shown(entry) for entry in entries[:ROWS]],
            "search": search,
            "acts": ACTS,
            "older": search.link("/audit", (last.at, last.number)) if last else "",
            "newest": search.link("/audit") if place else "",
            "csv": search.link("/audit.csv"),
            "json": search.link("/audit.json"),
        }
        return console.page(request, "audit.html", values)

    async def csv(self, request: Request) -> Response:
        """All that matches, as CSV."""
        return await self._export(request, "csv")

    async def json(self, request: Request) -> Response:
        """All that matches, as JSON."""
        return await self._export(request, "json")

    async def _export(self, request: Request, kind: str) -> Response:
        console: Console = request.app.state.console
        search = read_audit_search(request.query_params)
        media_type, write = FORMATS[kind]
        headers = {"Content-Disposition": f'attachment; filename="audit.{kind}"'}
        if request.method == "HEAD":
            return Response(media_type=media_type, headers=headers)
        narrowed = search.link("").removeprefix("?")
        await console.audit.note(actor_of(request), "exported", "audit trail", format=kind.upper(), search=narrowed)
        pages = every_entry(self._log, search.filter(console.zone))
        return StreamingResponse(write(pages), media_type=media_type, headers=headers)
