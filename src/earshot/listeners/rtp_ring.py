"""Sound from a packet ring: the kernel copies the datagrams of all RTP ports into memory that this process shares.

Here lives the ring (packet(7), PACKET_RX_RING, TPACKET_V2): its filter, the index of what lies in it, and what is taken
from it. Not here: what is recorded (rtp). The one rule: a frame goes back to the kernel only when everything before it
has been taken, so that the ring is read by port although it fills by time.

It takes less than half of the time of a system call per socket, and the right CAP_NET_RAW. Each port has its socket as
well, which keeps others from the port; a filter keeps it empty. What the ring hears is what arrives at this machine for
its address, before a firewall of the machine itself looks at it; checksums are those that the network card has
verified. IPv4 without options and without fragments, which is what telephones send.
"""

import ctypes
import ipaddress
import mmap
import socket
import struct
from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from earshot.errors import ConfigurationError
from earshot.listeners.rtp_receive import BURST, Drained, OpenPort, open_socket

log = structlog.get_logger(__name__)

FRAME_BYTES = 1024
QUEUE = 4 * BURST
"""Of one port so many datagrams wait at most, as its socket would hold; what a flood brings beyond is dropped, and
counted as dropped for the port."""
NOBODY = 0xFFFF
_GLANCE, _LOOK = 256, 4096
"""How many frames are looked at, first and at most at a time: each that is not there yet is looked at in vain."""

_BLOCK_BYTES = 1 << 20
_ETH_P_IP = 0x0800
_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_TPACKET_V2 = 1
_SO_ATTACH_FILTER = 26
_TO_KERNEL, _TO_USER, _LOSING = 0, 1, 4
_HEADERS_BYTES = 28
_PAYLOAD_AT = 80 + _HEADERS_BYTES
"""A frame: struct tpacket2_hdr and struct sockaddr_ll in 80 bytes, the headers of IP and UDP, and what UDP carries."""
_HALF_BYTES = FRAME_BYTES // 2
_IN_HALF = _HALF_BYTES - _PAYLOAD_AT
LONGEST = FRAME_BYTES - _PAYLOAD_AT
"""The longest datagram that a frame holds, 916 bytes, is 113 ms of G.711; what is longer is oversize."""


def _frame(size: int) -> np.dtype[np.void]:
    """What is read of a frame, of which `size` bytes are at hand."""
    return np.dtype(
        {
            "names": ["status", "ip_bytes", "seconds", "nanoseconds", "port", "udp_bytes"],
            "formats": ["u4", "u4", "u4", "u4", ">u2", ">u2"],
            "offsets": [0, 4, 16, 20, 80 + 22, 80 + 24],
            "itemsize": size,
        }
    )


_FRAME, _FIRST_HALF = _frame(FRAME_BYTES), _frame(_HALF_BYTES)
_NO_OVERFLOW = np.zeros((0, _HALF_BYTES), np.uint8)
_NO_NUMBERS = np.zeros(0, np.int64)
_NO_ROWS = np.zeros((0, _IN_HALF), np.uint8)
_NOTHING = Drained(_NO_NUMBERS, _NO_ROWS, _NO_OVERFLOW, _NO_NUMBERS, _NO_NUMBERS, np.zeros(0, np.bool_), False, ())

_Instruction = tuple[int, int, int, int]
"""One of the Berkeley packet filter (socket(7)): code, how far to jump if true, if false, operand."""
_LOAD_BYTE, _LOAD_HALF, _LOAD_WORD, _RETURN = 0x30, 0x28, 0x20, 0x06
_EQUAL, _ABOVE, _AT_LEAST, _ANY_BIT = 0x15, 0x25, 0x35, 0x45
_PACKET_TYPE = 0xFFFFF004
_TAKE, _LEAVE = (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)


