"""`earshot location` and `earshot terminology`: settings in the database, also while a server runs on it.

The one rule: a change is in the audit trail, under whoever is at the machine.
"""

import getpass
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.terminology import PRESETS, change_term, choose_preset, read_terms
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, EarshotError
from earshot.operations import OPERATOR
from earshot.ports import NotFound, NotUnique
from earshot.ports.preferences import Location
from earshot.premises import database_of
from earshot.store.database import Database
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.locations import SqlLocations
from earshot.store.sql.preferences import SqlPreferences

T = TypeVar("T")

location_cli = typer.Typer(no_args_is_help=True, help="The places with computers (LOCATIONID).")
terminology_cli = typer.Typer(no_args_is_help=True, help="What the fields are called in this house.")


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = database_of(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return OPERATOR.name


async def _note(database: Database, act: str, subject: str, **detail: str) -> None:
    await RecordedTrail(SqlAudit(database), SystemClock()).note(OPERATOR, act, subject, by=_who(), **detail)


# --- locations --------------------------------------------------------------------------------------------------------


@location_cli.command("list")
def location_list(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List the locations."""

    async def work(settings: Settings) -> list[Location]:
        async with _database(settings) as database:
            return list(await SqlLocations(database).locations())

    for location in run(work(loaded(config, data_dir=data_dir))):
        typer.echo(f"{location.number:>6}  {location.name}")


@location_cli.command("add")
def location_add(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    number: Annotated[int | None, typer.Option(help="LOCATIONID; the next free one unless given.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Add a location."""

    async def work(settings: Settings) -> Location:
        async with _database(settings) as database, database.write():
            made = await SqlLocations(database).add_location(name, number)
            await _note(database, "created", f"location {made.number}", name=made.name)
            return made

    _report(run(_told(work(loaded(config, data_dir=data_dir)))))


@location_cli.command("rename")
def location_rename(
    number: Annotated[int, typer.Argument(help="LOCATIONID.")],
    name: Annotated[str, typer.Argument(help="What it is called from now on.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give a location another name."""

    async def work(settings: Settings) -> Location:
        async with _database(settings) as database, database.write():
            made = await SqlLocations(database).rename_location(number, name)
            await _note(database, "changed", f"location {made.number}", name=made.name)
            return made

    _report(run(_told(work(loaded(config, data_dir=data_dir)))))


def _report(location: Location) -> None:
    typer.echo(f"location {location.number} is {location.name}")


# --- terminology ------------------------------------------------------------------------------------------------------


@terminology_cli.command("list")
def terminology_list(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List the terms, as FETCHTERMINOLOGY gives them."""

    async def work(settings: Settings) -> dict[str, str]:
        async with _database(settings) as database:
            return await read_terms(SqlPreferences(database, SystemClock()))

    _list(run(work(loaded(config, data_dir=data_dir))))


@terminology_cli.command("set")
def terminology_set(
    name: Annotated[str, typer.Argument(help="Field, such as gate or user1.")],
    term: Annotated[str, typer.Argument(help="What it is called; empty for the word of the preset.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Call a field by another word; a running server uses it at once."""

    async def work(settings: Settings) -> dict[str, str]:
        async with _database(settings) as database, database.write():
            terms = await change_term(SqlPreferences(database, SystemClock()), name, term, _who())
            await _note(database, "changed", f"term {name.casefold()}", to=term)
            return terms

    _list(run(_told(work(loaded(config, data_dir=data_dir)))))


@terminology_cli.command("preset")
def terminology_preset(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(PRESETS)}.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Use the words of a kind of phone system."""

    async def work(settings: Settings) -> dict[str, str]:
        async with _database(settings) as database, database.write():
            terms = await choose_preset(SqlPreferences(database, SystemClock()), name, _who())
            await _note(database, "changed", "terminology", preset=name)
            return terms

    _list(run(_told(work(loaded(config, data_dir=data_dir)))))


def _list(terms: dict[str, str]) -> None:
    for name, term in terms.items():
        typer.echo(f"{name:<14} {term}")


async def _told(work: Awaitable[T]) -> T:
    """What the store and the rules refuse, as the one line that `main` prints."""
    try:
        return await work
    except (NotUnique, NotFound, BadInput, ValueError) as wrong:
        raise EarshotError(str(wrong)) from None
