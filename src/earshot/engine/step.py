"""The engine's one door: `step(state, input, now_us) -> effects`. Which rule answers which input is one table."""

from collections.abc import Callable
from typing import Any

from earshot.engine import calls, sessions
from earshot.engine.chats import CHAT_RULES
from earshot.engine.effects import Effect
from earshot.engine.inputs import (
    CallRefused,
    CallStored,
    EndCall,
    Input,
    RecorderResumed,
    RecordingNamed,
    SessionChanged,
    SessionClosed,
    SessionOpened,
    StartCall,
    StartRecording,
    StopCall,
    StopRecording,
    UpdateCall,
)
from earshot.engine.masking import BLACKOUT_RULES, follow
from earshot.engine.model import State
from earshot.engine.scheduling import SCHEDULE_RULES

Rule = Callable[[State, Any, int], list[Effect]]

RULES: dict[type[Any], Rule] = {
    StartCall: calls.start_call,
    StopCall: calls.stop_call,
    UpdateCall: calls.update_call,
    StartRecording: calls.start_recording,
    StopRecording: calls.stop_recording,
    RecordingNamed: calls.recording_named,
    CallStored: calls.call_stored,
    CallRefused: calls.call_refused,
    EndCall: calls.end_call,
    SessionOpened: sessions.session_opened,
    SessionChanged: sessions.session_changed,
    SessionClosed: sessions.session_closed,
    RecorderResumed: sessions.recorder_resumed,
    **CHAT_RULES,
    **BLACKOUT_RULES,
    **SCHEDULE_RULES,
}


def step(state: State, told: Input, now_us: int) -> list[Effect]:
    """Change `state` by what it is told at journal time `now_us`; returns what is to be done.

    Deterministic: the same inputs at the same times give the same state, which is what recovery relies on.
    """
    return follow(state, told, RULES[type(told)](state, told, now_us), now_us)
