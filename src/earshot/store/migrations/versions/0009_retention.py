"""Retention: archive actions, until when recordings stay, legal holds, and tombstones.

Frozen once released: the tables as they were then, whatever `earshot.store.retention_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Action 1 is there from the start: it is Purge."""
    actions = op.create_table(
        "archive_actions",
        sa.Column(
            "ident", sa.Integer, primary_key=True, autoincrement=True, comment="ARCHIVEACTION, from 1; never deleted"
        ),
        sa.Column("name", sa.Text, nullable=False, comment="what it is called"),
        sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="the name, letter case folded"),
        sa.Column("kind", sa.Text, nullable=False, comment="purge, move or copy"),
        sa.Column("destination", sa.Text, nullable=False, comment="folder that media are brought to; empty for purge"),
        sa.Column(
            "next_action", sa.Integer, nullable=False, comment="archive_actions.ident of what follows; 0 for nothing"
        ),
        sa.Column("days", sa.Integer, nullable=False, comment="days until that follows"),
        sa.Column("active", sa.Boolean, nullable=False, comment="may be performed"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "retention",
        sa.Column("recording", sa.Integer, primary_key=True, autoincrement=False, comment="recordings.ident"),
        sa.Column("action", sa.Integer, nullable=False, comment="archive_actions.ident of what is done next"),
        sa.Column("due_at", sa.Double, nullable=True, comment="when, seconds since the Unix epoch; null: never"),
        sa.Column("act_at", sa.Double, nullable=True, comment="when to try, seconds since the Unix epoch; null: never"),
        sa.Column("rule", sa.Text, nullable=False, comment="who decided that"),
        sa.Column("done", sa.Integer, nullable=False, comment="actions that were performed"),
        sa.Column("trouble", sa.Text, nullable=False, comment="why the action that is due could not be performed"),
        sa.Column("tries", sa.Integer, nullable=False, comment="times it was tried"),
    )
    op.create_index("ix_retention_act_at", "retention", ["act_at", "recording"])
    op.create_table(
        "recording_copies",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
        sa.Column("recording", sa.Integer, nullable=False, comment="recordings.ident"),
        sa.Column("object_name", sa.Text, nullable=False, comment="name of the copy in the storage"),
        sa.Column("audio_hash", sa.Text, nullable=False, comment="SHA-256 of the media that were copied, hexadecimal"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recording_copies", "recording_copies", ["recording"])
    op.create_table(
        "legal_holds",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the hold, from 1"),
        sa.Column("name", sa.Text, nullable=False, comment="what it is called"),
        sa.Column("matter", sa.Text, nullable=False, comment="the matter it serves"),
        sa.Column(
            "criteria", sa.Text, nullable=False, comment="JSON object: which recordings it covers beside those listed"
        ),
        sa.Column("placed_by", sa.Text, nullable=False, comment="who placed it"),
        sa.Column("placed_at", sa.Double, nullable=False, comment="when it was placed, seconds since the Unix epoch"),
        sa.Column("lifted_by", sa.Text, nullable=False, comment="who lifted it"),
        sa.Column(
            "lifted_at",
            sa.Double,
            nullable=False,
            comment="when it was lifted; 0 while it stands, seconds since the Unix epoch",
        ),
        sa.Column("lift_reason", sa.Text, nullable=False, comment="why it was lifted"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "held_recordings",
        sa.Column("hold", sa.Integer, sa.ForeignKey("legal_holds.ident"), primary_key=True, comment="the hold"),
        sa.Column("recording", sa.Integer, primary_key=True, autoincrement=False, comment="recordings.ident"),
    )
    op.create_index("ix_held_recordings", "held_recordings", ["recording"])
    op.create_table(
        "deletions",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=False, comment="RECORDID of what was deleted"),
        sa.Column(
            "key",
            sa.Text,
            nullable=False,
            unique=True,
            comment="the recording's own key, so that it is never stored again",
        ),
        sa.Column("core", sa.Integer, nullable=False, comment="COREIDENT, the core that recorded"),
        sa.Column(
            "recording_time", sa.Double, nullable=False, comment="when the sound began, seconds since the Unix epoch"
        ),
        sa.Column("duration", sa.Double, nullable=False, comment="length of the sound, seconds"),
        sa.Column("audio_hash", sa.Text, nullable=False, comment="SHA-256 of the media, hexadecimal"),
        sa.Column("audio_size", sa.BigInteger, nullable=False, comment="size of the media, bytes"),
        sa.Column(
            "decided_at",
            sa.Double,
            nullable=False,
            comment="when the removal was decided, seconds since the Unix epoch",
        ),
        sa.Column("decided_by", sa.Text, nullable=False, comment="who decided it"),
        sa.Column("reason", sa.Text, nullable=False, comment="why, in words"),
        sa.Column("rule", sa.Text, nullable=False, comment="by which rule"),
        sa.Column("step", sa.Text, nullable=False, comment="the last step that was done"),
        sa.Column(
            "finished_at",
            sa.Double,
            nullable=False,
            comment="when nothing was left; 0 until then, seconds since the Unix epoch",
        ),
    )
    op.create_index("ix_deletions_finished", "deletions", ["finished_at", "ident"])
    op.create_table(
        "leftover_objects",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
        sa.Column("recording", sa.Integer, nullable=False, comment="RECORDID of what it belonged to"),
        sa.Column("object_name", sa.Text, nullable=False, comment="name in the storage of what is to be removed"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_leftover_objects", "leftover_objects", ["recording"])
    op.create_table(
        "retention_marks",
        sa.Column("name", sa.Text, primary_key=True, comment="what the number is"),
        sa.Column("value", sa.Double, nullable=False, comment="the number"),
    )

    op.bulk_insert(
        actions,
        [
            {
                "ident": 1,
                "name": "Purge",
                "name_key": "purge",
                "kind": "purge",
                "destination": "",
                "next_action": 0,
                "days": 0,
                "active": True,
            }
        ],
    )


def downgrade() -> None:
    """Remove them."""
    for name in (
        "retention_marks",
        "leftover_objects",
        "deletions",
        "held_recordings",
        "legal_holds",
        "recording_copies",
        "retention",
        "archive_actions",
    ):
        op.drop_table(name)
