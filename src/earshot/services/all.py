"""Which services there are, in the order they start; they end in the opposite order."""

from earshot.services import (
    Service,
    access,
    audit,
    blackouts,
    capture,
    events,
    exports,
    mail,
    preferences,
    rest,
    webhooks,
)

SERVICES: tuple[Service, ...] = (
    access.start,
    audit.start,
    blackouts.start,
    events.start,
    exports.start,
    mail.start,
    webhooks.start,
    preferences.start,
    capture.start,
    rest.start,
)
