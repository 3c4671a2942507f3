"""What the command line does beside serving: users, the check, the simulation.

Each opens what it needs and closes it again.
"""

import asyncio
import signal
from dataclasses import replace

from earshot.actor import SYSTEM
from earshot.api.audit_trail import RecordedTrail
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.core.check import check
from earshot.core.ledger_check import LedgerEvidence
from earshot.core.retention_check import RetentionEvidence
from earshot.errors import ConfigurationError
from earshot.ports import NotUnique, User
from earshot.premises import (
    Folders,
    data_dir_lock,
    database_of,
    keyring_of,
    ledger_signer,
    object_access,
    object_keys,
    recordings_in,
)
from earshot.simulate import command as simulation
from earshot.simulate.options import SimulateOptions, Summary
from earshot.storage.keys import LEDGER_KEY
from earshot.storage.leaf_log import LOG_NAME
from earshot.storage.object_keys import ObjectKeys
from earshot.storage.placed import PlacedStorage
from earshot.storage.places import Places
from earshot.store.database import Database
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.ledger import SqlLedgerRows
from earshot.store.sql.retention import SqlRetention
from earshot.store.sql.screen_retention import SqlScreenRetention
from earshot.store.sql.screens import SqlScreens
from earshot.web.passwords import hash_password

OPERATOR = replace(SYSTEM, name="command line")
"""Whoever may run commands on this machine."""


async def create_user(settings: Settings, name: str, password: str, admin: bool) -> str:
    """Create the user, or set the password of the one there is; returns a sentence."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    database = database_of(settings)
    store, trail = SqlStore(database, clock), RecordedTrail(SqlAudit(database), clock)
    await store.open()
    try:
        hashed = await asyncio.to_thread(hash_password, password)
        now = SystemClock().now()
        user = User(username=name, is_admin=admin, added_at=now, modified_at=now)
        try:
            async with trail.together():
                await store.add_user(user, hashed)
                await trail.note(OPERATOR, "created", f"user {name}", admin="yes" if admin else "no")
        except NotUnique:
            known = next(one for one in await store.users() if one.username.casefold() == name.casefold())
            async with trail.together():
                await store.modify_user(known.user_id, {"is_admin": admin or known.is_admin}, hashed)
                await trail.note(OPERATOR, "changed password", f"user {known.username}", admin="yes" if admin else "")
            return f"user {name} has a new password"
        return f"user {name} created"
    finally:
        await store.close()


async def check_data(settings: Settings) -> list[str]:
    """Verify the data folder; works beside a running server too."""
    folders = Folders(settings.data_dir)
    if not folders.root.is_dir():
        raise ConfigurationError(f"{folders.root} is not a folder")
    running = False
    try:
        with data_dir_lock(folders.root):
            pass
    except ConfigurationError:
        running = True
    database = database_of(settings)
    store, register = SqlStore(database, SystemClock()), object_keys(folders)
    await store.open()
    try:
        screens, kept = SqlScreens(database), SqlRetention(database)
        found = check(
            folders.journal,
            store,
            await storage_of(settings, database, register),
            running=running,
            screens=screens,
            ledger=ledger_evidence(settings, database),
            retention=RetentionEvidence(kept=kept, audit=SqlAudit(database), screens=SqlScreenRetention(database)),
            keyring=keyring_of(settings),
        )
        return [problem async for problem in found]
    finally:
        register.close()
        await store.close()


async def storage_of(settings: Settings, database: Database, register: ObjectKeys) -> PlacedStorage:
    """What was recorded, wherever it lies: in the data folder, and in archives. Raises ConfigurationError,
    StoreUnavailable."""
    keyring = keyring_of(settings)
    places = Places(keyring, register, object_access(settings))
    storage = PlacedStorage(recordings_in(Folders(settings.data_dir), keyring, register), places)
    actions = await SqlRetention(database).actions()
    storage.know({one.number: one.destination for one in actions if one.destination})
    return storage


def ledger_evidence(settings: Settings, database: Database) -> LedgerEvidence:
    """What the ledger of a data folder is checked by. Raises ConfigurationError for a key that is no key."""
    folders = Folders(settings.data_dir)
    key_is_there = (settings.ledger_key or folders.keys / LEDGER_KEY).exists()
    return LedgerEvidence(
        log=folders.ledger / LOG_NAME,
        rows=SqlLedgerRows(database, SystemClock()),
        key=ledger_signer(settings, make=False).key if key_is_there else None,
    )


async def simulate(options: SimulateOptions) -> Summary:
    """Simulate until the plan is done or the process is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await simulation.run(options, stop)
