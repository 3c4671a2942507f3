"""What happens, for whoever listens: announcements of the cores as event documents, and live snapshots."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from earshot.api.context import Context
from earshot.api.events import Fields
from earshot.api.live import CallState, LiveCall, LiveDevice, LiveLeg, LiveScreen, LiveSnapshot, ScreenStateWord
from earshot.api.schedules import decided_now
from earshot.api.variables import person_nodes, user_nodes
from earshot.engine.blackout_gaps import is_blacked_out
from earshot.engine.chat_values import Chat
from earshot.engine.effects import Announce
from earshot.engine.model import Call
from earshot.engine.variables import CallVariables
from earshot.ports import CoreLink, SealedRecording
from earshot.protocol.dialect import CHANNEL_STATES
from earshot.protocol.times import legacy_time

STARTED_WITHOUT_SOUND_S = 10.0
SHOWN_DEVICES = 500


def announced_fields(context: Context, told: Announce, core: int) -> Fields:
    """What an announcement of a core says. ANNOUNCEDBY names who signalled the call: api, siprec or both."""
    return [*_call_fields(context, told.variables, core), ("ANNOUNCEDBY", ",".join(told.announced_by))]


def saved_fields(context: Context, sealed: SealedRecording, record_id: int, warnings: tuple[str, ...]) -> Fields:
    """What RECORDINGSAVED says of a recording. DURATION is in seconds, RECORDINGTIME local time."""
    moment = datetime.fromtimestamp(sealed.recording_time, context.settings.zone)
    return [
        ("RECORDID", str(record_id)),
        *_call_fields(context, sealed.variables, sealed.core),
        ("RECORDINGTIME", legacy_time(moment)),
        ("DURATION", f"{sealed.duration_s:.3f}"),
        ("FILENAME", sealed.file_name),
        ("WARNINGS", ",".join(warnings)),
    ]


def channel_fields(context: Context, number: int, state: str, device: tuple[str, str], core: int) -> Fields:
    """What CHANNELSTATE says of channel `number`; `device` is DEVICEID and DEVICEALIAS."""
    shown = context.dialect.channel_state(CHANNEL_STATES.index(state))
    agent = context.directory.agent_on(*device)
    return [
        ("ID", str(number)),
        ("STATE", shown),
        ("DEVICEID", device[0]),
        ("DEVICEALIAS", device[1]),
        ("AGENTID", str(agent.user_id) if agent else ""),
        ("COREIDENT", str(core)),
    ]


def published_fields(context: Context, fields: Fields) -> Fields:
    """The fields that somebody published, with AGENTID of whoever is on the device where they name nobody."""
    values = dict(fields)
    if values.get("AGENTID") or not values.get("DEVICEID"):
        return fields
    agent = context.directory.agent_on(values["DEVICEID"], values.get("DEVICEALIAS", ""))
    others = [(name, value) for name, value in fields if name != "AGENTID"]
    return [*others, ("AGENTID", str(agent.user_id))] if agent else fields


def _call_fields(context: Context, variables: CallVariables, core: int) -> Fields:
    agent = context.directory.agent_on(variables.device_id, variables.device_alias)
    return [
        ("DEVICEID", variables.device_id),
        ("DEVICEALIAS", variables.device_alias),
        *person_nodes(agent),
        ("AGENTID", str(agent.user_id) if agent else ""),
        ("CALLINSTANCE", variables.call_instance),
        ("CALLID", variables.call_id),
        ("GROUP", variables.group),
        ("GATE", variables.gate),
        ("ANI", variables.ani),
        ("DNIS", variables.dnis),
        *user_nodes(variables),
        ("CALLDIRECTION", variables.direction),
        ("COREIDENT", str(core)),
    ]


def live_snapshot(context: Context, notices: tuple[str, ...] = ()) -> LiveSnapshot:
    """Devices and calls as they are now."""
    calls: list[LiveCall] = []
    devices: list[LiveDevice] = []
    for link in context.cores.links:
        for call in link.state.calls.values():
            if call.phase == "open":
                calls.append(_live_call(context, link, call))
        newest = sorted(link.state.devices.values(), key=lambda device: device.last_started_us, reverse=True)
        for device in newest[:SHOWN_DEVICES]:
            name, agent_id = _agent_on(context, device.device_id, device.alias)
            known = LiveDevice(device_id=device.device_id, device_alias=device.alias, agent=name, agent_id=agent_id)
            devices.append(known)
    calls.sort(key=lambda call: call.started_at)
    return LiveSnapshot(
        at=context.clock.now(),
        devices=tuple(devices),
        calls=tuple(calls),
        screens=tuple(_live_screen(context, chat) for chat in running_chats(context)),
        notices=notices,
    )


def running_chats(context: Context) -> list[Chat]:
    """The screen sessions that have not ended, oldest first."""
    chats = [chat for link in context.cores.links for chat in link.state.chats.values() if chat.phase == "open"]
    return sorted(chats, key=lambda chat: chat.started_us)


def _live_screen(context: Context, chat: Chat) -> LiveScreen:
    agent = context.directory.agents.get(chat.agent.agent_id)
    name = f"{agent.first_name} {agent.last_name}".strip() or agent.username if agent else ""
    captured: ScreenStateWord = "black" if chat.is_black else "capturing"
    return LiveScreen(
        key=chat.key,
        session_id=chat.session_id,
        started_at=chat.started_us / 1e6,
        state=captured if chat.capturing == "running" else "not_captured",
        agent_id=chat.agent.agent_id,
        agent=name,
        computer=chat.computer,
        device_alias=chat.variables.device_alias,
        group=chat.variables.group,
        gate=chat.variables.gate,
        reason="" if chat.capturing == "running" else chat.missing,
        warnings=tuple(chat.warnings),
    )


class LiveView:
    """The LiveSource of the running system: looks when somebody watches, at most every `pace_s`, and costs nothing
    else."""

    def __init__(self, context: Context, notices: Callable[[], tuple[str, ...]], pace_s: float = 0.5) -> None:
        self._context = context
        self._notices = notices
        self._pace_s = pace_s
        self._seen_at = -pace_s
        self._last = LiveSnapshot()

    def snapshot(self) -> LiveSnapshot:
        """The situation, not older than the pace."""
        now = self._context.clock.monotonic()
        if now - self._seen_at >= self._pace_s:
            self._seen_at = now
            self._last = live_snapshot(self._context, self._notices())
        return self._last

    async def subscribe(self) -> AsyncIterator[LiveSnapshot]:
        """A snapshot per pace, for as long as somebody asks."""
        while True:
            await asyncio.sleep(self._pace_s)
            yield self.snapshot()


def _agent_on(context: Context, device_id: str, alias: str) -> tuple[str, int | None]:
    """Name and USERID of the agent."""
    agent = context.directory.agent_on(device_id, alias)
    name = f"{agent.first_name} {agent.last_name}".strip() or agent.username if agent else ""
    return name, agent.user_id if agent else None


def _live_call(context: Context, link: CoreLink, call: Call) -> LiveCall:
    variables = call.variables
    legs = []
    heard = False
    for one in call.attachments:
        if one.until_us is not None:
            continue
        packets, last = link.leg_figures(one.facts.leg)
        codec = next((codec.name for codec in one.facts.codecs.values()), "")
        fresh = last > 0 and link.now() - last < 1.0
        heard = heard or packets > 0
        legs.append(LiveLeg(side=one.facts.side, codec=codec, packets=packets, level=1.0 if fresh else 0.0))
    age_s = link.now() - call.started_us / 1e6
    agent, agent_id = _agent_on(context, call.device_id, variables.device_alias)
    return LiveCall(
        key=call.key,
        device_id=call.device_id,
        started_at=call.started_us / 1e6,
        state=_state(call, heard, age_s),
        device_alias=variables.device_alias,
        agent=agent,
        agent_id=agent_id,
        group=variables.group,
        gate=variables.gate,
        ani=variables.ani,
        dnis=variables.dnis,
        direction=variables.direction,
        blackout=is_blacked_out(call),
        legs=tuple(legs),
        warnings=tuple(sorted(call.leniencies)),
        decision=decided_now(call),
    )


def _state(call: Call, heard: bool, age_s: float) -> CallState:
    if not call.wanted and (heard or call.cut or call.decided is not None):
        return "not_recorded"
    if heard:
        return "recording"
    return "waiting" if age_s < STARTED_WITHOUT_SOUND_S else "no_sound"
