"""The table of schedules, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA

SCHEDULES = sa.Table(
    "schedules",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number; the lowest is the oldest"),
    sa.Column("document", sa.Text, nullable=False, comment="JSON document: the schedule, complete"),
    sa.Column(
        "revision", sa.Integer, nullable=False, unique=True, comment="grows with every change of any of the schedules"
    ),
    sa.Column(
        "changed_at", sa.Double, nullable=False, comment="when it was changed last, seconds since the Unix epoch"
    ),
    sa.Column("changed_by", sa.Text, nullable=False, comment="who changed it last, by name"),
    sqlite_autoincrement=True,
)
