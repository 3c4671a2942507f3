"""Session descriptions: lenient reading, and answers that follow RFC 3264 whatever was offered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.telephony.sdp import (
    SUPPORTED,
    BadSdp,
    build_answer,
    build_offer,
    offered_again,
    parse_sdp,
)

HEAD = "v=0\no=- 1 7 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n"
LINES = st.sampled_from(
    [
        "m=audio 4000 RTP/AVP 0 8 101",
        "m=audio 0 RTP/AVP 0",
        "m=audio 5000/2 RTP/AVPF 111",
        "m=audio 6000 RTP/SAVP 0",
        "m=video 7000 RTP/AVP 99",
        "m=image 1 udptl t38",
        "m=audio",
        "m=",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:999 X/1",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:8",
        "a=rtpmap:0 PCMU/\u00b2",
        "a=fmtp:111",
        "a=label:1",
        "a=inactive",
        "a=sendonly",
        "c=IN IP4 0.0.0.0",
        "c=IN IP6 2001:db8::1",
        "c=",
        "a=ptime:20",
        "x=1",
        "junk",
    ]
)


@given(st.lists(LINES, max_size=16))
def test_an_answer_mirrors_the_offer(lines: list[str]) -> None:
    offer = parse_sdp(HEAD + "\r\n".join(lines))
    ports = {index: 20000 + 2 * index for index in offer.usable_lines}
    text = build_answer(offer, ports, "192.0.2.1", 3)
    wanted = [line for line in offer.media if line.port]
    if text is None:
        assert not offer.media or (wanted and not ports)
        return
    answer = parse_sdp(text)
    assert answer.version == 3
    assert [line.kind for line in answer.media] == [line.kind or "audio" for line in offer.media]
    for index, (ours, theirs) in enumerate(zip(answer.media, offer.media, strict=True)):
        assert ours.port == ports.get(index, 0)
        if ours.port:
            assert ours.label == theirs.label and ours.transport == theirs.transport
            assert ours.direction == ("inactive" if theirs.held else "recvonly")
            kept = [codec for codec in theirs.codecs if codec.name in SUPPORTED]
            assert [codec.payload_type for codec in ours.codecs] == [codec.payload_type for codec in kept]


@given(st.one_of(st.binary(max_size=200), st.lists(LINES, max_size=9).map(lambda lines: "\n".join(lines).encode())))
def test_only_bad_sdp_is_raised(data: bytes) -> None:
    try:
        parse_sdp(data)
    except BadSdp:
        assert b"m=" not in data


def test_what_the_session_says_holds_for_its_lines() -> None:
    sdp = parse_sdp(HEAD + "a=sendonly\nm=audio 1 RTP/AVP 0\nm=audio 2 RTP/AVP 0\nc=IN IP4 192.0.2.7/127\na=sendrecv\n")
    assert [(line.host, line.direction) for line in sdp.media] == [
        ("192.0.2.9", "sendonly"),
        ("192.0.2.7", "sendrecv"),
    ]


@pytest.mark.parametrize(
    ("lines", "held"),
    [
        ("a=sendonly", False),
        ("a=sendrecv", False),
        ("a=inactive", True),
        ("a=recvonly", True),
        ("c=IN IP4 0.0.0.0", True),
        ("", False),
    ],
)
def test_what_counts_as_hold(lines: str, held: bool) -> None:
    assert parse_sdp(f"{HEAD}m=audio 1 RTP/AVP 0\n{lines}\n").media[0].held is held


def test_every_payload_type_of_the_offer_is_known_with_its_parameters() -> None:
    sdp = parse_sdp(HEAD + "m=audio 1 RTP/AVP 111 0 97\na=rtpmap:111 OPUS/48000/2\na=fmtp:111 stereo=1\n")
    assert [
        (codec.payload_type, codec.name, codec.clock_hz, codec.channels, codec.fmtp) for codec in sdp.media[0].codecs
    ] == [
        (111, "opus", 48000, 2, "stereo=1"),
        (0, "PCMU", 8000, 1, ""),
    ]


def test_our_offer_is_one_that_we_would_take() -> None:
    offer = parse_sdp(build_offer([4000, 4002], "2001:db8::1", 1, labels=["1", "2"]))
    assert offer.host == "2001:db8::1" and offer.usable_lines == (0, 1)
    assert [(line.port, line.label, line.direction) for line in offer.media] == [
        (4000, "1", "recvonly"),
        (4002, "2", "recvonly"),
    ]
    assert {codec.name for codec in offer.media[0].codecs} == set(SUPPORTED)


def test_an_offer_again_lifts_the_hold_and_moves_the_version() -> None:
    held = build_offer([4000], "192.0.2.1", 4).replace("a=recvonly", "a=inactive")
    again = parse_sdp(offered_again(held, 5))
    assert (again.version, again.media[0].direction, again.media[0].port) == (5, "recvonly", 4000)
