"""Tombstones of screen sessions, and what is still to be removed of them.

Frozen once released: the tables as they were then, whatever `earshot.store.screen_retention_tables` says since. The one
rule: nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

EPOCH = "seconds since the Unix epoch"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "screen_deletions",
        sa.Column(
            "ident", sa.Integer, primary_key=True, autoincrement=False, comment="screens.ident of what was deleted"
        ),
        sa.Column(
            "key",
            sa.Text,
            nullable=False,
            unique=True,
            comment="the session's own key, so that it is never stored again",
        ),
        sa.Column("core", sa.Integer, nullable=False, comment="COREIDENT, the core that held the session"),
        sa.Column("started_at", sa.Double, nullable=False, comment=f"when the session began, {EPOCH}"),
        sa.Column("duration", sa.Double, nullable=False, comment="length of the session, seconds"),
        sa.Column(
            "segment_hashes",
            sa.Text,
            nullable=False,
            comment="SHA-256 of each segment in their order, hexadecimal, with blanks between",
        ),
        sa.Column("size", sa.BigInteger, nullable=False, comment="size of all segments, bytes"),
        sa.Column("decided_at", sa.Double, nullable=False, comment=f"when the removal was decided, {EPOCH}"),
        sa.Column("decided_by", sa.Text, nullable=False, comment="who decided it"),
        sa.Column("reason", sa.Text, nullable=False, comment="why, in words"),
        sa.Column("rule", sa.Text, nullable=False, comment="by which rule"),
        sa.Column("step", sa.Text, nullable=False, comment="the last step that was done"),
        sa.Column("finished_at", sa.Double, nullable=False, comment=f"when nothing was left; 0 until then, {EPOCH}"),
    )
    op.create_index("ix_screen_deletions_finished", "screen_deletions", ["finished_at", "ident"])
    op.create_table(
        "screen_leftovers",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
        sa.Column("screen", sa.Integer, nullable=False, comment="number of the session that it belonged to"),
        sa.Column("object_name", sa.Text, nullable=False, comment="name in the storage of what is to be removed"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_screen_leftovers", "screen_leftovers", ["screen"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("screen_leftovers")
    op.drop_table("screen_deletions")
