"""The subscribers of `benchmarks.events`, and the bare loop they are compared with; each in a process of its own.

Every event carries in USER1 the moment it was sent (CLOCK_MONOTONIC, which all processes of a machine share). The one
rule: the readers must cost little beside the server. On every connection events are counted, by a byte that each has
once; only on a few of them, the timed ones, the moment is read, there of every event.
"""

import asyncio
import re
import select
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import cast

import uvloop

STAMP = re.compile(rb"USER1(?:>|\":\")(\d+\.\d+)[^\d]")
BUFFER_BYTES = 1 << 18
TICK_S = 0.05
QUIET_S = 2.0
TIMED_EVERY = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """`tcp` connections to the event port, `sse` streams with this login cookie."""

    events_port: int
    http_port: int
    tcp: int
    sse: int
    cookie: str = ""


@dataclass(slots=True, kw_only=True)
class Heard:
    """`counts` events by connection; `ages_s` of each event of the timed connections; `used_s` processor time."""

    counts: list[int] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    closed: int = 0
    used_s: float = 0.0


@dataclass(slots=True)
class _Line:
    """One connection. An event has the byte `mark` `marks` times, and nothing else that comes has it."""

    socket: socket.socket
    mark: bytes
    marks: int
    timed: bool
    seen: int = 0
    tail: bytes = b""


def hearers(pipe: Connection, where: Where, seconds: float) -> None:
    """Connect, say so, and listen for `seconds` after the word and until all is quiet; then tell what was heard."""
    made = [(_tcp(where), b"\r", 1) for _ in range(where.tcp)] + [(_sse(where), b"{", 2) for _ in range(where.sse)]
    lines = {
        one.fileno(): _Line(one, mark, marks, place % TIMED_EVERY == 0) for place, (one, mark, marks) in enumerate(made)
    }
    poll = select.epoll()
    for number, line in lines.items():
        line.socket.setblocking(False)
        poll.register(number, select.EPOLLIN)
    pipe.send("ready")
    pipe.recv()
    heard = Heard()
    used = time.process_time()
    buffer = bytearray(BUFFER_BYTES)
    until = time.monotonic() + seconds
    last = until - QUIET_S
    while time.monotonic() < max(until, last + QUIET_S):
        for number, _ in poll.poll(TICK_S):
            line = lines[number]
            size = line.socket.recv_into(buffer)
            if not size:
                heard.closed += 1
                poll.unregister(number)
                continue
            last = time.monotonic()
            line.seen += buffer.count(line.mark, 0, size)
            if line.timed:
                _note(heard, line, buffer[:size])
    heard.used_s = time.process_time() - used
    heard.counts = [line.seen // line.marks for line in lines.values()]
    pipe.send(heard)


def _note(heard: Heard, line: _Line, data: bytes | bytearray) -> None:
    """Note the age of every event in what came; the end of a piece may be the first half of a stamp."""
    now = time.monotonic()
    text = line.tail + data
    after = 0
    for stamp in STAMP.finditer(text):
        heard.ages_s.append(now - float(stamp.group(1)))
        after = stamp.end()
    line.tail = bytes(text[max(after, len(text) - 64) :])


def _tcp(where: Where) -> socket.socket:
    return socket.create_connection(("127.0.0.1", where.events_port))


def _sse(where: Where) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", where.http_port))
    made.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {where.cookie}\r\n\r\n".encode())
    answer = made.recv(65536)
    if b" 200 " not in answer[:20]:
        raise OSError(f"no event stream: {answer[:200]!r}")
    return made


# --- the ceiling ----------------------------------------------------------------------------------------------------


class _Plain(asyncio.Protocol):
    clients: list[asyncio.Transport]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.clients.append(cast(asyncio.Transport, transport))


def bare(pipe: Connection, per_second: float, seconds: float, document: bytes) -> None:
    """The least a server in Python can do: `per_second` documents to everybody, written together every 50 ms. The word
    `@STAMP@` in the document becomes the moment it was due."""
    clients: list[asyncio.Transport] = []
    made = type("Plain", (_Plain,), {"clients": clients})

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(made, "127.0.0.1", 0, backlog=1000)
        pipe.send(server.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, pipe.recv)
        began, sent = time.monotonic(), 0
        used = time.process_time()
        while sent < per_second * seconds:
            await asyncio.sleep(TICK_S)
            due = min(int((time.monotonic() - began) * per_second), int(per_second * seconds))
            stamps = [f"{began + number / per_second:.6f}".encode() for number in range(sent, due)]
            text = b"".join([document.replace(b"@STAMP@", stamp) for stamp in stamps])
            sent = due
            for client in clients:
                client.write(text)
        pipe.send((sent, time.process_time() - used))
        await loop.run_in_executor(None, pipe.recv)

    uvloop.run(serve())
