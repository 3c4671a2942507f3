"""One TCP connection of SIP: bytes cut into messages, and what is written back.

Not here: what a message means, and which connections there are (sip.py). The one rule: whatever a peer sends, only its
own connection is ended by it.
"""

import asyncio
from collections import Counter
from typing import Protocol, cast

from earshot.telephony.sip.dialog import Peer
from earshot.telephony.sip.message import StreamFramer, StreamTooLarge

MAX_UNSENT_BYTES = 4 * 1024 * 1024


class Door(Protocol):
    """What a connection needs of the listener."""

    junk: Counter[str]

    def admits(self, connection: "Connection") -> bool: ...

    def lost(self, connection: "Connection") -> None: ...

    def arrived(self, data: bytes, peer: Peer) -> None: ...

    def too_large(self, head: bytes, peer: Peer) -> None: ...


class Connection(asyncio.Protocol):
    """One connection, known by its `name`; `peer` is who is at the other end."""

    def __init__(self, listener: Door, name: str) -> None:
        self._listener = listener
        self._framer = StreamFramer()
        self.name = name
        self.peer = Peer("tcp", "", 0, name)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.peer = Peer("tcp", host, port, self.name)
        self.transport = cast(asyncio.Transport, transport)
        if not self._listener.admits(self):
            self.transport.abort()

    def listen(self, wanted: bool) -> None:
        """Read on, or leave what comes with the kernel."""
        if self.transport is None or self.transport.is_closing():
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._framer.receive(data)
        except StreamTooLarge as problem:
            self._listener.too_large(problem.head, self.peer)
            self.close()
            return
        for frame in frames:
            if frame.ping:
                self.write(b"\r\n")
            else:
                self._listener.arrived(frame.data, self.peer)
        if self._framer.skipped_bytes:
            self._listener.junk["tcp_bytes_skipped"] += self._framer.skipped_bytes
            self._framer.skipped_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.lost(self)

    def write(self, data: bytes) -> None:
        """Send, unless the connection is closing; a reader that takes nothing is cut off."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._listener.junk["tcp_reader_too_slow"] += 1
            self.transport.abort()
            return
        self.transport.write(data)

    def close(self) -> None:
        """Close it, after what is to be sent."""
        if self.transport is not None:
            self.transport.close()
