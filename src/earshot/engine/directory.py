"""Who sits where: agents, their phones, stations and devices, as one immutable value kept in memory.

The database is the source; this copy answers lookups at the speed of calls and while the database is away. Two ways
lead from a person to a device (reference.md 14.3, `+` parameters): statically by the phones of the user, and
dynamically by the last CALLSTART that carried both device and alias. The dynamic one wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from earshot.engine.model import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What lookups need of a user."""

    user_id: int
    username: str = ""
    first_name: str = ""
    last_name: str = ""
    sys_user: str = ""
    crm_user: str = ""
    employee_id: str = ""
    sys_domain: str = ""
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """Lookups by phone, system user, CRM user and station. Names are compared without regard to case."""

    agents: dict[int, Agent] = field(default_factory=dict)
    by_phone: dict[str, Agent] = field(default_factory=dict)
    by_sys_user: dict[str, Agent] = field(default_factory=dict)
    by_crm_user: dict[str, Agent] = field(default_factory=dict)
    device_of_station: dict[str, str] = field(default_factory=dict)
    station_of_device: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, agents: Iterable[Agent], stations: Iterable[tuple[str, str]]) -> Self:
        """Build from agents and (station name, device) pairs."""
        made = cls()
        for agent in agents:
            made.agents[agent.user_id] = agent
            for phone in agent.phones:
                made.by_phone[phone] = agent
            if agent.sys_user:
                made.by_sys_user[agent.sys_user.casefold()] = agent
            if agent.crm_user:
                made.by_crm_user[agent.crm_user.casefold()] = agent
        for station, device in stations:
            made.device_of_station[station.casefold()] = device
            made.station_of_device[device] = station
        return made

    def agent_on(self, device_id: str, alias: str) -> Agent | None:
        """The agent on a device: by the alias (free seating) first, else by the device's own number."""
        return (self.by_phone.get(alias) if alias else None) or self.by_phone.get(device_id)

    def device_of_alias(self, state: State, alias: str) -> str | None:
        """The device on which `alias` works now, else the known device of the agent who owns that phone."""
        dynamic = state.device_of_alias.get(alias)
        if dynamic is not None:
            return dynamic
        agent = self.by_phone.get(alias)
        if agent is None:
            return None
        return alias if alias in state.devices else self._device_of_agent(state, agent, alias)

    def device_of_person(self, state: State, agent: Agent) -> str | None:
        """The device the agent is on: the most recent of those where one of the agent's phones was seen."""
        return self._device_of_agent(state, agent, agent.phones[0] if agent.phones else None)

    def _device_of_agent(self, state: State, agent: Agent, otherwise: str | None) -> str | None:
        best: tuple[int, str] | None = None
        for phone in agent.phones:
            device_id = state.device_of_alias.get(phone, phone)
            device = state.devices.get(device_id)
            if device is not None and (best is None or device.last_started_us > best[0]):
                best = (device.last_started_us, device_id)
        return best[1] if best is not None else otherwise

    def knows(self, number: str) -> bool:
        """Whether `number` is a phone of an agent or a device with a station."""
        return number in self.by_phone or number in self.station_of_device


def resolve_device(
    directory: Directory,
    state: State,
    *,
    device_id: str = "",
    station: str = "",
    device_alias: str = "",
    sys_user: str = "",
    crm_user: str = "",
) -> str | None:
    """The device a request speaks of, or None. Precedence: device, station, alias, system user, CRM user
    (reference.md 14.3, CALLSTART): when a device is named, the others are data."""
    if device_id:
        return device_id
    if station:
        return directory.device_of_station.get(station.casefold())
    if device_alias:
        return directory.device_of_alias(state, device_alias)
    for name, people in ((sys_user, directory.by_sys_user), (crm_user, directory.by_crm_user)):
        if name:
            agent = people.get(name.casefold())
            return directory.device_of_person(state, agent) if agent is not None else None
    return None


def device_of_signalling(directory: Directory, state: State, number: str) -> tuple[str, str]:
    """(device, alias) for a number the signalling gave: an alias that works on a device now means that device."""
    if number in state.devices and state.devices[number].known_by_api:
        return number, state.devices[number].alias
    device = state.device_of_alias.get(number)
    return (device, number) if device is not None else (number, "")
