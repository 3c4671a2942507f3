"""Which services there are, in the order they start; they end in the opposite order."""

from earshot.services import Service

SERVICES: tuple[Service, ...] = ()
