"""`earshot hold`, `earshot retention` and `earshot delete`: legal holds, archive actions, and deletions.

Works beside a running server and without one. What is decided here is carried out by the server, which alone has the
journal, the caches and the keys. The one rule: everything is asked of `earshot.api.retention`, so that holds and the
audit trail are the same as on the pages.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated

import typer

from earshot.api.audit import AuditTrail
from earshot.api.audit_trail import RecordedTrail
from earshot.api.retention import Held, RetentionDesk, words
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.core.retention import trust_clock
from earshot.errors import BadInput, ConfigurationError
from earshot.operations import OPERATOR
from earshot.ports import NotFound, RecordingFilter
from earshot.ports.retention import ACTION_KINDS, ArchiveAction, Criteria
from earshot.premises import database_of, local_zone, object_access
from earshot.storage.places import Places
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.retention import SqlRetention

hold_cli = typer.Typer(no_args_is_help=True, help="Legal holds: what is on hold is removed by nobody and nothing.")
retention_cli = typer.Typer(no_args_is_help=True, help="How long recordings are kept, and what is done then.")

Number = Annotated[int, typer.Argument(min=1)]


@dataclass(frozen=True, slots=True)
class _Open:
    settings: Settings
    store: SqlStore
    kept: SqlRetention
    desk: RetentionDesk
    trail: AuditTrail
    zone: tzinfo

    def at(self, moment: float | None) -> str:
        return "never" if not moment else datetime.fromtimestamp(moment, self.zone).isoformat(" ", "seconds")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[_Open]:
    if not settings.database_url and not settings.data_dir.is_dir():
        raise ConfigurationError(f"{settings.data_dir} is not a folder")
    clock, database = SystemClock(), database_of(settings)
    store, kept, trail = SqlStore(database, clock), SqlRetention(database), RecordedTrail(SqlAudit(database), clock)
    await database.open()
    try:
        places = Places(access=object_access(settings), clock=clock)
        desk = RetentionDesk(kept, store, clock, lambda: trail, places=places)
        yield _Open(settings, store, kept, desk, trail, local_zone(settings.time_zone))
    except (BadInput, NotFound, Held) as refusal:
        raise typer.BadParameter(str(refusal)) from None
    finally:
        await database.close()


def _moment(text: str, zone: tzinfo) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-03-01T14:30") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


@hold_cli.command("place")
def hold_place(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    recording: Annotated[list[int] | None, typer.Option(help="RECORDID; may be given several times.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, such as device_id=200 or user1=X.")] = None,
    agent: Annotated[int, typer.Option(min=0, help="USERID of the agent.")] = 0,
    since: Annotated[str, typer.Option(help="From this local time on.")] = "",
    until: Annotated[str, typer.Option(help="Up to this local time.")] = "",
    matter: Annotated[str, typer.Option(help="The matter it serves.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Put recordings on hold: those listed, and all that meet every condition, now and in future."""
    settings = loaded(config, data_dir=data_dir)
    pairs = [text.partition("=") for text in where or []]
    if any(not equals for _, equals, _ in pairs):
        raise typer.BadParameter("--where wants NAME=VALUE")

    async def work() -> None:
        async with _opened(settings) as here:
            criteria = Criteria(
                equals={key: value for key, _, value in pairs},
                agent_id=agent,
                since=_moment(since, here.zone),
                until=_moment(until, here.zone),
            )
            hold, missing = await here.desk.place(OPERATOR, name, matter, recording or [], criteria)
            typer.echo(f"hold {hold.number} stands on {hold.recordings} recordings")
            if missing:
                typer.echo(f"not there: {', '.join(map(str, missing))}")

    run(work())


