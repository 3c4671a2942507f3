"""What the command line does beside serving: users, the check, one command sent.

Each opens what it needs and closes it again.
"""

import asyncio
import secrets
import signal
from dataclasses import replace
from typing import Any

from earshot.actor import SYSTEM
from earshot.api.audit_trail import RecordedTrail
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.core.check import check
from earshot.errors import ConfigurationError
from earshot.ports import NotUnique, User
from earshot.premises import Folders, data_dir_lock, database_of
from earshot.protocol.xml import read_result, write_request
from earshot.simulate import command as simulation
from earshot.simulate.options import SimulateOptions, Summary
from earshot.storage.local import LocalStorage
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit
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
            await store.add_user(user, hashed)
        except NotUnique:
            known = next(one for one in await store.users() if one.username.casefold() == name.casefold())
            await store.modify_user(known.user_id, {"is_admin": admin or known.is_admin}, hashed)
            await trail.note(OPERATOR, "changed password", f"user {known.username}", admin="yes" if admin else "")
            return f"user {name} has a new password"
        await trail.note(OPERATOR, "created", f"user {name}", admin="yes" if admin else "no")
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
    store = SqlStore(database, SystemClock())
    await store.open()
    try:
        screens = SqlScreens(database)
        found = check(folders.journal, store, LocalStorage(folders.recordings), running=running, screens=screens)
        return [problem async for problem in found]
    finally:
        await store.close()


async def send_command(settings: Settings, command: str, pairs: list[tuple[str, str]]) -> tuple[str, bool]:
    """Send one command over TCP; returns the answer, pretty-printed, and whether it was API_OK."""
    request = write_request(command.upper(), str(secrets.randbelow(10**6) + 1), pairs)
    reader, writer = await asyncio.open_connection(settings.host, settings.api_port, limit=1 << 28)
    try:
        writer.write(request)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n")
    finally:
        writer.close()
    return pretty(answer), b"<RESULTCODE>20<" in answer


async def simulate(options: SimulateOptions) -> Summary:
    """Simulate until the plan is done or the process is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await simulation.run(options, stop)


def pretty(answer: bytes) -> str:
    """One line of XML as indented lines."""
    return "\n".join(_lines(read_result(answer), 0))


def _lines(node: Any, depth: int) -> list[str]:
    tag, content = node
    pad = "  " * depth
    if isinstance(content, str):
        return [f"{pad}<{tag}>{content}</{tag}>"]
    inner = [line for child in content for line in _lines(child, depth + 1)]
    return [f"{pad}<{tag}>", *inner, f"{pad}</{tag}>"]
