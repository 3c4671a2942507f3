"""The tables of screen sessions, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.fields import USER_NAMES
from earshot.store.tables import METADATA, filled


def _text(name: str, comment: str, **more: bool) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment, **more)  # type: ignore[arg-type]


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, comment=comment)


def _time(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, comment=f"{comment}, seconds since the Unix epoch")


SCREENS = sa.Table(
    "screens",
    METADATA,
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
    sa.Column("device_id", sa.Text, nullable=False, server_default="", comment="DEVICEID, where one is known"),
    sqlite_autoincrement=True,
)

SCREEN_SEGMENTS = sa.Table(
    "screen_segments",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
    sa.Column("screen", sa.ForeignKey("screens.ident"), nullable=False, comment="the session"),
    _number("number", "number of the segment in its session, from 1"),
    _text("object_name", "name of the file in the storage"),
    _text("media_type", "MIME type of the file"),
    _text("sha256", "SHA-256 of the file, hexadecimal"),
    sa.Column("size", sa.BigInteger, nullable=False, comment="size of the file, bytes"),
    _time("began_at", "when its first picture was taken"),
    sa.Column("duration", sa.Double, nullable=False, comment="its length, seconds"),
)

sa.Index("ix_screens_time", SCREENS.c.started_at, SCREENS.c.ident)
sa.Index("ix_screens_session", SCREENS.c.session_id, SCREENS.c.started_at, SCREENS.c.ident)
for _name in ("agent_id", "device_id"):
    sa.Index(f"ix_screens_{_name}", SCREENS.c[_name], SCREENS.c.started_at, SCREENS.c.ident)
for _name in ("device_alias", "sgroup", "gate"):
    _some = filled(SCREENS.c[_name])
    _newest = (SCREENS.c[_name], SCREENS.c.started_at, SCREENS.c.ident)
    sa.Index(f"ix_screens_{_name}", *_newest, sqlite_where=_some, postgresql_where=_some)
sa.Index("uq_screen_segments", SCREEN_SEGMENTS.c.screen, SCREEN_SEGMENTS.c.number, unique=True)
