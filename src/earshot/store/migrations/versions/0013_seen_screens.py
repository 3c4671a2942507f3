"""Indexes by which somebody who sees only some screen sessions finds them.

Frozen once released: the indexes as they were then. The one rule: nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

PARTIAL = ("device_alias", "sgroup", "gate")


def upgrade() -> None:
    """Make them; those of columns that are mostly blank leave blank ones out."""
    op.create_index("ix_screens_agent_id", "screens", ["agent_id", "started_at", "ident"])
    for name in PARTIAL:
        where = sa.text(f"{name} != ''")
        columns = [name, "started_at", "ident"]
        op.create_index(f"ix_screens_{name}", "screens", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop them."""
    for name in ("agent_id", *PARTIAL):
        op.drop_index(f"ix_screens_{name}", "screens")
