"""The vendor's later JSON calls (reference.md 12): agents, and recordings and blackouts for an agent.

Names of parameters are read in any letter case, from the body and from the query. The one rule: the answers are 200,
404 and 500 as documented, besides 401 and 403 for who may not ask at all.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request

from earshot.api.permissions import BLACKOUTS, CALL_CONTROL, SYSTEM_STATUS
from earshot.engine.variables import USER_INDEX
from earshot.errors import StoreUnavailable
from earshot.protocol.results import AGENT_NOT_FOUND, INVALID_FORMAT, Result
from earshot.web.rest import vendor_paths as paths
from earshot.web.rest.agents import AgentStatus, Found, Tracker
from earshot.web.rest.desk import Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import DATABASE, Problem
from earshot.web.rest.values import Out, Text

log = structlog.get_logger(__name__)

METADATA: Final = {
    "devicealias": "DEVICEALIAS",
    "gate": "GATE",
    "sgroup": "GROUP",
    "group": "GROUP",
    "ani": "ANI",
    "dnis": "DNIS",
    "callid": "CALLID",
    "calldirection": "CALLDIRECTION",
    "keepdays": "KEEPDAYS",
    "archiveaction": "ARCHIVEACTION",
    **{name: name.upper() for name in USER_INDEX},
}
"""The keys of CallMetadata that can be changed, and the parameters of CALLUPDATE."""
IDENTIFIERS: Final = ["Id", "Phone", "Username", "SystemUsername", "CrmUsername"]
TEXT: TypeAdapter[str] = TypeAdapter(Text)


class Done(Out):
    """The command was carried out, on some of the cores at least."""

    Result: str
    Message: str


class ForAgent(BaseModel):
    """Whom a call means, for the description; names in any letter case."""

    AgentIdentifier: str
    Value: str


class UpdateForAgent(ForAgent):
    """The same with what is to be changed."""

    CallMetadata: dict[str, str]


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """What the description says of a body that is read here by hand."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def query_of(**meanings: str) -> dict[str, Any]:
    """What the description says of query parameters that are read here by hand."""
    described = [
        {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in meanings.items()
    ]
    return {"parameters": described}


@contextmanager
def documented() -> Iterator[None]:
    """Brings what went wrong to the statuses that are documented: 404 for what was asked wrongly, 500 for the rest."""
    try:
        yield
    except Problem as problem:
        if problem.status in (401, 403):
            raise
        raise Problem(404 if problem.status < 500 else 500, problem.detail, problem.label) from None
    except StoreUnavailable as away:
        raise Problem(500, str(away), DATABASE) from None


async def given(request: Request) -> dict[str, Any]:
    """The parameters of the query and of a JSON body by their names in small letters; the body wins. A body that is a
    list has the name of nothing. Raises Problem."""
    found: dict[str, Any] = {name.casefold(): value for name, value in request.query_params.items()}
    data = await request.body()
    if not data.strip():
        return found
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise Problem(404, "The body is no JSON", INVALID_FORMAT) from None
    if isinstance(body, list):
        return found | {"": body}
    if not isinstance(body, dict):
        raise Problem(404, "The body is no JSON object", INVALID_FORMAT)
    return found | {name.casefold(): value for name, value in body.items()}


def text_in(params: dict[str, Any], name: str) -> str:
    """The text or number called `name`, empty for none. Raises Problem."""
    return as_text(name, params.get(name.casefold(), ""))


def as_text(name: str, value: Any) -> str:
    """`value` as a text that can be used. Raises Problem."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    try:
        return TEXT.validate_python(value, strict=True).strip()
    except ValidationError:
        raise Problem(404, f"{name} is no text of at most 255 characters", INVALID_FORMAT) from None


class Vendor:
    """/api/Agent, /api/Record, /api/Blackout."""

    tag = "vendor calls"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tracker = Tracker(desk.context)

    @route(
        "GET",
        paths.AGENT,
        SYSTEM_STATUS,
        summary="Status of an agent",
        openapi_extra=query_of(agentIdentifier=" or ".join(IDENTIFIERS), value="Which one."),
    )
    async def agent(self, request: Request) -> AgentStatus:
        """404 for an agent that does not exist or was never heard of."""
        with documented():
            return self._tracker.status(self._found(request, await given(request)))

    @route("GET", paths.ALL_AGENTS, SYSTEM_STATUS, summary="Status of all agents that were heard of")
    async def all_agents(self, request: Request) -> list[AgentStatus]:
        """What was heard outlives a restart."""
        return [self._tracker.status(found) for found in self._tracker.all(who(request))]

    @route(
        "POST",
        paths.RECORD_START,
        CALL_CONTROL,
        summary="Begin a partial recording for an agent",
        openapi_extra=body_of(ForAgent),
    )
    async def start_recording(self, request: Request) -> Done:
        """RECORDSTART of the agent's device."""
        with documented():
            found = self._found(request, await given(request))
            return await self._do(request, found, "RECORDSTART", (("DEVICEID", found.device_id),))

    @route(
        "POST",
        paths.RECORD_UPDATE,
        CALL_CONTROL,
        summary="Change the call of an agent",
        openapi_extra=body_of(UpdateForAgent),
    )
    async def update_recording(self, request: Request) -> Done:
        """CALLUPDATE of the agent's device with CallMetadata."""
        with documented():
            params = await given(request)
            found = self._found(request, params)
            fields = (("DEVICEID", found.device_id), *_metadata(params.get("callmetadata")))
            return await self._do(request, found, "CALLUPDATE", fields)

    @route(
        "POST",
        paths.RECORD_STOP,
        CALL_CONTROL,
        summary="End the partial recording for an agent",
        openapi_extra=body_of(ForAgent),
    )
    async def stop_recording(self, request: Request) -> Done:
        """RECORDSTOP of the agent's device; the call goes on."""
        with documented():
            found = self._found(request, await given(request))
            return await self._do(request, found, "RECORDSTOP", (("DEVICEID", found.device_id),))

    @route(
        "POST",
        paths.BLACKOUT_START,
        BLACKOUTS,
        summary="Begin a blackout of an agent",
        openapi_extra=body_of(ForAgent),
    )
    async def start_blackout(self, request: Request) -> Done:
        """AGENTBLACKOUTSTART: across all calls of the agent."""
        with documented():
            found = self._found(request, await given(request))
            return await self._do(request, found, "AGENTBLACKOUTSTART", (_blacked_out(found),))

    @route(
        "POST",
        paths.BLACKOUT_STOP,
        BLACKOUTS,
        summary="End the blackout of an agent",
        openapi_extra=body_of(ForAgent),
    )
    async def stop_blackout(self, request: Request) -> Done:
        """AGENTBLACKOUTSTOP."""
        with documented():
            found = self._found(request, await given(request))
            return await self._do(request, found, "AGENTBLACKOUTSTOP", (_blacked_out(found),))

    def _found(self, request: Request, params: dict[str, Any]) -> Found:
        identifier, value = text_in(params, "AgentIdentifier"), text_in(params, "Value")
        if not identifier or not value:
            raise Problem(404, "AgentIdentifier and Value are required", INVALID_FORMAT)
        found = self._tracker.find(identifier, value, who(request))
        if found is None:
            raise Problem(404, f"No agent is known whose {identifier} is {value}", AGENT_NOT_FOUND)
        return found

    async def _do(self, request: Request, found: Found, command: str, fields: tuple[tuple[str, str], ...]) -> Done:
        actor = who(request)
        if not found.device_id:
            raise Problem(404, "The agent is at no device", "API_DEVICE_INVALID")
        result: Result = await self._desk.perform(actor, command, fields)
        whom = f"user {found.agent.username}" if found.agent else f"device {found.device_id}"
        try:
            await self._desk.context.audit.note(actor, "controlled", whom, command=command, device=found.device_id)
        except StoreUnavailable as away:
            log.error("act_not_noted", actor=actor.name, command=command, device=found.device_id, why=str(away))
        return Done(Result=result.label, Message=result.message)


def _blacked_out(found: Found) -> tuple[str, str]:
    """The agent by a phone of the agent's own, else the device."""
    return ("DEVICEALIAS", found.phone) if found.agent and found.phone else ("DEVICEID", found.device_id)


def _metadata(given_metadata: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(given_metadata, dict) or not given_metadata:
        raise Problem(404, "CallMetadata is required: an object of names and texts", INVALID_FORMAT)
    for name, value in given_metadata.items():
        parameter = METADATA.get(name.casefold())
        if parameter is None:
            raise Problem(404, f"CallMetadata {name[:40]!r} is nothing that can be changed", INVALID_FORMAT)
        yield parameter, as_text(name, value)
