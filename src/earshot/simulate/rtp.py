"""One lane of outgoing RTP: many legs behind one UDP socket, a frame of each sent by one `sendmmsg` call.

What lives here: the preallocated message, header and address arrays, and their vectorised update for each 20 ms frame.
What does not: the clock that paces the frames (`earshot.simulate.sender`). The one rule: a tick makes no Python object
per packet; whatever changes from packet to packet is a NumPy column.
"""

import ctypes
import errno
import os
import socket
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot.simulate.codecs import TELEPHONE_EVENT, Frames
from earshot.simulate.digits import EventFrame, frames_of
from earshot.simulate.impairment import DELAYED, DUPLICATED, LOST, PERFECT, REORDERED, Impairment, chances, fates

MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u4"),
        ("pad", "u4"),
        ("vectors", "u8"),
        ("vector_count", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "u4"),
        ("pad2", "u4"),
        ("sent", "u4"),
        ("pad3", "u4"),
    ]
)
VECTOR = np.dtype([("base", "u8"), ("length", "u8")])
ADDRESS = np.dtype([("family", "=u2"), ("port", ">u2"), ("host", "u1", 4), ("zero", "u1", 8)])
HEADER = np.dtype([("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")])
BATCH = 1_024  # the most messages that one sendmmsg takes (UIO_MAXIOV)

_libc = ctypes.CDLL(None, use_errno=True)
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_sendmmsg.restype = ctypes.c_int


def send_all(sender: socket.socket, messages: NDArray[np.void]) -> tuple[int, int]:
    """Send an array of MESSAGE; returns how many went out and how many failed. Raises OSError on a closed socket."""
    address, descriptor = messages.ctypes.data, sender.fileno()
    done = failed = 0
    while done < len(messages):
        batch = min(BATCH, len(messages) - done)
        sent = _sendmmsg(descriptor, address + done * MESSAGE.itemsize, batch, 0)
        if sent > 0:
            done += sent
        elif ctypes.get_errno() == errno.EBADF:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif ctypes.get_errno() not in (errno.EINTR, errno.EAGAIN):
            failed += 1
            done += 1
    return done - failed, failed


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSpec:
    """One RTP stream: where to (`host` in dotted IPv4), as what, and what.

    `first_frame` is where in the track it begins; `sequence` and `timestamp` are of the first packet. The track is
    repeated when it ends.
    """

    host: str
    port: int
    frames: Frames
    ssrc: int
    sequence: int = 0
    timestamp: int = 0
    first_frame: int = 0
    payload_type: int | None = None
    event_payload_type: int = TELEPHONE_EVENT
    impairment: Impairment = PERFECT


@dataclass(frozen=True, slots=True, kw_only=True)
class LegCount:
    """What was sent of one leg: `packets` went out (duplicates included), `lost` were left out on purpose."""

    packets: int
    lost: int
    duplicated: int


class _Bank:
    """The packets of one frame of all legs. Two of them take turns, so that a late packet is still there a frame on."""

    def __init__(self, capacity: int, addresses: NDArray[np.void]) -> None:
        self.headers = np.zeros(capacity, HEADER)
        self.headers["first"] = 0x80
        self.events = np.zeros((capacity, 4), np.uint8)
        self.vectors = np.zeros((capacity, 2), VECTOR)
        slots = np.arange(capacity, dtype=np.uint64)
        self.vectors["base"][:, 0] = self.headers.ctypes.data + slots * np.uint64(HEADER.itemsize)
        self.vectors["length"][:, 0] = HEADER.itemsize
        self.messages = np.zeros(capacity, MESSAGE)
        self.messages["name"] = addresses.ctypes.data + slots * np.uint64(ADDRESS.itemsize)
        self.messages["name_length"] = ADDRESS.itemsize
        self.messages["vectors"] = self.vectors.ctypes.data + slots * np.uint64(2 * VECTOR.itemsize)
        self.messages["vector_count"] = 2
        self.fates = np.zeros(capacity, np.int8)


