"""`earshot cav`: what is in a CAV file, whether it is unaltered, and getting it out. No server is needed.

The one rule: a password comes from standard input or a prompt, never from the command line, where others can read it.
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from earshot.errors import BadInput
from earshot.media.formats.cav.container import MANIFEST, CavReader
from earshot.media.formats.cav.sealed import Decrypted, is_encrypted

cav_cli = typer.Typer(no_args_is_help=True, help="CAV files: exported recordings with all that belongs to them.")

File = Annotated[Path, typer.Argument(help="The CAV file.", exists=True, dir_okay=False, readable=True)]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")


@cav_cli.command()
def info(file: File, password_stdin: PasswordStdin = False) -> None:
    """Say what is in it."""
    with _opened(file, password_stdin) as (reader, encrypted):
        typer.echo(f"CAV version {reader.version}, made {reader.created}{', encrypted' if encrypted else ''}")
        typer.echo(f"recordings: {', '.join(map(str, reader.recordings))}")
        for name, (size, digest) in reader.members.items():
            typer.echo(f"{size:>14,}  {digest}  {name}")
        said = reader.metadata()
        for one in said.get("recordings", [said]):
            who = f"{one.get('agent_first_name', '')} {one.get('agent_last_name', '')}".strip()
            shown = (one.get("recorded_at"), f"{one.get('duration')} s", f"device {one.get('device_id')}", who)
            typer.echo(f"{one.get('ident')}: " + ", ".join(str(part) for part in shown if part))


@cav_cli.command()
def verify(file: File, password_stdin: PasswordStdin = False) -> None:
    """Compare every byte with the hashes; exit 1 and say what is wrong if one was altered."""
    with _opened(file, password_stdin) as (reader, _):
        problems = reader.problems()
        for problem in problems:
            typer.echo(problem)
        if problems:
            raise typer.Exit(1)
        typer.echo(f"nothing is altered: {len(reader.members)} files, {', '.join(map(str, reader.recordings))}")


@cav_cli.command()
def extract(
    file: File,
    into: Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")] = Path(),
    password_stdin: PasswordStdin = False,
) -> None:
    """Write its files into a folder, each compared with its hash; files that are there already are not touched."""
    with _opened(file, password_stdin) as (reader, _):
        names = [MANIFEST, *reader.members]
        for name in names:
            if SAFE_NAME.fullmatch(name) is None or name not in reader.placed:
                raise BadInput(f"{name[:80]!r} is no name of a file in a CAV")
            if (into / name).exists():
                raise BadInput(f"{into / name} is there already")
        problems = reader.problems()
        if problems:
            raise BadInput("; ".join(problems))
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            with (into / name).open("xb") as out:
                for piece in reader.member(name):
                    out.write(piece)
            typer.echo(str(into / name))


@contextlib.contextmanager
def _opened(file: Path, password_stdin: bool) -> Iterator[tuple[CavReader, bool]]:
    with file.open("rb") as plain:
        encrypted = is_encrypted(plain)
        yield CavReader(Decrypted(plain, _password(password_stdin)) if encrypted else plain), encrypted


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, err=True))
