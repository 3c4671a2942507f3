"""All tables in one place: importing this is knowing the whole schema."""

from earshot.store import (
    access_tables,
    audit_tables,
    outbox_tables,
    preference_tables,
    retention_tables,
    schedule_tables,
    screen_retention_tables,
    screen_tables,
    tables,
    webhook_tables,
)

TABLE_MODULES = (
    tables,
    access_tables,
    audit_tables,
    outbox_tables,
    webhook_tables,
    screen_tables,
    screen_retention_tables,
    preference_tables,
    schedule_tables,
    retention_tables,
)
METADATA = tables.METADATA
