"""`earshot webhook`: who is told of events by HTTP. Works beside a running server, which notices within a second."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
import typer

from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, EarshotError
from earshot.hooks.posting import Poster
from earshot.hooks.signing import new_secret
from earshot.hooks.targets import Targets, checked_url
from earshot.ports.webhooks import Backlog, Delivery, Webhook, Webhooks
from earshot.premises import database_of
from earshot.protocol.registration import event_types
from earshot.store.sql.webhooks import SqlWebhooks

T = TypeVar("T")
Number = Annotated[int, typer.Argument(help="Number of the webhook, see `list`.")]

webhook_cli = typer.Typer(no_args_is_help=True, help="Who is told of events by HTTP.")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Webhooks]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = database_of(settings)
    await database.open()
    try:
        yield SqlWebhooks(database, SystemClock())
    finally:
        await database.close()


def _do(settings: Settings, work: Callable[[Webhooks], Awaitable[T]]) -> T:
    async def all_of_it() -> T:
        async with _opened(settings) as store:
            return await work(store)

    done: T = run(all_of_it())
    return done


async def _known(store: Webhooks, number: int) -> Webhook:
    for webhook in await store.webhooks():
        if webhook.webhook_id == number:
            return webhook
    raise EarshotError(f"there is no webhook {number}")


@webhook_cli.command()
def add(
    url: Annotated[str, typer.Argument(help="http:// or https:// address that events are posted to.")],
    types: Annotated[str, typer.Option(help="Event types, with commas; all of them unless told otherwise.")] = "",
    secret: Annotated[str, typer.Option(help="Key of the signature; made up and shown once if not given.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Add a webhook."""
    settings = loaded(config, data_dir=data_dir)
    try:
        webhook = Webhook(url=checked_url(url), secret=secret or new_secret(), types=event_types(types))
    except BadInput as wrong:
        raise typer.BadParameter(str(wrong)) from None
    number = _do(settings, lambda store: store.add_webhook(webhook))
    typer.echo(f"webhook {number} added")
    if not secret:
        typer.echo(f"secret {webhook.secret}")


@webhook_cli.command("list")
def list_all(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List the webhooks and what waits for them."""

    async def found(store: Webhooks) -> tuple[list[Webhook], dict[int, Backlog]]:
        return await store.webhooks(), await store.backlogs()

    webhooks, backlogs = _do(loaded(config, data_dir=data_dir), found)
    for webhook in webhooks:
        backlog = backlogs.get(webhook.webhook_id, Backlog())
        types = ",".join(sorted(webhook.types)) or "all types"
        state = "on" if webhook.active else "off"
        waits = f"{backlog.waiting} waiting, {backlog.dead} dead"
        typer.echo(f"{webhook.webhook_id}  {state}  {webhook.url}  {types}  {waits}")


@webhook_cli.command()
def remove(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Remove a webhook with everything that waits for it."""
    if not _do(loaded(config, data_dir=data_dir), lambda store: store.remove_webhook(number)):
        raise EarshotError(f"there is no webhook {number}")
    typer.echo(f"webhook {number} removed")


@webhook_cli.command()
def switch(
    number: Number,
    on: Annotated[bool, typer.Option("--on/--off", help="Off: events are not kept for it, what waits stays.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Switch a webhook on or off."""
    if not _do(loaded(config, data_dir=data_dir), lambda store: store.set_active(number, on)):
        raise EarshotError(f"there is no webhook {number}")
    typer.echo(f"webhook {number} is {'on' if on else 'off'}")


@webhook_cli.command()
def test(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Post a signed WEBHOOKTEST to it now and say what came back; exit 1 when it was not taken."""
    settings = loaded(config, data_dir=data_dir)
    clock = SystemClock()
    event_id = int(clock.now() * 1e6)
    time = datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    values: dict[str, Any] = {"id": event_id, "type": "WEBHOOKTEST", "time": time}
    body = orjson.dumps({**values, "fields": {"WEBHOOKID": str(number)}})
    delivery = Delivery(webhook_id=number, event_id=event_id, event_type="WEBHOOKTEST", body=body)

    async def post(store: Webhooks) -> str:
        webhook = await _known(store, number)
        async with Poster(clock, Targets.of(settings.webhook_networks), settings.webhook_timeout_s) as poster:
            outcome = await poster.post(webhook, delivery)
        return "" if outcome.ok else outcome.why

    if why := _do(settings, post):
        typer.echo(f"not taken: {why}")
        raise typer.Exit(1)
    typer.echo("taken")


@webhook_cli.command()
def dead(
    number: Annotated[int | None, typer.Argument(help="Number of the webhook; all of them if not given.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 100,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List the deliveries that were given up."""
    for one in _do(loaded(config, data_dir=data_dir), lambda store: store.dead(number, limit)):
        typer.echo(
            f"{one.delivery_id}  webhook {one.webhook_id}  {one.event_type}  event {one.event_id}  "
            f"{one.attempts} attempts  {one.last_error}"
        )


@webhook_cli.command()
def retry(
    number: Number,
    delivery: Annotated[int | None, typer.Option(help="Only this one, see `dead`.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Let deliveries that were given up be tried again."""
    now = SystemClock().now()
    count = _do(loaded(config, data_dir=data_dir), lambda store: store.retry(number, now, delivery))
    typer.echo(f"{count} deliveries wait again")
