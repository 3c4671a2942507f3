"""Screen sessions (CHATSTART) and their segments.

Frozen once released: the tables as they were then, whatever `earshot.store.screen_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

USER_NAMES = tuple(f"user{number}" for number in range(1, 16))


def _text(name: str, comment: str, **more: bool) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment, **more)  # type: ignore[arg-type]


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, comment=comment)


def _time(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, comment=f"{comment}, seconds since the Unix epoch")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "screens",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the session, from 1"),
        _text("key", "the session's own key, unique for ever", unique=True),
        _number("core", "COREIDENT, the core that held the session"),
        _text("session_id", "SESSIONID"),
        _number("agent_id", "users.ident of the agent"),
        _time("started_at", "when CHATSTART came"),
        _time("stopped_at", "when the session ended"),
        _text("state", "ended or failed"),
        _text("verdict", "captured, not_captured or failed"),
        _text("reason", "why it was not captured, or not to the end"),
        _text("ended_by", "what ended the session"),
        _text("computer", "the computer that was captured"),
        _text("username", "the person's name in Windows there"),
        _text("warnings", "JSON list: interrupted, crowded, segment_spoilt, incomplete"),
        _text("black_spans", "JSON list of [start, end]: seconds from the start of the session"),
        _text("device_alias", "DEVICEALIAS, the agent's number"),
        _text("callid", "CALLID"),
        _text("sgroup", "GROUP, the ACD group"),
        _text("gate", "GATE, the ACD queue"),
        _text("ani", "ANI, the caller's number"),
        _text("dnis", "DNIS, the number called"),
        _text("calldirection", "CALLDIRECTION, I or O"),
        _number("keepdays", "KEEPDAYS, days; -1 while unset"),
        _number("archive_action_id", "ARCHIVEACTION; -1 while unset"),
        *(_text(name, f"{name.upper()}, free for the caller") for name in USER_NAMES),
        sqlite_autoincrement=True,
    )
    _create_segments()
    op.create_index("ix_screens_time", "screens", ["started_at", "ident"])
    op.create_index("ix_screens_session", "screens", ["session_id", "started_at", "ident"])
    op.create_index("uq_screen_segments", "screen_segments", ["screen", "number"], unique=True)


def _create_segments() -> None:
    op.create_table(
        "screen_segments",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
        sa.Column("screen", sa.Integer, sa.ForeignKey("screens.ident"), nullable=False, comment="the session"),
        _number("number", "number of the segment in its session, from 1"),
        _text("object_name", "name of the file in the storage"),
        _text("media_type", "MIME type of the file"),
        _text("sha256", "SHA-256 of the file, hexadecimal"),
        sa.Column("size", sa.BigInteger, nullable=False, comment="size of the file, bytes"),
        _time("began_at", "when its first picture was taken"),
        sa.Column("duration", sa.Double, nullable=False, comment="its length, seconds"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("screen_segments")
    op.drop_table("screens")
