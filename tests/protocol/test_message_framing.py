"""Framing: where messages end, what is given up, and that the way the stream is cut makes no difference."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.protocol.framing import NOT_A_MESSAGE, TOO_LARGE, UNFINISHED, BadFrame, Frame, FrameReader

ONE = b"<REQUEST><TYPE>TEST</TYPE><REQUESTID>1</REQUESTID></REQUEST>"
PIECES = [
    b"<REQUEST>",
    b"</REQUEST>",
    b"<request>",
    b"</request >",
    b"</REQUEST\n>",
    b'<REQUEST a="1">',
    b"<REQUEST/>",
    b"<TEST>",
    b"</TEST>",
    b"<TEST />",
    b"<TYPE>TEST</TYPE>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<?xml version='1.0'?>",
    b"<?",
    b"?>",
    b"<!DOCTYPE x [",
    b"]>",
    b"<",
    b">",
    b"/",
    b"<3",
    b"x",
    b" ",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"hello",
    ONE,
]


def cut(chunks: list[bytes], max_bytes: int = 1 << 20) -> list[Frame | BadFrame]:
    reader = FrameReader(max_bytes)
    out = [frame for chunk in chunks for frame in reader.feed(chunk)]
    return out + reader.flush()


def bytewise(stream: bytes, max_bytes: int = 1 << 20) -> list[Frame | BadFrame]:
    return cut([bytes([byte]) for byte in stream], max_bytes)


@pytest.mark.parametrize("gap", [b"", b"\r\n", b"\n", b"\r", b"\0", b"\r\n\0 \t\xef\xbb\xbf"])
def test_messages_may_be_glued_or_parted_by_line_ends_and_nul(gap: bytes) -> None:
    assert cut([gap + gap.join([ONE] * 3) + gap]) == [ONE] * 3


@pytest.mark.parametrize(
    "message",
    [
        b"<request><type>test</type></request>",
        b"<REQUEST>\r\n\r\n<TYPE>TEST</TYPE>\r\n</REQUEST \t>",
        b'<?xml version="1.0"?>\n<!-- </REQUEST> -->\n<REQUEST xmlns="urn:x"><A/></REQUEST>',
        b"<REQUEST><A><![CDATA[</REQUEST>]]></A><!-- </REQUEST><REQUEST> --></REQUEST>",
        b"<TEST><REQUESTID>1</REQUESTID></TEST>",
        b"<EMAIL><TOADDRESS>a</TOADDRESS></email>",
        b"<TEST/>",
        b'<!DOCTYPE REQUEST [<!ENTITY a "b">]><REQUEST><A>&a;</A></REQUEST>',
    ],
)
def test_a_message_ends_at_its_own_end(message: bytes) -> None:
    assert cut([message + b"\r\n" + ONE]) == [message, ONE]
    assert bytewise(message + ONE) == [message, ONE]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"hello world\r\n" + ONE, [NOT_A_MESSAGE, ONE]),
        (b"one\ntwo\n" + ONE, [NOT_A_MESSAGE, NOT_A_MESSAGE, ONE]),
        (b"junk" + ONE, [NOT_A_MESSAGE, ONE]),
        (b"<REQUEST><TYPE>TEST</TYPE>\r\n" + ONE, [UNFINISHED, ONE]),
        (b"<TEST><REQUESTID>1</REQUESTID>" + ONE, [UNFINISHED, ONE]),
        (b"</REQUEST>\r\n" + ONE, [NOT_A_MESSAGE, ONE]),
        (b"<3 you\r\n" + ONE, [NOT_A_MESSAGE, ONE]),
        (b"<REQUEST><A>" + b"x" * 200 + b"</A></REQUEST>" + ONE, [TOO_LARGE, ONE]),
        (b"<REQUEST><A>" + b"x" * 200 + ONE, [TOO_LARGE, ONE]),
        (b"<REQUEST><![CDATA[" + b"<REQUEST></REQUEST>" * 20 + b"]]></REQUEST>" + ONE, [TOO_LARGE, ONE]),
        (b"<REQUEST><TYPE>TE", [UNFINISHED]),
        (b"", []),
        (b"\r\n\0", []),
    ],
)
def test_what_is_no_message_is_given_up_and_the_next_one_is_found(
    stream: bytes, expected: list[Frame | BadFrame]
) -> None:
    assert cut([stream], 100) == expected
    assert bytewise(stream, 100) == expected


def test_the_limit_is_the_last_size_that_passes() -> None:
    assert cut([ONE], len(ONE)) == [ONE]
    assert cut([ONE], len(ONE) - 1) == [TOO_LARGE]
    assert bytewise(ONE, len(ONE)) == [ONE]
    assert bytewise(ONE, len(ONE) - 1) == [TOO_LARGE]


def test_flushing_begins_anew() -> None:
    reader = FrameReader()
    assert reader.feed(b"<REQUEST><![CDATA[") == []
    pending = [reader.pending]
    assert reader.flush() == [UNFINISHED]
    pending.append(reader.pending)
    assert pending == [True, False]
    assert reader.feed(ONE) == [ONE]


def test_what_is_skipped_is_not_kept() -> None:
    for begin in (b"<REQUEST><A>", b"<REQUEST><![CDATA[", b"<REQUEST ", b"<!-- ", b"<? ", b"<TEST> "):
        reader = FrameReader(1000)
        frames = reader.feed(begin) + [frame for _ in range(200) for frame in reader.feed(b"y" * 1000)]
        assert frames == [TOO_LARGE]
        assert len(reader._buffer) < 3000
        assert reader.flush() == []


@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=14),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    max_bytes=st.sampled_from([20, 61, 90, 1 << 20]),
)
def test_the_way_the_stream_is_cut_makes_no_difference(pieces: list[bytes], cuts: list[int], max_bytes: int) -> None:
    stream = b"".join(pieces)
    edges = sorted({0, *(edge for edge in cuts if edge < len(stream)), len(stream)})
    chunks = [stream[a:b] for a, b in itertools.pairwise(edges)]
    whole = cut([stream], max_bytes)
    assert cut(chunks, max_bytes) == whole
    assert bytewise(stream, max_bytes) == whole


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_after_any_junk_and_a_flush_a_message_is_read(junk: list[bytes]) -> None:
    reader = FrameReader(500)
    for chunk in junk:
        reader.feed(chunk)
    reader.flush()
    assert reader.feed(ONE) == [ONE]


@pytest.mark.parametrize("unit", [b"x", b" ", b"<", b"</REQUEST ", b"<![CDATA[", b"]]", b"-", b"<REQUES", b"<a>"])
def test_the_work_is_linear_when_every_byte_comes_alone(unit: bytes) -> None:
    """Work that grew with the square of the size would take minutes here, not seconds."""
    reader = FrameReader()
    stream = b"<REQUEST><A>" + unit * (100_000 // len(unit))
    began = time.process_time()
    for at in range(len(stream)):
        reader.feed(stream[at : at + 1])
    assert time.process_time() - began < 10
