"""The links at the top of every page: what there is, and who is shown it.

The one rule: a link is shown to whoever could use the page behind it, and to nobody else; the page asks again.
"""

from dataclasses import dataclass
from typing import Final

from earshot.actor import Actor
from earshot.api.permissions import (
    API_TOKENS,
    ARCHIVE_ADMINISTRATION,
    AUDIT_TRAIL,
    DELETE,
    LEGAL_HOLD,
    SCHEDULING,
    SEARCH,
    SYSTEM_CONFIGURATION,
    SYSTEM_STATUS,
)


@dataclass(frozen=True, slots=True)
class Link:
    """One entry; any of `permissions` shows it, none means everybody."""

    target: str
    name: str
    permissions: tuple[str, ...] = ()


LINKS: Final = (
    Link("/", "Now"),
    Link("/recordings", "Recordings", (SEARCH,)),
    Link("/calls", "Calls", (SYSTEM_STATUS,)),
    Link("/system", "System", (SYSTEM_STATUS,)),
    Link("/screens", "Screens", (SEARCH,)),
    Link("/schedules", "Schedules", (SCHEDULING,)),
    Link("/holds", "Holds", (LEGAL_HOLD,)),
    Link("/deleted", "Deleted", (ARCHIVE_ADMINISTRATION, DELETE)),
    Link("/mail", "Mail", (SYSTEM_CONFIGURATION,)),
    Link("/audit", "Audit trail", (AUDIT_TRAIL,)),
    Link("/tokens", "Tokens", (API_TOKENS,)),
    Link("/tryit", "Try it", (API_TOKENS, SYSTEM_CONFIGURATION)),
)


def links(actor: Actor | None) -> list[Link]:
    """What this actor is shown; nothing for nobody."""
    if actor is None:
        return []
    return [link for link in LINKS if not link.permissions or any(map(actor.may, link.permissions))]
