"""The command line for tests: in this process, where everything is imported already, as `main` runs it."""

import asyncio
from collections.abc import Mapping

from typer.testing import CliRunner

from earshot.cli import cli
from earshot.errors import ConfigurationError, EarshotError


async def earshot(*words: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status and what was printed, in a thread with a loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, words, env=env)
    if isinstance(result.exception, EarshotError | OSError):
        status = 2 if isinstance(result.exception, ConfigurationError) else 1
        return status, f"earshot: {result.exception}\n"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout
