"""Mail that waits to be sent.

Frozen once released: the tables as they were then, whatever `earshot.store.outbox_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Remove them."""
