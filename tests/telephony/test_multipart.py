"""Multipart bodies: agreement with the standard library on good ones, and no loss on bad ones."""

import email
from email.message import Message

from hypothesis import given
from hypothesis import strategies as st

from earshot.telephony.sip.multipart import Part, split

BOUNDARY = st.text("abcXYZ019'()+_,-./:=?", min_size=1, max_size=20)
CONTENT = st.text("abc<>=- \n0v", max_size=60).map(lambda text: "v=0\n" + text)


def wire(boundary: str, contents: list[str], types: list[str]) -> bytes:
    lines = []
    for content, kind in zip(contents, types, strict=True):
        lines += [f"--{boundary}", f"Content-Type: {kind}", "", *content.split("\n")]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


@given(BOUNDARY, st.lists(CONTENT, min_size=1, max_size=4), st.data())
def test_agrees_with_the_standard_library(boundary: str, contents: list[str], data: st.DataObject) -> None:
    contents = [content for content in contents if f"--{boundary}" not in content] or ["v=0\nx"]
    types = data.draw(
        st.lists(
            st.sampled_from(["application/sdp", "application/rs-metadata", "text/plain"]),
            min_size=len(contents),
            max_size=len(contents),
        )
    )
    body = wire(boundary, contents, types)
    noted: list[str] = []
    parts = split(f'multipart/mixed;boundary="{boundary}"', body, noted)
    oracle = email.message_from_bytes(b'Content-Type: multipart/mixed;boundary="%s"\r\n\r\n' % boundary.encode() + body)
    theirs = [part for part in oracle.get_payload() if isinstance(part, Message)]
    assert [part.media_type for part in parts] == [part.get_content_type() for part in theirs]
    assert [part.body.replace(b"\r\n", b"\n") for part in parts] == [
        str(part.get_payload()).replace("\r\n", "\n").encode() for part in theirs
    ]
    assert noted == []


@given(st.text(max_size=40), st.binary(max_size=200))
def test_never_raises(content_type: str, body: bytes) -> None:
    for part in split(f"multipart/mixed;{content_type}", body, []):
        assert isinstance(part, Part)


@given(
    st.lists(st.sampled_from([b"--b", b"--b--", b"", b"v=0", b"Content-Type: x/y", b"<recording/>", b" "]), max_size=12)
)
def test_never_raises_on_what_is_nearly_right(lines: list[bytes]) -> None:
    parts = split("multipart/mixed;boundary=b", b"\r\n".join(lines), [])
    assert all(isinstance(part, Part) for part in parts)


def test_parts_in_parts_are_taken_out() -> None:
    inner = "--in\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--in--\r\n"
    body = f"--out\r\nContent-Type: multipart/related;boundary=in\r\n\r\n{inner}\r\n--out--".encode()
    assert [(part.media_type, part.body) for part in split("multipart/mixed;boundary=out", body, [])] == [
        ("application/sdp", b"v=0")
    ]


def test_a_part_without_headers_is_known_by_its_look() -> None:
    body = b"--b\r\n\r\nv=0\r\n--b\r\n<?xml version='1.0'?><recording/>\r\n--b--"
    parts = split("multipart/mixed;boundary=b", body, [])
    assert [part.media_type for part in parts] == ["application/sdp", "application/rs-metadata"]


def test_binary_parts_and_preamble() -> None:
    body = b"ignored\r\n--b\r\nContent-Type: a/b\r\nContent-ID: <1>\r\n\r\n\x00\x01\n\xff\r\n--b--\r\nmore"
    assert [part.body for part in split("multipart/mixed;boundary=b", body, [])] == [b"\x00\x01\n\xff"]
