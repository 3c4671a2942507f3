"""Schedules, and what was decided of a call.

Frozen once released: the tables as they were then, whatever `earshot.store.schedule_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FIRST = '{"name":"Record everything","description":"Every call is recorded, as long as this schedule is active."}'


def upgrade() -> None:
    """Make the table, with the schedule that keeps recording what was recorded before: everything."""
    schedules = op.create_table(
        "schedules",
        sa.Column(
            "ident", sa.Integer, primary_key=True, autoincrement=True, comment="number; the lowest is the oldest"
        ),
        sa.Column("document", sa.Text, nullable=False, comment="JSON document: the schedule, complete"),
        sa.Column(
            "revision",
            sa.Integer,
            nullable=False,
            unique=True,
            comment="grows with every change of any of the schedules",
        ),
        sa.Column(
            "changed_at", sa.Double, nullable=False, comment="when it was changed last, seconds since the Unix epoch"
        ),
        sa.Column("changed_by", sa.Text, nullable=False, comment="who changed it last, by name"),
        sqlite_autoincrement=True,
    )
    first = {"ident": 1, "document": FIRST, "revision": 1, "changed_at": 0.0, "changed_by": "earshot"}
    op.bulk_insert(schedules, [first])
    op.add_column("calls", sa.Column("decision", sa.Text, nullable=True, comment="JSON object: what schedules decided"))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("calls", "decision")
    op.drop_table("schedules")
