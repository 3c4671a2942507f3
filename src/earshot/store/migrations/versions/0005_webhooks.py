"""Webhooks and their deliveries.

Frozen once released: the tables as they were then, whatever `earshot.store.webhook_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "webhooks",
        sa.Column(
            "ident", sa.Integer, primary_key=True, autoincrement=True, comment="number, from 1, never used again"
        ),
        sa.Column("url", sa.Text, nullable=False, comment="where events are posted"),
        sa.Column("secret", sa.Text, nullable=False, comment="key of the signature"),
        sa.Column("types", sa.Text, nullable=False, comment="JSON list of event types; empty for all"),
        sa.Column("active", sa.Boolean, nullable=False, comment="whether anything is sent"),
        sa.Column("added_at", sa.Double, nullable=False, comment="when it was added, seconds since the Unix epoch"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number; the order of sending"),
        sa.Column("webhook_id", sa.Integer, sa.ForeignKey("webhooks.ident"), nullable=False, comment="to whom"),
        sa.Column("event_id", sa.BigInteger, nullable=False, comment="number of the event"),
        sa.Column("event_type", sa.Text, nullable=False, comment="type of the event"),
        sa.Column("body", sa.LargeBinary, nullable=False, comment="the JSON document that is posted"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="how often it was tried"),
        sa.Column("next_at", sa.Double, nullable=False, comment="when it is tried next, seconds since the Unix epoch"),
        sa.Column("state", sa.Text, nullable=False, comment="waiting or dead"),
        sa.Column("last_error", sa.Text, nullable=False, comment="why the last attempt failed"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_webhook", "deliveries", ["webhook_id", "state", "ident"])
    op.create_index("uq_deliveries_event", "deliveries", ["webhook_id", "event_id"], unique=True)


def downgrade() -> None:
    """Remove them."""
    op.drop_table("deliveries")
    op.drop_table("webhooks")
