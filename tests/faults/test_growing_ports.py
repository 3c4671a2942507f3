"""Calls that arrive all the time must not keep the sound of the running ones waiting in their sockets."""

import asyncio
import socket
import struct

import numpy as np
from numpy.typing import NDArray
from tests.faults.evidence import DRAIN_S, TOLERANCE_S
from tests.ports import free_rtp_ports

from earshot.clock import SystemClock
from earshot.journal.timeline import JournalTime
from earshot.listeners.rtp import RtpListener, RtpSettings

NEW_PORT_EVERY_S = 0.04
SECONDS = 2.0


class LastHeard:
    """Keeps when something of the first leg was last handed over, and the longest wait in between (loop time)."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.packets = 0
        self._last = asyncio.get_running_loop().time()

    def open_leg(self, leg: int) -> int:
        return leg

    def append_media(
        self,
        slots: NDArray[np.int32],
        counts: NDArray[np.int64],
        times_us: NDArray[np.int64],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        overflow: NDArray[np.uint8] | None = None,
    ) -> int:
        if 0 in slots:
            now = asyncio.get_running_loop().time()
            self.longest = max(self.longest, now - self._last)
            self._last = now
            self.packets += int(counts[slots == 0].sum())
        return 0


async def test_new_ports_do_not_starve_the_old_ones() -> None:
    first, _, last = free_rtp_ports(200).partition("-")
    clock, sink = SystemClock(), LastHeard()
    settings = RtpSettings(first_port=int(first), last_port=int(last), even_only=False)
    listener = RtpListener(settings, sink, clock, JournalTime(clock))
    port = listener.open_port()
    listener.record(port, 0)
    listener.start()
    sent = 0
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for leg in range(1, int(SECONDS / NEW_PORT_EVERY_S)):
                listener.record(listener.open_port(), leg)
                sender.sendto(struct.pack(">BBHII", 0x80, 0, leg, leg * 160, 7) + bytes(160), ("127.0.0.1", port))
                sent += 1
                await asyncio.sleep(NEW_PORT_EVERY_S)
    finally:
        listener.stop()
    assert sink.packets == sent
    assert sink.longest < DRAIN_S + TOLERANCE_S / 2
