"""Screens by schedule: the agent's desktop for the length of a call whose schedule says so, and desktops by the clock.

What is captured is a screen session like that of CHATSTART; `chats` sees to it. The one rule: what should run follows
from the calls, the schedules and the clock of the moment alone, so that a restart goes on with what runs.
"""

from collections.abc import Callable
from typing import Any

import structlog

from earshot.core.recorder import Recorder
from earshot.core.scheduling import Scheduling
from earshot.engine.chat_values import AgentFacts, StartChat, StopChat, UpdateChat
from earshot.engine.chats import open_chat
from earshot.engine.desktop_schedules import begin_of
from earshot.engine.model import Call
from earshot.engine.schedule_values import Schedule
from earshot.engine.variables import USER_INDEX

log = structlog.get_logger(__name__)

PREFIX = "earshot/"
"""How the SESSIONIDs of these sessions begin, which no client gives."""
SAID = ("device_id", "device_alias", "station", "call_id", "call_instance", "group", "gate", "ani", "dnis", "direction")
Wanted = dict[str, tuple[int, dict[str, Any]]]
"""By SESSIONID: the USERID, and the call variables."""


class ScreenSchedules:
    """Those of one core. `agent(USERID)` says by what the desktop of an agent is found, None for nobody known."""

    def __init__(
        self,
        recorder: Recorder,
        scheduling: Scheduling,
        wall: Callable[[], float],
        agent: Callable[[int], AgentFacts | None],
    ) -> None:
        self._recorder = recorder
        self._scheduling = scheduling
        self._wall = wall
        self._agent = agent
        self._told: dict[str, dict[str, Any]] = {}
        self._unknown: set[str] = set()

    def round(self) -> None:
        """Begin what should run and does not, and end what runs and should not."""
        wanted = {**self._of_calls(), **self._of_the_clock()}
        running = {
            chat.session_id: chat
            for chat in self._recorder.state.chats.values()
            if chat.phase == "open" and chat.session_id.startswith(PREFIX)
        }
        for session_id in running.keys() - wanted.keys():
            self._recorder.apply(StopChat(session_id=session_id))
        for session_id, (user_id, said) in wanted.items():
            if session_id in running:
                self._update(session_id, said)
            elif session_id not in self._told:  # one that ended by itself is not begun again
                self._begin(session_id, user_id, said)
        self._told = {session_id: said for session_id, said in self._told.items() if session_id in wanted}
        self._unknown &= wanted.keys()

    def _begin(self, session_id: str, user_id: int, said: dict[str, Any]) -> None:
        agent = self._agent(user_id)
        if agent is None:
            if session_id not in self._unknown:
                self._unknown.add(session_id)
                log.warning("screen_of_nobody_known", session=session_id, agent=user_id)
            return
        self._told[session_id] = said
        refusal = self._recorder.refuses_new_calls().removeprefix("API_ERROR_").lower()
        self._recorder.apply(StartChat(session_id=session_id, agent=agent, changes=said, refusal=refusal))

    def _update(self, session_id: str, said: dict[str, Any]) -> None:
        if session_id not in self._told:
            chat = open_chat(self._recorder.state, session_id)
            self._told[session_id] = dict(chat.said) if chat is not None else said
        changed = {name: value for name, value in said.items() if self._told[session_id].get(name) != value}
        if changed:
            self._told[session_id] = self._told[session_id] | changed
            self._recorder.apply(UpdateChat(session_id=session_id, changes=changed))

    # --- what should run --------------------------------------------------------------------------------------------

    def _of_calls(self) -> Wanted:
        """The calls that are being recorded by a schedule with screen."""
        wanted: Wanted = {}
        for call in self._recorder.state.calls.values():
            decided = call.decided
            if call.phase != "open" or not call.wanted or decided is None or not decided.options.screen:
                continue
            if any(one.kept and one.until_us is None for one in call.attachments):
                agent = self._scheduling.facts(call.variables, "start").agent
                wanted[f"{PREFIX}call/{call.key}"] = int(agent[-1]) if agent else 0, _said_of(call)
        return wanted

    def _of_the_clock(self) -> Wanted:
        wanted: Wanted = {}
        for schedule in self._scheduling.schedules:
            begin = self._begin_of(schedule) if schedule.kind == "desktop" else None
            if begin is not None:
                for user_id in schedule.agents:
                    session_id = f"{PREFIX}schedule/{schedule.number}/{user_id}/{begin}"
                    wanted[session_id] = user_id, _kept_by(schedule.keep_days, schedule.archive_action)
        return wanted

    def _begin_of(self, schedule: Schedule) -> int | None:
        if schedule.cores and self._recorder.ident not in schedule.cores:
            return None
        return begin_of(schedule, self._wall(), self._scheduling.zone)


def _said_of(call: Call) -> dict[str, Any]:
    """The call variables that its screen session has too."""
    known = call.variables
    said = {name: getattr(known, name) for name in SAID if getattr(known, name)}
    said |= {name: known.users[place] for name, place in USER_INDEX.items() if known.users[place]}
    return said | _kept_by(known.keep_days, known.archive_action)


def _kept_by(keep_days: int, archive_action: int) -> dict[str, Any]:
    said = {"keep_days": keep_days, "archive_action": archive_action}
    return {name: value for name, value in said.items() if value >= 0}
