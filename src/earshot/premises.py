"""What a server stands on: its data folder and the lock on it, its database, its zone, its limits. No rules here."""

import contextlib
import fcntl
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from earshot.clock import Clock
from earshot.config import Settings
from earshot.errors import ConfigurationError
from earshot.store.database import Database
from earshot.store.sql import SqlStore, database_at

LOCK_WAIT_S = 1.0
"""How long a write waits for another process's lock on the database before it is tried again."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things lie under the data folder."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    @property
    def work(self) -> Path:
        return self.root / "sealing"


def local_zone(name: str) -> tzinfo:
    """The zone `name`, or this machine's own."""
    if name:
        return ZoneInfo(name)
    try:
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return ZoneInfo("UTC")


def database_of(settings: Settings) -> Database:
    """The database of the settings, not opened."""
    url = settings.database_url or f"sqlite:///{(settings.data_dir / 'earshot.db').absolute()}"
    return database_at(url, busy_s=LOCK_WAIT_S, durable=True)


def store_of(settings: Settings, clock: Clock) -> SqlStore:
    """The store of the settings, not opened."""
    return SqlStore(database_of(settings), clock)


@contextlib.contextmanager
def data_dir_lock(root: Path) -> Iterator[None]:
    """Hold the data folder. Raises ConfigurationError when another process does."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(f"{root} is in use by another earshot process") from None
        yield


def numeric(host: str) -> str:
    """The host as it may stand in SDP and URLs."""
    return {"localhost": "127.0.0.1", "": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def raise_open_files() -> None:
    """Allow this process as many open files as it may have: every leg of a call is a socket."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
