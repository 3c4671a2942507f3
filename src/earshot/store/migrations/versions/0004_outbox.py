"""Mail that waits to be sent.

Frozen once released: the tables as they were then, whatever `earshot.store.outbox_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    epoch = "seconds since the Unix epoch"
    op.create_table(
        "outbox",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the mail, from 1"),
        sa.Column("message_id", sa.Text, nullable=False, unique=True, comment="Message-ID with its angle brackets"),
        sa.Column("to_address", sa.Text, nullable=False, comment="the one address it goes to"),
        sa.Column("to_name", sa.Text, nullable=False, comment="name of the receiver"),
        sa.Column("from_address", sa.Text, nullable=False, comment="address of the sender"),
        sa.Column("from_name", sa.Text, nullable=False, comment="name of the sender"),
        sa.Column("reply_to", sa.Text, nullable=False, comment="address that answers go to; empty: the sender's"),
        sa.Column("subject", sa.Text, nullable=False, comment="Subject"),
        sa.Column("body", sa.Text, nullable=False, comment="the text above the attachment"),
        sa.Column("records", sa.Text, nullable=False, comment="JSON list of the RECORDIDs to attach"),
        sa.Column("kind", sa.Text, nullable=False, comment="single, combined or multi"),
        sa.Column("format", sa.Text, nullable=False, comment="WAV, MP3, VOX or CAV"),
        sa.Column("requested_by", sa.Text, nullable=False, comment="who asked for it"),
        sa.Column("created_at", sa.Double, nullable=False, comment=f"when it was asked for, {epoch}"),
        sa.Column("expires_at", sa.Double, nullable=False, comment=f"when it is given up, {epoch}"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="how often it was tried"),
        sa.Column("next_attempt_at", sa.Double, nullable=False, comment=f"when it may be tried next, {epoch}"),
        sa.Column("last_error", sa.Text, nullable=False, comment="why the last attempt failed; what the server said"),
        sa.Column("state", sa.Text, nullable=False, comment="queued, sending, sent, failed or dead"),
        sa.Column("owner", sa.Text, nullable=False, comment="which process sends it; empty while none does"),
        sa.Column("changed_at", sa.Double, nullable=False, comment=f"when its state last changed, {epoch}"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_attempt_at", "ident"])
    op.create_index("ix_outbox_state", "outbox", ["state", "ident"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("outbox")
