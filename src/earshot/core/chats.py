"""Screen sessions at work: performs what the engine decides about them, and tells it what desktops report.

The agents are reached through the port of `ports.capture`, segments go through `chat_intake`, rows into `Screens`. The
one rule: whatever a desktop does or leaves undone, every session ends, and is stored once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from earshot.core.chat_intake import Intake
from earshot.core.chat_rows import MICROSECONDS, session_of
from earshot.core.recorder import Recorder
from earshot.engine.chat_values import (
    AnnounceChat,
    BlackenChats,
    CaptureBegan,
    CaptureFinished,
    CaptureLost,
    CaptureMissing,
    Chat,
    ChatStored,
    EndChat,
    SaveChat,
    StartCapture,
    StopCapture,
    UpdateCapture,
)
from earshot.errors import StoreUnavailable
from earshot.ports.capture import (
    AWAY,
    Desktops,
    Hello,
    Report,
    ScreenFailed,
    ScreenStopped,
    SegmentFinished,
    Sought,
    StartScreen,
    StopScreen,
    UpdateScreen,
)
from earshot.ports.screens import Screens, ScreenSession
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

WATCH_S = 1.0
RETRY_S = 1.0
LATER_S = 30.0
CROWD = 3
"""More captures at a time than this may slow a computer (specification, CHATSTART)."""
WAITED_FOR = frozenset({"no_desktop", "desktop_away", "restart"})
"""Why a session is not captured, where a desktop that comes later changes that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """Seconds: the longest session, how long a desktop that is away is waited for in the middle of a capture, how long
    for its last segments. `keep_days` and `archive_action` are those of sessions that were given none."""

    longest_s: float = 86_400.0
    lost_after_s: float = 30.0
    stop_wait_s: float = 30.0
    keep_days: int = -1
    archive_action: int = -1


