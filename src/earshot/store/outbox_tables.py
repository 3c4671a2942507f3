"""The tables of mail that waits to be sent, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA

EPOCH = "seconds since the Unix epoch"

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number of the mail, from 1"),
    sa.Column("message_id", sa.Text, nullable=False, unique=True, comment="Message-ID with its angle brackets"),
    sa.Column("to_address", sa.Text, nullable=False, comment="the one address it goes to"),
    sa.Column("to_name", sa.Text, nullable=False, comment="name of the receiver"),
    sa.Column("from_address", sa.Text, nullable=False, comment="address of the sender"),
    sa.Column("from_name", sa.Text, nullable=False, comment="name of the sender"),
    sa.Column("reply_to", sa.Text, nullable=False, comment="address that answers go to; empty: the sender's"),
    sa.Column("subject", sa.Text, nullable=False, comment="Subject"),
    sa.Column("body", sa.Text, nullable=False, comment="the text above the attachment"),
    sa.Column("records", sa.Text, nullable=False, comment="JSON list of the RECORDIDs to attach"),
    sa.Column("kind", sa.Text, nullable=False, comment="single, combined or multi"),
    sa.Column("format", sa.Text, nullable=False, comment="WAV, MP3, VOX or CAV"),
    sa.Column("requested_by", sa.Text, nullable=False, comment="who asked for it"),
    sa.Column("created_at", sa.Double, nullable=False, comment=f"when it was asked for, {EPOCH}"),
    sa.Column("expires_at", sa.Double, nullable=False, comment=f"when it is given up, {EPOCH}"),
    sa.Column("attempts", sa.Integer, nullable=False, comment="how often it was tried"),
    sa.Column("next_attempt_at", sa.Double, nullable=False, comment=f"when it may be tried next, {EPOCH}"),
    sa.Column("last_error", sa.Text, nullable=False, comment="why the last attempt failed; what the server said"),
    sa.Column("state", sa.Text, nullable=False, comment="queued, sending, sent, failed or dead"),
    sa.Column("owner", sa.Text, nullable=False, comment="which process sends it; empty while none does"),
    sa.Column("changed_at", sa.Double, nullable=False, comment=f"when its state last changed, {EPOCH}"),
    sqlite_autoincrement=True,
)

sa.Index("ix_outbox_due", OUTBOX.c.state, OUTBOX.c.next_attempt_at, OUTBOX.c.ident)
sa.Index("ix_outbox_state", OUTBOX.c.state, OUTBOX.c.ident)
