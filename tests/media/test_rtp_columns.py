"""Header columns against a parser that takes packets one by one."""

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.media.rtp_columns import parse

Parsed = tuple[int, int, int, int, bytes]


def one(packet: bytes) -> Parsed | None:
    """RFC 3550 section 5.1, read straightforwardly: (type, sequence, timestamp, SSRC, payload)."""
    if len(packet) < 12 or packet[0] >> 6 != 2 or 192 <= packet[1] <= 223:
        return None
    sequence, timestamp, ssrc = struct.unpack_from(">HII", packet, 2)
    at = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10:
        if at + 4 > len(packet):
            return None
        at += 4 + 4 * struct.unpack_from(">H", packet, at + 2)[0]
    if at > len(packet):
        return None
    end = len(packet)
    if packet[0] & 0x20:
        padding = packet[-1]
        if not 0 < padding <= end - at:
            return None
        end -= padding
    return packet[1] & 0x7F, sequence, timestamp, ssrc, packet[at:end]


def columns(packets: list[bytes]) -> tuple[list[Parsed], int]:
    data = np.frombuffer(b"".join(packets), np.uint8)
    parsed = parse(data, np.array([len(packet) for packet in packets], np.int64))
    rows = [
        (
            int(parsed.payload_type[i]),
            int(parsed.sequence[i]),
            int(parsed.timestamp[i]),
            int(parsed.ssrc[i]),
            data[parsed.start[i] : parsed.start[i] + parsed.size[i]].tobytes(),
        )
        for i in range(parsed.row.size)
    ]
    for i, row in enumerate(parsed.row.tolist()):
        assert data[parsed.begin[i] : parsed.end[i]].tobytes() == packets[row]
    return rows, parsed.broken


@st.composite
def packet(draw: st.DrawFn) -> bytes:
    sources = draw(st.integers(0, 15))
    extension = draw(st.one_of(st.none(), st.integers(0, 3)))
    payload = draw(st.binary(max_size=40))
    padding = draw(st.one_of(st.none(), st.integers(1, 8)))
    first = 0x80 | sources | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
    out = struct.pack(
        ">BBHII",
        first,
        draw(st.integers(0, 255)),
        draw(st.integers(0, 65535)),
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(0, 2**32 - 1)),
    )
    out += bytes(4 * sources)
    if extension is not None:
        out += struct.pack(">HH", 0xBEDE, extension) + bytes(4 * extension)
    out += payload
    if padding:
        out += bytes(padding - 1) + bytes([padding])
    cut = draw(st.one_of(st.none(), st.integers(0, len(out))))
    return out if cut is None else out[:cut]


@given(st.lists(st.one_of(packet(), st.binary(max_size=60)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_columns_say_what_a_parser_of_single_packets_says(packets: list[bytes]) -> None:
    wanted = [parsed for parsed in map(one, packets) if parsed is not None]
    got, broken = columns(packets)
    assert got == wanted
    assert broken == len(packets) - len(wanted)


def test_equal_lengths_take_the_short_way_to_the_same_columns() -> None:
    packets = [struct.pack(">BBHII", 0x80, 0x88, i, i * 160, 7) + bytes([i]) * 160 for i in range(50)]
    assert columns(packets) == ([one(packet) for packet in packets], 0)


def test_rtcp_on_the_same_port_is_no_sound() -> None:
    report = struct.pack(">BBHI", 0x80, 200, 6, 99) + bytes(20)
    assert columns([report]) == ([], 1)
