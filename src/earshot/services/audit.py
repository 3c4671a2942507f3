"""The audit trail and API tokens: opened with the database, hung into the context, shown on their pages.

The one rule: this service starts before all that notes something, so that nothing is forgotten.
"""

from contextlib import AsyncExitStack

from starlette.routing import Route

from earshot.api.audit_trail import RecordedTrail
from earshot.api.permissions import API_TOKENS, AUDIT_TRAIL
from earshot.api.tokens import Tokens
from earshot.services import House
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens
from earshot.web.audit import AuditPages
from earshot.web.permitted import needs, page
from earshot.web.tokens import TokenPages


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    log = SqlAudit(house.database)
    context = house.context
    context.audit = RecordedTrail(log, house.clock)
    tokens = Tokens(SqlTokens(house.database), context.authority, house.clock, lambda: context.audit)
    trail, desk = AuditPages(log), TokenPages(tokens)
    house.routes += [
        Route("/audit", page(trail.search, AUDIT_TRAIL)),
        Route("/audit.csv", needs(trail.csv, AUDIT_TRAIL)),
        Route("/audit.json", needs(trail.json, AUDIT_TRAIL)),
        Route("/tokens", page(desk.show, API_TOKENS), methods=["GET"]),
        Route("/tokens", page(desk.create, API_TOKENS), methods=["POST"]),
        Route("/tokens/{number:int}/revoke", page(desk.revoke, API_TOKENS), methods=["POST"]),
    ]
