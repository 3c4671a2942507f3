"""The server core as a whole: transaction tables, dialog state, junk of every kind, and its own clockwork."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.telephony.transcript import Stage

from earshot.telephony.sip.dialog import Dialog, Peer
from earshot.telephony.sip.events import Send, SessionOffered
from earshot.telephony.sip.message import parse
from earshot.telephony.sip.schedule import Schedule
from earshot.telephony.sip.transaction import MOVES, TIMER_TABLE, Timers, Transaction
from earshot.telephony.sip.uas import UserAgentServer

UDP = Peer("udp", "192.0.2.10", 5070)
INVITE = (
    "INVITE sip:rec@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK1;rport\r\n"
    "From: <sip:src@192.0.2.10>;tag=f1\r\nTo: <sip:rec@192.0.2.1>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:src@192.0.2.10:5070>\r\nContent-Type: application/sdp\r\n\r\n"
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\nc=IN IP4 192.0.2.10\r\nm=audio 4000 RTP/AVP 0\r\na=label:1\r\n"
)


def test_every_state_of_the_tables_is_reached_and_left() -> None:
    for moves in MOVES.values():
        entered = {state for state, _, _ in moves.values()} | {"start", "proceeding"}
        left = {state for state, _ in moves}
        assert left <= entered
        assert entered - left <= {"terminated", "start", "proceeding"}
        started = {name for _, names, _ in moves.values() for name in names}
        assert started == {event for _, event in moves if event in TIMER_TABLE}


@pytest.mark.parametrize(
    ("role", "events", "reliable", "repeats_at", "over_after"),
    [
        ("invite_server", ["final"], False, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], 32.0),
        ("invite_server", ["final"], True, [], 32.0),
        ("invite_server", ["final", "ack"], False, [], 5.0),
        ("invite_server", ["2xx"], False, [], 32.0),
        ("server", ["2xx"], False, [], 32.0),
        ("client", ["begin"], False, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], 32.0),
        ("client", ["begin"], True, [], 32.0),
        ("client", ["begin", "2xx"], False, [], 5.0),
        ("invite_client", ["begin"], False, [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], 32.0),
        ("invite_client", ["begin", "final"], False, [], 32.0),
    ],
)
def test_timers(role: str, events: list[str], reliable: bool, repeats_at: list[float], over_after: float) -> None:
    transaction = Transaction(role, reliable, Timers())  # type: ignore[arg-type]
    transaction.message = b"x"
    for event in events:
        transaction.happened(event, 0.0)
    repeats = []
    now = 0.0
    while (deadline := transaction.deadline) is not None:
        now = deadline
        repeats += [now for action in transaction.tick(now) if action == "send"]
    assert transaction.over and now == over_after
    assert repeats == repeats_at


@pytest.mark.parametrize("role", ["invite_server", "server"])
def test_a_reliable_transport_needs_no_waiting(role: str) -> None:
    transaction = Transaction(role, True, Timers())  # type: ignore[arg-type]
    transaction.happened("final", 0.0)
    transaction.happened("ack", 0.0)
    transaction.tick(0.0)
    assert transaction.over


def test_a_schedule_forgets_what_was_replaced() -> None:
    schedule = Schedule()
    schedule.set(("a",), 5.0)
    schedule.set(("a",), 9.0)
    schedule.set(("b",), 7.0)
    schedule.set(("c",), 1.0)
    schedule.set(("c",), None)
    assert schedule.next_deadline() == 7.0
    assert list(schedule.due(8.0)) == [("b",)]
    assert list(schedule.due(9.0)) == [("a",)] and schedule.next_deadline() is None and len(schedule) == 0


def test_a_dialog_survives_as_json() -> None:
    stage = Stage()
    stage.receive(INVITE.encode())
    stage.uas.note(stage.key, {"call": 7})
    dialog = stage.uas.dialog(stage.key)
    assert dialog is not None
    state = json.loads(json.dumps(dialog.to_state()))
    assert Dialog.from_state(state) == dialog
    assert Dialog.from_state({**state, "a_field_of_tomorrow": 1}) == dialog
    assert (dialog.ports, dialog.labels, dialog.sdp_version) == ((10000,), ("1",), 1)


MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("cut"), st.integers(0, 700)),
        st.tuples(st.just("drop_line"), st.integers(0, 14)),
        st.tuples(st.just("twice"), st.integers(0, 14)),
        st.tuples(st.just("method"), st.sampled_from(["BYE", "ACK", "UPDATE", "CANCEL", "OPTIONS", "X"])),
        st.tuples(st.just("to_tag"), st.just(0)),
        st.tuples(st.just("byte"), st.integers(0, 700)),
        st.tuples(st.just("wait"), st.integers(0, 40)),
    ),
    max_size=5,
)


@settings(max_examples=150)
@given(st.lists(MUTATIONS, min_size=1, max_size=6))
def test_no_message_stops_the_server(scenes: list[list[tuple[str, int | str]]]) -> None:
    stage = Stage()
    for number, mutations in enumerate(scenes):
        data = INVITE.replace("z9hG4bK1", f"z9hG4bK{number}").replace("CSeq: 1 ", f"CSeq: {number + 1} ").encode()
        for kind, value in mutations:
            lines = data.split(b"\r\n")
            if kind == "cut":
                data = data[: int(value)]
            elif kind == "drop_line":
                data = b"\r\n".join(lines[: int(value)] + lines[int(value) + 1 :])
            elif kind == "twice":
                data = b"\r\n".join(lines[: int(value)] + lines[int(value) :][:1] + lines[int(value) :])
            elif kind == "method":
                data = data.replace(b"INVITE", str(value).encode())
            elif kind == "to_tag":
                data = data.replace(b"To: <sip:rec@192.0.2.1>", b"To: <sip:rec@192.0.2.1>;tag=" + stage.tag.encode())
            elif kind == "byte":
                data = data[: int(value)] + b"\xff" + data[int(value) + 1 :]
            else:
                stage.wait(float(value))
        stage.receive(data)
    stage.wait(100.0)
    assert len(stage.uas.transactions) == 0 or stage.uas.next_deadline() is not None
    answered = stage.receive(INVITE.replace("c1", "fresh").replace("z9hG4bK1", "z9hG4bKfresh").encode())
    assert answered == ["!! SessionOffered new 1", "<< 200 INVITE"]


def test_nothing_is_left_behind_after_many_calls() -> None:
    stage = Stage()
    for number in range(200):
        text = INVITE.replace("c1", f"call-{number}").replace("z9hG4bK1", f"z9hG4bK{number}i")
        assert stage.receive(text.encode())[1] == "<< 200 INVITE"
        ack = text.replace("INVITE", "ACK").replace(f"z9hG4bK{number}i", f"z9hG4bK{number}a")
        ack = ack.replace("To: <sip:rec@192.0.2.1>", f"To: <sip:rec@192.0.2.1>;tag={stage.tag}")
        assert stage.receive(ack.encode()) == ["!! SessionConfirmed"]
        bye = ack.replace("ACK", "BYE").replace(f"z9hG4bK{number}a", f"z9hG4bK{number}b").replace("CSeq: 1", "CSeq: 2")
        assert stage.receive(bye.encode()) == ["<< 200 BYE", "!! SessionEnded bye"]
    stage.wait(40.0)
    uas = stage.uas
    assert (len(uas.dialogs), len(uas.transactions), len(uas.schedule)) == (0, 0, 0)
    assert uas.next_deadline() is None


@pytest.mark.parametrize(
    ("via", "port"),
    [("192.0.2.10:5080", 5080), ("192.0.2.10", 5060), ("192.0.2.10:5080;rport", 5070), ("nat.example;rport", 5070)],
)
def test_answers_go_where_rfc_3581_says(via: str, port: int) -> None:
    serial = itertools.count()
    uas = UserAgentServer(lambda: f"t{next(serial)}")
    request = f"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\n"
    request += "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
    sent = uas.receive(request.encode(), UDP, 0.0)[0]
    assert isinstance(sent, Send) and sent.peer == Peer("udp", "192.0.2.10", port)
    tag = parse(sent.data).headers.first("To")
    assert tag == "<sip:c@d>;tag=t0"


def test_a_late_accept_is_harmless() -> None:
    stage = Stage(answers_held=True)
    stage.receive(INVITE.encode())
    assert isinstance(stage.waiting, SessionOffered)
    stage.uas.refuse(stage.key, 503, stage.now, "Full", [("Retry-After", "5")])
    assert stage.uas.accept(stage.key, "v=0\r\n", stage.now) == []
    assert stage.uas.end(stage.key, stage.now) == []
    assert stage.uas.refused == {503: 1}


def test_too_large_on_a_stream_is_answered() -> None:
    uas = UserAgentServer(lambda: "t")
    head = INVITE.partition("\r\n\r\n")[0].encode()
    sent = uas.refuse_too_large(head, Peer("tcp", "192.0.2.10", 1, "1"))
    assert isinstance(sent[0], Send) and sent[0].data.startswith(b"SIP/2.0 513 ")
    assert uas.refuse_too_large(b"junk", UDP) == [] and uas.junk == 1