def _only_rtp(host: str, first: int, last: int) -> list[_Instruction]:
    """The filter of the ring. Offsets are those of the IP header; a test that fails ends in `_LEAVE`."""
    tests = [
        (_LOAD_BYTE, 0, _EQUAL, 0x45, True),
        (_LOAD_BYTE, 9, _EQUAL, socket.IPPROTO_UDP, True),
        (_LOAD_HALF, 6, _ANY_BIT, 0x3FFF, False),
        (_LOAD_WORD, 16, _EQUAL, int(ipaddress.IPv4Address(host)), True),
        (_LOAD_BYTE, _PACKET_TYPE, _EQUAL, socket.PACKET_HOST, True),
        (_LOAD_HALF, 22, _AT_LEAST, first, True),
        (_LOAD_HALF, 22, _ABOVE, last, False),
    ]
    program: list[_Instruction] = []
    for left, (load, offset, test, operand, wanted) in zip(range(len(tests) - 1, -1, -1), tests, strict=True):
        away = 2 * left + 1
        program += [(load, 0, 0, offset), (test, 0, away, operand) if wanted else (test, away, 0, operand)]
    return [*program, _TAKE, _LEAVE]


def _attach(opened: socket.socket, program: Sequence[_Instruction]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


class PacketRing:
    """The ring of one core: `megabytes` of it for the ports `first` to `last` (and others that are opened) of `host`.

    At most `slots` datagrams (and not fewer than `QUEUE`) are given away at a time. Raises ConfigurationError where the
    machine does not let us have it.
    """

    def __init__(self, host: str, first: int, last: int, *, megabytes: int, slots: int) -> None:
        self._host = host
        self._first, self._last = first, last
        self._slots = max(slots, QUEUE)
        size = megabytes * _BLOCK_BYTES
        self._length = size // FRAME_BYTES
        try:
            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_PACKET, kind, socket.htons(_ETH_P_IP))
        except PermissionError:
            raise ConfigurationError(
                "rtp_capture = ring needs the right CAP_NET_RAW: give it to the service, or set rtp_capture to sockets"
            ) from None
        try:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
            self._filter()
            request = struct.pack("IIII", _BLOCK_BYTES, megabytes, FRAME_BYTES, self._length)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
            memory = mmap.mmap(self._socket.fileno(), size)
        except OSError as refused:
            self._socket.close()
            raise ConfigurationError(f"there is no packet ring of {megabytes} MB to be had: {refused}") from None
        self._frames = np.frombuffer(memory, _FRAME)
        self._halves = np.frombuffer(memory, np.uint8).reshape(2 * self._length, _HALF_BYTES)
        self._owner = np.full(self._length, NOBODY, np.uint16)
        self._place_of = np.full(1 << 16, NOBODY, np.uint16)
        self._dropped: dict[int, int] = {}
        self._taken = np.empty((self._slots, _HALF_BYTES), np.uint8)
        self._tail = self._head = 0
        self.lost = 0
        """Datagrams for which the ring had no room."""

    # --- ports ----------------------------------------------------------------------------------------------------

    def open(self, port: int, place: int) -> socket.socket:
        """Bind a port and hear it as `place` (0 to 65534). Raises OSError."""
        opened = open_socket(self._host, port, 0)
        try:
            _attach(opened, [_LEAVE])
            if not self._first <= port <= self._last:
                self._first, self._last = min(self._first, port), max(self._last, port)
                self._filter()
        except BaseException:
            opened.close()
            raise
        self._look()
        self._place_of[port] = place
        return opened

    def close(self, place: int) -> None:
        """Hear the port no longer, and forget what nobody took."""
        self._look()
        self._place_of[self._place_of == place] = NOBODY
        self._owner[self._waiting(place, place)] = NOBODY
        self._dropped.pop(place, None)

    def end(self) -> None:
        """Hear nothing any more."""
        self._socket.close()

    def _filter(self) -> None:
        _attach(self._socket, _only_rtp(self._host, self._first, self._last))

    # --- taking ---------------------------------------------------------------------------------------------------

    def drain(self, ports: Sequence[OpenPort]) -> Drained:
        """Take what has arrived for `ports`, which are neighbours in the order of their places, until the slots are
        full: `counts` may be shorter than `ports`."""
        self._look()
        drained = self._take(ports) if ports else _NOTHING
        self._give_back()
        return drained

    def _take(self, ports: Sequence[OpenPort]) -> Drained:
        first, last = ports[0].place, ports[-1].place
        found = self._waiting(first, last)
        owners = self._owner[found] - np.uint16(first)
        found = found[np.argsort(owners, kind="stable")]
        places = np.fromiter((port.place for port in ports), np.int64, len(ports))
        counts = np.bincount(owners, minlength=last - first + 1)[places - first]
        if counts.max() > QUEUE:
            found, counts = self._without_floods(found, counts, places)
        ends = np.cumsum(counts)
        done = int(np.searchsorted(ends, self._slots, side="right"))
        taken = found[: ends[done - 1]]
        dropped = [(at, self._dropped[place]) for at, place in enumerate(places[:done]) if place in self._dropped]
        self._owner[taken] = NOBODY
        return self._collect(counts[:done], taken, dropped)

    def _without_floods(
        self, found: NDArray[np.int64], counts: NDArray[np.int64], places: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`found` and `counts` without what is beyond the queue of each port."""
        rank = np.arange(len(found)) - np.repeat(np.cumsum(counts) - counts, counts)
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            if count > QUEUE:
                self._dropped[place] = self._dropped.get(place, 0) + count - QUEUE
        self._owner[found[rank >= QUEUE]] = NOBODY
        return found[rank < QUEUE], np.minimum(counts, QUEUE)

    def _collect(self, counts: NDArray[np.int64], slots: NDArray[np.int64], dropped: list[tuple[int, int]]) -> Drained:
        taken = np.take(self._halves, 2 * slots, axis=0, out=self._taken[: len(slots)], mode="clip")
        fields = taken.view(_FIRST_HALF)[:, 0]
        lengths = fields["udp_bytes"].astype(np.int64) - 8
        stamps_us = fields["seconds"].astype(np.int64) * 1_000_000
        stamps_us += fields["nanoseconds"] // 1_000
        rows, overflow = taken[:, _PAYLOAD_AT:], _NO_OVERFLOW
        oversize = lengths > _IN_HALF
        if oversize.any():
            overflow = self._halves[2 * slots + 1]
            oversize = lengths > LONGEST
        return Drained(counts, rows, overflow, lengths, stamps_us, oversize, bool(oversize.any()), dropped)

    def _look(self) -> None:
        """Find out whose the frames are that have arrived since the last time."""
        losing = False
        glance = _GLANCE
        while room := min(glance, self._length - (self._head - self._tail), self._length - self._head % self._length):
            start = self._head % self._length
            status = self._frames["status"][start : start + room].copy()
            arrived = (status & _TO_USER) != 0
            count = room if arrived.all() else int(arrived.argmin())
            frames = self._frames[start : start + count]
            owners = self._place_of[frames["port"]]
            carried = frames["udp_bytes"].astype(np.int64) - 8
            owners[(carried < 0) | (carried + _HEADERS_BYTES > frames["ip_bytes"])] = NOBODY
            self._owner[start : start + count] = owners
            losing = losing or bool((status[:count] & _LOSING).any())
            self._head += count
            if count < room:
                break
            glance = min(2 * glance, _LOOK)
        if losing:
            self._count_losses()

    def _count_losses(self) -> None:
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        _, lost = struct.unpack("II", statistics)
        if lost:
            self.lost += lost
            log.error("rtp_ring_full", lost=lost, lost_in_all=self.lost, way_out="raise rtp_ring_mb")

    def _stretches(self) -> list[slice]:
        """Where the frames lie that are ours: one stretch of the ring, or two around its end."""
        start, end = self._tail % self._length, self._head % self._length
        if self._head == self._tail:
            return []
        return [slice(start, end)] if start < end else [slice(start, self._length), slice(0, end)]

    def _waiting(self, first: int, last: int) -> NDArray[np.int64]:
        """The slots of frames that nobody has taken yet of places `first` to `last`, as they arrived."""
        span = np.uint16(last - first)
        found = [
            np.flatnonzero(self._owner[stretch] - np.uint16(first) <= span) + stretch.start
            for stretch in self._stretches()
        ]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _give_back(self) -> None:
        """Let the kernel have the oldest frames again, as far as all of them are taken."""
        while self._tail < self._head:
            start = self._tail % self._length
            here = self._owner[start : start + min(_LOOK, self._head - self._tail)]
            waiting = here != NOBODY
            count = int(waiting.argmax()) if waiting.any() else len(here)
            self._frames["status"][start : start + count] = _TO_KERNEL
            self._tail += count
            if count < len(here):
                return
