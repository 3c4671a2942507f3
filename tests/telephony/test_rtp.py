"""RTP, RTCP and junk, told apart by the column."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earshot.telephony.rtp import classify, header_columns, sequence_step


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


def test_header_fields() -> None:
    rows, _ = rows_of([struct.pack(">BBHII", 0x80, 0x88, 65535, 4_000_000_000, 0xDEADBEEF)])
    header = header_columns(rows)[0]
    assert (header["flags"], header["type"], header["sequence"]) == (0x80, 0x88, 65535)
    assert (header["timestamp"], header["ssrc"]) == (4_000_000_000, 0xDEADBEEF)


@given(st.integers(0, 65535), st.integers(-32768, 32767))
def test_sequence_numbers_wrap(start: int, step: int) -> None:
    after = np.array([(start + step) % 65536])
    assert sequence_step(np.array([start]), after).tolist() == [step]
