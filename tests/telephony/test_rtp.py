"""RTP, RTCP and junk, told apart by the column."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earshot.telephony.rtp import classify, headers_of, sequence_step


def rows_of(datagrams: list[bytes], width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rows = np.full((len(datagrams), width), 0x80, np.uint8)
    for row, datagram in zip(rows, datagrams, strict=True):
        cut = datagram[:width]
        row[: len(cut)] = np.frombuffer(cut, np.uint8)
    return rows, np.array([len(datagram) for datagram in datagrams], np.int64)


def one_by_one(datagram: bytes) -> str:
    """The same judgement, written plainly."""
    if len(datagram) < 4 or datagram[0] >> 6 != 2:
        return "junk"
    if 192 <= datagram[1] <= 223:
        return "rtcp"
    return "rtp" if len(datagram) >= 12 + 4 * (datagram[0] & 15) else "junk"


headers = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(bytes)
datagrams = st.lists(st.builds(lambda head, rest: head + rest, headers, st.binary(max_size=60)) | st.binary(max_size=3))


@given(datagrams)
def test_every_datagram_is_judged_as_one_by_one(sent: list[bytes]) -> None:
    kinds = classify(*rows_of(sent))
    for rtp, rtcp, datagram in zip(kinds.rtp, kinds.rtcp, sent, strict=True):
        assert ("rtp" if rtp else "rtcp" if rtcp else "junk") == one_by_one(datagram)


def test_that_all_are_rtp_is_said_only_when_it_is_so() -> None:
    plain, with_sources = b"\x80\x08" + bytes(14), b"\x91\x60" + bytes(20)
    for sent, only in (([plain] * 3, True), ([plain, with_sources], True), ([plain, b"\x80\xc8" + bytes(6)], False)):
        assert classify(*rows_of(sent)).only_rtp is only


def test_header_fields() -> None:
    other = struct.pack(">BBHII", 0x90, 0x00, 7, 1, 2)
    rows, _ = rows_of([other, struct.pack(">BBHII", 0x80, 0x88, 65535, 4_000_000_000, 0xDEADBEEF)])
    headers = headers_of(rows, np.array([1, 0]))
    assert headers.payload_type.tolist() == [8, 0]
    assert headers.sequence.tolist() == [65535, 7]
    assert headers.ssrc.tolist() == [0xDEADBEEF, 2]


@given(st.integers(0, 65535), st.integers(-32768, 32767))
def test_sequence_numbers_wrap(start: int, step: int) -> None:
    after = np.array([(start + step) % 65536])
    assert sequence_step(np.array([start]), after).tolist() == [step]
