"""The audit trail and API tokens.

Frozen once released: the tables as they were then, whatever `earshot.store.audit_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit",
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
    op.create_index("ix_audit_at", "audit", ["at", "ident"])
    for name in ("actor", "act", "subject"):
        op.create_index(f"ix_audit_{name}", "audit", [name, "at", "ident"])
    _create_tokens()


def _create_tokens() -> None:
    epoch = "seconds since the Unix epoch"
    op.create_table(
        "api_tokens",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the token, from 1"),
        sa.Column("token_sha256", sa.Text, nullable=False, unique=True, comment="SHA-256 of the token, hexadecimal"),
        sa.Column("name", sa.Text, nullable=False, comment="what it is for"),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.ident"), nullable=False, comment="for whom it acts"),
        sa.Column("scopes", sa.Text, nullable=True, comment="JSON list of permissions; null: all that the user has"),
        sa.Column("created_at", sa.Double, nullable=False, comment=f"when it was made, {epoch}"),
        sa.Column("expires_at", sa.Double, nullable=False, comment=f"when it ends, {epoch}; 0 never"),
        sa.Column("used_at", sa.Double, nullable=False, comment=f"when it was last used, {epoch}"),
        sa.Column("revoked_at", sa.Double, nullable=False, comment=f"when it was revoked, {epoch}"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("api_tokens")
    op.drop_table("audit")
