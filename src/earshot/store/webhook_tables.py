"""The tables of webhooks and what is to be delivered to them, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA

WEBHOOKS = sa.Table(
    "webhooks",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number, from 1, never used again"),
    sa.Column("url", sa.Text, nullable=False, comment="where events are posted"),
    sa.Column("secret", sa.Text, nullable=False, comment="key of the signature"),
    sa.Column("types", sa.Text, nullable=False, comment="JSON list of event types; empty for all"),
    sa.Column("active", sa.Boolean, nullable=False, comment="whether anything is sent"),
    sa.Column("added_at", sa.Double, nullable=False, comment="when it was added, seconds since the Unix epoch"),
    sqlite_autoincrement=True,
)

DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="number; the order of sending"),
    sa.Column("webhook_id", sa.ForeignKey("webhooks.ident"), nullable=False, comment="to whom"),
    sa.Column("event_id", sa.BigInteger, nullable=False, comment="number of the event"),
    sa.Column("event_type", sa.Text, nullable=False, comment="type of the event"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the JSON document that is posted"),
    sa.Column("attempts", sa.Integer, nullable=False, comment="how often it was tried"),
    sa.Column("next_at", sa.Double, nullable=False, comment="when it is tried next, seconds since the Unix epoch"),
    sa.Column("state", sa.Text, nullable=False, comment="waiting or dead"),
    sa.Column("last_error", sa.Text, nullable=False, comment="why the last attempt failed"),
    sqlite_autoincrement=True,
)

sa.Index("ix_deliveries_webhook", DELIVERIES.c.webhook_id, DELIVERIES.c.state, DELIVERIES.c.ident)
sa.Index("uq_deliveries_event", DELIVERIES.c.webhook_id, DELIVERIES.c.event_id, unique=True)
