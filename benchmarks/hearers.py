"""The subscribers of `benchmarks.events`, and the bare loop they are compared with; each in a process of its own.

Every event carries in USER1 the moment it was sent (CLOCK_MONOTONIC, which all processes of a machine share). The one
rule: every event is counted; of each piece that a socket gives, the age of its oldest event is noted, which is the
worst in it.
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

STAMP = re.compile(rb"USER1(?:>|\":\")(\d+\.\d+)")
READ_BYTES = 1 << 20
TICK_S = 0.05


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
    """`counts` events by connection; `ages_s` of the oldest event of each piece."""

    counts: list[int] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    closed: int = 0


def hearers(pipe: Connection, where: Where, seconds: float) -> None:
    """Connect, say so, and listen for `seconds` after the word; then tell what was heard."""
    sockets = [_tcp(where) for _ in range(where.tcp)] + [_sse(where) for _ in range(where.sse)]
    poll = select.epoll()
    places = {}
    for place, one in enumerate(sockets):
        one.setblocking(False)
        places[one.fileno()] = place
        poll.register(one.fileno(), select.EPOLLIN)
    pipe.send("ready")
    pipe.recv()
    heard = Heard(counts=[0] * len(sockets))
    tails = [b""] * len(sockets)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for number, _ in poll.poll(TICK_S):
            place = places[number]
            data = sockets[place].recv(READ_BYTES)
            if not data:
                heard.closed += 1
                poll.unregister(number)
                continue
            _note(heard, place, tails, data)
    pipe.send(heard)


def _note(heard: Heard, place: int, tails: list[bytes], data: bytes) -> None:
    """Count the stamps in what came: what a piece ends with may be the first half of one."""
    now = time.monotonic()
    text = tails[place] + data
    at = max(text.rfind(b"</EVENT>"), text.rfind(b"\n\n"))
    if at < 0:
        tails[place] = text
        return
    whole, tails[place] = text[:at], text[at:]
    mark = whole.count(b"<USER1>") + whole.count(b'"USER1":"')
    heard.counts[place] += mark
    oldest = STAMP.search(whole)
    if oldest is not None:
        heard.ages_s.append(now - float(oldest.group(1)))


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