class ScreenSessions:
    """The sessions of one core. `announce(event, session)` is told CHATSTART, CHATUPDATE and CHATSTOP. `busy` is held
    while a piece is taken in or a session stored."""

    def __init__(
        self,
        recorder: Recorder,
        desktops: Desktops,
        intake: Intake,
        screens: Screens,
        settings: ChatSettings,
        announce: Callable[[str, Chat], None],
        busy: asyncio.Lock,
    ) -> None:
        self._recorder = recorder
        self._desktops = desktops
        self._intake = intake
        self._screens = screens
        self._settings = settings
        self._announce = announce
        self._busy = busy
        self._at: dict[str, str] = {}
        self._missed_since: dict[str, int] = {}
        self._arrivals: asyncio.Queue[tuple[str, Report]] = asyncio.Queue()
        self._complete: asyncio.Queue[str] = asyncio.Queue()
        recorder.perform_with(StartCapture, lambda effect, _: self._start_capture(self._chat(effect.chat)))
        recorder.perform_with(UpdateCapture, lambda effect, _: self._update_capture(self._chat(effect.chat)))
        recorder.perform_with(StopCapture, lambda effect, _: self._stop_capture(self._chat(effect.chat)))
        recorder.perform_with(SaveChat, lambda effect, _: self._complete.put_nowait(effect.chat))
        recorder.perform_with(AnnounceChat, lambda effect, _: self._announce(effect.event, self._chat(effect.chat)))

    async def start(self, spawner: Spawner) -> None:
        """Take up what the process before left, then listen to desktops."""
        async with self._busy:
            await self._intake.recover()
        for chat in list(self._recorder.state.chats.values()):
            if chat.phase == "ended" and chat.capturing == "finished":
                self._complete.put_nowait(chat.key)
        self._desktops.listen(self._hello, self._reported)
        self._recorder.listeners.append(lambda told, now_us: self.keep_dark() if "BLACKOUT" in told.event else None)
        spawner.spawn("screen-arrivals", self._take_arrivals())
        spawner.spawn("screen-rows", self._save_rows())
        spawner.spawn("screen-watch", self._watch())

    def keep_dark(self) -> None:
        """Black the screens of agents that a blackout covers now (AGENTBLACKOUTSTART), and show the others again."""
        now_us = self._recorder.now_us()
        for chat in list(self._recorder.state.chats.values()):
            blackout = self._recorder.state.blackouts.get(f"agent {chat.agent.agent_id}")
            black = blackout is not None and any(span.covers(now_us) for span in blackout.spans)
            if chat.phase == "open" and chat.is_black != black:
                self._recorder.apply(BlackenChats(agent_id=chat.agent.agent_id, black=black))

    @property
    def running(self) -> int:
        """Sessions that have not ended."""
        return sum(chat.phase == "open" for chat in self._recorder.state.chats.values())

    def _chat(self, key: str) -> Chat:
        return self._recorder.state.chats[key]

    # --- what the engine wants done -----------------------------------------------------------------------------------

    def _start_capture(self, chat: Chat) -> None:
        facts = chat.agent
        sought = Sought(username=facts.sys_user, domain=facts.sys_domain, stations=facts.stations)
        found = self._desktops.find(sought)
        if found is None or found[1].status == AWAY:
            why = "no_desktop" if found is None else "desktop_away"
            if chat.missing != why:
                log.warning("screen_not_captured", session=chat.session_id, agent=facts.agent_id, why=why)
                self._recorder.apply(CaptureMissing(chat=chat.key, why=why))
            return
        desktop, seen = found
        crowd = Counter(self._at.values())[desktop]
        if crowd >= CROWD:
            log.warning("desktop_crowded", computer=seen.computer, captures=crowd + 1)
        self._at[chat.key] = desktop
        self._recorder.apply(
            CaptureBegan(chat=chat.key, computer=seen.computer, username=seen.username, crowded=crowd >= CROWD)
        )
        self.keep_dark()
        order = StartScreen(
            capture=chat.key, session_id=chat.session_id, first_segment=chat.next_segment, black=chat.is_black
        )
        if not self._desktops.send(desktop, order):
            self._missing(chat, "desktop_away")

    def _missing(self, chat: Chat, why: str) -> None:
        self._at.pop(chat.key, None)
        self._recorder.apply(CaptureMissing(chat=chat.key, why=why))

    def _update_capture(self, chat: Chat) -> None:
        self._desktops.send(self._at.get(chat.key, ""), UpdateScreen(capture=chat.key, black=chat.is_black))

    def _stop_capture(self, chat: Chat) -> None:
        self._desktops.send(self._at.get(chat.key, ""), StopScreen(capture=chat.key))

    # --- what desktops say --------------------------------------------------------------------------------------------

    def _hello(self, desktop: str, hello: Hello) -> None:
        """A desktop came, or came back: it goes on with what it still captures, and begins what it should."""
        for chat in list(self._recorder.state.chats.values()):
            same = (chat.computer, chat.username) == (hello.computer, hello.username)
            if chat.capturing == "running" and (same or self._at.get(chat.key) == desktop):
                if chat.key not in hello.capturing:
                    self._lose(chat, "restart" if chat.key not in self._at else "desktop_away")
                    continue
                self._at[chat.key] = desktop
                (self._stop_capture if chat.phase == "ended" else self._update_capture)(chat)
        for capture in hello.capturing:
            if self._at.get(capture) != desktop:
                self._desktops.send(desktop, StopScreen(capture=capture))
        self._begin_what_waits()

    def _lose(self, chat: Chat, why: str) -> None:
        self._at.pop(chat.key, None)
        self._missed_since.pop(chat.key, None)
        log.warning("capture_lost", session=chat.session_id, computer=chat.computer, why=why)
        self._recorder.apply(CaptureLost(chat=chat.key, why=why))

    def _begin_what_waits(self) -> None:
        for chat in list(self._recorder.state.chats.values()):
            if chat.phase == "open" and chat.capturing == "none" and chat.missing in WAITED_FOR and not chat.refused:
                self._start_capture(chat)

    def _reported(self, desktop: str, report: Report) -> None:
        if isinstance(report, SegmentFinished | ScreenStopped | ScreenFailed):
            self._arrivals.put_nowait((desktop, report))

    async def _take_arrivals(self) -> None:
        """One at a time: that nothing more comes must not be heard before what came last."""
        while True:
            desktop, report = await self._arrivals.get()
            try:
                await self._arrived(desktop, report)
            except Exception:
                log.exception("desktop_report_failed", desktop=desktop, report=type(report).__name__)

    async def _arrived(self, desktop: str, report: Report) -> None:
        assert isinstance(report, SegmentFinished | ScreenStopped | ScreenFailed)
        chat = self._recorder.state.chats.get(report.capture)
        if chat is None or self._at.get(report.capture) != desktop:
            log.warning("report_of_no_capture", desktop=desktop, report=type(report).__name__)
        elif isinstance(report, SegmentFinished):
            async with self._busy:
                await self._intake.take(chat, report)
        elif isinstance(report, ScreenStopped):
            self._at.pop(chat.key)
            self._recorder.apply(CaptureFinished(chat=chat.key, why="stopped"))
        else:
            log.error("capture_failed", session=chat.session_id, computer=chat.computer, why=report.why[:500])
            self._missing(chat, "capture_failed")

    # --- by the second ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                self.round()
            except Exception:
                log.exception("screen_watch_failed")

    def round(self) -> None:
        """Look once at every session: too long, without its desktop, waiting for its last segments."""
        now_us = self._recorder.now_us()
        for chat in list(self._recorder.state.chats.values()):
            if chat.phase == "open" and now_us - chat.started_us > self._settings.longest_s * MICROSECONDS:
                self._recorder.apply(EndChat(chat=chat.key, why="too_long"))
            if chat.capturing != "running":
                continue
            if chat.phase == "ended" and now_us - (chat.stopped_us or 0) > self._settings.stop_wait_s * MICROSECONDS:
                self._at.pop(chat.key, None)
                self._recorder.apply(CaptureFinished(chat=chat.key, why="silent"))
            else:
                self._watch_desktop(chat, now_us)
        self.keep_dark()
        self._begin_what_waits()

    def _watch_desktop(self, chat: Chat, now_us: int) -> None:
        seen = self._desktops.named(self._at.get(chat.key, ""))
        if seen is not None and seen.status != AWAY:
            self._missed_since.pop(chat.key, None)
        elif now_us - self._missed_since.setdefault(chat.key, now_us) > self._settings.lost_after_s * MICROSECONDS:
            self._lose(chat, "desktop_away")

    # --- rows ---------------------------------------------------------------------------------------------------------

    async def _save_rows(self) -> None:
        while True:
            key = await self._complete.get()
            try:
                async with self._busy:
                    await self._save(key)
            except (OSError, StoreUnavailable) as away:
                log.error("screen_session_not_stored_yet", chat=key, why=str(away))
                asyncio.get_running_loop().call_later(RETRY_S, self._complete.put_nowait, key)
            except Exception:
                log.exception("screen_session_not_stored", chat=key)
                asyncio.get_running_loop().call_later(LATER_S, self._complete.put_nowait, key)

    async def _save(self, key: str) -> None:
        chat = self._recorder.state.chats.get(key)
        if chat is None:
            return
        for kept in list(chat.segments):
            await self._intake.put(chat, kept)
        await self._screens.save_screen(self._row(chat))
        self._at.pop(key, None)
        self._missed_since.pop(key, None)
        self._recorder.apply(ChatStored(chat=key))

    def _row(self, chat: Chat) -> ScreenSession:
        settings = self._settings
        return session_of(
            chat, self._recorder.ident, keep_days=settings.keep_days, archive_action=settings.archive_action
        )
