"""The tables of the audit trail and API tokens, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the entry, from 1"),
    sa.Column("at", sa.Double, nullable=False, comment="when it was done, seconds since the Unix epoch"),
    sa.Column("kind", sa.Text, nullable=False, comment="person, token, protocol or system"),
    sa.Column("actor", sa.Text, nullable=False, comment="who did it, by name"),
    sa.Column("user_id", sa.Integer, nullable=False, comment="users.ident of the actor; 0 for none"),
    sa.Column("address", sa.Text, nullable=False, comment="address of the peer; empty for Earshot itself"),
    sa.Column("act", sa.Text, nullable=False, comment="what was done, such as exported"),
    sa.Column("subject", sa.Text, nullable=False, comment="to what: a kind and a number or name"),
    sa.Column("details", sa.Text, nullable=False, comment="JSON object of texts"),
    sqlite_autoincrement=True,
)

API_TOKENS = sa.Table(
    "api_tokens",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the token, from 1"),
    sa.Column("token_sha256", sa.Text, nullable=False, unique=True, comment="SHA-256 of the token, hexadecimal"),
    sa.Column("name", sa.Text, nullable=False, comment="what it is for"),
    sa.Column("user_id", sa.ForeignKey("users.ident"), nullable=False, index=True, comment="for whom it acts"),
    sa.Column("scopes", sa.Text, nullable=True, comment="JSON list of permissions; null: all that the user has"),
    sa.Column("created_at", sa.Double, nullable=False, comment="when it was made, seconds since the Unix epoch"),
    sa.Column("expires_at", sa.Double, nullable=False, comment="when it ends, seconds since the Unix epoch; 0 never"),
    sa.Column("used_at", sa.Double, nullable=False, comment="when it was last used, seconds since the Unix epoch"),
    sa.Column("revoked_at", sa.Double, nullable=False, comment="when it was revoked, seconds since the Unix epoch"),
    sqlite_autoincrement=True,
)

sa.Index("ix_audit_at", AUDIT.c.at, AUDIT.c.ident)
for _name in ("actor", "act", "subject"):
    sa.Index(f"ix_audit_{_name}", AUDIT.c[_name], AUDIT.c.at, AUDIT.c.ident)
