"""The rows of sealed recordings as they appear in the server's database, read by a connection that only reads."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Row:
    """One recording: RTP packets received on all its legs, and when the row was seen (monotonic seconds)."""

    packets: int
    seen_at: float


class SealedRows:
    """Finds new rows; `found` holds them by DEVICEID. A row is seen up to `POLL_S` after it was stored."""

    def __init__(self, database: Path) -> None:
        self.found: dict[str, Row] = {}
        self._database = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self._last = 0

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        try:
            while True:
                self._look()
                await asyncio.sleep(POLL_S)
        finally:
            self._database.close()

    async def until(self, devices: Collection[str], patience_s: float) -> bool:
        """Wait until all these devices have a row; False when that takes too long."""
        until = time.monotonic() + patience_s
        while any(device not in self.found for device in devices):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _look(self) -> None:
        query = "SELECT ident, device_id, legs FROM recordings WHERE ident > ? ORDER BY ident"
        now = time.monotonic()
        for ident, device, legs in self._database.execute(query, (self._last,)).fetchall():
            self._last = ident
            self.found[device] = Row(sum(leg["received"] for leg in json.loads(legs)), now)
