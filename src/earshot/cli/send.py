"""`earshot send`: one command to a running server, over TCP or HTTP, its answer printed or its file saved.

The one rule: an answer that is not API_OK ends with status 1, a command that was not sent with status 2.
"""

import ssl
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from earshot.cli.command_words import (
    commands_like,
    described,
    overview,
    unknown_command,
    unknown_parameter,
    words_like,
)
from earshot.cli.running import ConfigFile, Host, loaded, run
from earshot.client import AsyncClient, CommandFailed, Reply, Server
from earshot.client.http import Progress
from earshot.protocol.commands import COMMANDS
from earshot.protocol.results import Node
from earshot.protocol.xml import read_result

MB = 1_000_000
HELP = (
    "Send one command and print the answer; exit 1 when it is not API_OK.\n\n"
    "Parameters are NAME=value, in any letter case; NAME=@FILE takes the value from a file, NAME=@- from standard "
    "input, NAME=@@text is @text. `earshot send COMMAND --describe` says what a command takes.\n\n"
)


def complete_command(incomplete: str) -> list[tuple[str, str]]:
    """Commands for the shell."""
    return commands_like(incomplete)


def complete_parameter(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Parameters and values for the shell."""
    return words_like(ctx.params.get("command") or "", ctx.params.get("parameters") or (), incomplete)


def send(
    command: Annotated[
        str, typer.Argument(help="Command of the protocol, such as CALLSTART.", autocompletion=complete_command)
    ],
    parameters: Annotated[
        list[str] | None, typer.Argument(help="NAME=value ...", autocompletion=complete_parameter)
    ] = None,
    describe: Annotated[bool, typer.Option("--describe", help="Say what the command takes; send nothing.")] = False,
    http: Annotated[bool, typer.Option("--http", help="Send it to webAPI.aspx.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The answer as it came.")] = False,
    token: Annotated[str, typer.Option(help="The shared token; else the setting `api_token`.")] = "",
    bearer: Annotated[str, typer.Option(help="API token of a person, with --http or exports.")] = "",
    output: Annotated[Path | None, typer.Option(help="File or folder for what an export answers with.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 60.0,
    tls: Annotated[bool, typer.Option("--tls", help="Over TLS (ports 5622 and 2013).")] = False,
    ca: Annotated[Path | None, typer.Option(help="PEM file of the certificates to trust, with --tls.")] = None,
    host: Host = None,
    api_port: Annotated[int | None, typer.Option(help="TCP port of the server (5620).")] = None,
    http_port: Annotated[int | None, typer.Option(help="Its HTTP port (2012).")] = None,
    config: ConfigFile = None,
) -> None:
    """Read the words, send, print."""
    if wrong := unknown_command(command):
        raise typer.BadParameter(wrong)
    row = COMMANDS[command.upper()]
    if describe:
        typer.echo(described(row))
        return
    pairs = pairs_of(row.name, parameters or [])
    is_file = "tcp" not in row.doors
    if is_file is (output is None):
        why = f"{row.name} answers with a file: say where with --output" if is_file else f"{row.name} has no file"
        raise typer.BadParameter(why)
    settings = loaded(config, host=host, api_port=api_port, http_port=http_port)
    server = Server(
        host=settings.host,
        api_port=settings.api_tls_port if tls and api_port is None else settings.api_port,
        http_port=settings.https_port if tls and http_port is None else settings.http_port,
        tls=ssl.create_default_context(cafile=ca) if tls else False,
        token=token or settings.api_token.get_secret_value(),
        bearer=bearer,
        timeout_s=timeout,
        patience_s=0.0,
    )
    if output is not None:
        _save(server, row.name, pairs, output, raw)
        return
    reply: Reply = run(_sent(server, http, row.name, pairs))
    typer.echo(_shown(reply, raw))
    if not reply.ok:
        raise typer.Exit(1)


def pairs_of(command: str, words: list[str]) -> list[tuple[str, str]]:
    """NAME=value words as pairs, values read from files where they say so. Raises typer.BadParameter."""
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{word!r} is not NAME=value")
        if wrong := unknown_parameter(COMMANDS[command], name):
            raise typer.BadParameter(wrong)
        pairs.append((name.upper(), _value(name, value)))
    return pairs


def _value(name: str, value: str) -> str:
    if not value.startswith("@") or value.startswith("@@"):
        return value.removeprefix("@")
    if value == "@-":
        return sys.stdin.read().rstrip("\r\n")
    try:
        return Path(value[1:]).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as why:
        raise typer.BadParameter(f"{name} cannot be read from {value[1:]}: {why}") from None


async def _sent(server: Server, http: bool, command: str, pairs: list[tuple[str, str]]) -> Reply:
    async with AsyncClient(server=server, over_http=http) as client:
        return await client.send_pairs(command, pairs, check=False)


def _save(server: Server, command: str, pairs: list[tuple[str, str]], output: Path, raw: bool) -> None:
    async def save() -> Any:
        async with AsyncClient(server=server) as client:
            return await client.save(command, dict(pairs), output, progress=_progress())

    try:
        saved = run(save())
    except CommandFailed as failed:
        typer.echo(_shown(failed.reply, raw))
        raise typer.Exit(1) from None
    typer.echo(f"{saved.path}: {saved.size} bytes, {saved.media_type}")


def _progress() -> Progress | None:
    """Tells a person at a terminal how far it is; nobody else."""
    if not sys.stderr.isatty():
        return None

    def tell(done: int, whole: int | None) -> None:
        share = f" of {whole / MB:.1f} MB, {100 * done // max(whole, 1)} %" if whole is not None else " MB"
        end = "\n" if done == whole else ""
        typer.echo(f"\r{done / MB:.1f}{share}{end}", err=True, nl=False)

    return tell


def _shown(reply: Reply, raw: bool) -> str:
    if raw:
        return reply.raw.decode("utf-8", "replace").rstrip("\r\n")
    return "\n".join(_lines(read_result(reply.raw), 0))


def _lines(node: Node, depth: int) -> list[str]:
    tag, content = node
    pad = "  " * depth
    if isinstance(content, str):
        return [f"{pad}<{tag}>{content}</{tag}>"]
    inner = [line for child in content for line in _lines(child, depth + 1)]
    return [f"{pad}<{tag}>", *inner, f"{pad}</{tag}>"]


send.__doc__ = HELP + overview()
