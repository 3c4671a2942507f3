"""`earshot schedule`: what decides what is recorded. Works beside a running server, which follows within a second.

Schedules go in and out as JSON. The one rule: a change is in the audit trail, under whoever is at the machine.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.schedules import ScheduleDesk, explanation, imagined, pairs_of, remembered, told_of
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.engine.schedule_documents import document_of
from earshot.engine.schedule_values import Schedule
from earshot.errors import BadInput, EarshotError
from earshot.operations import OPERATOR
from earshot.ports import Store
from earshot.ports.schedules import NoSchedule
from earshot.premises import database_of, local_zone
from earshot.store.sql import SqlStore
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.schedules import SqlSchedules

T = TypeVar("T")
Number = Annotated[int, typer.Argument(help="Number of the schedule, see `list`.")]
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]

schedule_cli = typer.Typer(no_args_is_help=True, help="What decides which calls are recorded.")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[ScheduleDesk, Store]]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database, clock = database_of(settings), SystemClock()
    store = SqlStore(database, clock)
    await store.open()
    trail = RecordedTrail(SqlAudit(database), clock)
    try:
        yield ScheduleDesk(SqlSchedules(database, clock), lambda: trail), store
    finally:
        await store.close()


def _do(settings: Settings, work: Callable[[ScheduleDesk, Store], Awaitable[T]]) -> T:
    async def all_of_it() -> T:
        async with _opened(settings) as (desk, store):
            try:
                return await work(desk, store)
            except (BadInput, NoSchedule) as wrong:
                raise EarshotError(str(wrong)) from None

    done: T = run(all_of_it())
    return done


def _read(text: str) -> dict[str, Any]:
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text()
        document = orjson.loads(text)
    except (OSError, ValueError) as wrong:
        raise typer.BadParameter(f"that cannot be read as JSON: {wrong}") from None
    if not isinstance(document, dict):
        raise typer.BadParameter("a schedule is a JSON object")
    return document


def _show(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _line(schedule: Schedule) -> str:
    state = "active" if schedule.active else "not active"
    return f"{schedule.number:>5}  {schedule.priority:>5}  {schedule.kind:<16}  {state:<10}  {schedule.name}"


@schedule_cli.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List the schedules: number, priority, type, state, name."""
    kept = _do(loaded(config, data_dir=data_dir), lambda desk, _: desk.listed())
    if as_json:
        _show([document_of(one.schedule) for one in kept])
        return
    for one in kept:
        typer.echo(_line(one.schedule))


@schedule_cli.command()
def show(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print a schedule as JSON, complete."""
    _show(document_of(_do(loaded(config, data_dir=data_dir), lambda desk, _: desk.one(number)).schedule))


@schedule_cli.command()
def add(document: Document, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Add a schedule. What the JSON leaves out is as usual: `earshot schedule show 1` names everything there is."""
    told = _read(document)
    added = _do(loaded(config, data_dir=data_dir), lambda desk, _: desk.add(OPERATOR, told))
    typer.echo(f"schedule {added.number} {added.name} added")


@schedule_cli.command()
def change(number: Number, document: Document, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Change what the JSON names of a schedule."""
    told = _read(document)
    _do(loaded(config, data_dir=data_dir), lambda desk, _: desk.change(OPERATOR, number, told))
    typer.echo(f"schedule {number} changed")


@schedule_cli.command()
def activate(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Have a schedule decide again."""
    _do(loaded(config, data_dir=data_dir), lambda desk, _: desk.switch(OPERATOR, number, True))
    typer.echo(f"schedule {number} is active")


@schedule_cli.command()
def deactivate(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Keep a schedule, and have it decide nothing."""
    _do(loaded(config, data_dir=data_dir), lambda desk, _: desk.switch(OPERATOR, number, False))
    typer.echo(f"schedule {number} is not active")


@schedule_cli.command()
def explain(
    call: Annotated[list[str], typer.Argument(help="Number or key of a finished call, or field=value ... of any.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Say whether a call was or would be recorded, by which schedule, and why not by the others. Prints JSON."""
    settings = loaded(config, data_dir=data_dir)
    zone = local_zone(settings.time_zone)

    async def work(desk: ScheduleDesk, store: Store) -> dict[str, Any]:
        schedules = [kept.schedule for kept in await desk.listed()]
        if len(call) > 1 or "=" in call[0]:
            facts = imagined(pairs_of(call), SystemClock().now(), zone, settings.core)
            return explanation(schedules, facts, zone)
        is_number = call[0].isascii() and call[0].isdigit() and len(call[0]) < 19
        number = int(call[0]) if is_number else await store.call_number(call[0])
        finished = await store.call(number) if number is not None else None
        if finished is None:
            raise BadInput(f"There is no finished call {call[0]}")
        today = explanation(schedules, remembered(finished.decision, finished.core), zone)
        then = {"verdict": finished.verdict, "reason": finished.reason, **told_of(finished.decision)}
        return {**then, "today": today} if finished.decision else then

    _show(_do(settings, work))
