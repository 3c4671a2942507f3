"""Settings that are changed at run time, and locations.

Frozen once released: the tables as they were then, whatever `earshot.store.preference_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Remove them."""
