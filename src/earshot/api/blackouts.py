"""Blackout commands: BLACKOUTSTART, BLACKOUTSTOP and their AGENT forms (specification, Recording Control Functions).

Here: who is meant, and what is answered. What a blackout does is decided in the cores. The one rule: a blackout is
applied wherever one of the identifiers leads, and an answer of API_OK means that it is in force.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from earshot.api.context import Context
from earshot.api.sight import shows_agent, shows_device
from earshot.engine.blackout_values import (
    BlackoutInput,
    StartAgentBlackout,
    StartBlackout,
    StopAgentBlackout,
    StopBlackout,
)
from earshot.engine.directory import Agent
from earshot.ports import CoreAway, CoreLink
from earshot.protocol.command import NO_DEVICE
from earshot.protocol.decode import Request
from earshot.protocol.results import AGENT_NOT_FOUND, DEVICE_INVALID, INVALID_FORMAT, Result, failed, ok, sent_to_cores

log = structlog.get_logger(__name__)

MICROSECONDS = 1_000_000
LONGEST_OFFSET_S = 86_400
NO_AGENT = "Could not find an agent matching given parameters"


@dataclass(slots=True)
class _Meant:
    """Whom a request means: devices, and agents (where one is known) with the devices they are at. `label` is the
    answer when nobody was found."""

    devices: dict[str, None] = field(default_factory=dict)
    agents: dict[str, tuple[Agent | None, dict[str, None]]] = field(default_factory=dict)
    label: str = AGENT_NOT_FOUND

    def add(self, agent: Agent | None, device: str | None) -> None:
        if device:
            self.devices[device] = None
        key = f"agent {agent.user_id}" if agent is not None else f"device {device}"
        _, devices = self.agents.setdefault(key, (agent, {}))
        if device:
            devices[device] = None


def _alias_on(context: Context, device: str) -> str:
    known = (link.state.devices.get(device) for link in context.cores.links)
    return next((one.alias for one in known if one is not None and one.alias), "")


def _meant(context: Context, request: Request) -> _Meant:
    """Everybody that one of the identifiers leads to: a blackout is not refused because several are given."""
    meant = _Meant()
    directory, states = context.directory, [link.state for link in context.cores.links]
    device = request.get("DEVICEID")
    if device:
        if directory.knows(device) or any(device in state.devices for state in states):
            meant.add(directory.agent_on(device, _alias_on(context, device)), device)
        else:
            meant.label = DEVICE_INVALID
    alias = request.get("DEVICEALIAS")
    if alias:
        device = next(filter(None, (directory.device_of_alias(state, alias) for state in states)), "")
        agent = directory.by_phone.get(alias) or (directory.agent_on(device, alias) if device else None)
        if device or agent:
            meant.add(agent, device)
        else:
            meant.label = DEVICE_INVALID
    for tag, people in (("SYS_USER", directory.by_sys_user), ("CRM_USER", directory.by_crm_user)):
        agent = people.get(request.get(tag).casefold()) if request.get(tag) else None
        if agent is not None:
            at = next(filter(None, (directory.device_of_person(state, agent) for state in states)), None)
            meant.add(agent, at)
    return meant


def _nobody(request: Request) -> _Meant:
    """What somebody is told who is not shown all that is meant: the same as where there is nothing."""
    is_device = request.get("DEVICEID") or request.get("DEVICEALIAS")
    return _Meant(label=DEVICE_INVALID if is_device else AGENT_NOT_FOUND)


def _offset_us(request: Request) -> int | None:
    """TIMEOFFSET in microseconds; None when it is further away than any call may be long."""
    seconds = float(request.get("TIMEOFFSET") or 0.0)
    return round(seconds * MICROSECONDS) if abs(seconds) <= LONGEST_OFFSET_S else None


def _instance(request: Request) -> str | None:
    return request.get("CALLINSTANCE") if "CALLINSTANCE" in request.params else None


async def _send(context: Context, request: Request, told: Iterable[BlackoutInput]) -> Result:
    """Send all of it to every core. One that cannot put it into force counts as missed, and is logged as an error."""
    told = list(told)
    reached: list[int] = []
    missed: list[int] = []
    for link, problems in zip(
        context.cores.links,
        await asyncio.gather(*(_problems(link, told) for link in context.cores.links)),
        strict=True,
    ):
        (missed if problems else reached).append(link.ident)
        if problems:
            log.error("blackout_missed", command=request.command.name, core=link.ident, why="; ".join(problems))
    sent = sent_to_cores(request, tuple(reached), tuple(missed))
    is_partial = bool(reached) and bool(missed)
    return ok(request, sent.message) if is_partial and context.dialect.strict_legacy else sent


async def _problems(link: CoreLink, told: list[BlackoutInput]) -> list[str]:
    """Why the core could not put something into force; empty when it could. All of it is tried."""
    tried = await asyncio.gather(*(link.black_out(one) for one in told), return_exceptions=True)
    for failure in tried:
        if isinstance(failure, BaseException) and not isinstance(failure, CoreAway):
            raise failure
    return [str(failure) for failure in tried if failure is not None]


async def _of_calls(context: Context, request: Request, make: Callable[[str, int], BlackoutInput]) -> Result:
    offset_us = _offset_us(request)
    if offset_us is None:
        return failed(request, INVALID_FORMAT, f"TIMEOFFSET is more than {LONGEST_OFFSET_S} seconds away")
    meant = _meant(context, request)
    sees, instance = request.actor.sees, _instance(request)
    if not all(shows_device(context, sees, device, instance) for device in meant.devices):
        meant = _nobody(request)
    if not meant.agents:
        return failed(request, meant.label, NO_DEVICE if meant.label == DEVICE_INVALID else NO_AGENT)
    if not meant.devices:
        return failed(request, DEVICE_INVALID, NO_DEVICE)
    return await _send(context, request, [make(device, offset_us) for device in meant.devices])


async def blackout_start(context: Context, request: Request) -> Result:
    longest_us = context.settings.longest_blackout_us
    return await _of_calls(
        context,
        request,
        lambda device, offset_us: StartBlackout(
            device_id=device,
            instance=_instance(request),
            offset_us=offset_us,
            longest_us=longest_us,
            hide=context.settings.hide_blackouts,
        ),
    )


async def blackout_stop(context: Context, request: Request) -> Result:
    return await _of_calls(
        context,
        request,
        lambda device, offset_us: StopBlackout(device_id=device, instance=_instance(request), offset_us=offset_us),
    )


async def agent_blackout_start(context: Context, request: Request) -> Result:
    return await _of_agents(context, request, _starts)


async def agent_blackout_stop(context: Context, request: Request) -> Result:
    return await _of_agents(context, request, _stops)


async def _of_agents(
    context: Context, request: Request, make: Callable[[Context, _Meant, int], list[BlackoutInput]]
) -> Result:
    offset_us = _offset_us(request)
    if offset_us is None:
        return failed(request, INVALID_FORMAT, f"TIMEOFFSET is more than {LONGEST_OFFSET_S} seconds away")
    meant = _meant(context, request)
    sees = request.actor.sees
    if not all(
        all(shows_device(context, sees, device) for device in devices)
        if agent is None
        else shows_agent(context, sees, agent, devices)
        for agent, devices in meant.agents.values()
    ):
        meant = _nobody(request)
    if not meant.agents:
        return failed(request, meant.label, NO_DEVICE if meant.label == DEVICE_INVALID else NO_AGENT)
    return await _send(context, request, make(context, meant, offset_us))


def _starts(context: Context, meant: _Meant, offset_us: int) -> list[BlackoutInput]:
    return [
        StartAgentBlackout(
            agent=key,
            devices=tuple(devices),
            phones=tuple(filter(None, agent.phones)) if agent is not None else (),
            offset_us=offset_us,
            longest_us=context.settings.longest_blackout_us,
            hide=context.settings.hide_blackouts,
        )
        for key, (agent, devices) in meant.agents.items()
    ]


def _stops(context: Context, meant: _Meant, offset_us: int) -> list[BlackoutInput]:
    """Under the key of now; when nothing is open under it, whatever was begun at the same device: who sits there may
    have become known, or have changed, since."""
    keys: dict[str, None] = {}
    opened = [blackout for link in context.cores.links for blackout in link.state.blackouts.values()]
    for key, (_, devices) in meant.agents.items():
        at_device = [one.key for one in opened if any(device in one.devices for device in devices)]
        found = [key] if any(one.key == key for one in opened) else at_device
        keys.update(dict.fromkeys(found or [key]))
    return [StopAgentBlackout(agent=key, offset_us=offset_us) for key in keys]
