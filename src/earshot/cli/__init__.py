"""The command line. Thin: each command reads its options and calls the room that does the work."""

import sys
from typing import Annotated

import typer

from earshot import __version__, operations
from earshot.cli.access import group_cli, role_cli
from earshot.cli.audit import audit_cli
from earshot.cli.cav import cav_cli
from earshot.cli.events import events
from earshot.cli.ledger import ledger_cli, verify
from earshot.cli.mail import mail_cli
from earshot.cli.preferences import location_cli, terminology_cli
from earshot.cli.retention import delete, hold_cli, retention_cli
from earshot.cli.running import ConfigFile, DataDir, Host, loaded, run
from earshot.cli.schedules import schedule_cli
from earshot.cli.send import SEND_HELP, send
from earshot.cli.tokens import token_cli
from earshot.cli.vcon import vcon
from earshot.cli.webhooks import webhook_cli
from earshot.errors import ConfigurationError, EarshotError
from earshot.simulate.options import SimulateOptions

cli = typer.Typer(no_args_is_help=True, add_completion=True, help="Earshot, the open call recording system.")
user_cli = typer.Typer(no_args_is_help=True, help="The people who may log in.")
cli.add_typer(user_cli, name="user")
cli.add_typer(role_cli, name="role")
cli.add_typer(group_cli, name="group")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(cav_cli, name="cav")
cli.add_typer(token_cli, name="token")
cli.add_typer(location_cli, name="location")
cli.add_typer(terminology_cli, name="terminology")
cli.add_typer(ledger_cli, name="ledger")
cli.add_typer(mail_cli, name="mail")
cli.add_typer(webhook_cli, name="webhook")
cli.add_typer(schedule_cli, name="schedule")
cli.add_typer(hold_cli, name="hold")
cli.add_typer(retention_cli, name="retention")
cli.command()(events)
cli.command()(delete)
cli.command()(verify)
cli.command()(vcon)
cli.command(help=SEND_HELP)(send)


@cli.command()
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
    from earshot import serving  # half of all there is to import, and no other command needs it

    run(serving.serve(settings, announce=lambda line: print(line, flush=True)))  # noqa: T201


@user_cli.command("create")
def user_create(
    name: Annotated[str, typer.Argument(help="User name to log in with.")],
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Create a user, or give an existing one a new password."""
    settings = loaded(config, data_dir=data_dir)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not password:
        raise typer.BadParameter("an empty password opens nothing; send one on standard input")
    typer.echo(run(operations.create_user(settings, name, password, admin)))


@cli.command()
def check(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Verify that everything recorded is there and unaltered; exit 1 and say what is wrong if it is not."""
    settings = loaded(config, data_dir=data_dir)
    problems = run(operations.check_data(settings))
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo("nothing is wrong")


@cli.command()
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


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"earshot {__version__}")


def main() -> None:
    """Entry point: errors that we raise on purpose are one line, not a stack trace."""
    try:
        cli()
    except ConfigurationError as wrong:
        typer.echo(f"earshot: {wrong}", err=True)
        sys.exit(2)
    except (EarshotError, OSError) as failure:
        typer.echo(f"earshot: {failure}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
