"""`earshot mail`: the queue of mail, and whether the mail server works. Works beside a running server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from earshot.api.audit import AuditTrail
from earshot.api.audit_trail import RecordedTrail
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, ConfigurationError, EarshotError
from earshot.operations import OPERATOR
from earshot.ports.outbox import MAIL_STATES, Mail, MailDelayed, MailRefused, MailState, Outbox
from earshot.post.addresses import checked_address, domain_of
from earshot.premises import database_of, local_zone, mailer_of
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.outbox import SqlOutbox

HOUR_S = 3600.0
Number = Annotated[int, typer.Argument(help="Number of the mail, see `list`.", min=1, max=2**63 - 1)]

mail_cli = typer.Typer(no_args_is_help=True, help="Mail that EMAIL and COMBINEDEMAIL send.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """The queue and the audit trail, opened."""

    outbox: Outbox
    trail: AuditTrail


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[_Desk]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = database_of(settings)
    await database.open()
    try:
        yield _Desk(outbox=SqlOutbox(database), trail=RecordedTrail(SqlAudit(database), SystemClock()))
    finally:
        await database.close()


@mail_cli.command("list")
def show(
    state: Annotated[str, typer.Option(help="Only mail that is queued, sending, sent, failed or dead.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100_000)] = 100,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Show the queue, newest first: number, when it was asked for, state, attempts, receiver, recordings, why."""
    settings = loaded(config, data_dir=data_dir)
    wanted: MailState | None = next((one for one in MAIL_STATES if one == state), None)
    if state and wanted is None:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(MAIL_STATES)}")

    async def work() -> list[Mail]:
        async with _opened(settings) as desk:
            return await desk.outbox.mails(wanted, limit)

    zone = local_zone(settings.time_zone)
    for mail in run(work()):
        asked = datetime.fromtimestamp(mail.created_at, zone)
        records = ",".join(str(number) for number in mail.records)
        line = f"{mail.number}  {asked:%Y-%m-%d %H:%M:%S}  {mail.state}  {mail.attempts}  {mail.to}  {records}"
        typer.echo(f"{line}  {mail.last_error}".rstrip())


@mail_cli.command()
def retry(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a mail that failed or was given up be tried again now; a running server does it within seconds."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> bool:
        now = SystemClock().now()
        async with _opened(settings) as desk:
            async with desk.trail.together():
                known = await desk.outbox.retry(number, now, now + settings.mail_give_up_h * HOUR_S)
                if known:
                    await desk.trail.note(OPERATOR, "changed", f"mail {number}", what="retry")
            return known

    if not run(work()):
        raise EarshotError(f"mail {number} is not one that waits for a retry")
    typer.echo(f"mail {number} is queued")


@mail_cli.command()
def drop(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Remove a mail from the queue."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> bool:
        async with _opened(settings) as desk:
            async with desk.trail.together():
                known = await desk.outbox.drop(number)
                if known:
                    await desk.trail.note(OPERATOR, "deleted", f"mail {number}")
            return known

    if not run(work()):
        raise EarshotError(f"mail {number} is not there, or is being sent")
    typer.echo(f"mail {number} is dropped")


@mail_cli.command()
def test(
    address: Annotated[str, typer.Argument(help="Where the test mail goes.")],
    config: ConfigFile = None,
) -> None:
    """Send a test mail now, past the queue, and say what the mail server answered."""
    settings = loaded(config)
    mailer = mailer_of(settings)
    if mailer is None:
        raise ConfigurationError("no mail server is configured: set smtp_host and smtp_from")
    try:
        receiver, sender = checked_address(address), checked_address(settings.smtp_from)
    except BadInput as wrong:
        raise typer.BadParameter(str(wrong)) from None
    now = SystemClock().now()
    mail = Mail(
        message_id=f"<{secrets.token_hex(16)}@{domain_of(sender)}>",
        to=receiver,
        from_=sender,
        from_name=settings.smtp_from_name,
        subject="Test of Earshot",
        text="The mail settings of Earshot work.\n",
        records=(),
        kind="single",
        format="WAV",
        created_at=now,
        expires_at=now,
        next_attempt_at=now,
    )
    try:
        said = run(mailer.send(mail, None))
    except (MailRefused, MailDelayed) as refused:
        raise EarshotError(str(refused)) from None
    typer.echo(f"sent to {receiver}: {said}")
