"""Indexes by which somebody who sees only some calls finds them.

Frozen once released: the indexes as they were then. The one rule: nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WHOLE = ("device_id", "agent_id")
PARTIAL = ("device_alias", "sgroup", "gate")


def upgrade() -> None:
    """Make them; those of columns that are mostly blank leave blank ones out."""
    for name in WHOLE:
        op.create_index(f"ix_calls_{name}", "calls", [name, "started_at", "ident"])
    for name in PARTIAL:
        where = sa.text(f"{name} != ''")
        columns = [name, "started_at", "ident"]
        op.create_index(f"ix_calls_{name}", "calls", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop them."""
    for name in (*WHOLE, *PARTIAL):
        op.drop_index(f"ix_calls_{name}", "calls")
