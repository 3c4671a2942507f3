"""The JSON REST API in the running system, mounted under /api, and the vendor's JSON calls beside it.

The one rule: it starts after all that it shows, and its mount stands behind every route that others put under /api.
"""

from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.routing import Mount

from earshot.api.happenings import LiveView
from earshot.api.tokens import Tokens
from earshot.services import House
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens
from earshot.web.openings import Openings
from earshot.web.rest.jobs import Jobs
from earshot.web.rest.mount import MOUNT, BuiltWhenAsked


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    context = house.context

    def notices() -> tuple[str, ...]:
        refusal = house.recorder.refusal
        full = ("The disk reserve is reached: new calls are refused until space is freed.",) if refusal else ()
        return (*full, *house.said())

    jobs = Jobs(lambda: context.exports, house.clock, house.spawner)
    undo.callback(jobs.close)

    def made() -> Starlette:
        from earshot.web.rest.desk import Desk
        from earshot.web.rest.families import application

        desk = Desk(
            context=context,
            zone=house.zone,
            live=LiveView(context, notices),
            tokens=Tokens(SqlTokens(house.database), context.authority, house.clock, lambda: context.audit),
            trail=SqlAudit(house.database),
            openings=Openings(context.audit, house.clock),
        )
        return application(desk, jobs)

    house.routes.append(Mount(MOUNT, BuiltWhenAsked(made)))
