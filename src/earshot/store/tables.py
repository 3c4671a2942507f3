"""The tables, once, in portable types. Times are seconds since the Unix epoch, documents are JSON in text columns.

The names of the recording columns are those of reference.md 2.3, which UNIQUEFIELD speaks of. No statements here. The
one rule: a change of a table is a new migration; a test compares the two.
"""

import sqlalchemy as sa

from earshot.store.fields import USER_NAMES

METADATA = sa.MetaData()


def _text(name: str, comment: str, **more: bool) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment, **more)  # type: ignore[arg-type]


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, comment=comment)


def _time(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, comment=f"{comment}, seconds since the Unix epoch")


def _flag(name: str, comment: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, comment=comment)


def _agent() -> sa.Column[int | None]:
    return sa.Column("agent_id", sa.Integer, nullable=True, comment="users.ident of the agent, if one is known")


def _variables() -> list[sa.Column[str] | sa.Column[int]]:
    """The call variables, the same in both tables (`fields.COLUMN_OF`)."""
    return [
        _text("device_id", "DEVICEID, the phone"),
        _text("device_alias", "DEVICEALIAS, the agent's number on it"),
        _text("station", "STATIONNAME, the computer"),
        _text("callinstance", "CALLINSTANCE"),
        _text("callid", "CALLID, the PBX's identifier"),
        _text("session_id", "SESSIONID"),
        _text("sgroup", "GROUP, the ACD group"),
        _text("gate", "GATE, the ACD queue"),
        _text("ani", "ANI, the caller's number"),
        _text("dnis", "DNIS, the number called"),
        _text("calldirection", "CALLDIRECTION, I or O"),
        _text("is_trunk", "ISTRUNK"),
        _text("priority", "PRIORITY"),
        _number("keepdays", "KEEPDAYS, days; -1 while unset"),
        _number("archive_action_id", "ARCHIVEACTION; -1 while unset"),
        _number("max_record_silence", "MAXRECORDSILENCE, seconds; 0 while unset"),
        _number("max_record_time", "MAXRECORDTIME, seconds; 0 while unset"),
        _text("agent_initiated", "AGENTINITIATED, Y or N"),
        _text("cti_initiated", "CTIINITIATED, Y or N"),
        *(_text(name, f"{name.upper()}, free for the caller") for name in USER_NAMES),
    ]


RECORDINGS = sa.Table(
    "recordings",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="RECORDID; from 1, never used again"),
    _text("key", "the sealed recording's own key, unique for ever", unique=True),
    _text("call_key", "calls.key of its call"),
    _number("part", "0 the scheduled recording, 1 and up the partial recordings of the call"),
    _number("core", "COREIDENT, the core that recorded"),
    _agent(),
    _time("recording_time", "RECORDINGTIME, when the sound begins"),
    sa.Column("duration", sa.Double, nullable=False, comment="length of the sound, seconds"),
    _number("channels", "channels of sound: 2 left the agent and right the other, 1 mixed"),
    _number("sample_rate", "samples a second, Hz"),
    _text("object_name", "name of the media in the storage"),
    _text("filename", "FILENAME as clients see it"),
    _text("media_type", "MIME type of the media"),
    _text("audio_hash", "SHA-256 of the media, hexadecimal"),
    sa.Column("audio_size", sa.BigInteger, nullable=False, comment="size of the media, bytes"),
    _number("peaks_per_second", "pairs a second and channel in peaks"),
    _text("ended_by", "what ended the recording"),
    _text("warnings", "JSON list: the warnings of the call's verdict"),
    *_variables(),
    _text("legs", "JSON list of objects: what was received of each leg, packets"),
    _text("gaps", "JSON list of [start, end, why]: seconds from the start of the recording"),
    sa.Column(
        "peaks", sa.LargeBinary, nullable=False, comment="(min, max) pairs of signed bytes, channels interleaved"
    ),
    sqlite_autoincrement=True,
)

CALLS = sa.Table(
    "calls",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
    _text("key", "the call's own key, unique for ever", unique=True),
    _number("core", "COREIDENT, the core that held the call"),
    _agent(),
    _time("started_at", "when the call began"),
    _time("stopped_at", "when the call ended"),
    _text("verdict", "recorded, not_recorded or failed"),
    _text("reason", "by which rule, or why"),
    _text("warnings", "JSON list: silent, one-sided, short, lossy, mixed"),
    _text("announced_by", "JSON list of who signalled the call: api, siprec"),
    *_variables(),
    _text("participants", "JSON list of objects: who took part"),
    _text("leniencies", "JSON object: accepted breaches of the signalling standards, times each"),
    _text("metadata", "JSON list: the recording metadata documents as they came"),
    sa.Column("decision", sa.Text, nullable=True, comment="JSON object: what schedules decided"),
    sqlite_autoincrement=True,
)

USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="USERID and AGENTID, from 1"),
    _text("username", "USERNAME"),
    _text("username_key", "USERNAME with letter case folded, what it is unique by"),
    _text("employee_id", "EMPLOYEE_ID"),
    _text("first_name", "FIRST_NAME"),
    _text("last_name", "LAST_NAME"),
    _flag("is_agent", "AGENT: the user's phones are recorded"),
    _flag("active", "STATUS: may log in"),
    _flag("deleted", "soft delete: kept for the history"),
    _time("added_at", "ADD_TIME"),
    _time("modified_at", "MOD_TIME"),
    _text("sys_user", "SYS_USER, the user's name in Windows"),
    _text("sys_domain", "SYS_DOMAIN, the domain of it"),
    _text("email", "EMAIL"),
    _text("crm_user", "CRM_USER, the user's name in the CRM"),
    _text("site_id", "SITE_ID"),
    _flag("is_admin", "may use the console to administer"),
    sa.Column("password_hash", sa.Text, nullable=True, comment="hash of the password; null: no login"),
    sqlite_autoincrement=True,
)

PHONES = sa.Table(
    "phones",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
    _text("phone", "phone ID, of one user only", unique=True),
    sa.Column("user_id", sa.ForeignKey("users.ident"), nullable=False, index=True, comment="whose it is"),
)

STATIONS = sa.Table(
    "stations",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the row"),
    _text("station", "STATION, name or address of the computer", unique=True),
    _text("device_id", "DEVICEID mapped to it", unique=True),
    _number("location_id", "LOCATIONID"),
)

LOGINS = sa.Table(
    "logins",
    METADATA,
    sa.Column("token_sha256", sa.Text, primary_key=True, comment="SHA-256 of the session token, hexadecimal"),
    sa.Column("user_id", sa.ForeignKey("users.ident"), nullable=False, index=True, comment="who logged in"),
    _time("expires_at", "when the login ends"),
)

# --- indexes ------------------------------------------------------------------------------------------------------

PARTIAL = ("device_alias", "sgroup", "gate", "ani", "dnis", "callid", "session_id", *USER_NAMES)
"""Filtered columns that most rows leave blank: their indexes hold only the rows that do not."""

BY_TIME = (RECORDINGS.c.recording_time, RECORDINGS.c.ident)


def filled(column: sa.Column[str]) -> sa.ColumnElement[bool]:
    """The condition of the partial indexes, in the very words a query must repeat to be answered by one."""
    return column != sa.literal_column("''")


def _index_recordings() -> None:
    sa.Index("ix_recordings_time", *BY_TIME)
    for name in ("device_id", "agent_id"):
        sa.Index(f"ix_recordings_{name}", RECORDINGS.c[name], *BY_TIME)
    for name in PARTIAL:
        where = filled(RECORDINGS.c[name])
        sa.Index(f"ix_recordings_{name}", RECORDINGS.c[name], *BY_TIME, sqlite_where=where, postgresql_where=where)
    sa.Index("ix_recordings_instance", RECORDINGS.c.device_id, RECORDINGS.c.callinstance, *BY_TIME)
    sa.Index("ix_recordings_call", RECORDINGS.c.call_key)
    sa.Index("ix_recordings_filename", RECORDINGS.c.filename)
    sa.Index("ix_recordings_hash", RECORDINGS.c.audio_hash)


def _index_the_rest() -> None:
    sa.Index("ix_calls_time", CALLS.c.started_at, CALLS.c.ident)
    sa.Index("ix_calls_verdict", CALLS.c.verdict, CALLS.c.started_at, CALLS.c.ident)
    sa.Index("ix_calls_reason", CALLS.c.verdict, CALLS.c.reason)
    for name in ("device_id", "agent_id"):
        sa.Index(f"ix_calls_{name}", CALLS.c[name], CALLS.c.started_at, CALLS.c.ident)
    for name in ("device_alias", "sgroup", "gate"):
        some = filled(CALLS.c[name])
        newest = (CALLS.c[name], CALLS.c.started_at, CALLS.c.ident)
        sa.Index(f"ix_calls_{name}", *newest, sqlite_where=some, postgresql_where=some)
    sa.Index("ix_users_crm_user", USERS.c.crm_user)
    sa.Index("ix_users_sys_user", USERS.c.sys_user)
    here = sa.and_(USERS.c.deleted == sa.false(), filled(USERS.c.username_key))
    sa.Index("uq_users_username_key", USERS.c.username_key, unique=True, sqlite_where=here, postgresql_where=here)
    named = sa.and_(USERS.c.deleted == sa.false(), filled(USERS.c.first_name), filled(USERS.c.last_name))
    sa.Index(
        "uq_users_name",
        USERS.c.first_name,
        USERS.c.last_name,
        unique=True,
        sqlite_where=named,
        postgresql_where=named,
    )


_index_recordings()
_index_the_rest()
