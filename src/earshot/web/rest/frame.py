"""How a route of the REST API is declared, guarded and put together into one application.

What the routes do stands in the modules of the families; the description (OpenAPI) in `description`. The one rule: a
method becomes a route by `route` alone, so that none comes without its permissions and its summary.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earshot.actor import Actor
from earshot.errors import StoreUnavailable
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.bodies import BodyTooLarge, BodyTooSlow, read_body
from earshot.web.gate import SAFE_METHODS
from earshot.web.permitted import NEEDS
from earshot.web.rest.problems import (
    Problem,
    on_failure,
    on_http,
    on_problem,
    on_store_away,
    problem_document,
)

BODY_BYTES: Final = 256 * 1024
ROUTE: Final = "earshot_route"
PROBLEM: Final = {
    "description": "A problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What `route` says of a method. `head` adds HEAD; `more` goes to FastAPI as it is."""

    method: str
    path: str
    summary: str
    status: int = 200
    head: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


def route(
    method: str, path: str, *permissions: str, summary: str, status: int = 200, head: bool = False, **more: Any
) -> Callable[[Endpoint], Endpoint]:
    """The method answers `method` of `path` for persons and tokens with any of `permissions` (with none: for everybody
    who is known)."""

    def declare(endpoint: Endpoint) -> Endpoint:
        declared = Declared(method=method, path=path, summary=summary, status=status, head=head, more=more)
        setattr(endpoint, ROUTE, declared)
        setattr(endpoint, NEEDS, permissions)
        return endpoint

    return declare


class GuardedRoute(APIRoute):
    """Asks for the permissions before anything of the request is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        answer = super().get_route_handler()
        permissions: tuple[str, ...] = getattr(self.endpoint, NEEDS)

        async def guarded(request: Request) -> Response:
            actor: Actor | None = getattr(request.state, "actor", None)
            if actor is None:
                raise Problem(401, "A login or an API token is required")
            if permissions and not any(actor.may(permission) for permission in permissions):
                raise Problem(403, f"This needs the permission {' or '.join(permissions)}")
            return await answer(request)

        return guarded


class BoundedBodies:
    """ASGI middleware: a body is read at once, at most so much and so long of it, before anybody looks at it."""

    def __init__(self, app: ASGIApp, limit: int = BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request with its body in hand."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(Request(scope, receive), self._limit)
        except BodyTooLarge:
            await problem_document(413, f"The body is larger than {self._limit} bytes")(scope, receive, send)
            return
        except BodyTooSlow:
            await problem_document(408, "The body did not arrive in time")(scope, receive, send)
            return
        told = False

        async def receive_again() -> Message:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_again, send)


def built(families: Iterable[object]) -> FastAPI:
    """The application of all routes of `families`, to be mounted under /api. A family has `tag`, the heading of its
    routes in the description."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    handlers: dict[type[Exception], Any] = {
        Problem: on_problem,
        RequestValidationError: on_invalid,
        HTTPException: on_http,
        StoreUnavailable: on_store_away,
        Exception: on_failure,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(BoundedBodies)
    for family in families:
        for name, value in vars(type(family)).items():
            declared: Declared | None = getattr(value, ROUTE, None)
            if declared is not None:
                _add(app, family, getattr(family, name), declared)
    return app


def _add(app: FastAPI, family: object, endpoint: Callable[..., Any], declared: Declared) -> None:
    tag = str(getattr(family, "tag"))  # noqa: B009
    app.router.add_api_route(
        declared.path,
        endpoint,
        methods=[declared.method],
        status_code=declared.status,
        summary=declared.summary,
        tags=[tag],
        operation_id=f"{tag}-{endpoint.__name__}".replace(" ", "-").lower(),
        responses={"4XX": PROBLEM, "5XX": PROBLEM},
        route_class_override=GuardedRoute,
        **declared.more,
    )
    if declared.head:
        app.router.add_api_route(
            declared.path,
            endpoint,
            methods=["HEAD"],
            include_in_schema=False,
            route_class_override=GuardedRoute,
            **declared.more,
        )


async def on_invalid(request: Request, invalid: Exception) -> Response:
    """For what pydantic refuses: every fault with where it is and a sentence."""
    assert isinstance(invalid, RequestValidationError)
    errors = [
        {"where": ".".join(str(step) for step in error["loc"])[:200], "sentence": _sentence(str(error["msg"]))}
        for error in invalid.errors()[:50]
    ]
    detail = "; ".join(f"{error['where']}: {error['sentence']}" for error in errors[:3])
    return problem_document(422, detail, INVALID_FORMAT, errors)


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")
