"""AGENTWINDOW: what was last seen in an agent's window, from what desktop agents reported.

The database is not asked, so that the answer comes while it is away.
"""

from datetime import datetime

from earshot.actor import Visibility
from earshot.api.context import Context
from earshot.api.people import find_agent
from earshot.api.sight import shows_agent
from earshot.ports.capture import Desktop
from earshot.protocol.decode import Request
from earshot.protocol.results import AGENT_NOT_FOUND, Result, failed, ok
from earshot.protocol.times import database_time


def agent_window(context: Context, request: Request) -> Result:
    """The desktop of COMPUTERNAME and of USERNAME (both must match where both are given), the newest of several."""
    computer, username = request.get("COMPUTERNAME"), request.get("USERNAME")
    found = _newest(context, request.actor.sees, computer, username)
    if found is None:
        named = " and ".join(f"{what} {name}" for what, name in (("computer", computer), ("user", username)) if name)
        return failed(request, AGENT_NOT_FOUND, f"No desktop agent has reported {named}")
    moment = datetime.fromtimestamp(found.updated_at, context.settings.zone)
    body = (
        ("DOMAIN", found.domain),
        ("IPADDRESS", found.address),
        ("STATUS", found.status),
        ("APPLICATIONTITLE", found.title),
        ("LASTUPDATE", database_time(moment)),
    )
    return ok(request, body=body)


def _newest(context: Context, sees: Visibility, computer: str, username: str) -> Desktop | None:
    """By the name in Windows; where nobody has that, by the name in Earshot of somebody whose name in Windows has. Only
    of agents that are seen."""
    desktops = context.desktops.windows(computer, username)
    if not desktops and username:
        agent = find_agent(context.directory, "USERNAME", username)
        if agent is not None and agent.sys_user:
            domain = f"{agent.sys_domain}\\" if agent.sys_domain and "\\" not in agent.sys_user else ""
            desktops = context.desktops.windows(computer, f"{domain}{agent.sys_user}")
    return next((one for one in desktops if _is_shown(context, sees, one)), None)


def _is_shown(context: Context, sees: Visibility, desktop: Desktop) -> bool:
    if sees.everything:
        return True
    agent = context.directory.by_sys_user.get(desktop.username.casefold())
    return agent is not None and shows_agent(context, sees, agent)
