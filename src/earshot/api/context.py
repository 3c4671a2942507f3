"""What the handlers work with: cores, store, storage, the directory in memory, and the settings that shape answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Self

import structlog

from earshot.api.audit import AuditTrail, NoTrail
from earshot.api.cores import Cores
from earshot.clock import Clock
from earshot.engine.directory import Agent, Directory, resolve_device
from earshot.ports import Storage, Store
from earshot.protocol.decode import Request
from earshot.protocol.dialect import MODERN, Dialect

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """How answers look. `zone` is the local time of answers; `public_url` ends without a slash."""

    zone: tzinfo = UTC
    recording_path: str = "C:\\Recordings\\"
    calllist_limit: int = 1000
    playback_links: bool = True
    public_url: str = ""

    def with_url(self, public_url: str) -> Self:
        """The same with another `public_url`."""
        return replace(self, public_url=public_url.rstrip("/"))


@dataclass(slots=True, kw_only=True)
class Context:
    """Shared by all handlers. `publish(type, fields)` tells the listeners of the event port what happened."""

    cores: Cores
    store: Store
    storage: Storage
    clock: Clock
    data_dir: Path
    settings: AnswerSettings = field(default_factory=AnswerSettings)
    dialect: Dialect = MODERN
    directory: Directory = field(default_factory=Directory)
    hash_password: Callable[[str], str] | None = None
    audit: AuditTrail = field(default_factory=NoTrail)
    publish: Callable[[str, Sequence[tuple[str, str]]], None] = lambda kind, fields: None

    async def refresh_directory(self) -> None:
        """Read agents and stations anew. Raises StoreUnavailable; the old directory stays then."""
        users = await self.store.users()
        stations = await self.store.stations()
        self.directory = Directory.of(
            (
                Agent(
                    user_id=user.user_id,
                    username=user.username,
                    first_name=user.first_name,
                    last_name=user.last_name,
                    sys_user=user.sys_user,
                    crm_user=user.crm_user,
                    phones=user.phones,
                )
                for user in users
                if user.active
            ),
            ((station.station, station.device_id) for station in stations),
        )

    def resolve(self, request: Request) -> str | None:
        """The device that the request names, asked of each core's state in turn."""
        for link in self.cores.links:
            device = resolve_device(
                self.directory,
                link.state,
                device_id=request.get("DEVICEID"),
                station=request.get("STATIONNAME"),
                device_alias=request.get("DEVICEALIAS"),
                sys_user=request.get("SYS_USER"),
                crm_user=request.get("CRM_USER"),
            )
            if device is not None:
                return device
        return None
