"""`earshot vcon`: a recording as an IETF vCon, on standard output or in a file. Works beside a running server."""

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.ledger import proof_of
from earshot.api.vcon_export import VconDesk
from earshot.cli.ledger import opened_ledger
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, ConfigurationError, EarshotError
from earshot.operations import OPERATOR, storage_of
from earshot.premises import Folders, database_of, object_keys, vcon_domain, vcon_signing
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit


async def _proof(settings: Settings, record_id: int) -> dict[str, Any] | None:
    """The proof bundle, where there is one."""
    try:
        async with opened_ledger(settings) as opened:
            return (await proof_of(opened.leaves, await opened.note(), opened.signer.key, record_id)).document()
    except (BadInput, ConfigurationError):
        return None


def vcon(
    record_id: Annotated[int, typer.Argument(help="RECORDID.")],
    link: Annotated[bool, typer.Option("--link/--inline", help="Point at the sound, or put it inside.")] = False,
    sign: Annotated[bool, typer.Option("--sign", help="Sign it (JWS, RS256).")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; standard output if not given.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Write a recording as a vCon: parties, sound, times, blackouts, call variables, proof."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> dict[str, Any]:
        clock, database, folders = SystemClock(), database_of(settings), Folders(settings.data_dir)
        store, register = SqlStore(database, clock), object_keys(folders)
        await store.open()
        try:
            row = await store.recording(record_id)
            if row is None:
                raise EarshotError(f"there is no recording {record_id}")
            desk = VconDesk(
                store=store,
                storage=await storage_of(settings, database, register),
                audit=RecordedTrail(SqlAudit(database), clock),
                clock=clock,
                public_url=lambda: settings.public_url.rstrip("/"),
                domain=vcon_domain(settings),
                signing=lambda: vcon_signing(settings),
                proof=lambda number: _proof(settings, number),
            )
            return await desk.export(OPERATOR, row, link=link, sign=sign)
        finally:
            register.close()
            await store.close()

    text = orjson.dumps(run(work()), option=orjson.OPT_INDENT_2) + b"\n"
    if output is None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    else:
        output.write_bytes(text)
