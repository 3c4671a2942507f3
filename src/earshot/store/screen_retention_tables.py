"""The tables of screen sessions that were deleted, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA


def _text(name: str, comment: str, **more: bool) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment, **more)  # type: ignore[arg-type]


def _time(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, comment=f"{comment}, seconds since the Unix epoch")


SCREEN_DELETIONS = sa.Table(
    "screen_deletions",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=False, comment="screens.ident of what was deleted"),
    _text("key", "the session's own key, so that it is never stored again", unique=True),
    sa.Column("core", sa.Integer, nullable=False, comment="COREIDENT, the core that held the session"),
    _time("started_at", "when the session began"),
    sa.Column("duration", sa.Double, nullable=False, comment="length of the session, seconds"),
    _text("segment_hashes", "SHA-256 of each segment in their order, hexadecimal, with blanks between"),
    sa.Column("size", sa.BigInteger, nullable=False, comment="size of all segments, bytes"),
    _time("decided_at", "when the removal was decided"),
    _text("decided_by", "who decided it"),
    _text("reason", "why, in words"),
    _text("rule", "by which rule"),
    _text("step", "the last step that was done"),
    _time("finished_at", "when nothing was left; 0 until then"),
)

SCREEN_LEFTOVERS = sa.Table(
    "screen_leftovers",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
    sa.Column("screen", sa.Integer, nullable=False, comment="number of the session that it belonged to"),
    _text("object_name", "name in the storage of what is to be removed"),
    sqlite_autoincrement=True,
)

sa.Index("ix_screen_deletions_finished", SCREEN_DELETIONS.c.finished_at, SCREEN_DELETIONS.c.ident)
sa.Index("ix_screen_leftovers", SCREEN_LEFTOVERS.c.screen)
