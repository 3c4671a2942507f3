"""The event port: clients connect and are told what happens. Whoever reads too slowly is let go, with a reason.

Nothing is read from a client yet except its end; a connection that says nothing gets everything (reference.md 3).
"""

import asyncio
from collections.abc import Callable
from typing import Self, cast

import structlog

log = structlog.get_logger(__name__)

GOODBYE_S = 5.0
TOO_SLOW = b"<EVENT><TYPE>CLOSED</TYPE><REASON>too slow: events were waiting longer than allowed</REASON></EVENT>\r\n"


class _Reader(asyncio.Protocol):
    """One connection."""

    def __init__(self, port: "EventPort") -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if peer is None or not self._port.allow(peer[0]):
            self._transport.abort()
            return
        self._port.readers.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._port.readers.discard(self)

    def send(self, document: bytes, limit_bytes: int) -> None:
        """Queue one document; above the limit the connection is closed instead."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > limit_bytes:
            log.warning("event_reader_too_slow", peer=transport.get_extra_info("peername"))
            self._port.readers.discard(self)
            transport.write(TOO_SLOW)
            transport.close()
            asyncio.get_running_loop().call_later(GOODBYE_S, transport.abort)
            return
        transport.write(document)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class EventPort:
    """All connections of the event port. `limit_bytes` is how much may wait for one slow reader."""

    def __init__(self, allow: Callable[[str], bool], limit_bytes: int = 1 << 20) -> None:
        self.allow = allow
        self.readers: set[_Reader] = set()
        self._limit_bytes = limit_bytes
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> Self:
        """Listen. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Reader(self), host, port)
        return self

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def publish(self, document: bytes) -> None:
        """Tell everybody."""
        for reader in list(self.readers):
            reader.send(document, self._limit_bytes)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for reader in list(self.readers):
            reader.close()
