"""Bringing the schema up to date: Alembic, run by the program itself on a connection it is given.

The migrations lie in `migrations/versions`. The one rule: they run inside a transaction that no second process can be
in, so that of two that start at once one migrates and the other finds it done.
"""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from earshot.store.errors import SchemaTooNew

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def settings(connection: sa.Connection | None = None) -> Config:
    """What Alembic needs to know, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def _revisions() -> list[str]:
    """Every revision there is a migration to, the newest first."""
    return [one.revision for one in ScriptDirectory.from_config(settings()).walk_revisions()]


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that are missing, in the transaction `connection` is in.

    Raises SchemaTooNew for a schema that these migrations do not lead to.
    """
    found = MigrationContext.configure(connection).get_current_revision()
    known = _revisions()
    if found is not None and found not in known:
        raise SchemaTooNew(
            f"the database has schema {found}, made by a newer Earshot than this one, which knows up to "
            f"{known[0]}: start the newer version, or restore the backup from before the upgrade"
        )
    if found != known[0]:
        command.upgrade(settings(connection), "head")
