"""Bringing the schema up to date: Alembic, run by the program itself on a connection it is given.

The migrations lie in `migrations/versions`. The rules: they run inside a transaction that no second process can be in,
so that of two that start at once one migrates and the other finds it done; and Alembic, a tenth of what a start costs,
is read only where there is something to migrate.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from earshot.store.errors import SchemaTooNew

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def settings(connection: sa.Connection | None = None) -> "Config":
    """What Alembic needs to know, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def revisions() -> list[str]:
    """Every revision there is a migration to, the newest first: the number that its file begins with."""
    return sorted((file.name.partition("_")[0] for file in MIGRATIONS.glob("versions/[0-9]*_*.py")), reverse=True)


def _revision_of(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that are missing, in the transaction `connection` is in.

    Raises SchemaTooNew for a schema that these migrations do not lead to.
    """
    found = _revision_of(connection)
    known = revisions()
    if found is not None and found not in known:
        raise SchemaTooNew(
            f"the database has schema {found}, made by a newer Earshot than this one, which knows up to "
            f"{known[0]}: start the newer version, or restore the backup from before the upgrade"
        )
    if found != known[0]:
        from alembic import command

        command.upgrade(settings(connection), "head")
