"""`earshot check`: is everything recorded there, and unaltered?"""

import typer

from earshot import operations
from earshot.cli.running import ConfigFile, DataDir, loaded, run


def check(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Verify that everything recorded is there and unaltered; exit 1 and say what is wrong if it is not."""
    settings = loaded(config, data_dir=data_dir)
    problems = run(operations.check_data(settings))
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo("nothing is wrong")
