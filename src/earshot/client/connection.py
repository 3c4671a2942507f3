"""One connection to the API port: requests go out as they come, answers come back in the same order.

No commands and no second tries here. The one rule: the answers of one connection belong to its requests by their
order; when that order is lost the connection is closed, and every request that waits is told.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import Final

from earshot.client.errors import NotAnswered, NotConnected, TimedOut
from earshot.tasks import Spawner

LONGEST_ANSWER: Final = 1 << 28
LINE_END: Final = b"\r\n"


class Connection:
    """An open connection; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spawner: Spawner) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._answers = 0
        self.open = True
        self._task = spawner.spawn("client answers", self._read())

    async def ask(self, document: bytes, timeout_s: float) -> bytes:
        """Send one request document and wait for its answer. Raises NotAnswered, TimedOut; NotConnected when the
        connection was closed before anything was sent."""
        if not self.open:
            raise NotConnected("the server closed the connection")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        before = self._answers
        self._waiting.append(answer)
        self._writer.write(document)
        try:
            async with asyncio.timeout(timeout_s):
                with contextlib.suppress(ConnectionError):  # told to all that wait, by whoever reads
                    await self._writer.drain()
                return await answer
        except TimeoutError:
            if self._answers == before:
                self._end("the server does not answer")  # nor will it answer those that came after
            raise TimedOut(f"no answer came within {timeout_s:g} seconds") from None

    async def _read(self) -> None:
        why = "the server closed the connection"
        try:
            while True:
                line = await self._reader.readuntil(LINE_END)
                self._answers += 1
                if not self._waiting:
                    why = "the server answered what nobody asked"
                    break
                waiting = self._waiting.popleft()
                if not waiting.done():
                    waiting.set_result(line)
        except asyncio.LimitOverrunError:
            why = f"an answer was longer than {LONGEST_ANSWER} bytes"
        except (asyncio.IncompleteReadError, OSError) as broken:
            if isinstance(broken, OSError):
                why = f"the connection broke: {broken.strerror or type(broken).__name__}"
        finally:
            self._end(why)

    def _end(self, why: str) -> None:
        self.open = False
        self._writer.close()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(NotAnswered(why))

    async def close(self) -> None:
        """Close at once; whoever still waits gets NotAnswered."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._end("the client was closed")
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def connect(
    host: str, port: int, tls: ssl.SSLContext | None, timeout_s: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream to the server. Raises NotConnected."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=LONGEST_ANSWER)
    except TimeoutError:
        raise NotConnected(f"{host}:{port} did not answer within {timeout_s:g} seconds") from None
    except OSError as why:
        raise NotConnected(f"{host}:{port} cannot be reached: {why.strerror or why}") from why
    plain: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # a connection that is gone again is found out by whoever reads
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # who waits for hours notices that the peer is gone
    return reader, writer
