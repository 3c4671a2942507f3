"""Draining many UDP sockets with `recvmmsg` into one preallocated buffer.

Here lives the only code that calls the C library. Not here: ports, legs, RTP. The one rule: consecutive sockets fill
consecutive slots, so that what a whole slice of sockets had becomes one array without touching a packet in Python.

Each slot has two parts: 256 bytes in a dense array, which hold any usual audio packet and keep a slice within the
cache, and an overflow for the rest. The kernel adds the time of arrival (SO_TIMESTAMPNS) and, once a socket has lost
something, how many datagrams it dropped (SO_RXQ_OVFL). The library is called without releasing the interpreter lock:
the calls never wait, and giving the lock away costs more than they do.
"""

import ctypes
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot.errors import ConfigurationError

ROW_BYTES = 256
OVERFLOW_BYTES = 1792
MAX_DATAGRAM = ROW_BYTES + OVERFLOW_BYTES
BURST = 128
"""At most so many datagrams are taken from one socket at a time; the rest waits for the next drain. More than a period
brings of packets of 5 ms, the shortest that telephones send."""

_CONTROL_BYTES = 64
_STAMP_BYTES = 32
_TRUNCATED = 0x20
_MSG_DONTWAIT = 0x40
_SO_TIMESTAMPNS = 35
_SO_RXQ_OVFL = 40
_SO_RCVBUFFORCE = 33
_MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u8"),
        ("vector", "u8"),
        ("vector_length", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "i4"),
        ("flags_padding", "i4"),
        ("length", "u4"),
        ("length_padding", "u4"),
    ]
)
"""struct mmsghdr on 64-bit Linux."""
_CONTROL_LENGTH, _FLAGS, _LENGTH = 5, 6, 7
"""Where the answers of the kernel stand in it, counted in 8 bytes: what pads them stays 0."""


