"""SIP as the simulated phones read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.errors import BadInput
from earshot.simulate.message import StreamSplitter, address_of, host_and_port, parse, render, tag_of
from earshot.simulate.offer import answered

ANSWER = (
    b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport=7\r\n"
    b'f: <sip:a@b>;tag=one\r\nTo : "Rec, Order" <sip:rec@b;x=y>;tag=two\r\ni: abc\r\nCSeq: 7 INVITE\r\n'
    b"Record-Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\nm: <sip:r@10.0.0.9:5070>;+sip.srs\r\nl: 4\r\n\r\nbodyX"
)


def test_an_answer_is_read() -> None:
    message = parse(ANSWER)
    assert (message.status, message.reason, message.body) == (200, "OK", b"body")
    assert (message.branch, message.cseq) == ("z9hG4bK1", (7, "INVITE"))
    assert (tag_of(message.first("from")), tag_of(message.first("to"))) == ("one", "two")
    assert message.all("record-route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert host_and_port(address_of(message.first("contact"))) == ("10.0.0.9", 5070)
    assert host_and_port("sip:srs.example;transport=tcp") == ("srs.example", 5060)


@pytest.mark.parametrize("wire", [b"", b"hello\r\n\r\n", b"INVITE sip:a SIP/2.0\r\nnothing\r\n\r\n", ANSWER[:-3]])
def test_what_is_no_message(wire: bytes) -> None:
    with pytest.raises(BadInput):
        parse(wire)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_a_stream_is_cut_into_its_messages(bodies: list[bytes], sizes: list[int]) -> None:
    wires = [render("OPTIONS sip:a SIP/2.0", [("CSeq", "1 OPTIONS")], body) for body in bodies]
    stream = b"\r\n\r\n".join(wires)
    splitter = StreamSplitter()
    got: list[bytes] = []
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        got.extend(splitter.feed(stream[at : at + size]))
        at, turn = at + size, turn + 1
    assert got == wires
    assert [parse(wire).body for wire in got] == bodies


def test_a_stream_without_length_cannot_be_followed() -> None:
    with pytest.raises(BadInput):
        list(StreamSplitter().feed(b"SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\n"))


def test_an_sdp_answer_is_read() -> None:
    text = (
        b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=recvonly\r\n"
        b"m=audio 4000 RTP/AVP 8 101\r\na=label:16777227\r\nm=audio 0 RTP/AVP 0\r\nc=IN IP4 10.0.0.2\r\na=inactive\r\n"
    )
    first, second = answered(text)
    assert (first.host, first.port, first.payload_types, first.label) == ("10.0.0.1", 4000, (8, 101), "16777227")
    assert (first.direction, second.direction, second.host, second.port) == ("recvonly", "inactive", "10.0.0.2", 0)
    with pytest.raises(BadInput):
        answered(b"v=0\r\n")
