"""`earshot verify` and `earshot ledger`: proofs of recordings, the published key, the last checkpoint.

They work on the data folder, beside a running server too.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from earshot.api.ledger import compared, proof_of
from earshot.api.verifying import Verified, verified
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, ConfigurationError, EarshotError
from earshot.ledger.checkpoint import Signer
from earshot.operations import storage_of
from earshot.ports import Storage
from earshot.ports.ledger import LedgerBroken
from earshot.premises import Folders, database_of, ledger_signer, object_keys
from earshot.storage.leaf_log import FileLeafLog
from earshot.store.sql import SqlStore
from earshot.store.sql.ledger import SqlLedgerRows

ledger_cli = typer.Typer(no_args_is_help=True, help="The tamper-evident log: its key and its checkpoints.")
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLedger:
    """The log of a data folder, to be read, with what belongs to it."""

    store: SqlStore
    rows: SqlLedgerRows
    leaves: FileLeafLog
    signer: Signer
    storage: Storage

    async def note(self) -> str:
        """A signed checkpoint of what is there now. Raises LedgerBroken when it contradicts the one that was kept."""
        kept = await self.rows.checkpoint()
        problem = await compared(self.leaves, self.signer.key, kept) if kept else ""
        if problem:
            raise LedgerBroken(problem)
        size = await self.leaves.size()
        return self.signer.note(size, await self.leaves.root(size), round(SystemClock().now() * MICROSECONDS))


@asynccontextmanager
async def opened_ledger(settings: Settings) -> AsyncIterator[OpenedLedger]:
    """The log of a data folder. Raises ConfigurationError when there is none."""
    folders = Folders(settings.data_dir)
    if not (folders.ledger / "log").exists():
        raise ConfigurationError(f"{folders.root} has no ledger yet: it begins when the server starts")
    database, leaves = database_of(settings), FileLeafLog(folders.ledger, read_only=True)
    store, register = SqlStore(database, SystemClock()), object_keys(folders)
    await store.open()
    try:
        await leaves.open()
        yield OpenedLedger(
            store=store,
            rows=SqlLedgerRows(database, SystemClock()),
            leaves=leaves,
            signer=ledger_signer(settings, make=False),
            storage=await storage_of(settings, database, register),
        )
    finally:
        await leaves.close()
        register.close()
        await store.close()


def verify(
    record_id: Annotated[int, typer.Argument(help="RECORDID.")],
    bundle: Annotated[Path | None, typer.Option("--json", help="Write the proof bundle to this file.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Prove that a recording is unaltered: its media, its leaves, their path to a signed checkpoint. Exit 1 if not."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> Verified:
        async with opened_ledger(settings) as opened:
            try:
                proof = await proof_of(opened.leaves, await opened.note(), opened.signer.key, record_id)
            except BadInput as wrong:
                raise EarshotError(str(wrong)) from None
            row = await opened.store.recording(record_id)
            return await verified(proof, opened.signer.key, row, opened.storage)

    found = run(work())
    for line in _told(found):
        typer.echo(line)
    if bundle is not None:
        bundle.write_bytes(orjson.dumps(found.proof.document(), option=orjson.OPT_INDENT_2))
    if found.problem:
        typer.echo(f"NOT PROVEN: {found.problem}")
        raise typer.Exit(1)


def _when(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / MICROSECONDS, UTC).isoformat(sep=" ", timespec="seconds")


def _told(found: Verified) -> list[str]:
    lines = [f"media SHA-256   {found.media or 'none'}"]
    for one in found.proof.leaves:
        lines += [f"leaf {one.number}          {one.text.decode()}"]
        lines += [f"  path          {step.hex()}" for step in one.path]
    lines += [f"checkpoint      {line}" for line in found.proof.note.splitlines() if line]
    lines.append(f"key             {found.proof.key.verifier}")
    if found.shown is not None and not found.problem:
        lines.append(f"unaltered since {_when(found.shown.since_us)}")
    return lines


@ledger_cli.command("key")
def show_key(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print the published key: its origin, the key itself, and the form that other programs take."""
    key = ledger_signer(loaded(config, data_dir=data_dir), make=False).key
    typer.echo(f"origin      {key.origin}")
    typer.echo(f"public key  {base64.b64encode(key.public).decode()}")
    typer.echo(f"verifier    {key.verifier}")


@ledger_cli.command("checkpoint")
def show_checkpoint(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print a signed checkpoint of the log as it is now: keep it elsewhere, and hold it against the log later."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> str:
        async with opened_ledger(settings) as opened:
            return await opened.note()

    typer.echo(run(work()), nl=False)


@ledger_cli.command("compare")
def compare(
    checkpoint: Annotated[Path, typer.Argument(help="File with a checkpoint that was kept.", exists=True)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Say whether the log still begins with what a checkpoint was signed of; exit 1 if not."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> str:
        async with opened_ledger(settings) as opened:
            return await compared(opened.leaves, opened.signer.key, checkpoint.read_text())

    problem = run(work())
    if problem:
        typer.echo(f"NOT THE SAME LOG: {problem}")
        raise typer.Exit(1)
    typer.echo("the log begins with what was signed then")