@hold_cli.command("lift")
def hold_lift(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """End a hold. What is due by then goes in the next round."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            await here.desk.lift(OPERATOR, number, reason)
            typer.echo(f"hold {number} is lifted")

    run(work())


@hold_cli.command("list")
def hold_list(
    every: Annotated[bool, typer.Option("--all", help="Those that were lifted as well.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the holds that stand."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            for one in await here.kept.holds(standing=not every):
                state = f"lifted {here.at(one.lifted_at)} ({one.lift_reason})" if one.lifted_at else "stands"
                said = (one.name, one.matter, words(one.criteria), f"{one.recordings} recordings", state)
                typer.echo(f"{one.number}  {here.at(one.placed_at)}  {'  '.join(text for text in said if text)}")

    run(work())


@retention_cli.command("actions")
def actions(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print the archive actions; the number is ARCHIVEACTION."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            for one in await here.kept.actions():
                then = f"then {one.next_action} after {one.days} days" if one.next_action else ""
                said = (one.name, one.kind, one.destination, then, "" if one.active else "inactive")
                typer.echo(f"{one.number}  {'  '.join(text for text in said if text)}")

    run(work())


@retention_cli.command("add-action")
def add_action(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    kind: Annotated[str, typer.Argument(help="purge, move or copy.")],
    destination: Annotated[str, typer.Option(help="Of a move or copy: absolute folder, or s3://bucket/prefix.")] = "",
    then: Annotated[int, typer.Option(min=0, help="The archive action that follows; 0 for none.")] = 0,
    days: Annotated[int, typer.Option(min=0, help="Days until it follows.")] = 0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Add an archive action. It cannot be deleted any more, only made inactive."""
    settings = loaded(config, data_dir=data_dir)
    known = next((one for one in ACTION_KINDS if one == kind), None)
    if known is None:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(ACTION_KINDS)}")

    async def work() -> None:
        async with _opened(settings) as here:
            wanted = ArchiveAction(name=name, kind=known, destination=destination, next_action=then, days=days)
            try:
                made = await here.desk.add_action(OPERATOR, wanted)
            except OSError as failure:
                raise typer.BadParameter(f"the destination cannot be used: {failure}") from None
            typer.echo(f"archive action {made.number}")

    run(work())


@retention_cli.command("set-active")
def set_active(
    number: Number,
    active: Annotated[bool, typer.Option("--on/--off", help="Whether it may be performed.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make an archive action active or inactive; recordings wait for one that is not active."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            await here.desk.set_action_active(OPERATOR, number, active)
            typer.echo(f"archive action {number} is {'active' if active else 'inactive'}")

    run(work())


@retention_cli.command("due")
def due(
    days: Annotated[int, typer.Option(min=0, help="What is due within so many days from now.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, longest due first.")] = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print what is due and not held. Nothing is done."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            until = SystemClock().now() + days * 86400.0
            for one in await here.kept.due(until, limit):
                said = (f"archive action {one.kept.action}", one.kept.rule, one.kept.trouble)
                texts = "  ".join(text for text in said if text)
                typer.echo(f"{one.kept.record_id}  {here.at(one.kept.due_at)}  {texts}")

    run(work())


@retention_cli.command("history")
def history(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, newest RECORDID first.")] = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print what was deleted, when, by whom and why."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            for one in await here.kept.deletions(limit):
                state = f"gone {here.at(one.finished_at)}" if one.finished_at else f"being removed ({one.step})"
                said = (here.at(one.decided_at), one.by, one.reason, one.rule, state, one.audio_sha256)
                typer.echo(f"{one.record_id}  {'  '.join(said)}")

    run(work())


@retention_cli.command("trust-clock")
def trust(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Say that this machine's clock is right, after removal was paused because it jumped."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            rows = await here.store.recordings(RecordingFilter(), 1)
            newest = rows[0].sealed.recording_time if rows else None
            async with here.trail.together():
                shown = here.at(await trust_clock(here.kept, SystemClock(), newest))
                await here.trail.note(OPERATOR, "changed", "clock", trusted_at=shown)
            typer.echo(f"the clock is right at {shown}")

    run(work())


def delete(
    record_id: Annotated[int, typer.Argument(min=1, help="RECORDID.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete a recording for good, but for what proves that it was deleted. Refused while it is on legal hold."""
    settings = loaded(config, data_dir=data_dir)

    async def work() -> None:
        async with _opened(settings) as here:
            await here.desk.delete(OPERATOR, record_id, reason)
            wait_s = here.settings.retention_interval_s
            typer.echo(f"recording {record_id} is deleted; the server removes its files within {wait_s:g} s of running")

    run(work())
