"""Exports in the running system: the exporter, the list of what it does, and the screen videos of a CAV.

The one rule: it has its own folder, which is emptied at each start, and its own processes, which end with this one.
"""

from contextlib import AsyncExitStack
from pathlib import Path

from earshot.api.context import Context
from earshot.api.exporter import Exporter, ExportSettings
from earshot.ports import RecordingRow
from earshot.services import House
from earshot.web.exports import ExportList

MB = 1 << 20
SESSIONS = 10
"""Screen sessions of one SESSIONID that are looked at."""


class ScreenVideos:
    """The videos of a recording's screen session, where they lie on this machine."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def of(self, row: RecordingRow) -> list[tuple[str, Path]]:
        """Implements `earshot.api.exporter.Attached`: screen-1.mp4 and so on, oldest first."""
        session_id = row.sealed.variables.session_id
        if not session_id:
            return []
        sessions = await self._context.screens.screens(SESSIONS, session_id=session_id)
        names = [segment.object_name for one in reversed(sessions) for segment in one.session.segments]
        found: list[tuple[str, Path]] = []
        for name in names:
            path = self._context.storage.local_path(name)
            if path is not None and await self._is_there(name):
                found.append((f"screen-{row.record_id}-{len(found) + 1}{path.suffix}", path))
        return found

    async def _is_there(self, name: str) -> bool:
        """Raises VaultError for what is not the file that was put."""
        try:
            await self._context.storage.size(name)
        except FileNotFoundError:
            return False
        return True


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang them in."""
    settings, context = house.settings, house.context
    exporter = Exporter(
        house.storage,
        house.clock,
        house.folders.exports,
        ExportSettings(
            workers=settings.export_workers,
            cache_bytes=settings.export_cache_mb * MB,
            reserve_bytes=settings.disk_reserve_mb * MB,
            skip_missing=settings.export_skip_missing,
            most_recordings=settings.export_most_recordings,
        ),
        publish=lambda kind, fields: context.publish(kind, fields),
        keyring=house.keyring,
    )
    exporter.attached = ScreenVideos(context).of
    exporter.start(house.spawner)
    context.exports = exporter
    house.routes += ExportList(exporter).routes()
