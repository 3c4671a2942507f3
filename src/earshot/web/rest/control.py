"""Control of what runs: calls, partial recordings, blackouts, screen sessions.

Each route is one command of the protocol with its parameters as JSON. The one rule: what it means and when it is
refused is decided by that command alone.
"""

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request

from earshot.api.permissions import BLACKOUTS, CALL_CONTROL
from earshot.web.rest.desk import Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.values import (
    CallFields,
    Count,
    Days,
    Device,
    Direction,
    In,
    Name,
    Outcome,
    Text,
    UserFields,
    parameters,
)

Offset = Annotated[float, Field(ge=-86_400, le=86_400, description="Seconds; negative reaches back.")]


class CallStart(Device, CallFields):
    """CALLSTART or RECORDSTART: a device and what is known of the call."""

    call_instance: Text | None = None
    priority: Text | None = None
    max_record_silence: Count | None = None
    max_record_time: Count | None = None
    agent_initiated: bool | None = None
    cti_initiated: bool | None = None


class CallStop(Device):
    """CALLSTOP; without call_instance the last call of the device is meant."""

    call_instance: Text | None = None


class CallUpdate(Device, CallFields):
    """CALLUPDATE of a call that runs."""

    call_instance: Text | None = None
    keep_days: Days | None = None
    update_if_not_recording: bool | None = Field(None, description="Else change the last recording of the device.")


class PartialStop(Device, UserFields):
    """RECORDSTOP; the free fields are stored with the partial recording."""

    call_instance: Text | None = None


class AgentBlackout(In):
    """Who is meant, and when counted from now."""

    device_id: Text | None = None
    device_alias: Text | None = None
    sys_user: Text | None = None
    crm_user: Text | None = None
    time_offset: Offset | None = None


class CallBlackout(AgentBlackout):
    """The same of one call."""

    call_instance: Text | None = None


class SessionStart(In):
    """CHATSTART: whose screen; an agent by USERID, or by a key such as USERNAME and its value."""

    session_id: Name
    agent_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    key_name: Text | None = None
    key_value: Text | None = None


class SessionUpdate(UserFields):
    """CHATUPDATE."""

    session_id: Name
    device_alias: Text | None = None
    group: Text | None = None
    gate: Text | None = None
    ani: Text | None = None
    dnis: Text | None = None
    direction: Direction | None = None
    call_id: Text | None = None
    keep_days: Days | None = None
    archive_action: Days | None = None


class SessionStop(In):
    """CHATSTOP."""

    session_id: Name


class Control:
    """The commands of calls, blackouts and screen sessions."""

    tag = "control"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def _do(self, request: Request, command: str, body: BaseModel) -> Outcome:
        return Outcome.of(await self._desk.perform(who(request), command, parameters(body)))

    @route("POST", "/v1/calls/start", CALL_CONTROL, summary="Say that a call has started (CALLSTART)")
    async def start_call(self, request: Request, body: CallStart) -> Outcome:
        """The call is offered for recording; its verdict says later whether it was."""
        return await self._do(request, "CALLSTART", body)

    @route("POST", "/v1/calls/stop", CALL_CONTROL, summary="Say that a call has ended (CALLSTOP)")
    async def stop_call(self, request: Request, body: CallStop) -> Outcome:
        """A device that is in no call is no error."""
        return await self._do(request, "CALLSTOP", body)

    @route("POST", "/v1/calls/update", CALL_CONTROL, summary="Change a call that runs (CALLUPDATE)")
    async def update_call(self, request: Request, body: CallUpdate) -> Outcome:
        """Finished recordings are changed by PATCH of `/v1/recordings/{record_id}`."""
        return await self._do(request, "CALLUPDATE", body)

    @route("POST", "/v1/partial-recordings/start", CALL_CONTROL, summary="Begin a partial recording (RECORDSTART)")
    async def start_partial(self, request: Request, body: CallStart) -> Outcome:
        """A recording of its own beside that of the call."""
        return await self._do(request, "RECORDSTART", body)

    @route("POST", "/v1/partial-recordings/stop", CALL_CONTROL, summary="End a partial recording (RECORDSTOP)")
    async def stop_partial(self, request: Request, body: PartialStop) -> Outcome:
        """The call goes on."""
        return await self._do(request, "RECORDSTOP", body)

    @route("POST", "/v1/blackouts/start", BLACKOUTS, summary="Begin a blackout of a call (BLACKOUTSTART)")
    async def start_blackout(self, request: Request, body: CallBlackout) -> Outcome:
        """One that reaches back needs BLACKOUTSAFTERTHEFACT too. When this answers, it is in force."""
        return await self._do(request, "BLACKOUTSTART", body)

    @route("POST", "/v1/blackouts/stop", BLACKOUTS, summary="End a blackout of a call (BLACKOUTSTOP)")
    async def stop_blackout(self, request: Request, body: CallBlackout) -> Outcome:
        """Nothing to stop is no error."""
        return await self._do(request, "BLACKOUTSTOP", body)

    @route("POST", "/v1/agent-blackouts/start", BLACKOUTS, summary="Begin a blackout of an agent (AGENTBLACKOUTSTART)")
    async def start_agent_blackout(self, request: Request, body: AgentBlackout) -> Outcome:
        """Across all calls of the agent."""
        return await self._do(request, "AGENTBLACKOUTSTART", body)

    @route("POST", "/v1/agent-blackouts/stop", BLACKOUTS, summary="End a blackout of an agent (AGENTBLACKOUTSTOP)")
    async def stop_agent_blackout(self, request: Request, body: AgentBlackout) -> Outcome:
        """Nothing to stop is no error."""
        return await self._do(request, "AGENTBLACKOUTSTOP", body)

    @route("POST", "/v1/screen-sessions/start", CALL_CONTROL, summary="Begin a screen session (CHATSTART)")
    async def start_session(self, request: Request, body: SessionStart) -> Outcome:
        """Whether there is a desktop to capture, the session's row says later."""
        return await self._do(request, "CHATSTART", body)

    @route("POST", "/v1/screen-sessions/update", CALL_CONTROL, summary="Change a screen session (CHATUPDATE)")
    async def update_session(self, request: Request, body: SessionUpdate) -> Outcome:
        """An unknown session is no error."""
        return await self._do(request, "CHATUPDATE", body)

    @route("POST", "/v1/screen-sessions/stop", CALL_CONTROL, summary="End a screen session (CHATSTOP)")
    async def stop_session(self, request: Request, body: SessionStop) -> Outcome:
        """An unknown session is no error."""
        return await self._do(request, "CHATSTOP", body)
