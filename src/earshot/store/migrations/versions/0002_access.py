"""Roles, QA groups and what they allow.

Frozen once released: the tables as they were then, whatever `earshot.store.access_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Remove them."""
