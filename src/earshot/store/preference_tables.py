"""The tables of settings that are changed at run time, and of locations, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA

PREFERENCES = sa.Table(
    "preferences",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True, comment="what the setting is called, such as terminology"),
    sa.Column("value", sa.Text, nullable=False, comment="JSON document"),
    sa.Column("changed_at", sa.Double, nullable=False, comment="when it was set, seconds since the Unix epoch"),
    sa.Column("changed_by", sa.Text, nullable=False, comment="who set it, by name"),
)

LOCATIONS = sa.Table(
    "locations",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, comment="LOCATIONID"),
    sa.Column("name", sa.Text, nullable=False, comment="what it is called"),
    sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="the name, letter case folded"),
)
