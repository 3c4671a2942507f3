"""Settings that are changed at run time, and locations.

Frozen once released: the tables as they were then, whatever `earshot.store.preference_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Location 1 is there from the start: it is the one of a mapping that names none."""
    op.create_table(
        "preferences",
        sa.Column("name", sa.Text, primary_key=True, comment="what the setting is called, such as terminology"),
        sa.Column("value", sa.Text, nullable=False, comment="JSON document"),
        sa.Column("changed_at", sa.Double, nullable=False, comment="when it was set, seconds since the Unix epoch"),
        sa.Column("changed_by", sa.Text, nullable=False, comment="who set it, by name"),
    )
    locations = op.create_table(
        "locations",
        sa.Column("ident", sa.Integer, primary_key=True, comment="LOCATIONID"),
        sa.Column("name", sa.Text, nullable=False, comment="what it is called"),
        sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="the name, letter case folded"),
    )
    op.bulk_insert(locations, [{"ident": 1, "name": "Main", "name_key": "main"}])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("locations")
    op.drop_table("preferences")
