"""`earshot serve`: the recorder itself."""

from typing import Annotated

import typer

from earshot import serving
from earshot.cli.running import ConfigFile, DataDir, Host, loaded, run


def serve(
    data_dir: DataDir = None,
    host: Host = None,
    api_port: Annotated[int | None, typer.Option(help="TCP port of the XML protocol (5620); 0 for any free.")] = None,
    events_port: Annotated[int | None, typer.Option(help="TCP port of the events (5621).")] = None,
    http_port: Annotated[int | None, typer.Option(help="Port of webAPI.aspx and the pages (2012).")] = None,
    sip_port: Annotated[int | None, typer.Option(help="SIP port, UDP and TCP (5060).")] = None,
    rtp_ports: Annotated[str | None, typer.Option(help="UDP ports for sound, FIRST-LAST.")] = None,
    config: ConfigFile = None,
) -> None:
    """Record. Prints each address it listens on, and `ready` when all are up. SIGTERM ends it within seconds."""
    settings = loaded(
        config,
        data_dir=data_dir,
        host=host,
        api_port=api_port,
        events_port=events_port,
        http_port=http_port,
        sip_port=sip_port,
        rtp_ports=rtp_ports,
    )
    run(serving.serve(settings, announce=lambda line: print(line, flush=True)))  # noqa: T201
