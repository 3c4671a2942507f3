"""The JSON REST API in the running system, mounted under /api, and the vendor's JSON calls beside it.

The one rule: it starts after all that it shows, and its mount stands behind every route that others put under /api.
"""

from contextlib import AsyncExitStack

from fastapi import FastAPI
from starlette.routing import Mount

from earshot.api.happenings import LiveView
from earshot.api.tokens import Tokens
from earshot.services import House
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens
from earshot.web.openings import Openings
from earshot.web.rest.access import Access
from earshot.web.rest.calls import Calls
from earshot.web.rest.commands import Commands
from earshot.web.rest.control import Control
from earshot.web.rest.deliveries import Deliveries
from earshot.web.rest.description import MOUNT, Description
from earshot.web.rest.desk import Desk
from earshot.web.rest.exports import ExportJobs
from earshot.web.rest.frame import BuiltWhenAsked, built
from earshot.web.rest.jobs import Jobs
from earshot.web.rest.oversight import Oversight
from earshot.web.rest.people import People
from earshot.web.rest.recordings import Recordings
from earshot.web.rest.screens import ScreenSessions
from earshot.web.rest.system import System
from earshot.web.rest.vendor import Vendor
from earshot.web.rest.vendor_export import VendorExport


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    context = house.context

    def notices() -> tuple[str, ...]:
        refusal = house.recorder.refusal
        return ("The disk reserve is reached: new calls are refused until space is freed.",) if refusal else ()

    desk = Desk(
        context=context,
        zone=house.zone,
        live=LiveView(context, notices),
        tokens=Tokens(SqlTokens(house.database), context.authority, house.clock, lambda: context.audit),
        trail=SqlAudit(house.database),
        openings=Openings(context.audit, house.clock),
    )
    jobs = Jobs(lambda: context.exports, house.clock, house.spawner)
    undo.callback(jobs.close)
    description = Description()
    families = (
        Recordings(desk),
        Calls(desk),
        Control(desk),
        System(desk),
        Commands(desk),
        ScreenSessions(desk),
        ExportJobs(desk, jobs),
        Deliveries(desk),
        People(desk),
        Access(desk),
        Oversight(desk),
        Vendor(desk),
        VendorExport(desk),
        description,
    )

    def made() -> FastAPI:
        description.app = built(families)
        return description.app

    house.routes.append(Mount(MOUNT, BuiltWhenAsked(made)))
