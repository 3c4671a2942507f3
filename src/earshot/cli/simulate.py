"""`earshot simulate`: a phone system and a CRM to try the recorder with."""

from typing import Annotated

import typer

from earshot import operations
from earshot.cli.running import ConfigFile, Host, loaded, run
from earshot.simulate.options import SimulateOptions


def simulate(
    calls: Annotated[int, typer.Option(help="How many calls in all.")] = 10,
    concurrent: Annotated[int, typer.Option(help="How many at a time.")] = 2,
    rate: Annotated[float, typer.Option(help="New calls per second.")] = 1.0,
    length: Annotated[str, typer.Option(help="Seconds a call lasts, SHORTEST-LONGEST.")] = "10-30",
    codec: Annotated[list[str] | None, typer.Option(help="Codec, may be given several times.")] = None,
    loss: Annotated[float, typer.Option(help="Percent of packets that are left out.")] = 0.0,
    reorder: Annotated[float, typer.Option(help="Percent of packets that swap places.")] = 0.0,
    hold: Annotated[float, typer.Option(help="Percent of calls that are put on hold once.")] = 0.0,
    mixed: Annotated[bool, typer.Option("--mixed", help="One stream with both parties, as many phones send.")] = False,
    crm: Annotated[bool, typer.Option(help="Play the CRM too: CALLSTART, CALLUPDATE, CALLSTOP.")] = True,
    follow: Annotated[bool, typer.Option("--follow", help="Give sound to every call that the API announces.")] = False,
    forever: Annotated[bool, typer.Option("--forever", help="Until Ctrl-C.")] = False,
    transport: Annotated[str, typer.Option(help="udp or tcp.")] = "udp",
    seed: Annotated[int, typer.Option(help="The same seed plans the same calls.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the summary.")] = False,
    host: Host = None,
    sip_port: Annotated[int | None, typer.Option(help="SIP port of the recorder (5060).")] = None,
    api_port: Annotated[int | None, typer.Option(help="Its XML port (5620).")] = None,
    events_port: Annotated[int | None, typer.Option(help="Its event port (5621).")] = None,
    config: ConfigFile = None,
) -> None:
    """Play a phone system and a CRM: place real SIPREC calls with real speech."""
    settings = loaded(config, host=host, sip_port=sip_port, api_port=api_port, events_port=events_port)
    shortest, _, longest = length.partition("-")
    try:
        options = SimulateOptions(
            sip_host=settings.host,
            sip_port=settings.sip_port,
            transport=transport,
            api_host=settings.host,
            api_port=settings.api_port,
            events_host=settings.host,
            events_port=settings.events_port,
            calls=0 if follow and not forever else calls,
            concurrent=concurrent,
            rate=rate,
            length_s=(float(shortest), float(longest or shortest)),
            codecs=tuple(name.upper() for name in codec or ["PCMU"]),
            loss_percent=loss,
            reorder_percent=reorder,
            hold_percent=hold,
            mixed=mixed,
            crm=crm,
            follow=follow,
            forever=forever,
            seed=seed,
            quiet=quiet,
        )
        run(operations.simulate(options))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
