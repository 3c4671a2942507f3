"""What happens, for whoever listens: announcements of the cores as event documents, and live snapshots."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from earshot.api.context import Context
from earshot.api.live import CallState, LiveCall, LiveDevice, LiveLeg, LiveSnapshot
from earshot.api.variables import person_nodes, user_nodes
from earshot.engine.effects import Announce
from earshot.engine.model import Call
from earshot.ports import CoreLink
from earshot.protocol.events import write_event
from earshot.protocol.times import legacy_time

STARTED_WITHOUT_SOUND_S = 10.0
SHOWN_DEVICES = 500


def event_document(context: Context, told: Announce, now_us: int, core: int) -> bytes:
    """One event as it goes over the wire. ANNOUNCEDBY names who signalled the call: api, siprec or both."""
    variables = told.variables
    agent = context.directory.agent_on(variables.device_id, variables.device_alias)
    moment = legacy_time(datetime.fromtimestamp(now_us / 1e6, context.settings.zone))
    fields = [
        ("DEVICEID", variables.device_id),
        ("DEVICEALIAS", variables.device_alias),
        *person_nodes(agent),
        ("CALLINSTANCE", variables.call_instance),
        ("CALLID", variables.call_id),
        ("GROUP", variables.group),
        ("GATE", variables.gate),
        ("ANI", variables.ani),
        ("DNIS", variables.dnis),
        *user_nodes(variables),
        ("CALLDIRECTION", variables.direction),
        ("COREIDENT", str(core)),
        ("ANNOUNCEDBY", ",".join(told.announced_by)),
    ]
    return write_event(told.event, moment, fields)


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
            name = _agent_name(context, device.device_id, device.alias)
            devices.append(LiveDevice(device_id=device.device_id, device_alias=device.alias, agent=name))
    calls.sort(key=lambda call: call.started_at)
    return LiveSnapshot(at=context.clock.now(), devices=tuple(devices), calls=tuple(calls), notices=notices)


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


def _agent_name(context: Context, device_id: str, alias: str) -> str:
    agent = context.directory.agent_on(device_id, alias)
    return f"{agent.first_name} {agent.last_name}".strip() or agent.username if agent else ""


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
    silent: CallState = "waiting" if age_s < STARTED_WITHOUT_SOUND_S else "no_sound"
    return LiveCall(
        key=call.key,
        device_id=call.device_id,
        started_at=call.started_us / 1e6,
        state="recording" if heard else silent,
        device_alias=variables.device_alias,
        agent=_agent_name(context, call.device_id, variables.device_alias),
        ani=variables.ani,
        dnis=variables.dnis,
        direction=variables.direction,
        legs=tuple(legs),
        warnings=tuple(sorted(call.leniencies)),
    )
