"""Which services there are, in the order they start; they end in the opposite order."""

from earshot.services import (
    Service,
    access,
    audit,
    blackouts,
    capture,
    events,
    exports,
    ledger,
    mail,
    preferences,
    rest,
    retention,
    schedules,
    screen_schedules,
    tryit,
    webhooks,
)

SERVICES: tuple[Service, ...] = (
    access.start,
    audit.start,
    ledger.start,
    retention.start,
    blackouts.start,
    schedules.start,
    events.start,
    exports.start,
    mail.start,
    webhooks.start,
    preferences.start,
    capture.start,
    screen_schedules.start,
    rest.start,
    tryit.start,
)