class Lane:
    """Legs that share a socket and a moment. Not thread-safe: whoever owns it takes care of that."""

    def __init__(self, host: str, capacity: int) -> None:
        """Bind a UDP socket on `host` at a free port. Raises OSError."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.packets = 0
        self.errors = 0
        self._capacity = capacity
        self._free = list(range(capacity - 1, -1, -1))
        self._top = 0
        self._tick = 0
        self._impaired = 0
        self._addresses = np.zeros(capacity, ADDRESS)
        self._addresses["family"] = socket.AF_INET
        self._banks = (_Bank(capacity, self._addresses), _Bank(capacity, self._addresses))
        self._sending = np.zeros(capacity, bool)
        self._marker = np.zeros(capacity, np.uint8)
        self._payload_type = np.zeros(capacity, np.uint8)
        self._sequence = np.zeros(capacity, np.uint16)
        self._timestamp = np.zeros(capacity, np.uint32)
        self._step = np.zeros(capacity, np.uint32)
        self._ssrc = np.zeros(capacity, np.uint32)
        self._first = np.zeros(capacity, np.int64)
        self._count = np.ones(capacity, np.int64)
        self._position = np.zeros(capacity, np.int64)
        self._number = np.zeros(capacity, np.uint64)
        self._seeds = np.zeros(capacity, np.uint64)
        self._thresholds = np.zeros((capacity, 4))
        self._lost = np.zeros(capacity, np.int64)
        self._duplicated = np.zeros(capacity, np.int64)
        self._specs: dict[int, LegSpec] = {}
        self._digits: dict[int, list[EventFrame | None]] = {}
        self._event_start: dict[int, int] = {}
        self._tracks: dict[int, tuple[Frames, int]] = {}
        self._bases = np.zeros(0, np.uint64)
        self._lengths = np.zeros(0, np.uint64)

    @property
    def port(self) -> int:
        """The local UDP port that the packets come from."""
        return int(self.socket.getsockname()[1])

    @property
    def legs(self) -> int:
        """How many legs there are, paused ones included."""
        return self._capacity - len(self._free)

    def add(self, spec: LegSpec) -> int:
        """Take up a leg; its first packet goes out at the next tick. Returns its slot; raises RuntimeError if full."""
        if not self._free:
            raise RuntimeError(f"a lane of {self._capacity} legs is full")
        slot = self._free.pop()
        self._specs[slot] = spec
        self._top = max(self._top, slot + 1)
        self.redirect(slot, spec.host, spec.port)
        codec = spec.frames.codec
        self._payload_type[slot] = codec.payload_type if spec.payload_type is None else spec.payload_type
        self._sequence[slot] = spec.sequence & 0xFFFF
        self._timestamp[slot] = spec.timestamp & 0xFFFFFFFF
        self._step[slot] = codec.step
        self._ssrc[slot] = spec.ssrc & 0xFFFFFFFF
        self._first[slot] = self._registered(spec.frames)
        self._count[slot] = len(spec.frames)
        self._position[slot] = spec.first_frame % len(spec.frames)
        self._number[slot] = self._lost[slot] = self._duplicated[slot] = 0
        self._seeds[slot] = spec.impairment.seed & (2**64 - 1)
        self._thresholds[slot] = spec.impairment.thresholds()
        self._impaired += not spec.impairment.none
        self.resume(slot)
        return slot

    def redirect(self, slot: int, host: str, port: int) -> None:
        """Send the leg to another address from now on."""
        self._addresses[slot]["host"] = np.frombuffer(socket.inet_aton(host), np.uint8)
        self._addresses[slot]["port"] = port

    def pause(self, slot: int) -> None:
        """Send nothing; the timestamp of the leg goes on, its sequence number does not."""
        self._sending[slot] = False

    def resume(self, slot: int) -> None:
        """Send again; the first packet carries the marker bit (RFC 3551 section 4.1)."""
        self._marker[slot] = 0x80
        self._sending[slot] = True

    def press(self, slot: int, digits: str) -> None:
        """Send `digits` as telephone-events in place of the sound, from the next frame on. Raises KeyError."""
        row = frames_of(digits, int(self._step[slot]))
        self._digits.setdefault(slot, []).extend(row)

    def count(self, slot: int) -> LegCount:
        """What was sent so far."""
        lost, twice = int(self._lost[slot]), int(self._duplicated[slot])
        return LegCount(packets=int(self._number[slot]) - lost + twice, lost=lost, duplicated=twice)

    def remove(self, slot: int) -> LegCount:
        """End the leg, a packet held back included; returns what was sent."""
        spec = self._specs.pop(slot)
        self._sending[slot] = False
        self._impaired -= not spec.impairment.none
        for bank in self._banks:
            bank.fates[slot] = 0
        self._digits.pop(slot, None)
        self._event_start.pop(slot, None)
        self._free.append(slot)
        return self.count(slot)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def tick(self) -> int:
        """Send the next 20 ms frame of every leg; returns how many packets went out."""
        top = self._top
        bank, late = self._banks[self._tick & 1], self._banks[~self._tick & 1]
        self._tick += 1
        if not top:
            return 0
        sending = self._sending[:top]
        self._fill(bank, top)
        if self._digits:
            self._overlay(bank)
        if self._impaired:
            chosen = self._impair(bank, late, top)
        else:
            live = np.flatnonzero(sending)
            chosen = bank.messages[:top] if len(live) == top else bank.messages[live]
        self._advance(top)
        gone, failed = send_all(self.socket, chosen)
        self.packets += gone
        self.errors += failed
        return gone

    def _fill(self, bank: _Bank, top: int) -> None:
        headers = bank.headers[:top]
        headers["second"] = self._payload_type[:top] | self._marker[:top]
        headers["sequence"] = self._sequence[:top]
        headers["timestamp"] = self._timestamp[:top]
        headers["ssrc"] = self._ssrc[:top]
        at = self._first[:top] + self._position[:top]
        vectors = bank.vectors[:top]
        vectors["base"][:, 1] = self._bases[at]
        vectors["length"][:, 1] = self._lengths[at]

    def _overlay(self, bank: _Bank) -> None:
        for slot in [slot for slot in self._digits if self._sending[slot]]:
            row = self._digits[slot]
            frame = row.pop(0)
            if not row:
                del self._digits[slot]
            if frame is None:
                continue
            if frame.first:
                self._event_start[slot] = int(self._timestamp[slot])
            header = bank.headers[slot]
            header["second"] = self._specs[slot].event_payload_type | (0x80 if frame.first else 0)
            header["timestamp"] = self._event_start[slot]
            bank.events[slot] = np.frombuffer(frame.payload, np.uint8)
            bank.vectors["base"][slot, 1] = bank.events.ctypes.data + slot * 4
            bank.vectors["length"][slot, 1] = 4

    def _impair(self, bank: _Bank, late: _Bank, top: int) -> NDArray[np.void]:
        sending = self._sending[:top]
        fate = fates(self._thresholds[:top], chances(self._seeds[:top], self._number[:top]))
        fate[~sending] = LOST
        bank.fates[:top] = fate
        self._lost[:top] += sending & (fate == LOST)
        self._duplicated[:top] += fate == DUPLICATED
        waiting = late.fates[:top]
        before = late.messages[:top][waiting == DELAYED]
        after = late.messages[:top][waiting == REORDERED]
        on_time = bank.messages[:top][(fate == 0) | (fate == DUPLICATED)]
        again = bank.messages[:top][fate == DUPLICATED]
        late.fates[:top] = 0
        return np.concatenate((before, on_time, again, after))

    def _advance(self, top: int) -> None:
        sending = self._sending[:top]
        self._sequence[:top] += sending
        self._number[:top] += sending
        self._timestamp[:top] += self._step[:top]
        position = self._position[:top]
        position += 1
        position[position >= self._count[:top]] = 0
        self._marker[:top][sending] = 0

    def _registered(self, frames: Frames) -> int:
        known = self._tracks.get(id(frames))
        if known is not None:
            return known[1]
        start = len(self._bases)
        bases = frames.data.ctypes.data + frames.offsets.astype(np.uint64)
        self._bases = np.concatenate((self._bases, bases))
        self._lengths = np.concatenate((self._lengths, frames.lengths.astype(np.uint64)))
        self._tracks[id(frames)] = (frames, start)
        return start
