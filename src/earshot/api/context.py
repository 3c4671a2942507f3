"""What the handlers work with: cores, store, storage, the directory in memory, and the settings that shape answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Self

import structlog

from earshot.api.audit import AuditTrail, NoTrail
from earshot.api.authority import Authority, NoGrants
from earshot.api.cores import Cores
from earshot.api.exporting import Exports
from earshot.api.ledger import Ledger, NoLedger
from earshot.api.mail_desk import MailDesk
from earshot.api.retention import RetentionDesk
from earshot.api.schedules import ScheduleDesk
from earshot.api.webhooks import WebhookDesk
from earshot.capture.registry import Registry
from earshot.clock import Clock, SystemClock
from earshot.engine.directory import Agent, Directory, resolve_device
from earshot.ports import Storage, Store
from earshot.ports.access import AccessStore
from earshot.ports.capture import Desktops
from earshot.ports.encryption import Encryption, NoEncryption
from earshot.ports.preferences import Locations, Preferences
from earshot.ports.screens import Screens
from earshot.protocol.decode import Request
from earshot.protocol.dialect import MODERN, Dialect
from earshot.store.memory_preferences import MemoryLocations, MemoryPreferences
from earshot.store.memory_screens import MemoryScreens

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """How answers look. `zone` is the local time of answers; `public_url` ends without a slash."""

    zone: tzinfo = UTC
    recording_path: str = "C:\\Recordings\\"
    calllist_limit: int = 1000
    playback_links: bool = True
    longest_blackout_us: int = 3_600_000_000
    hide_blackouts: bool = False
    public_url: str = ""
    strict_locations: bool = False
    import_password_required: bool = False

    def with_url(self, public_url: str) -> Self:
        """The same with another `public_url`."""
        return replace(self, public_url=public_url.rstrip("/"))


@dataclass(slots=True, kw_only=True)
class Context:
    """Shared by all handlers. `publish(type, fields)` tells the listeners of the event port what happened.

    `access` and `authority` are hung in by their service, before a door opens; until then only administrators may do
    anything.
    """

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
    ledger: Ledger = field(default_factory=NoLedger)
    exports: Exports | None = None
    retention: RetentionDesk | None = None
    encryption: Encryption = field(default_factory=NoEncryption)
    mail: MailDesk | None = None
    schedules: ScheduleDesk | None = None
    webhooks: WebhookDesk | None = None
    publish: Callable[[str, Sequence[tuple[str, str]]], None] = lambda kind, fields: None
    desktops: Desktops = field(default_factory=lambda: Registry(SystemClock()))
    screens: Screens = field(default_factory=MemoryScreens)
    preferences: Preferences = field(default_factory=lambda: MemoryPreferences(SystemClock()))
    locations: Locations = field(default_factory=MemoryLocations)
    access: AccessStore = field(init=False, repr=False, compare=False)
    authority: Authority = field(default_factory=lambda: Authority(NoGrants(), SystemClock()))

    async def refresh_directory(self) -> None:
        """Read agents and stations anew, after a change of users too. Raises StoreUnavailable; the old directory stays
        then."""
        self.authority.forget()
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
                    employee_id=user.employee_id,
                    sys_domain=user.sys_domain,
                    phones=user.phones,
                )
                for user in users
                if user.active
            ),
            ((station.station, station.device_id) for station in stations),
        )

    def resolve(self, request: Request) -> str | None:
        """The device that the request names, asked of each core's state in turn."""
        device = request.get("DEVICEID")
        if device and self.cores.links:
            return device  # as resolve_device says, too: a device that is named is the device
        for link in self.cores.links:
            found = resolve_device(
                self.directory,
                link.state,
                device_id=device,
                station=request.get("STATIONNAME"),
                device_alias=request.get("DEVICEALIAS"),
                sys_user=request.get("SYS_USER"),
                crm_user=request.get("CRM_USER"),
            )
            if found is not None:
                return found
        return None
