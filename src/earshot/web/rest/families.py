"""All routes of the REST API and of the vendor's JSON calls as one application."""

from fastapi import FastAPI

from earshot.web.rest.access import Access
from earshot.web.rest.calls import Calls
from earshot.web.rest.commands import Commands
from earshot.web.rest.control import Control
from earshot.web.rest.deliveries import Deliveries
from earshot.web.rest.description import Description
from earshot.web.rest.desk import Desk
from earshot.web.rest.exports import ExportJobs
from earshot.web.rest.frame import built
from earshot.web.rest.hooks import Hooks
from earshot.web.rest.jobs import Jobs
from earshot.web.rest.keeping import Keeping
from earshot.web.rest.oversight import Oversight
from earshot.web.rest.people import People
from earshot.web.rest.recordings import Recordings
from earshot.web.rest.rules import Schedules
from earshot.web.rest.screens import ScreenSessions
from earshot.web.rest.system import System
from earshot.web.rest.vendor import Vendor
from earshot.web.rest.vendor_export import VendorExport


def application(desk: Desk, jobs: Jobs) -> FastAPI:
    """The application, to be mounted under `mount.MOUNT`."""
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
        Schedules(desk),
        Keeping(desk),
        Hooks(desk),
        Vendor(desk),
        VendorExport(desk),
        description,
    )
    description.app = built(families)
    return description.app
