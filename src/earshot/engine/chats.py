"""Rules of screen sessions: CHATSTART, CHATUPDATE, CHATSTOP, and what desktops report of their captures.

A start or stop never causes an error, whatever the state (specification, Recording Control Functions): the same
SESSIONID started twice runs on, a stop of an unknown one changes nothing. The one rule: a session is kept and ends in a
row whether anything captures it or not.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from earshot.engine.chat_values import (
    AnnounceChat,
    BlackenChats,
    CaptureBegan,
    CaptureFinished,
    CaptureLost,
    CaptureMissing,
    Chat,
    ChatEffect,
    ChatStored,
    DarkenChat,
    DarkSpan,
    EndChat,
    SaveChat,
    SegmentKept,
    SegmentRewritten,
    SegmentSpoilt,
    StartCapture,
    StartChat,
    StopCapture,
    StopChat,
    UpdateCapture,
    UpdateChat,
)
from earshot.engine.model import State
from earshot.engine.variables import CallVariables


def open_chat(state: State, session_id: str) -> Chat | None:
    """The session of that SESSIONID which has not ended."""
    for chat in state.chats.values():
        if chat.session_id == session_id and chat.phase == "open":
            return chat
    return None


def _remember(chat: Chat, changes: dict[str, Any]) -> None:
    chat.said.update(changes)
    chat.variables = CallVariables.of({**chat.said, "session_id": chat.session_id})


def start_chat(state: State, told: StartChat, now_us: int) -> list[ChatEffect]:
    if open_chat(state, told.session_id) is not None:
        return []
    state.number += 1
    key = f"{state.core}-{now_us}-{state.number}"
    chat = Chat(key=key, session_id=told.session_id, agent=told.agent, started_us=now_us)
    _remember(chat, told.changes)
    state.chats[key] = chat
    announced = AnnounceChat(event="CHATSTART", chat=key)
    if told.refusal:
        chat.refused, chat.missing = True, told.refusal
        return [announced]
    return [announced, StartCapture(chat=key)]


def update_chat(state: State, told: UpdateChat, now_us: int) -> list[ChatEffect]:
    chat = open_chat(state, told.session_id)
    if chat is None:
        return []
    _remember(chat, told.changes)
    effects: list[ChatEffect] = [AnnounceChat(event="CHATUPDATE", chat=chat.key)]
    return [*effects, UpdateCapture(chat=chat.key)] if chat.capturing == "running" else effects


def stop_chat(state: State, told: StopChat, now_us: int) -> list[ChatEffect]:
    chat = open_chat(state, told.session_id)
    return _end(chat, "chatstop", now_us) if chat is not None else []


def end_chat(state: State, told: EndChat, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    return _end(chat, told.why, now_us) if chat is not None and chat.phase == "open" else []


def _end(chat: Chat, why: str, now_us: int) -> list[ChatEffect]:
    chat.phase, chat.stopped_us, chat.ended_by = "ended", now_us, why
    _light(chat, now_us)
    announced = AnnounceChat(event="CHATSTOP", chat=chat.key)
    if chat.capturing == "running":
        return [announced, StopCapture(chat=chat.key)]
    chat.capturing = "finished"
    return [announced, SaveChat(chat=chat.key)]


def _light(chat: Chat, now_us: int) -> None:
    if chat.is_black:
        chat.black_spans[-1].until_us = now_us


def blacken_chats(state: State, told: BlackenChats, now_us: int) -> list[ChatEffect]:
    effects: list[ChatEffect] = []
    for chat in state.chats.values():
        if chat.agent.agent_id != told.agent_id or chat.phase != "open" or chat.is_black == told.black:
            continue
        if told.black:
            chat.black_spans.append(DarkSpan(from_us=now_us))
        else:
            _light(chat, now_us)
        if chat.capturing == "running":
            effects.append(UpdateCapture(chat=chat.key))
    return effects


def darken_chat(state: State, told: DarkenChat, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    span = DarkSpan(from_us=told.from_us, until_us=told.until_us)
    if chat is not None and span not in chat.dark_spans:
        chat.dark_spans.append(span)
    return []


# --- what desktops report -------------------------------------------------------------------------------------------


def capture_missing(state: State, told: CaptureMissing, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is None:
        return []
    chat.missing = told.why
    if chat.capturing == "running":
        return _no_more(chat)
    return []


def _no_more(chat: Chat) -> list[ChatEffect]:
    """Nothing captures the session any more; one that has ended is complete now."""
    if chat.phase == "ended":
        chat.capturing = "finished"
        return [SaveChat(chat=chat.key)]
    chat.capturing = "none"
    return []


def capture_began(state: State, told: CaptureBegan, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is None or chat.phase == "ended":
        return []
    if chat.captured_once and (chat.computer, chat.username) != (told.computer, told.username):
        chat.warn("interrupted")
    chat.capturing, chat.captured_once, chat.missing = "running", True, ""
    chat.computer, chat.username = told.computer, told.username
    if told.crowded:
        chat.warn("crowded")
    return []


def capture_lost(state: State, told: CaptureLost, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is None or chat.capturing != "running":
        return []
    chat.missing = told.why
    chat.warn("interrupted" if chat.phase == "open" else "incomplete")
    return _no_more(chat)


def segment_kept(state: State, told: SegmentKept, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is not None and all(segment.number != told.number for segment in chat.segments):
        chat.segments.append(told)
    return []


def segment_rewritten(state: State, told: SegmentRewritten, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is not None:
        chat.segments = [
            replace(one, sha256=told.sha256, size=told.size) if one.number == told.number else one
            for one in chat.segments
        ]
    return []


def segment_spoilt(state: State, told: SegmentSpoilt, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is not None:
        chat.segments = [segment for segment in chat.segments if segment.number != told.number]
        chat.warn("segment_spoilt")
    return []


def capture_finished(state: State, told: CaptureFinished, now_us: int) -> list[ChatEffect]:
    chat = state.chats.get(told.chat)
    if chat is None or chat.capturing != "running":
        return []
    if told.why != "stopped":
        chat.warn("incomplete")
    if chat.phase == "open":
        chat.missing = "capture_ended"
    return _no_more(chat)


def chat_stored(state: State, told: ChatStored, now_us: int) -> list[ChatEffect]:
    state.chats.pop(told.chat, None)
    return []


CHAT_RULES: dict[type[Any], Callable[[State, Any, int], list[Any]]] = {
    StartChat: start_chat,
    UpdateChat: update_chat,
    StopChat: stop_chat,
    EndChat: end_chat,
    BlackenChats: blacken_chats,
    DarkenChat: darken_chat,
    CaptureMissing: capture_missing,
    CaptureBegan: capture_began,
    CaptureLost: capture_lost,
    SegmentKept: segment_kept,
    SegmentRewritten: segment_rewritten,
    SegmentSpoilt: segment_spoilt,
    CaptureFinished: capture_finished,
    ChatStored: chat_stored,
}
"""Which rule answers which input."""
