"""Agents as the vendor's JSON calls see them: found by any of their names, with the calls of the device they are at.

The tracker is the state of the cores, which the journal brings back after a restart: an agent is known to it as soon as
a phone of the agent, or the device that somebody works at, was ever mentioned. The one rule: nothing is kept here.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from earshot.actor import Actor
from earshot.api.context import Context
from earshot.api.happenings import running_chats
from earshot.api.people import find_agent
from earshot.engine.blackout_gaps import is_blacked_out
from earshot.engine.directory import Agent
from earshot.engine.model import Call, Device, Recording
from earshot.engine.variables import USER_INDEX
from earshot.web.rest.values import Out

KEYS: Final = {
    "id": "USERID",
    "agentid": "USERID",
    "phone": "PHONE",
    "username": "USERNAME",
    "systemusername": "SYSUSER",
    "crmusername": "CRMUSER",
}
"""AgentIdentifier without blanks, in small letters, and the KEYNAME that means the same."""
TIME: Final = "%m/%d/%Y %H:%M:%S"
GUIDS: Final = uuid.UUID("7a5cbb5e-6f0f-4f0e-9d0a-5f4c1c3f2c11")
"""The space of names that RecordingIdentifiers are made in (RFC 9562, version 5)."""


class AgentRecording(Out):
    """A recording of a call that runs. `IsDuplicate`: a partial one, whose sound is in that of the call as well."""

    RecordingIdentifier: str
    IsDuplicate: bool
    RecordingState: str


class AgentCall(Out):
    """A call that runs; the keys of `Metadata` are in small letters, its values are texts."""

    CallInstance: str
    CallState: str
    Metadata: dict[str, str]
    Recordings: list[AgentRecording]


class DesktopSession(Out):
    """A recording of the screen alone."""

    SessionId: str
    StartTime: str
    RecordingState: str


class AgentStatus(Out):
    """Who the agent is, where, and in which calls. `BusinessUnit` is always blank here."""

    AgentId: int
    BusinessUnit: str = ""
    AgentPhone: str
    SystemUsername: str
    CrmUsername: str
    ActiveCall: AgentCall | None
    InactiveCalls: list[AgentCall]
    Username: str
    DeviceId: str
    DeviceAlias: str
    DesktopOnlySessions: list[DesktopSession]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An agent at a device. `agent` is None for a device that nobody owns; `phone` is the agent's number on it."""

    agent: Agent | None
    device_id: str
    phone: str


