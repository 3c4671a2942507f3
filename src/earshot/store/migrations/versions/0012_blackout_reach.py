"""What blackouts are altering, and the device of a screen session.

Frozen once released: the tables as they were then, whatever `earshot.store.retention_tables` and
`earshot.store.screen_tables` say since. The one rule: nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

EPOCH = "microseconds since the Unix epoch"


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "blackout_decisions",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
        sa.Column("what", sa.Text, nullable=False, comment="recording, or screen session"),
        sa.Column(
            "number",
            sa.Integer,
            nullable=False,
            comment="recordings.ident or screens.ident of what is being altered",
        ),
        sa.Column("from_us", sa.BigInteger, nullable=False, comment=f"begin of the span, {EPOCH}"),
        sa.Column("until_us", sa.BigInteger, nullable=False, comment=f"its end, {EPOCH}"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_blackout_decisions", "blackout_decisions", ["from_us", "until_us"])
    device = sa.Column("device_id", sa.Text, nullable=False, server_default="", comment="DEVICEID, where one is known")
    op.add_column("screens", device)
    op.create_index("ix_screens_device_id", "screens", ["device_id", "started_at", "ident"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_screens_device_id", "screens")
    op.drop_column("screens", "device_id")
    op.drop_table("blackout_decisions")
