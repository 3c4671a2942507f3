"""The description of the REST API: the OpenAPI document, and a page of it for people.

The one rule: everything is made of the routes themselves; the page needs no script and nothing from elsewhere.
"""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from earshot import __version__
from earshot.web.rest.frame import PROBLEM, route
from earshot.web.rest.mount import MOUNT

ABOUT: Final = (
    "Everything that Earshot can do for a program. Ask with an API token (`Authorization: Bearer est_...`, or Basic "
    "with the token as the password); what a route needs beyond that is a permission of the token and of its user. "
    "Errors are problem documents (RFC 9457) with the RESULTTYPE of the protocol. Times are RFC 3339 with their zone."
)
EVENTS: Final = {
    "get": {
        "tags": ["events"],
        "summary": "What happens, as server-sent events",
        "description": "Begins with the header Last-Event-ID where an earlier stream ended. See docs/events.md.",
        "operationId": "events-stream",
        "parameters": [
            {"name": "types", "in": "query", "schema": {"type": "string"}, "description": "Event types, by commas."}
        ],
        "responses": {
            "200": {"description": "An endless stream", "content": {"text/event-stream": {}}},
            "4XX": PROBLEM,
        },
    }
}


class ProblemOut(BaseModel):
    """A problem document (RFC 9457). `resulttype` and `resultcode` are those of the protocol, where it has any."""

    type: str
    title: str
    status: int
    detail: str
    resulttype: str | None = None
    resultcode: int | None = None
    errors: list[dict[str, str]] | None = None


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of all routes of `app`."""
    document: dict[str, Any] = get_openapi(
        title="Earshot",
        version=__version__,
        description=ABOUT,
        routes=app.routes,
        servers=[{"url": MOUNT}],
    )
    document["paths"]["/v1/events"] = EVENTS
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = ProblemOut.model_json_schema()
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API token."},
        "basic": {"type": "http", "scheme": "basic", "description": "Any name, and an API token as the password."},
        "login": {"type": "apiKey", "in": "cookie", "name": "earshot_login", "description": "A person who logged in."},
    }
    document["security"] = [{"bearer": []}, {"basic": []}, {"login": []}]
    return document


class Description:
    """GET of /v1/openapi.json and /v1/docs. `app` is set when all routes are there."""

    tag = "description"
    app: FastAPI

    def __init__(self) -> None:
        self._document: dict[str, Any] | None = None
        self._page = ""
        self._pages = Environment(
            loader=PackageLoader("earshot.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def document(self) -> dict[str, Any]:
        """The OpenAPI document, made on the first request, beside the loop that records."""
        if self._document is None:
            self._document = await asyncio.to_thread(described, self.app)
        return self._document

    @route("GET", "/v1/openapi.json", summary="This API as OpenAPI 3.1", response_class=JSONResponse)
    async def openapi(self, request: Request) -> Response:
        """For generators of clients."""
        return JSONResponse(await self.document(), headers={"Cache-Control": "private, max-age=60"})

    @route("GET", "/v1/docs", summary="This API as a page", response_class=HTMLResponse)
    async def page(self, request: Request) -> Response:
        """For people."""
        document = await self.document()
        if not self._page:
            self._page = await asyncio.to_thread(self._rendered, document)
        return HTMLResponse(self._page)

    def _rendered(self, document: dict[str, Any]) -> str:
        template = self._pages.get_template("rest.html")
        return template.render(about=ABOUT, version=__version__, groups=grouped(document))


def grouped(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations by their tags, as the page shows them."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in operations(document):
        groups.setdefault(operation["tag"], []).append(operation)
    return groups


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation with its parameters, and its bodies as indented JSON Schema."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            answers = [
                {
                    "status": status,
                    "description": answer.get("description", ""),
                    "types": ", ".join(answer.get("content", {})),
                    "schema": _shown(document, _first_schema(answer)) if status[0] == "2" else "",
                }
                for status, answer in operation["responses"].items()
            ]
            yield {
                "tag": operation["tags"][0],
                "method": method.upper(),
                "path": MOUNT + path,
                "summary": operation["summary"],
                "description": operation.get("description", ""),
                "parameters": operation.get("parameters", []),
                "body": _shown(document, body),
                "answers": answers,
            }


def _first_schema(answer: dict[str, Any]) -> dict[str, Any] | None:
    for content in answer.get("content", {}).values():
        schema: dict[str, Any] | None = content.get("schema")
        return schema
    return None


def _shown(document: dict[str, Any], schema: dict[str, Any] | None) -> str:
    return json.dumps(_resolved(document, copy.deepcopy(schema)), indent=2) if schema else ""


def _resolved(document: dict[str, Any], schema: Any) -> Any:
    """The schema with its references replaced by what they refer to."""
    if isinstance(schema, list):
        return [_resolved(document, one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return _resolved(document, document["components"]["schemas"].get(name, {}))
    return {key: _resolved(document, value) for key, value in schema.items() if key != "title"}
