"""Whom an actor may act on: the devices, agents and screen sessions of those whose recordings it sees.

What it may do at all is in `permissions`. The one rule: what an actor is not shown is answered like what does not
exist.
"""

from collections.abc import Iterable, Iterator

from earshot.actor import Visibility
from earshot.api.context import Context
from earshot.engine.chat_values import Chat
from earshot.engine.directory import Agent
from earshot.engine.model import Call, State
from earshot.engine.variables import CallVariables


def shows_device(context: Context, sees: Visibility, device_id: str, instance: str | None = None) -> bool:
    """Whether all that a command about the device may touch is seen: its calls (the one of that instance), or where
    none is meant the device as it is now and was in its last call."""
    if sees.everything:
        return True
    known = [one for link in context.cores.links for one in _meant(link.state, device_id, instance)]
    return all(_shows(context, sees, device_id, one) for one in known or [CallVariables()])


def _meant(state: State, device_id: str, instance: str | None) -> Iterator[CallVariables]:
    device = state.devices.get(device_id)
    if device is None:
        return
    calls = [state.calls[key] for key in device.calls]
    calls = [call for call in calls if instance is None or call.instance == instance]
    ended = None if calls else state.ended_call(device_id, instance)
    if ended is not None:
        calls.append(ended)
    yield from (call.variables for call in calls)
    if not calls:
        last = device.last or CallVariables()
        yield CallVariables(device_alias=device.alias, group=last.group, gate=last.gate)


def _shows(context: Context, sees: Visibility, device_id: str, known: CallVariables) -> bool:
    agent = context.directory.agent_on(device_id, known.device_alias)
    return sees.shows(
        agent_id=agent.user_id if agent else None,
        device_id=device_id,
        device_alias=known.device_alias,
        group=known.group,
        gate=known.gate,
    )


def shows_call(context: Context, sees: Visibility, call: Call) -> bool:
    """Whether a call that runs, or is not stored yet, is seen."""
    return sees.everything or _shows(context, sees, call.device_id, call.variables)


def shows_agent(context: Context, sees: Visibility, agent: Agent, devices: Iterable[str] | None = None) -> bool:
    """Whether the agent is seen: as such, by a phone, or at every device that the agent is at (`devices`, or else
    wherever the cores know)."""
    if sees.everything or agent.user_id in sees.agents or not sees.phones.isdisjoint(filter(None, agent.phones)):
        return True
    if devices is None:
        places = (context.directory.device_of_person(link.state, agent) for link in context.cores.links)
        devices = [place for place in places if place is not None]
    found = list(devices)
    return bool(found) and all(shows_device(context, sees, one) for one in found)


def shows_chat(context: Context, sees: Visibility, chat: Chat) -> bool:
    """Whether a screen session is seen: by its agent, or by its own values."""
    agent, known = context.directory.agents.get(chat.agent.agent_id), chat.variables
    return sees.shows(
        agent_id=chat.agent.agent_id,
        device_id="",
        device_alias=known.device_alias,
        group=known.group,
        gate=known.gate,
    ) or (agent is not None and shows_agent(context, sees, agent))
