"""`earshot blackout`: a span of a recording is removed for good, by the server that runs.

It has the journal, the caches and the calls; this asks its REST API, for somebody who may: with a token that is given,
or with one for a user of this data folder that lasts as long as the request. The one rule: nothing is removed by
anybody whom the audit trail does not name.
"""

import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.authority import Authority
from earshot.api.permissions import BLACKOUTS_AFTER
from earshot.api.tokens import Tokens
from earshot.cli.running import ConfigFile, DataDir, Host, loaded, run
from earshot.client import Server
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import BadInput, EarshotError
from earshot.operations import OPERATOR
from earshot.premises import database_of, numeric
from earshot.store.sql import SqlStore
from earshot.store.sql.access import SqlAccess
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens
from earshot.web.blackouts import seconds_in

TOKEN_DAYS: Final = 1 / 24
"""How long a token lasts that a killed command could not end."""
SCOPES: Final = frozenset({BLACKOUTS_AFTER})

Ask = Callable[[str], Awaitable[dict[str, Any]]]


def blackout(
    record_id: Annotated[int, typer.Argument(min=1, help="RECORDID.")],
    begin: Annotated[str, typer.Argument(metavar="FROM", help="Seconds from its start, or minutes:seconds.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="The same; beyond its end is its end.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
    user: Annotated[str, typer.Option(help="Do it as this user, who must be allowed to.")] = "",
    bearer: Annotated[str, typer.Option(help="API token of who does it instead; - reads it from standard input.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Over TLS (port 2013).")] = False,
    ca: Annotated[Path | None, typer.Option(help="PEM file of the certificates to trust, with --tls.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 60.0,
    host: Host = None,
    http_port: Annotated[int | None, typer.Option(help="HTTP port of the server (2012).")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Remove a span of a recording for good, wherever it lies. Exit 1 if it is not gone.

    The server must run. It goes from all recordings of the call, from copies and from what is kept of exports, and is
    refused while one of them is on legal hold.
    """
    if bool(user) is bool(bearer):
        raise typer.BadParameter("say who does it: --user NAME, or --bearer TOKEN")
    try:
        span = {"from_s": seconds_in(begin), "to_s": seconds_in(end), "reason": reason}
    except BadInput as wrong:
        raise typer.BadParameter(str(wrong)) from None
    settings = loaded(config, host=host, http_port=http_port, data_dir=data_dir)
    server = Server(
        host=numeric(settings.host),
        http_port=settings.https_port if tls and http_port is None else settings.http_port,
        tls=ssl.create_default_context(cafile=ca) if tls else False,
        timeout_s=timeout,
    )

    async def ask(token: str) -> dict[str, Any]:
        return await _post(server, f"/api/v1/recordings/{record_id}/blackouts", token, span)

    given = sys.stdin.readline().strip() if bearer == "-" else bearer
    found = run(_as_user(settings, user, ask) if user else ask(given))
    typer.echo(f"recording {record_id}: the span is gone; SHA-256 of what is left {found['audio_sha256']}")


async def _as_user(settings: Settings, name: str, ask: Ask) -> dict[str, Any]:
    async with _token_of(settings, name) as token:
        return await ask(token)


@asynccontextmanager
async def _token_of(settings: Settings, name: str) -> AsyncIterator[str]:
    """A token of the user, for as long as it is needed."""
    database, clock = database_of(settings), SystemClock()
    trail = RecordedTrail(SqlAudit(database), clock)
    tokens = Tokens(SqlTokens(database), Authority(SqlAccess(database), clock), clock, lambda: trail)
    await database.open()
    try:
        users = await SqlStore(database, clock).users()
        found = next((one for one in users if one.username.casefold() == name.casefold()), None)
        if found is None:
            raise EarshotError(f"there is no user {name}")
        token, secret = await tokens.create(OPERATOR, found.user_id, "earshot blackout", SCOPES, TOKEN_DAYS)
        try:
            yield secret
        finally:
            await tokens.revoke(OPERATOR, token.number)
    finally:
        await database.close()


async def _post(server: Server, path: str, token: str, document: dict[str, Any]) -> dict[str, Any]:
    """What the server answers. Raises EarshotError for a refusal, and when it cannot be asked."""
    timeout = httpx.Timeout(server.timeout_s, connect=server.connect_s)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(
            base_url=server.url, verify=server.context or False, timeout=timeout, trust_env=False
        ) as http:
            answer = await http.post(path, json=document, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout) as why:
        raise EarshotError(
            f"{server.url} cannot be reached, and only a running server removes sound: {why or type(why).__name__}"
        ) from None
    except httpx.TransportError as why:
        raise EarshotError(
            f"no answer came ({why or type(why).__name__}): it is not known whether it is gone; ask again"
        ) from None
    try:
        said: dict[str, Any] = answer.json()
    except ValueError:
        said = {}
    if answer.status_code != 200:
        raise EarshotError(str(said.get("detail") or f"HTTP {answer.status_code}"))
    return said
