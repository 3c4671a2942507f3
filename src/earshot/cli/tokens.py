"""`earshot token`: API tokens of programs. Works beside a running server, which knows a new one at once."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.authority import Authority
from earshot.api.tokens import Tokens, scopes_named
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, EarshotError
from earshot.operations import OPERATOR
from earshot.ports import Store, User
from earshot.premises import database_of, local_zone
from earshot.store.sql import SqlStore
from earshot.store.sql.access import SqlAccess
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens

T = TypeVar("T")

token_cli = typer.Typer(no_args_is_help=True, help="Tokens with which programs act for a user.")


def _do(settings: Settings, work: Callable[[Tokens, Store], Awaitable[T]]) -> T:
    async def all_of_it() -> T:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database, clock = database_of(settings), SystemClock()
        trail = RecordedTrail(SqlAudit(database), clock)
        tokens = Tokens(SqlTokens(database), Authority(SqlAccess(database), clock), clock, lambda: trail)
        await database.open()
        try:
            return await work(tokens, SqlStore(database, clock))
        finally:
            await database.close()

    done: T = run(all_of_it())
    return done


async def _user(store: Store, name: str) -> User:
    for user in await store.users():
        if user.username.casefold() == name.casefold():
            return user
    raise EarshotError(f"there is no user {name}; make one with: earshot user create {name}")


@token_cli.command("create")
def create_token(
    user: Annotated[str, typer.Argument(help="Name of the user for whom the program acts.")],
    name: Annotated[str, typer.Option(help="What the token is for.")],
    scope: Annotated[list[str], typer.Option(help="A permission such as RECORDINGEXPORT, or all; several times.")],
    days: Annotated[int, typer.Option(min=0, help="Days until it ends; 0: never.")] = 90,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make a token and print it, this once. It may do what its scopes and its user's roles have in common."""
    settings = loaded(config, data_dir=data_dir)

    async def work(tokens: Tokens, store: Store) -> str:
        scopes = scopes_named(scope)
        _, secret = await tokens.create(OPERATOR, (await _user(store, user)).user_id, name, scopes, days)
        return secret

    try:
        typer.echo(_do(settings, work))
    except BadInput as wrong:
        raise typer.BadParameter(str(wrong)) from None


@token_cli.command("list")
def list_tokens(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List all tokens: number, state, user, name, scopes, end, last use."""
    settings = loaded(config, data_dir=data_dir)
    zone, now = local_zone(settings.time_zone), SystemClock().now()

    def day(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, zone).date().isoformat() if seconds else "never"

    async def work(tokens: Tokens, store: Store) -> list[str]:
        names = {user.user_id: user.username for user in await store.users(include_deleted=True)}
        lines = []
        for token in await tokens.listed():
            state = "revoked" if token.revoked_at else "works" if token.works_at(now) else "expired"
            scopes = "all" if token.scopes is None else ",".join(sorted(token.scopes))
            whose = names.get(token.user_id, str(token.user_id))
            ends, used = day(token.expires_at), day(token.used_at)
            lines.append(f"{token.number}  {state}  {whose}  {token.name}  {scopes}  ends {ends}  used {used}")
        return lines

    for line in _do(settings, work):
        typer.echo(line)


@token_cli.command("revoke")
def revoke_token(
    number: Annotated[int, typer.Argument(help="Number of the token, see `list`.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """End a token for ever, from the next request on."""
    if not _do(loaded(config, data_dir=data_dir), lambda tokens, store: tokens.revoke(OPERATOR, number)):
        raise EarshotError(f"there is no token {number} that still stands")
    typer.echo(f"token {number} revoked")
