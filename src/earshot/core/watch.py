"""What the core looks after by the second: sessions that fell silent, calls nobody ends, and the room on the disk."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from earshot.core.recorder import MICROSECONDS, OUT_OF_DISK_SPACE, Recorder
from earshot.engine.model import Session

log = structlog.get_logger(__name__)

MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """Limits in seconds, the disk reserve in bytes. See the settings of the same names."""

    media_timeout_s: float = 300.0
    hold_timeout_s: float = 14400.0
    resume_timeout_s: float = 60.0
    longest_call_s: float = 86400.0
    disk_reserve_bytes: int = 1024 * MB


class Watch:
    """`end_session(key, why)` ends a recording session towards the phone system."""

    def __init__(
        self,
        recorder: Recorder,
        settings: WatchSettings,
        data_dir: Path,
        end_session: Callable[[str, str], None],
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._recorder = recorder
        self._settings = settings
        self._data_dir = data_dir
        self._end_session = end_session
        self._free_bytes = free_bytes
        self._journal_stuck = False
        self._last_free = settings.disk_reserve_bytes
        self._resumed_us = 0
        self._resumed: set[str] = set()
        self._held: dict[str, int] = {}

    def resumed(self, sessions: set[str], now_us: int) -> None:
        """These sessions were taken up after a restart at `now_us`: their sound must come back soon."""
        self._resumed = set(sessions)
        self._resumed_us = now_us

    def journal_stuck(self, stuck: bool) -> None:
        """The disk does not take the journal, or takes it again: nothing new may begin meanwhile."""
        self._journal_stuck = stuck
        self._watch_disk()

    def round(self) -> None:
        """Look once at everything."""
        self._watch_disk()
        self._recorder.end_overdue(self._settings.longest_call_s)
        now_us = self._recorder.now_us()
        sessions = self._recorder.state.sessions
        self._held = {key: seen_us for key, seen_us in self._held.items() if key in sessions}
        for session in list(sessions.values()):
            why = self._over(session, now_us)
            if why:
                log.warning("session_fell_silent", session=session.key, device=session.device_id, why=why)
                self._end_session(session.key, why)

    def _over(self, session: Session, now_us: int) -> str:
        """Why the session is to be ended now; empty if it is not."""
        is_held = bool(session.legs) and all(facts.held for facts in session.legs)
        young_us = self._settings.media_timeout_s * MICROSECONDS
        if not is_held and session.key not in self._resumed and now_us - session.opened_us <= young_us:
            return ""
        heard_us = max((self._recorder.sound.last_heard_us(facts.leg) for facts in session.legs), default=0)
        since_us = max(heard_us, session.opened_us, self._resumed_us)
        limit_s, why = self._settings.media_timeout_s, "silence"
        if is_held:
            limit_s = self._settings.hold_timeout_s
            self._held[session.key] = now_us
            self._resumed.discard(session.key)
        elif session.key in self._resumed and heard_us < self._resumed_us:
            limit_s, why = self._settings.resume_timeout_s, "not_resumed"
        else:
            self._resumed.discard(session.key)
            since_us = max(since_us, self._held.get(session.key, 0))
        return why if now_us - since_us > limit_s * MICROSECONDS else ""

    def _watch_disk(self) -> None:
        free, reserve = self._free(), self._settings.disk_reserve_bytes
        short = self._journal_stuck or free < reserve
        if short and not self._recorder.refusal:
            log.error(
                "out_of_disk_space",
                free_mb=free // MB,
                reserve_mb=reserve // MB,
                journal_stuck=self._journal_stuck,
                what="new calls are refused until space is freed",
            )
            self._recorder.refusal = OUT_OF_DISK_SPACE
        elif not short and self._recorder.refusal == OUT_OF_DISK_SPACE:
            log.info("disk_space_is_back", free_mb=free // MB)
            self._recorder.refusal = ""
        if free < reserve // 4:
            self._recorder.end_all("out_of_disk_space")

    def _free(self) -> int:
        """Free bytes; what was found last when the disk does not say."""
        try:
            self._last_free = self._free_bytes(self._data_dir)
        except OSError as failure:
            log.error("disk_not_readable", why=str(failure))
        return self._last_free
