"""The audit trail and API tokens.

Frozen once released: the tables as they were then, whatever `earshot.store.audit_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Remove them."""
