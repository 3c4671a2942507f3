"""What every command of the command line needs: common options, settings, logging, the event loop."""

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import structlog
import typer

from earshot.config import Settings, load

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of journal, recordings and database.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to bind to; 127.0.0.1 unless told otherwise.")]


class _LogStream:
    """Standard error that never fails: a full disk under the log must not stop what is logged about."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure_logging(settings: Settings) -> None:
    """Logs go to standard error, so that standard output stays for addresses and answers."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: Any = structlog.processors.JSONRenderer()
    if settings.log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([structlog.processors.format_exc_info] if settings.log_format == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _LogStream())),
    )


def run(work: Any) -> Any:
    """Run a coroutine on uvloop where there is one, else on asyncio."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


def loaded(config: Path | None, **given: Any) -> Settings:
    """The settings of file, environment and command line; logging is set up by them."""
    settings = load(config, **given)
    configure_logging(settings)
    return settings
