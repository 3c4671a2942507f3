"""The rules of screen sessions, told as short stories."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from earshot.core.chat_rows import session_of
from earshot.engine.chat_values import (
    AgentFacts,
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
    SegmentKept,
    SegmentSpoilt,
    StartCapture,
    StartChat,
    StopCapture,
    StopChat,
    UpdateCapture,
    UpdateChat,
)
from earshot.engine.inputs import Input, from_record
from earshot.engine.model import State
from earshot.engine.step import step

SECOND = 1_000_000
JDOE = AgentFacts(agent_id=7, sys_user="jdoe", stations=("PC1",))


class Story:
    """A state, and a clock that moves one second with every input."""

    def __init__(self) -> None:
        self.state = State()
        self.now_us = 1_700_000_000 * SECOND

    def tell(self, told: Input) -> list[str]:
        self.now_us += SECOND
        return [
            effect.event if isinstance(effect, AnnounceChat) else type(effect).__name__
            for effect in step(self.state, told, self.now_us)
        ]

    def only(self) -> Chat:
        (chat,) = self.state.chats.values()
        return chat

    def captured(self) -> Chat:
        self.tell(StartChat(session_id="82738", agent=JDOE))
        self.tell(CaptureBegan(chat=self.only().key, computer="PC1", username="jdoe"))
        return self.only()


def segment(chat: str, number: int) -> SegmentKept:
    return SegmentKept(
        chat=chat,
        number=number,
        object_name=f"screens/{number}.webm",
        media_type="video/webm",
        sha256="ab",
        size=10,
        began_us=1,
        duration_s=5.0,
    )


def test_a_session_from_start_to_row() -> None:
    story = Story()
    assert story.tell(StartChat(session_id="82738", agent=JDOE)) == ["CHATSTART", StartCapture.__name__]
    chat = story.only()
    assert story.tell(CaptureBegan(chat=chat.key, computer="PC1", username="jdoe")) == []
    assert story.tell(UpdateChat(session_id="82738", changes={"group": "53"})) == ["CHATUPDATE", UpdateCapture.__name__]
    assert (chat.variables.group, chat.variables.session_id) == ("53", "82738")
    story.tell(segment(chat.key, 1))
    assert story.tell(StopChat(session_id="82738")) == ["CHATSTOP", StopCapture.__name__]
    story.tell(segment(chat.key, 2))
    assert story.tell(CaptureFinished(chat=chat.key, why="stopped")) == [SaveChat.__name__]
    row = session_of(chat, 1, keep_days=30)
    assert (row.state, row.verdict, row.reason, row.ended_by) == ("ended", "captured", "", "chatstop")
    assert [one.number for one in row.segments] == [1, 2]
    assert row.variables.keep_days == 30
    story.tell(ChatStored(chat=chat.key))
    assert story.state.chats == {}


def test_the_same_sessionid_twice_runs_on() -> None:
    story = Story()
    first = story.captured().key
    assert story.tell(StartChat(session_id="82738", agent=AgentFacts(agent_id=8))) == []
    assert story.only().key == first and story.only().agent == JDOE


def test_a_sessionid_may_be_used_again_after_its_stop() -> None:
    story = Story()
    story.captured()
    story.tell(StopChat(session_id="82738"))
    assert story.tell(StartChat(session_id="82738", agent=JDOE)) == ["CHATSTART", StartCapture.__name__]
    assert [chat.phase for chat in story.state.chats.values()] == ["ended", "open"]


def test_a_stop_and_an_update_of_nothing_change_nothing() -> None:
    story = Story()
    assert story.tell(StopChat(session_id="nobody")) == []
    assert story.tell(UpdateChat(session_id="nobody", changes={"group": "1"})) == []
    assert story.state == State()


def test_without_a_desktop_it_is_a_session_all_the_same() -> None:
    story = Story()
    story.tell(StartChat(session_id="1", agent=JDOE))
    chat = story.only()
    story.tell(CaptureMissing(chat=chat.key, why="no_desktop"))
    assert story.tell(UpdateChat(session_id="1", changes={"user1": "x"})) == ["CHATUPDATE"]
    assert story.tell(StopChat(session_id="1")) == ["CHATSTOP", SaveChat.__name__]
    row = session_of(chat, 1)
    assert (row.state, row.verdict, row.reason) == ("ended", "not_captured", "no_desktop")


def test_a_refused_session_is_never_captured_and_says_why() -> None:
    story = Story()
    assert story.tell(StartChat(session_id="1", agent=JDOE, refusal="out_of_disk_space")) == ["CHATSTART"]
    story.tell(StopChat(session_id="1"))
    assert session_of(story.only(), 1).reason == "out_of_disk_space"


def test_a_capture_that_fails_without_a_picture_is_a_failure() -> None:
    story = Story()
    chat = story.captured()
    story.tell(CaptureMissing(chat=chat.key, why="capture_failed"))
    assert story.tell(StopChat(session_id="82738")) == ["CHATSTOP", SaveChat.__name__]
    row = session_of(chat, 1)
    assert (row.state, row.verdict, row.reason) == ("failed", "failed", "capture_failed")


def test_what_was_captured_before_the_desktop_went_away_counts() -> None:
    story = Story()
    chat = story.captured()
    story.tell(segment(chat.key, 1))
    story.tell(CaptureLost(chat=chat.key, why="desktop_away"))
    assert chat.capturing == "none"
    story.tell(CaptureBegan(chat=chat.key, computer="PC2", username="jdoe"))
    assert chat.next_segment == 2 and chat.missing == ""
    story.tell(EndChat(chat=chat.key, why="too_long"))
    assert story.tell(CaptureFinished(chat=chat.key, why="silent")) == [SaveChat.__name__]
    row = session_of(chat, 1)
    assert (row.verdict, row.reason, row.warnings) == ("captured", "", ("interrupted", "incomplete"))
    assert (row.computer, row.ended_by) == ("PC2", "too_long")


def test_a_desktop_that_goes_away_after_the_stop_holds_nothing_up() -> None:
    story = Story()
    chat = story.captured()
    story.tell(StopChat(session_id="82738"))
    assert story.tell(CaptureLost(chat=chat.key, why="desktop_away")) == [SaveChat.__name__]


def test_a_spoilt_segment_is_left_out_and_warned_of() -> None:
    story = Story()
    chat = story.captured()
    story.tell(segment(chat.key, 1))
    story.tell(segment(chat.key, 1))
    story.tell(segment(chat.key, 2))
    story.tell(SegmentSpoilt(chat=chat.key, number=2, why="another file"))
    assert [one.number for one in chat.segments] == [1]
    assert chat.warnings == ["segment_spoilt"]


def test_a_blackout_blackens_the_agents_sessions_and_nobody_elses() -> None:
    story = Story()
    chat = story.captured()
    began_us = chat.started_us
    assert story.tell(BlackenChats(agent_id=8, black=True)) == []
    assert story.tell(BlackenChats(agent_id=7, black=True)) == [UpdateCapture.__name__]
    assert story.tell(BlackenChats(agent_id=7, black=True)) == []
    assert chat.is_black
    assert story.tell(BlackenChats(agent_id=7, black=False)) == [UpdateCapture.__name__]
    story.tell(BlackenChats(agent_id=7, black=True))
    story.tell(StopChat(session_id="82738"))
    spans = [(span.from_us - began_us, (span.until_us or 0) - began_us) for span in chat.black_spans]
    assert spans == [(3 * SECOND, 5 * SECOND), (6 * SECOND, 7 * SECOND)]
    assert session_of(chat, 1).black_spans == ((3.0, 5.0), (6.0, 7.0))


names = st.sampled_from(["a", "b"])
agents = st.builds(AgentFacts, agent_id=st.integers(1, 2), stations=st.just(("PC1", "PC2")))
words = st.sampled_from(["no_desktop", "capture_failed"])


@st.composite
def chat_inputs(draw: st.DrawFn) -> Any:
    """Inputs about two SESSIONIDs and whatever session is there when they come; KEY is replaced by its key."""
    return draw(
        st.one_of(
            st.builds(StartChat, session_id=names, agent=agents, changes=st.just({"gate": "9"})),
            st.builds(UpdateChat, session_id=names, changes=st.just({"user1": "x"})),
            st.builds(StopChat, session_id=names),
            st.builds(EndChat, chat=st.just("KEY"), why=st.just("too_long")),
            st.builds(BlackenChats, agent_id=st.integers(1, 2), black=st.booleans()),
            st.builds(CaptureMissing, chat=st.just("KEY"), why=words),
            st.builds(CaptureBegan, chat=st.just("KEY"), computer=st.just("PC1"), username=names),
            st.builds(CaptureLost, chat=st.just("KEY"), why=st.just("restart")),
            st.builds(segment, st.just("KEY"), st.integers(1, 3)),
            st.builds(SegmentSpoilt, chat=st.just("KEY"), number=st.integers(1, 3), why=st.just("gone")),
            st.builds(CaptureFinished, chat=st.just("KEY"), why=st.just("stopped")),
        )
    )


@given(st.lists(chat_inputs(), max_size=40), st.randoms(use_true_random=False))
def test_replay_gives_the_same_state_and_every_ended_session_is_saved_once(inputs: list[Any], dice: Any) -> None:
    story, replayed = Story(), Story()
    saved: list[str] = []
    for told in inputs:
        keys = list(story.state.chats)
        if getattr(told, "chat", "") == "KEY":
            record = orjson.loads(orjson.dumps(told)) | {"chat": dice.choice(keys) if keys else "none"}
            told = from_record(type(told).__name__, record)
        story.now_us += SECOND
        for effect in step(story.state, told, story.now_us):
            if isinstance(effect, SaveChat):
                saved.append(effect.chat)
        replayed.tell(from_record(type(told).__name__, orjson.loads(orjson.dumps(told))))
        replayed.state = TypeAdapter(State).validate_json(orjson.dumps(replayed.state, option=orjson.OPT_NON_STR_KEYS))
    assert replayed.state == story.state
    assert len(saved) == len(set(saved))
    for chat in story.state.chats.values():
        assert (chat.phase == "ended" and chat.capturing == "finished") == (chat.key in saved)
    running = [chat.session_id for chat in story.state.chats.values() if chat.phase == "open"]
    assert len(running) == len(set(running))
