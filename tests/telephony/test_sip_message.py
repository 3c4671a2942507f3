"""Messages: round trips, what never raises, and the framing of streams however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earshot.telephony.sip.headers import (
    BadHeader,
    parse_cseq,
    parse_name_addr,
    parse_params,
    parse_seconds,
    parse_uri,
    parse_via,
    split_outside,
)
from earshot.telephony.sip.message import (
    Headers,
    NotSip,
    Request,
    Response,
    StreamFramer,
    StreamTooLarge,
    parse,
)

TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cs"]), max_size=30)
HEADER = st.tuples(TOKEN.filter(lambda name: len(name) > 1 and name.lower() != "content-length"), TEXT)
REQUESTS = st.builds(
    lambda method, uri, fields, body: Request(
        method, f"sip:{uri}", Headers((*fields, ("Content-Length", str(len(body))))), body
    ),
    TOKEN,
    TOKEN,
    st.lists(HEADER, max_size=6),
    st.binary(max_size=60),
)
SIP_LIKE = st.text('INVTE SIP/2.0\r\n:;<>"=,@\\ vVia:branchz9hG4bK\t-0123é', max_size=200).map(
    lambda text: text.encode()
)


@given(REQUESTS)
def test_what_is_written_is_read_back(request: Request) -> None:
    again = parse(bytes(request))
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (request.method, request.uri, request.body)
    assert again.headers == request.headers


@given(st.one_of(st.binary(max_size=300), SIP_LIKE))
@example(b"INVITE sip:a SIP/2.0\r\n\r\n")
@example(b"SIP/2.0 200\n\n")
@example(b"SIP/2.0 2\xb2\xb3 x\r\n\r\n")
def test_only_not_sip_is_raised(data: bytes) -> None:
    try:
        message = parse(data)
    except NotSip:
        return
    parse(bytes(message))


@given(st.one_of(st.text(max_size=60), SIP_LIKE.map(bytes.decode)))
@example('"')
@example('"\\')
@example("<")
@example("1²")
@example("SIP/2.0/UDP [")
def test_headers_raise_only_bad_header(text: str) -> None:
    parse_params(text)
    parse_uri(text)
    parse_seconds(text)
    for read in (parse_name_addr, parse_via, parse_cseq):
        try:
            read(text)
        except BadHeader:
            pass


@given(st.lists(REQUESTS, min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=8))
def test_a_stream_is_cut_the_same_however_it_arrives(requests: list[Request], cuts: list[int]) -> None:
    wire = b"\r\n".join(bytes(request) for request in requests)
    framer, found = StreamFramer(), []
    edges = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, stop in pairwise(edges):
        found += framer.receive(wire[start:stop])
    assert [parse(frame.data).headers for frame in found if not frame.ping] == [item.headers for item in requests]
    assert framer.skipped_bytes == 0


@settings(max_examples=20)
@given(REQUESTS)
def test_byte_by_byte(request: Request) -> None:
    framer = StreamFramer()
    frames = [frame for index in range(len(bytes(request))) for frame in framer.receive(bytes(request)[index:][:1])]
    assert [frame.data for frame in frames] == [bytes(request)]


def test_keep_alives_are_told_from_messages() -> None:
    framer = StreamFramer()
    request = b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n"
    frames = framer.receive(b"\r\n\r\n" + request + b"\r\n\r\n\r\n")
    assert [frame.ping for frame in frames] == [True, False, True]


def test_junk_on_a_stream_is_skipped_up_to_the_next_message() -> None:
    framer = StreamFramer()
    frames = framer.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nhi")
    assert [frame.data[:7] for frame in frames] == [b"OPTIONS"]
    assert framer.skipped_bytes == 25


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 300,
        b"OPTIONS sip:a SIP/2.0\r\nX: " + b"y" * 300,
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1001\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nX: " + b"y" * 300 + b"\r\n\r\n",
    ],
)
def test_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(StreamTooLarge):
        StreamFramer(max_head_bytes=200, max_body_bytes=1000).receive(data)


def test_latin_1_goes_back_as_it_came() -> None:
    message = parse(b'INVITE sip:a SIP/2.0\r\nf: "J\xfcrgen" <sip:j@x>;tag=1\r\n\r\n')
    assert message.charset == "latin-1" and message.headers.first("From") == '"Jürgen" <sip:j@x>;tag=1'
    assert b'"J\xfcrgen"' in bytes(message)


def test_utf_8_is_kept() -> None:
    message = parse('INVITE sip:a SIP/2.0\r\nFrom: "Jürgen" <sip:j@x>\r\n\r\n'.encode())
    assert "Jürgen" in message.headers.first("from") and "Jürgen".encode() in bytes(message)


def test_a_response_is_read() -> None:
    message = parse(b"SIP/2.0 488 Not Acceptable Here\r\nCSeq: 1 INVITE\r\n\r\n")
    assert isinstance(message, Response) and (message.status, message.reason) == (488, "Not Acceptable Here")


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:alice@example.com:5070;transport=tcp", "alice", "example.com", 5070),
        ("sip:example.com", "", "example.com", 0),
        ("sips:a:secret@[2001:db8::1]:5061", "a", "2001:db8::1", 5061),
        ("tel:+1-212-555;ext=3", "+1-212-555", "", 0),
        ("bob@host", "bob", "host", 0),
        ("sip:a@b?subject=x;y", "a", "b", 0),
        ("sip:1;x-nearend;x-refci=5@b", "1;x-nearend;x-refci=5", "b", 0),
        ("sip:a@b:99999", "a", "b", 0),
    ],
)
def test_uris(text: str, user: str, host: str, port: int) -> None:
    uri = parse_uri(text)
    assert (uri.user, uri.host, uri.port) == (user, host, port)


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"A, \\"B\\" <x>" <sip:a@b;p=1>;tag=t', 'A, "B" <x>', "sip:a@b;p=1", "t"),
        ("sip:a@b;tag=t", "", "sip:a@b", "t"),
        ("Bob <sip:a@b>", "Bob", "sip:a@b", ""),
        ("<sip:a@b>;Tag = t ; x", "", "sip:a@b", "t"),
        ("<sip:unclosed@b", "", "sip:unclosed@b", ""),
    ],
)
def test_addresses(text: str, display: str, uri: str, tag: str) -> None:
    address = parse_name_addr(text)
    assert (address.display, address.uri, address.tag) == (display, uri, tag)
    again = parse_name_addr(str(address))
    assert (again.display, again.uri, again.tag) == (display, uri, tag)


def test_commas_in_quotes_and_brackets_do_not_divide() -> None:
    assert split_outside('"a,b" <sip:x,y@z>, <sip:q>', ",") == ['"a,b" <sip:x,y@z>', "<sip:q>"]


def test_via_says_where_the_request_came_from() -> None:
    via = parse_via("SIP/2.0/UDP [2001:db8::9]:5060;rport;branch=z9hG4bK1").received_from("192.0.2.1", 4000)
    assert str(via) == "SIP/2.0/UDP [2001:db8::9]:5060;rport=4000;branch=z9hG4bK1;received=192.0.2.1"
