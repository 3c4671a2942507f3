"""RTP in bursts: several frames of each leg at a time, cut into packets by the kernel (UDP_SEGMENT).

What lives here: the cheap sender for load on a machine that also does what is measured. What does not: faithful pacing
(`earshot.simulate.rtp`). The one rule: the receiver sees the same datagrams as ever, only their moments are coarser:
the frames of one burst arrive together.

A packet costs the kernel most of what sending costs; a burst goes through its layers once. Every packet of a leg must
have the same size, so this is for codecs of constant rate, without loss or hold.
"""

import socket
from collections.abc import Sequence

import numpy as np

from earshot.simulate.rtp import ADDRESS, HEADER, MESSAGE, VECTOR, LegSpec, send_all

SOL_UDP = 17
UDP_SEGMENT = 103
LARGEST_BURST = 50


class BurstLane:
    """Legs that share a socket; each tick sends `burst` frames of every leg."""

    def __init__(self, host: str, specs: Sequence[LegSpec], burst: int) -> None:
        """Raises ValueError if the packets are not all of one size or the burst is too long, OSError by the socket."""
        sizes = {int(size) for spec in specs for size in np.unique(spec.frames.lengths)}
        if len(sizes) != 1 or not 1 <= burst <= LARGEST_BURST:
            raise ValueError(f"a burst is 1 to {LARGEST_BURST} packets of one size")
        self.packets = self.errors = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setsockopt(SOL_UDP, UDP_SEGMENT, HEADER.itemsize + sizes.pop())
        count = len(specs)
        self._burst = burst
        self._order = np.arange(burst)
        self._frames = [spec.frames for spec in specs]
        self._sequence = np.array([[spec.sequence] for spec in specs], np.int64)
        self._timestamp = np.array([[spec.timestamp] for spec in specs], np.int64)
        self._step = np.array([[spec.frames.codec.step] for spec in specs], np.int64)
        self._position = np.array([[spec.first_frame] for spec in specs], np.int64)
        self._length = np.array([[len(spec.frames)] for spec in specs], np.int64)
        self._bases = np.array([[frames.data.ctypes.data] for frames in self._frames], np.uint64)
        self._size = int(specs[0].frames.lengths[0])
        self._addresses = np.zeros(count, ADDRESS)
        self._addresses["family"] = socket.AF_INET
        self._addresses["port"] = [spec.port for spec in specs]
        self._addresses["host"] = [list(socket.inet_aton(spec.host)) for spec in specs]
        self._headers = np.zeros((count, burst), HEADER)
        self._headers["first"] = 0x80
        self._headers["second"] = [[spec.frames.codec.payload_type] for spec in specs]
        self._headers["ssrc"] = [[spec.ssrc] for spec in specs]
        self._vectors = np.zeros((count, burst, 2), VECTOR)
        packets = np.arange(count * burst, dtype=np.uint64).reshape(count, burst)
        self._vectors["base"][:, :, 0] = self._headers.ctypes.data + packets * np.uint64(HEADER.itemsize)
        self._vectors["length"][:, :, 0] = HEADER.itemsize
        self._vectors["length"][:, :, 1] = self._size
        legs = np.arange(count, dtype=np.uint64)
        self._messages = np.zeros(count, MESSAGE)
        self._messages["name"] = self._addresses.ctypes.data + legs * np.uint64(ADDRESS.itemsize)
        self._messages["name_length"] = ADDRESS.itemsize
        self._messages["vectors"] = self._vectors.ctypes.data + legs * np.uint64(burst * 2 * VECTOR.itemsize)
        self._messages["vector_count"] = burst * 2

    def tick(self) -> int:
        """Send the next burst of every leg; returns how many packets went out."""
        self._headers["sequence"] = (self._sequence + self._order) & 0xFFFF
        self._headers["timestamp"] = (self._timestamp + self._step * self._order) & 0xFFFFFFFF
        at = (self._position + self._order) % self._length
        self._vectors["base"][:, :, 1] = self._bases + (at * self._size).astype(np.uint64)
        self._sequence += self._burst
        self._timestamp += self._burst * self._step
        self._position += self._burst
        gone, failed = send_all(self.socket, self._messages)
        self.packets += gone * self._burst
        self.errors += failed
        return gone * self._burst

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
