"""`earshot events`: what happens, line by line, as the event port tells it."""

import asyncio
from typing import Annotated

import typer

from earshot.cli.running import ConfigFile, Host, loaded, run
from earshot.config import Settings
from earshot.errors import BadInput, EarshotError
from earshot.protocol.registration import COMMAND, event_types
from earshot.protocol.xml import read_result, write_request

LONGEST_LINE = 1 << 20
SHOWN_FIRST = ("TYPE", "EVENTTIME", "EVENTID")


def pretty_event(line: bytes) -> str:
    """One document as `time TYPE name=value ...`, without what is empty. Raises BadInput for what is no XML."""
    _, nodes = read_result(line)
    pairs = [(tag, text) for tag, text in nodes if isinstance(text, str) and text] if isinstance(nodes, tuple) else []
    values = dict(pairs)
    fields = [(tag, repr(text) if " " in text else text) for tag, text in pairs if tag not in SHOWN_FIRST]
    shown = " ".join(f"{tag}={text}" for tag, text in fields)
    return "  ".join(part for part in (values.get("EVENTTIME", ""), values.get("TYPE", ""), shown) if part)


async def tail(settings: Settings, types: str, raw: bool, count: int) -> None:
    """Print what the event port tells until it ends, or `count` events were told. Raises EarshotError, OSError."""
    reader, writer = await asyncio.open_connection(settings.host, settings.events_port, limit=LONGEST_LINE)
    told = 0
    try:
        if types:
            writer.write(write_request(COMMAND, "1", [("MODE", "NONE")]))
            writer.write(write_request(COMMAND, "2", [("MODE", "ADD"), ("EVENTTYPE", types)]))
        while line := await reader.readline():
            if line.startswith(b"<RESULT>"):
                continue
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            typer.echo(text if raw else pretty_event(line))
            told += 1
            if told == count:
                return
    finally:
        writer.close()
    raise EarshotError("the server ended the connection")


def events(
    types: Annotated[str, typer.Option(help="Event types, with commas; all of them unless told otherwise.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="The documents as they come.")] = False,
    count: Annotated[int, typer.Option(help="End after so many events; 0 for never.")] = 0,
    host: Host = None,
    events_port: Annotated[int | None, typer.Option(help="TCP port of the events (5621).")] = None,
    config: ConfigFile = None,
) -> None:
    """Print what happens until Ctrl-C."""
    settings = loaded(config, host=host, events_port=events_port)
    try:
        wanted = ",".join(sorted(event_types(types)))
    except BadInput as wrong:
        raise typer.BadParameter(str(wrong)) from None
    run(tail(settings, wanted, raw, count))
