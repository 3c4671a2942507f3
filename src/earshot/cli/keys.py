"""`earshot key`: making a master key, what each still wraps, and changing it. See docs/encryption.md.

They work on the data folder, beside a running server too; `encrypt-existing` needs it stopped.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.core.rewrapping import Found, MasterKeys
from earshot.errors import ConfigurationError
from earshot.operations import OPERATOR
from earshot.premises import Folders, data_dir_lock, database_of, keyring_of, object_access, object_keys
from earshot.storage.places import Places
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.retention import SqlRetention
from earshot.vault.keyring import Keyring
from earshot.vault.master import from_file, write_new
from earshot.vault.register import REGISTER, register, registered

key_cli = typer.Typer(no_args_is_help=True, help="Encryption at rest: master keys.")


@key_cli.command("new")
def new(file: Annotated[Path, typer.Argument(help="File to be made; one that is there is never replaced.")]) -> None:
    """Make a master key in a file that only you can read, and print its fingerprint. Keep a copy elsewhere."""
    try:
        made = write_new(file)
    except FileExistsError:
        raise ConfigurationError(f"{file} is there already, and a key is never replaced") from None
    typer.echo(f"{made.current}  {file}")


@key_cli.command("fingerprint")
def show_fingerprint(
    file: Annotated[Path | None, typer.Argument(help="Key file; the settings' keys if not given.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the fingerprint of a key file, or of the keys that are set, the current one first."""
    keyring = Keyring((from_file(file),)) if file is not None else keyring_of(loaded(config, data_dir=data_dir))
    for one in keyring.fingerprints if keyring is not None else ():
        typer.echo(one)
    if keyring is None:
        typer.echo("no master key is set: nothing is encrypted")


@key_cli.command("status")
def status(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Say what each master key still wraps; exit 1 if something cannot be read."""
    settings = loaded(config, data_dir=data_dir)
    keyring = keyring_of(settings)
    if keyring is None:
        typer.echo("no master key is set: nothing is encrypted")
        return
    _show(run(_on(settings, keyring, lambda keys: keys.look())), keyring)


@key_cli.command("rotate")
def rotate(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Have everything wrapped by the current master key; may be broken off and repeated. Exit 1 if something is left.

    Restart the server with the new key first, the old one in master_keys_old. No media is touched.
    """
    settings = loaded(config, data_dir=data_dir)
    keyring = _needed(settings)
    place = Folders(settings.data_dir).keys / REGISTER
    before = registered(place)
    if before and before[-1] != keyring.current and _is_running(settings):
        raise ConfigurationError(
            f"the server that runs still encrypts with the master key {before[-1]}: restart it with {keyring.current} "
            f"as the current key first, and {before[-1]} in master_keys_old"
        )
    register(place, [*(one for one in before if one != keyring.current), keyring.current])
    found = run(_on(settings, keyring, lambda keys: keys.rotate(_progress), noted="rotated"))
    if not found.problems and found.still_needed() <= {keyring.current}:
        register(place, [keyring.current])
        typer.echo(f"everything is wrapped by {keyring.current}: master_keys_old is no longer needed")
    _show(found, keyring)


@key_cli.command("encrypt-existing")
def encrypt_existing(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Encrypt the recordings that were made before there was a master key. The server must be stopped."""
    settings = loaded(config, data_dir=data_dir)
    keyring = _needed(settings)
    place = Folders(settings.data_dir).keys / REGISTER
    with ExitStack() as stack:
        stack.enter_context(data_dir_lock(settings.data_dir))
        register(place, [*(one for one in registered(place) if one != keyring.current), keyring.current])
        _show(run(_on(settings, keyring, lambda keys: keys.encrypt_plain(_progress), noted="encrypted")), keyring)


def _needed(settings: Settings) -> Keyring:
    keyring = keyring_of(settings)
    if keyring is None:
        raise ConfigurationError("no master key is set: make one with `earshot key new`, and set master_key_file")
    return keyring


def _is_running(settings: Settings) -> bool:
    try:
        with data_dir_lock(settings.data_dir):
            return False
    except ConfigurationError:
        return True


async def _on(
    settings: Settings, keyring: Keyring, work: Callable[[MasterKeys], Awaitable[Found]], noted: str = ""
) -> Found:
    """Do `work` on the keys of the data folder and of every archive; `noted` is what the audit trail calls it:
    before it is begun, as it may be broken off, and when it is finished."""
    folders, clock, database = Folders(settings.data_dir), SystemClock(), database_of(settings)
    store, register = SqlStore(database, clock), object_keys(folders)
    await store.open()
    try:
        actions = await SqlRetention(database).actions()
        places = Places(keyring, register, object_access(settings), clock)
        found_at = {f"archive {one.number}": places.at(one.destination) for one in actions if one.destination}
        found_at[""] = places.at(str(folders.recordings.absolute()))
        folders.work.mkdir(parents=True, exist_ok=True)
        keys = MasterKeys(keyring, folders.journal, found_at, folders.work, register)
        trail, subject = RecordedTrail(SqlAudit(database), clock), f"master key {keyring.current}"
        if noted:
            await trail.note(OPERATOR, noted, subject, state="begun")
        found = await work(keys)
        if noted:
            await trail.note(OPERATOR, noted, subject, state="finished", problems=str(len(found.problems)))
        return found
    finally:
        register.close()
        await store.close()


def _progress(done: int) -> None:
    if done and done % 1000 == 0:
        typer.echo(f"{done} keys", err=True)


def _show(found: Found, keyring: Keyring) -> None:
    for one in dict.fromkeys([*keyring.fingerprints, *sorted(found.still_needed())]):
        what = "current" if one == keyring.current else "old" if one in keyring.fingerprints else "MISSING"
        typer.echo(f"master key {one}  {what:8} {found.objects[one]} objects, {found.journal[one]} keys of the journal")
    typer.echo(f"not encrypted: {found.plain} objects")
    if found.destroyed:
        typer.echo(f"key destroyed: {found.destroyed} objects")
    for problem in found.problems:
        typer.echo(problem)
    if found.problems or not found.still_needed() <= set(keyring.fingerprints):
        raise typer.Exit(1)
