"""`earshot audit`: the trail of who did what, on the terminal or as a file. Works beside a running server."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from earshot.api.audit_export import FORMATS, every_entry
from earshot.api.audit_trail import RecordedTrail
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import ConfigurationError
from earshot.operations import OPERATOR
from earshot.ports.audit import AuditEntry, AuditFilter, AuditLog
from earshot.premises import database_of, local_zone
from earshot.store.sql.audit import SqlAudit

Since = Annotated[str, typer.Option(help="From this local time on, such as 2026-03-01 or 2026-03-01T14:30.")]
Until = Annotated[str, typer.Option(help="Up to this local time; a day without a time is included whole.")]
Who = Annotated[str, typer.Option("--actor", help="Name of the user, or user/token.")]
Act = Annotated[str, typer.Option(help="Such as listened, exported, changed, deleted.")]
Subject = Annotated[str, typer.Option(help="Such as 'recording 17'; 'user *' for all that begin so.")]

audit_cli = typer.Typer(no_args_is_help=True, help="Who did what to recordings, users, roles and settings.")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[AuditLog]:
    if not settings.database_url and not settings.data_dir.is_dir():
        raise ConfigurationError(f"{settings.data_dir} is not a folder")
    database = database_of(settings)
    await database.open()
    try:
        yield SqlAudit(database)
    finally:
        await database.close()


def _moment(text: str, zone: tzinfo, *, end: bool = False) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-03-01T14:30") from None
    if end and len(text) == len("2026-03-01"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def _wanted(settings: Settings, since: str, until: str, actor: str, act: str, subject: str) -> AuditFilter:
    zone = local_zone(settings.time_zone)
    first, last = _moment(since, zone), _moment(until, zone, end=True)
    return AuditFilter(since=first, until=last, actor=actor, act=act, subject=subject)


def _line(entry: AuditEntry, zone: tzinfo) -> str:
    moment = datetime.fromtimestamp(entry.at, zone).isoformat(sep=" ", timespec="seconds")
    details = " ".join(f"{name}={value}" for name, value in entry.details.items())
    known = (moment, entry.actor, entry.address or "-", entry.act, entry.subject, details)
    return "  ".join(part for part in known if part)


@audit_cli.command("list")
def list_entries(
    since: Since = "",
    until: Until = "",
    actor: Who = "",
    act: Act = "",
    subject: Subject = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most, newest first.")] = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the newest entries that match."""
    settings = loaded(config, data_dir=data_dir)
    wanted, zone = _wanted(settings, since, until, actor, act, subject), local_zone(settings.time_zone)

    async def work() -> None:
        async with _opened(settings) as log:
            async for page in every_entry(log, wanted, limit):
                for entry in page:
                    typer.echo(_line(entry, zone))

    run(work())


@audit_cli.command("export")
def export_entries(
    since: Since = "",
    until: Until = "",
    actor: Who = "",
    act: Act = "",
    subject: Subject = "",
    kind: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; standard output if not given.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Write everything that matches as CSV or JSON. The export itself is noted in the trail."""
    if kind not in FORMATS:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(FORMATS)}")
    settings = loaded(config, data_dir=data_dir)
    wanted = _wanted(settings, since, until, actor, act, subject)

    async def work(file: BinaryIO) -> None:
        async with _opened(settings) as log:
            await RecordedTrail(log, SystemClock()).note(OPERATOR, "exported", "audit trail", format=kind.upper())
            async for piece in FORMATS[kind][1](every_entry(log, wanted)):
                file.write(piece)

    if output is None:
        run(work(sys.stdout.buffer))
        sys.stdout.buffer.flush()
    else:
        with output.open("wb") as file:
            run(work(file))
