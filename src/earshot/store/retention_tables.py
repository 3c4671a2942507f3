"""The tables of retention, legal holds and deletions, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA


def _text(name: str, comment: str, **more: bool) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment, **more)  # type: ignore[arg-type]


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, comment=comment)


def _time(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, comment=f"{comment}, seconds since the Unix epoch")


def _row(comment: str = "number of the row") -> sa.Column[int]:
    return sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment=comment)


ACTIONS = sa.Table(
    "archive_actions",
    METADATA,
    _row("ARCHIVEACTION, from 1; never deleted"),
    _text("name", "what it is called"),
    _text("name_key", "the name, letter case folded", unique=True),
    _text("kind", "purge, move or copy"),
    _text("destination", "folder that media are brought to; empty for purge"),
    _number("next_action", "archive_actions.ident of what follows; 0 for nothing"),
    _number("days", "days until that follows"),
    sa.Column("active", sa.Boolean, nullable=False, comment="may be performed"),
    sqlite_autoincrement=True,
)

RETENTION = sa.Table(
    "retention",
    METADATA,
    sa.Column("recording", sa.Integer, primary_key=True, autoincrement=False, comment="recordings.ident"),
    _number("action", "archive_actions.ident of what is done next"),
    sa.Column("due_at", sa.Double, nullable=True, comment="when, seconds since the Unix epoch; null: never"),
    sa.Column("act_at", sa.Double, nullable=True, comment="when to try, seconds since the Unix epoch; null: never"),
    _text("rule", "who decided that"),
    _number("done", "actions that were performed"),
    _text("trouble", "why the action that is due could not be performed"),
    _number("tries", "times it was tried"),
)

COPIES = sa.Table(
    "recording_copies",
    METADATA,
    _row(),
    _number("recording", "recordings.ident"),
    _text("object_name", "name of the copy in the storage"),
    _text("audio_hash", "SHA-256 of the media that were copied, hexadecimal"),
    sqlite_autoincrement=True,
)

HOLDS = sa.Table(
    "legal_holds",
    METADATA,
    _row("number of the hold, from 1"),
    _text("name", "what it is called"),
    _text("matter", "the matter it serves"),
    _text("criteria", "JSON object: which recordings it covers beside those listed"),
    _text("placed_by", "who placed it"),
    _time("placed_at", "when it was placed"),
    _text("lifted_by", "who lifted it"),
    _time("lifted_at", "when it was lifted; 0 while it stands"),
    _text("lift_reason", "why it was lifted"),
    sqlite_autoincrement=True,
)

HELD = sa.Table(
    "held_recordings",
    METADATA,
    sa.Column("hold", sa.ForeignKey("legal_holds.ident"), primary_key=True, comment="the hold"),
    sa.Column("recording", sa.Integer, primary_key=True, autoincrement=False, comment="recordings.ident"),
)

DELETIONS = sa.Table(
    "deletions",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=False, comment="RECORDID of what was deleted"),
    _text("key", "the recording's own key, so that it is never stored again", unique=True),
    _number("core", "COREIDENT, the core that recorded"),
    _time("recording_time", "when the sound began"),
    sa.Column("duration", sa.Double, nullable=False, comment="length of the sound, seconds"),
    _text("audio_hash", "SHA-256 of the media, hexadecimal"),
    sa.Column("audio_size", sa.BigInteger, nullable=False, comment="size of the media, bytes"),
    _time("decided_at", "when the removal was decided"),
    _text("decided_by", "who decided it"),
    _text("reason", "why, in words"),
    _text("rule", "by which rule"),
    _text("step", "the last step that was done"),
    _time("finished_at", "when nothing was left; 0 until then"),
)

LEFTOVERS = sa.Table(
    "leftover_objects",
    METADATA,
    _row(),
    _number("recording", "RECORDID of what it belonged to"),
    _text("object_name", "name in the storage of what is to be removed"),
    sqlite_autoincrement=True,
)

DECISIONS = sa.Table(
    "blackout_decisions",
    METADATA,
    _row(),
    _text("what", "recording, or screen session"),
    _number("number", "recordings.ident or screens.ident of what is being altered"),
    sa.Column("from_us", sa.BigInteger, nullable=False, comment="begin of the span, microseconds since the Unix epoch"),
    sa.Column("until_us", sa.BigInteger, nullable=False, comment="its end, microseconds since the Unix epoch"),
    sqlite_autoincrement=True,
)

MARKS = sa.Table(
    "retention_marks",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True, comment="what the number is"),
    sa.Column("value", sa.Double, nullable=False, comment="the number"),
)

sa.Index("ix_retention_act_at", RETENTION.c.act_at, RETENTION.c.recording)
sa.Index("ix_recording_copies", COPIES.c.recording)
sa.Index("ix_held_recordings", HELD.c.recording)
sa.Index("ix_blackout_decisions", DECISIONS.c.from_us, DECISIONS.c.until_us)
sa.Index("ix_deletions_finished", DELETIONS.c.finished_at, DELETIONS.c.ident)
sa.Index("ix_leftover_objects", LEFTOVERS.c.recording)