def open_socket(host: str, port: int, buffer_bytes: int) -> socket.socket:
    """A bound, non-blocking UDP socket that stamps arrivals and holds `buffer_bytes` of datagrams if it may.

    Raises OSError (the port is taken, the host is not ours).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer_bytes)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        opened.bind((host, port))
    except BaseException:
        opened.close()
        raise
    return opened


@dataclass(frozen=True, slots=True, eq=False)
class OpenPort:
    """A port that is heard: its socket, that one's file descriptor, and its place, a small number that is reused."""

    socket: socket.socket
    handle: int
    place: int


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain brought. Arrays are views of the receiver's buffers, valid until its next drain.

    `counts` int64[ports]; for the N datagrams in their order: `rows` uint8[N, W], W a multiple of 4, `overflow`
    uint8[N, V] (from sockets W is 256 and V 1792; from a ring 404 and 512, and no rows where none is longer than W),
    `lengths` int64[N], `stamps_us` int64[N] wall-clock µs (0 if the kernel gave none), `oversize` bool[N] (cut off)
    and whether any is;
    `dropped` (port index, datagrams for which it had no room in all) pairs of ports that said so.
    """

    counts: NDArray[np.int64]
    rows: NDArray[np.uint8]
    overflow: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    stamps_us: NDArray[np.int64]
    oversize: NDArray[np.bool_]
    any_oversize: bool
    dropped: Sequence[tuple[int, int]]


class Receiver:
    """Buffers for `slots` datagrams and the call that fills them. Raises ConfigurationError off 64-bit Linux."""

    def __init__(self, slots: int = 4096) -> None:
        library = ctypes.PyDLL(None)
        if ctypes.sizeof(ctypes.c_void_p) != 8 or not hasattr(library, "recvmmsg"):
            raise ConfigurationError("RTP is received with recvmmsg on 64-bit Linux only")
        self._receive = library.recvmmsg
        self.slots = max(slots, 2 * BURST)
        self._rows = np.zeros((self.slots, ROW_BYTES), np.uint8)
        self._overflow = np.zeros((self.slots, OVERFLOW_BYTES), np.uint8)
        self._control = np.zeros((self.slots, _CONTROL_BYTES // 8), np.int64)
        self._vectors = np.zeros((self.slots, 2, 2), np.uint64)
        self._messages = np.zeros(self.slots, _MESSAGE)
        numbers = np.arange(self.slots, dtype=np.uint64)
        for part, (buffer, width) in enumerate(((self._rows, ROW_BYTES), (self._overflow, OVERFLOW_BYTES))):
            self._vectors[:, part, 0] = np.uint64(buffer.ctypes.data) + numbers * np.uint64(width)
            self._vectors[:, part, 1] = width
        self._messages["vector"] = np.uint64(self._vectors.ctypes.data) + numbers * np.uint64(32)
        self._messages["vector_length"] = 2
        self._messages["control"] = np.uint64(self._control.ctypes.data) + numbers * np.uint64(_CONTROL_BYTES)
        self._messages["control_length"] = _CONTROL_BYTES
        self._answers = self._messages.view(np.int64).reshape(self.slots, -1)
        none = np.zeros(0, np.int64)
        self._nothing = (self._rows[:0], self._overflow[:0], none, none, np.zeros(0, np.bool_), False, ())
        base = self._messages.ctypes.data
        self._places = [ctypes.c_void_p(base + _MESSAGE.itemsize * number) for number in range(self.slots)]

    def drain(self, handles: Sequence[int]) -> Drained:
        """Take what waits in the sockets with these file descriptors, until they are empty or the slots are full.

        `counts` may be shorter than `handles`: the slots were full, drain the others next.
        """
        receive, places = self._receive, self._places
        last = self.slots - BURST
        counts = []
        used = 0
        for handle in handles:
            if used > last:
                break
            count = receive(handle, places[used], BURST, _MSG_DONTWAIT, None)
            if count > 0:
                used += count
                counts.append(count)
            else:
                counts.append(0)
        if not used:
            return Drained(np.zeros(len(counts), np.int64), *self._nothing)
        return self._collect(np.array(counts, np.int64), used)

    def _collect(self, counts: NDArray[np.int64], used: int) -> Drained:
        answers, control = self._answers[:used], self._control[:used]
        controlled = answers[:, _CONTROL_LENGTH]
        stamps_us = control[:, 2] * 1_000_000
        stamps_us += control[:, 3] // 1_000
        unusual = controlled != _STAMP_BYTES
        dropped: list[tuple[int, int]] = []
        if unusual.any():
            stamps_us[controlled < _STAMP_BYTES] = 0
            owners = np.repeat(np.arange(len(counts)), counts)
            told = np.flatnonzero(controlled > _STAMP_BYTES)
            lost = (control[told, 6] & 0xFFFFFFFF).tolist()
            dropped = list(dict(zip(owners[told].tolist(), lost, strict=True)).items())
        controlled[:] = _CONTROL_BYTES
        oversize = (answers[:, _FLAGS] & _TRUNCATED) != 0
        lengths = answers[:, _LENGTH].copy()
        rows, overflow = self._rows[:used], self._overflow[:used]
        return Drained(counts, rows, overflow, lengths, stamps_us, oversize, bool(oversize.any()), dropped)


class Sockets:
    """Hears each port at its own socket, of `host`, with `buffer_bytes` of room each."""

    lost = 0

    def __init__(self, host: str, buffer_bytes: int, slots: int) -> None:
        self._host = host
        self._buffer_bytes = buffer_bytes
        self._receiver = Receiver(slots)

    def open(self, port: int, place: int) -> socket.socket:
        """See `earshot.listeners.rtp.Intake`."""
        return open_socket(self._host, port, self._buffer_bytes)

    def close(self, place: int) -> None:
        """See `Intake`: nothing is known here of a port."""

    def end(self) -> None:
        """See `Intake`: each socket is closed with its port."""

    def drain(self, ports: Sequence[OpenPort]) -> Drained:
        """See `Intake`."""
        return self._receiver.drain([port.handle for port in ports])
