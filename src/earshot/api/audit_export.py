"""The audit trail as a file: CSV or JSON, piece by piece, of any length. For the page and for the command line.

The one rule: nothing is held but one page of entries, and no cell of the CSV is a formula to a spreadsheet.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from earshot.ports.audit import AuditEntry, AuditFilter, AuditLog

PAGE: Final = 500
COLUMNS: Final = ("number", "at", "kind", "actor", "user_id", "address", "act", "subject", "details")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula (OWASP, CSV injection)."""


async def every_entry(log: AuditLog, wanted: AuditFilter, most: int | None = None) -> AsyncIterator[list[AuditEntry]]:
    """All entries that match, newest first, by the page; `most` bounds them. Raises StoreUnavailable."""
    left = most
    while left is None or left > 0:
        limit = PAGE if left is None else min(PAGE, left)
        page = await log.entries(wanted, limit)
        if page:
            yield page
        if len(page) < limit:
            return
        left = None if left is None else left - len(page)
        wanted = replace(wanted, before=(page[-1].at, page[-1].number))


def values_of(entry: AuditEntry) -> dict[str, Any]:
    """An entry as plain values; the time in UTC (RFC 3339)."""
    moment = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    named = {name: getattr(entry, name) for name in COLUMNS}
    return named | {"at": moment, "details": dict(entry.details)}


def _cell(value: Any) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def as_csv(pages: AsyncIterator[list[AuditEntry]]) -> AsyncIterator[bytes]:
    """RFC 4180 with a header line, UTF-8; the details are a JSON object in one cell."""
    yield _csv([list(COLUMNS)])
    async for page in pages:
        rows = []
        for entry in page:
            values = values_of(entry)
            values["details"] = orjson.dumps(values["details"]).decode() if values["details"] else ""
            rows.append([_cell(values[name]) for name in COLUMNS])
        yield _csv(rows)


async def as_json(pages: AsyncIterator[list[AuditEntry]]) -> AsyncIterator[bytes]:
    """One JSON array with an object per line."""
    between = b"[\n"
    async for page in pages:
        yield between + b",\n".join(orjson.dumps(values_of(entry)) for entry in page)
        between = b",\n"
    yield b"[]\n" if between == b"[\n" else b"\n]\n"


FORMATS: Final[dict[str, tuple[str, Callable[[AsyncIterator[list[AuditEntry]]], AsyncIterator[bytes]]]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "json": ("application/json", as_json),
}
"""The media type and the writer of each format."""
