"""Who may use a route: each says so where it stands in a table of routes, and a test walks all of them.

Who asks is found out by the gate. The one rule: a route without a word here or in `gate.OPEN_PATHS` does not pass the
test; a token never gets a page that is for people.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earshot.actor import Actor
from earshot.engine.variables import CallVariables

Endpoint = Callable[[Request], Awaitable[Response]]

NEEDS: Final = "earshot_needs"
"""The attribute of a guarded endpoint that names its permissions; an empty tuple where a login is enough."""


def needs(endpoint: Endpoint, *permissions: str) -> Endpoint:
    """`endpoint` for persons and tokens with any of `permissions`; with none, for everybody who is known."""
    return _guarded(endpoint, permissions, people_only=False)


def page(endpoint: Endpoint, *permissions: str) -> Endpoint:
    """The same for people alone: what a program has no business with, such as making tokens."""
    return _guarded(endpoint, permissions, people_only=True)


def _guarded(endpoint: Endpoint, permissions: tuple[str, ...], people_only: bool) -> Endpoint:
    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        actor: Actor | None = getattr(request.state, "actor", None)
        if actor is None:
            return JSONResponse({"error": "login required"}, 401)
        if people_only and actor.kind != "person":
            return JSONResponse({"error": "this page is for people"}, 403)
        if permissions and not any(actor.may(permission) for permission in permissions):
            return refused(request, permissions)
        return await endpoint(request)

    setattr(guarded, NEEDS, permissions)
    return guarded


def refused(request: Request, permissions: tuple[str, ...]) -> Response:
    """403: a page for people, JSON for programs, both naming the permission that is missing."""
    missing = " or ".join(permissions)
    if "text/html" in request.headers.get("accept", ""):
        sentence = f"Your roles do not allow this. It needs the permission {missing}; an administrator can give it."
        answer: Response = request.app.state.console.sorry(request, 403, "Not allowed", sentence)
        return answer
    return JSONResponse({"error": f"needs the permission {missing}"}, 403)


def actor_of(request: Request) -> Actor:
    """Who asks, on a guarded route."""
    actor: Actor = request.state.actor
    return actor


def may_see(actor: Actor, agent_id: int | None, variables: CallVariables) -> bool:
    """Whether the actor is shown what was recorded of this agent with these call variables."""
    return actor.sees.everything or actor.sees.shows(
        agent_id=agent_id,
        device_id=variables.device_id,
        device_alias=variables.device_alias,
        group=variables.group,
        gate=variables.gate,
    )
