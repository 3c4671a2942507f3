"""What a server stands on: its data folder and the lock on it, its database, its zone, its limits. No rules here."""

import asyncio
import contextlib
import fcntl
import os
import resource
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from earshot.clock import Clock
from earshot.config import Settings
from earshot.errors import ConfigurationError, StoreUnavailable
from earshot.ledger.checkpoint import LogKey, Signer
from earshot.ports import Storage
from earshot.post.smtp import SmtpMailer, SmtpSettings
from earshot.protocol.shared_token import SharedToken
from earshot.storage.encrypted import EncryptedStorage
from earshot.storage.keys import LEDGER_KEY, VCON_KEY, ledger_key, vcon_key
from earshot.storage.local import LocalStorage
from earshot.storage.object_keys import FILE as OBJECTS
from earshot.storage.object_keys import ObjectKeys
from earshot.storage.objects import Bucket, ObjectAccess, opened
from earshot.store.database import Database
from earshot.store.sql import SqlStore, database_at
from earshot.vault.keyring import Keyring
from earshot.vault.master import keyring_from
from earshot.vault.overwriting import discard
from earshot.vault.register import REGISTER, check_keys, enter

log = structlog.get_logger(__name__)

STORE_RETRY_S = 2.0
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

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def keys(self) -> Path:
        return self.root / "keys"


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


def keyring_of(settings: Settings) -> Keyring | None:
    """The master keys of the settings; None where nothing is to be encrypted. Raises ConfigurationError when one cannot
    be had, or what lies in the data folder needs another."""
    keyring = keyring_from(
        file=settings.master_key_file,
        variable=settings.master_key_env,
        command=settings.master_key_command,
        old=settings.master_keys_old,
        environment=os.environ,
    )
    folders = Folders(settings.data_dir)
    check_keys(folders.keys / REGISTER, keyring, folders.recordings)
    return keyring


def begin_encryption(folders: Folders, keyring: Keyring | None) -> None:
    """Say once whether what is recorded will be encrypted, and remember the key before it is used. Raises
    ConfigurationError, OSError."""
    if keyring is None:
        log.warning("not_encrypted", what="recordings and journal are written plain: no master key is set")
        return
    enter(folders.keys / REGISTER, keyring)
    log.info("encrypted", master_key=keyring.current, also_accepted=keyring.fingerprints[1:])


def clear_work(folder: Path) -> None:
    """Make the folder of files that are on their way, and remove what an earlier process left in it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        discard(leftover)


def object_keys(folders: Folders) -> ObjectKeys:
    """The register of the data folder's encrypted objects, not opened."""
    return ObjectKeys(folders.keys / OBJECTS)


def object_access(settings: Settings) -> ObjectAccess:
    """How the settings have object stores reached. Raises ConfigurationError for a file of authorities that is none."""
    try:
        authorities = settings.s3_ca_file.read_bytes() if settings.s3_ca_file is not None else b""
    except OSError as why:
        raise ConfigurationError(f"s3_ca_file {settings.s3_ca_file} cannot be read: {why.strerror}") from None
    access = ObjectAccess(
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        path_style=settings.s3_path_style,
        allow_http=settings.s3_allow_http or settings.s3_endpoint.startswith("http:"),
        ca=authorities,
        timeout_s=settings.s3_timeout_s,
    )
    try:
        opened(Bucket("bucket"), access)
    except ValueError as why:
        raise ConfigurationError(f"the settings s3_... cannot be used: {why}") from None
    return access


def recordings_in(folders: Folders, keyring: Keyring | None, register: ObjectKeys | None = None) -> Storage:
    """The main storage of a data folder, wherever that lies, encrypted where there is a keyring."""
    plain = LocalStorage(folders.recordings)
    return plain if keyring is None else EncryptedStorage(plain, keyring, register)


def mailer_of(settings: Settings) -> SmtpMailer | None:
    """The way to the mail server of the settings; None where none is configured."""
    if not settings.smtp_host:
        return None
    return SmtpMailer(
        SmtpSettings(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            ca_file=Path(settings.smtp_ca_file) if settings.smtp_ca_file else None,
            timeout_s=settings.smtp_timeout_s,
            most_bytes=settings.mail_max_mb * 1_000_000,
        )
    )


def numeric(host: str) -> str:
    """The host as it may stand in SDP and URLs."""
    return {"localhost": "127.0.0.1", "": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def raise_open_files() -> None:
    """Allow this process as many open files as it may have: every leg of a call is a socket."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def ledger_signer(settings: Settings, *, make: bool = True) -> Signer:
    """What signs checkpoints of the ledger; its key is made at the first start, unless `ledger_key` names one. Raises
    ConfigurationError."""
    own = settings.ledger_key is None
    path = settings.ledger_key or Folders(settings.data_dir).keys / LEDGER_KEY
    private = ledger_key(path, make=make and own)
    public = LogKey("", private.public_key().public_bytes_raw()).ident.hex()
    return Signer(settings.ledger_origin or f"earshot/{public}", private)


def vcon_domain(settings: Settings) -> str:
    """The DNS name that vCons of this recorder are named by."""
    return settings.vcon_domain or urlsplit(settings.public_url).hostname or "earshot.invalid"


def vcon_signing(settings: Settings) -> tuple[rsa.RSAPrivateKey, list[x509.Certificate]]:
    """What signs vCons; made at the first signing, unless `vcon_key` names one. Raises ConfigurationError."""
    if settings.vcon_key is not None and not settings.vcon_key.exists():
        raise ConfigurationError(f"vcon_key {settings.vcon_key} is not there")
    return vcon_key(settings.vcon_key or Folders(settings.data_dir).keys / VCON_KEY, vcon_domain(settings))


def shared_token(settings: Settings) -> SharedToken | None:
    """The token that clients of the XML protocol must bring, None where none is set."""
    value = settings.api_token.get_secret_value()
    return SharedToken(value) if value else None


async def insist(work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` of the store, again and again for as long as the store is away."""
    complained = False
    while True:
        try:
            await work()
        except StoreUnavailable as away:
            if not complained:
                log.error("store_away", why=str(away), what="recording goes on; rows arrive when it is back")
            complained = True
            await asyncio.sleep(STORE_RETRY_S)
        else:
            if complained:
                log.info("store_is_back")
            return


async def kept_up(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run endless housekeeping; when it fails, say so and begin it anew."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("task_failed_and_begins_anew", task=name)
        await asyncio.sleep(STORE_RETRY_S)
