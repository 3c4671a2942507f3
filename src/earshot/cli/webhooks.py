"""`earshot webhook`: who is told of events by HTTP. Works beside a running server, which notices within a second.

The one rule: a change is in the audit trail, under whoever is at the machine.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.webhooks import NoWebhook, WebhookDesk
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, EarshotError
from earshot.hooks.posting import Poster
from earshot.hooks.targets import Targets
from earshot.operations import OPERATOR
from earshot.ports.webhooks import Delivery
from earshot.premises import database_of
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.webhooks import SqlWebhooks

T = TypeVar("T")
Number = Annotated[int, typer.Argument(help="Number of the webhook, see `list`.")]

webhook_cli = typer.Typer(no_args_is_help=True, help="Who is told of events by HTTP.")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[WebhookDesk]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database, clock = database_of(settings), SystemClock()
    await database.open()
    trail = RecordedTrail(SqlAudit(database), clock)
    try:
        yield WebhookDesk(SqlWebhooks(database, clock), clock, lambda: trail)
    finally:
        await database.close()


def _do(settings: Settings, work: Callable[[WebhookDesk], Awaitable[T]]) -> T:
    async def all_of_it() -> T:
        async with _opened(settings) as desk:
            try:
                return await work(desk)
            except NoWebhook as missing:
                raise EarshotError(str(missing)) from None
            except BadInput as wrong:
                raise typer.BadParameter(str(wrong)) from None

    done: T = run(all_of_it())
    return done


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
    made = _do(settings, lambda desk: desk.add(OPERATOR, url, types, secret))
    typer.echo(f"webhook {made.webhook_id} added")
    if not secret:
        typer.echo(f"secret {made.secret}")


@webhook_cli.command("list")
def list_all(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List the webhooks and what waits for them."""
    for webhook, backlog in _do(loaded(config, data_dir=data_dir), lambda desk: desk.listed()):
        types = ",".join(sorted(webhook.types)) or "all types"
        state = "on" if webhook.active else "off"
        waits = f"{backlog.waiting} waiting, {backlog.dead} dead"
        typer.echo(f"{webhook.webhook_id}  {state}  {webhook.url}  {types}  {waits}")


@webhook_cli.command()
def remove(number: Number, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Remove a webhook with everything that waits for it."""
    _do(loaded(config, data_dir=data_dir), lambda desk: desk.remove(OPERATOR, number))
    typer.echo(f"webhook {number} removed")


@webhook_cli.command()
def switch(
    number: Number,
    on: Annotated[bool, typer.Option("--on/--off", help="Off: events are not kept for it, what waits stays.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Switch a webhook on or off."""
    _do(loaded(config, data_dir=data_dir), lambda desk: desk.change(OPERATOR, number, active=on))
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

    async def post(desk: WebhookDesk) -> str:
        webhook, _ = await desk.one(number)
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
    for one in _do(loaded(config, data_dir=data_dir), lambda desk: desk.dead(number, limit)):
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
    count = _do(loaded(config, data_dir=data_dir), lambda desk: desk.retry(OPERATOR, number, delivery))
    typer.echo(f"{count} deliveries wait again")
