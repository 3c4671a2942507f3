"""Errors of the REST API as problem documents (RFC 9457), and which HTTP status each RESULTTYPE has.

What FastAPI refuses by itself is in `frame`: nothing here imports it. The one rule: a problem says in a sentence what
is wrong, and never repeats a value that was sent in a body.
"""

import http
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from earshot.protocol.results import CODES, INVALID_FORMAT, PROCESSING_ERROR, Result

MEDIA_TYPE: Final = "application/problem+json"
DATABASE: Final = "API_DATABASE_QUERY_ERROR"
NO_FILE: Final = "API_FILE_NOT_FOUND"
NO_RECORDING: Final = "API_RECORDID_INVALID"

STATUSES: Final[Mapping[str, int]] = {
    "API_DEVICE_INVALID": 404,
    "API_AGENT_NOT_FOUND": 404,
    "API_USER_NOT_FOUND": 404,
    "API_NO_GROUP": 404,
    "API_ROLE_NOT_FOUND": 404,
    NO_FILE: 404,
    NO_RECORDING: 404,
    "API_USER_ALREADY_EXIST": 409,
    "API_ROLE_ALREADY_EXISTS": 409,
    "API_ERROR_KEYS_NOT_UNIQUE": 409,
    "API_ERROR_INVALID_ACTION": 409,
    "API_UNKNOWN_MESSAGE_TYPE": 404,
    "API_ERROR_OUT_OF_DISK_SPACE": 507,
    "API_ERROR_NO_FREE_CHANNELS": 503,
    "API_ERROR_RECORDER_NOT_RUNNING": 503,
    "API_ERROR_CLIENT_NOT_FOUND": 503,
    DATABASE: 503,
    PROCESSING_ERROR: 500,
}
"""The status of each label; 400 for all others."""


class Problem(Exception):
    """Ends a request with a problem document. `label` is a RESULTTYPE, empty where the protocol has none for it."""

    def __init__(
        self,
        status: int,
        detail: str,
        label: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.label = label
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The document."""
        return problem_document(self.status, self.detail, self.label, self.errors, self.headers)


def problem_document(
    status: int,
    detail: str,
    label: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as a response. `type` is about:blank: `resulttype` tells problems apart (RFC 9457, section 4.2.1)."""
    body: dict[str, Any] = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    if label:
        body |= {"resulttype": label, "resultcode": CODES[label]}
    if errors:
        body["errors"] = list(errors)
    return Response(json.dumps(body), status, dict(headers or {}), MEDIA_TYPE)


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def refusal_of(result: Result) -> Problem:
    """The problem that a failed answer of a command is."""
    return Problem(STATUSES.get(result.label, 400), result.message, result.label)


def not_found(what: str, label: str = "") -> Problem:
    """404: it does not exist, or is nothing that the asker is shown."""
    return Problem(404, f"There is no {what}", label)


def as_problem(refusal: Response) -> Response:
    """A refusal of the gate, which is text or `{"error": ...}`, as a problem; a way to the login page stays one."""
    if refusal.status_code < 400:
        return refusal
    text = bytes(refusal.body).decode()
    sentence = str(json.loads(text)["error"]) if text.startswith("{") else text.strip()
    kept = {name: refusal.headers[name] for name in ("www-authenticate", "retry-after") if name in refusal.headers}
    label = DATABASE if refusal.status_code == 503 else ""
    return problem_document(refusal.status_code, sentence, label, headers=kept)


async def on_problem(request: Request, problem: Exception) -> Response:
    """For `Problem`."""
    assert isinstance(problem, Problem)
    return problem.response()


async def on_http(request: Request, failure: Exception) -> Response:
    """For what the router says: no such path, no such method, a body that is no JSON."""
    assert isinstance(failure, HTTPException)
    status = failure.status_code
    sentence = {404: "There is nothing at this address", 405: "This method is not for this address"}.get(status)
    label = INVALID_FORMAT if status == 400 else ""
    return problem_document(status, sentence or str(failure.detail), label, headers=failure.headers)


async def on_store_away(request: Request, away: Exception) -> Response:
    """For a database that cannot be reached."""
    return problem_document(503, f"{away}; recording goes on", DATABASE, headers={"Retry-After": "5"})


async def on_failure(request: Request, failure: Exception) -> Response:
    """For what should not have happened; the log says what it was."""
    return problem_document(500, "Something went wrong inside Earshot; the log says what", PROCESSING_ERROR)