class Tracker:
    """Looks agents up."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def find(self, identifier: str, value: str, actor: Actor) -> Found | None:
        """The agent that an AgentIdentifier and its value mean; None if there is none, it was never heard of, or is
        nobody that `actor` is shown."""
        key = KEYS.get(identifier.replace(" ", "").casefold())
        if key is None or not value:
            return None
        if key == "SYSUSER":
            value = value.rpartition("\\")[2]
        agent = find_agent(self._context.directory, key, value)
        found = self._at(agent, value if key == "PHONE" else "") if agent or key == "PHONE" else None
        return found if found is not None and self._shows(actor, found) else None

    def all(self, actor: Actor) -> list[Found]:
        """Every agent that was heard of and that `actor` is shown, by USERID."""
        agents = sorted(self._context.directory.agents.values(), key=lambda agent: agent.user_id)
        found = (self._at(agent, "") for agent in agents)
        return [one for one in found if one is not None and self._shows(actor, one)]

    def status(self, found: Found) -> AgentStatus:
        """The status object of the vendor's calls."""
        agent, calls = found.agent, list(self._calls(found.device_id))
        device = next(self._devices(found.device_id), None)
        user_id = agent.user_id if agent else 0
        chats = [chat for chat in running_chats(self._context) if user_id and chat.agent.agent_id == user_id]
        return AgentStatus(
            AgentId=user_id,
            AgentPhone=found.phone,
            SystemUsername=agent.sys_user if agent else "",
            CrmUsername=agent.crm_user if agent else "",
            Username=agent.username if agent else "",
            DeviceId=found.device_id,
            DeviceAlias=device.alias if device else "",
            ActiveCall=self._call(calls[-1]) if calls else None,
            InactiveCalls=[self._call(call, "Inactive") for call in calls[:-1]],
            DesktopOnlySessions=[
                DesktopSession(
                    SessionId=chat.session_id,
                    StartTime=self._time(chat.started_us),
                    RecordingState="Recording" if chat.capturing == "running" else "NotRecording",
                )
                for chat in chats
            ],
        )

    def _at(self, agent: Agent | None, phone: str) -> Found | None:
        """Where the agent is, by the newest core that knows; None where no device or screen session is known."""
        directory = self._context.directory
        for link in self._context.cores.links:
            state = link.state
            if phone and phone in state.devices and (agent is None or phone not in state.device_of_alias):
                device_id: str | None = phone
            elif phone:
                device_id = directory.device_of_alias(state, phone)
            else:
                device_id = directory.device_of_person(state, agent) if agent else None
            if device_id is not None and device_id in state.devices:
                at = [
                    one for one in (agent.phones if agent else ()) if state.device_of_alias.get(one, one) == device_id
                ]
                return Found(agent=agent, device_id=device_id, phone=phone or next(iter(at), ""))
        if agent is not None and any(chat.agent.agent_id == agent.user_id for chat in running_chats(self._context)):
            return Found(agent=agent, device_id="", phone=next(iter(agent.phones), ""))
        return None

    def _shows(self, actor: Actor, found: Found) -> bool:
        device = next(self._devices(found.device_id), None)
        last = device.last if device else None
        return actor.sees.shows(
            agent_id=found.agent.user_id if found.agent else None,
            device_id=found.device_id,
            device_alias=device.alias if device else "",
            group=last.group if last else "",
            gate=last.gate if last else "",
        )

    def _devices(self, device_id: str) -> Iterator[Device]:
        for link in self._context.cores.links:
            if device_id in link.state.devices:
                yield link.state.devices[device_id]

    def _calls(self, device_id: str) -> Iterator[Call]:
        """The open calls, oldest first."""
        for link in self._context.cores.links:
            device = link.state.devices.get(device_id)
            yield from (link.state.calls[key] for key in (device.calls if device else ()))

    def _call(self, call: Call, state: str = "OnCall") -> AgentCall:
        return AgentCall(
            CallInstance=call.instance,
            CallState=state,
            Metadata=self._metadata(call),
            Recordings=[
                AgentRecording(
                    RecordingIdentifier=str(uuid.uuid5(GUIDS, f"{call.key}/{one.part}")),
                    IsDuplicate=one.part > 0,
                    RecordingState=_state(call, one),
                )
                for one in call.recordings
            ],
        )

    def _metadata(self, call: Call) -> dict[str, str]:
        known = call.variables
        return {
            "deviceid": known.device_id,
            "devicealias": known.device_alias,
            "gate": known.gate,
            "ani": known.ani,
            "dnis": known.dnis,
            **dict(zip(USER_INDEX, known.users, strict=True)),
            "callid": known.call_id,
            "sgroup": known.group,
            "callinstance": known.call_instance,
            "calldirection": known.direction,
            "station": known.station or self._context.directory.station_of_device.get(known.device_id, ""),
            "istrunk": known.is_trunk,
            "sessionid": known.session_id,
            "starttime": self._time(call.started_us),
            "endtime": self._time(call.stopped_us),
            "callsegmentid": call.key,
            "keepdays": str(known.keep_days),
            "archiveaction": str(known.archive_action),
        }

    def _time(self, microseconds: int | None) -> str:
        if not microseconds:
            return ""
        return datetime.fromtimestamp(microseconds / 1e6, self._context.settings.zone).strftime(TIME)


def _state(call: Call, recording: Recording) -> str:
    if recording.until_us is not None:
        return "Stopped"
    if not call.has_sound_source:
        return "NotRecording"
    held = any(gap.until_us is None for gap in call.gaps)
    return "Paused" if held or is_blacked_out(call) else "Recording"
