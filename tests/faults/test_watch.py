"""What the core looks after by the second, under a clock that is moved: silence, holds, restarts, disk, date."""

from dataclasses import replace
from pathlib import Path

import orjson
from pydantic import TypeAdapter
from tests.faults.core_parts import Core

from earshot.core.recorder import OUT_OF_DISK_SPACE
from earshot.core.watch import MB, Watch, WatchSettings
from earshot.engine.inputs import SessionChanged
from earshot.engine.model import State
from earshot.journal.timeline import JournalTime

MINUTE = 60.0
SETTINGS = WatchSettings(
    media_timeout_s=5 * MINUTE,
    hold_timeout_s=240 * MINUTE,
    resume_timeout_s=MINUTE,
    longest_call_s=1440 * MINUTE,
    disk_reserve_bytes=1000 * MB,
)


class Watched:
    """A core and its watch; `ended` is what the watch ended and why, `free` the room on the disk in bytes."""

    def __init__(self, core: Core | None = None) -> None:
        self.core = core or Core()
        self.ended: dict[str, str] = {}
        self.free: int | OSError = 5000 * MB
        self.watch = Watch(self.core.recorder, SETTINGS, Path("data"), self._end, self._free)

    def _end(self, key: str, why: str) -> None:
        self.ended[key] = why
        self.core.close(key, why)

    def _free(self, path: Path) -> int:
        if isinstance(self.free, OSError):
            raise self.free
        return self.free

    def after(self, seconds: float) -> dict[str, str]:
        """Let time pass, look, and say what was ended since the start."""
        self.core.clock.advance(seconds)
        self.watch.round()
        return self.ended

    def hold(self, key: str, held: bool) -> None:
        session = self.core.recorder.state.sessions[key]
        legs = tuple(replace(facts, held=held) for facts in session.legs)
        self.core.recorder.apply(SessionChanged(session=key, legs=legs))


def restarted(before: Core) -> Core:
    """The same core after a restart: the state from its checkpoint, sockets that have heard nothing yet."""
    (state, *_) = before.recorder.checkpoint()
    restored = TypeAdapter(State).validate_python(orjson.loads(orjson.dumps(state))["state"])
    return Core(restored, before.clock)


def test_silence_counts_from_the_last_packet() -> None:
    watched = Watched()
    watched.core.session("a")
    assert watched.after(4 * MINUTE) == {}
    watched.core.hear("a")
    assert watched.after(4 * MINUTE) == {}
    assert watched.after(2 * MINUTE) == {"a": "silence"}


def test_silence_after_a_long_hold_counts_from_its_end() -> None:
    watched = Watched()
    watched.core.session("a", held=True)
    for _ in range(20):
        assert watched.after(MINUTE) == {}
    watched.hold("a", False)
    assert watched.after(4 * MINUTE) == {}
    assert watched.after(2 * MINUTE) == {"a": "silence"}


def test_a_hold_that_never_ends_is_ended() -> None:
    watched = Watched()
    watched.core.session("a", held=True)
    assert watched.after(239 * MINUTE) == {}
    assert watched.after(2 * MINUTE) == {"a": "silence"}


def test_after_a_restart_sound_must_come_back_soon_but_holds_go_on() -> None:
    before = Core()
    for key in ("talks", "gone"):
        before.session(key)
        before.hear(key)
    before.session("held", held=True)
    before.clock.advance(10 * 24 * 60 * MINUTE / 20)  # half a day into their calls
    watched = Watched(restarted(before))
    watched.watch.resumed({"talks", "gone", "held"}, watched.core.time.now_us())
    assert watched.after(1.0) == {}
    watched.core.hear("talks")
    assert watched.after(MINUTE) == {"gone": "not_resumed"}
    watched.hold("held", False)
    assert watched.after(2 * MINUTE) == {"gone": "not_resumed"}, "it was on hold: there was nothing to come back"
    assert watched.after(4 * MINUTE) == {"gone": "not_resumed", "talks": "silence", "held": "silence"}


def test_calls_that_run_through_a_restart_keep_their_channels() -> None:
    before = Core(channels=2)
    before.session("a")
    before.session("b")
    after = restarted(before)
    assert after.recorder.busy.busy == 2
    after.close("a")
    assert after.recorder.busy.busy == 1


def test_a_wall_clock_that_is_set_moves_nothing() -> None:
    watched = Watched()
    call = watched.core.session("a")
    for jump in (3600.0, -7200.0, 86400.0 * 3, -86400.0 * 9):
        watched.core.clock.jump(jump)
        watched.core.hear("a")
        assert watched.after(MINUTE) == {}
    assert call.phase == "open"
    watched.core.close("a")
    assert call.stopped_us is not None and call.stopped_us - call.started_us == 4 * 60_000_000


def test_journal_time_does_not_go_back_when_the_date_was_set_back_before_a_restart() -> None:
    core = Core()
    call = core.session("a")
    core.clock.advance(MINUTE)
    last_us = core.time.now_us()
    core.clock.jump(-3600.0)
    again = JournalTime(core.clock, last_us)
    assert again.now_us() >= last_us > call.started_us


def test_the_reserve_refuses_new_calls_and_its_last_quarter_ends_the_old_ones() -> None:
    watched = Watched()
    recorder = watched.core.recorder
    call = watched.core.session("a")
    watched.free = 999 * MB
    watched.after(1.0)
    assert recorder.refuses_new_calls() == OUT_OF_DISK_SPACE and call.phase == "open"
    watched.free = 1000 * MB
    watched.after(1.0)
    assert recorder.refuses_new_calls() == ""
    watched.free = 249 * MB
    watched.after(1.0)
    assert (call.phase, call.ended_by) == ("ended", "out_of_disk_space")


def test_a_journal_that_is_stuck_refuses_new_calls_until_it_is_not() -> None:
    watched = Watched()
    recorder = watched.core.recorder
    call = watched.core.session("a")
    watched.watch.journal_stuck(True)
    assert recorder.refuses_new_calls() == OUT_OF_DISK_SPACE
    watched.after(1.0)
    assert recorder.refuses_new_calls() == OUT_OF_DISK_SPACE, "room on the disk does not unstick it"
    watched.watch.journal_stuck(False)
    assert recorder.refuses_new_calls() == "" and call.phase == "open"


def test_a_disk_that_cannot_be_asked_ends_nothing() -> None:
    watched = Watched()
    call = watched.core.session("a")
    watched.free = OSError("gone")
    assert watched.after(1.0) == {}
    assert call.phase == "open" and watched.core.recorder.refuses_new_calls() == ""
