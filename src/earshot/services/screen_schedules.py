"""Screens by schedule, hung into the running system: looked at by the second, and at once when a call begins or ends.

The one rule: it starts after schedules and screen sessions, of which it takes the one and begins the other.
"""

import asyncio
from contextlib import AsyncExitStack

import structlog

from earshot.api.chats import facts_of
from earshot.core.screen_schedules import ScreenSchedules
from earshot.engine.chat_values import AgentFacts
from earshot.engine.effects import Announce
from earshot.services import House
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

LOOK_S = 1.0
AT_ONCE = ("RECORDSTART", "RECORDSTOP", "CALLSTART", "CALLSTOP")
"""After these events of a call that has sound it is looked without waiting for the next second."""


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    context, scheduling = house.context, house.scheduling
    if scheduling is None:
        return

    def agent(user_id: int) -> AgentFacts | None:
        known = context.directory.agents.get(user_id)
        return facts_of(context, known) if known is not None else None

    screens = ScreenSchedules(house.recorder, scheduling, house.clock.now, agent)
    due = asyncio.Event()

    def heard(told: Announce, now_us: int) -> None:
        call = house.recorder.state.calls.get(told.call)
        if told.event in AT_ONCE and call is not None and call.attachments:
            due.set()

    async def look() -> None:
        while True:
            try:
                await asyncio.wait_for(due.wait(), LOOK_S)
            except TimeoutError:
                pass
            due.clear()
            try:
                screens.round()
            except Exception:
                log.exception("screens_by_schedule_not_looked_at")

    house.recorder.listeners.append(heard)
    own = Spawner()
    undo.push_async_callback(own.close)
    own.spawn("screens by schedule", look())
