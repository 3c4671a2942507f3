"""The processes beside the server in `benchmarks.api`: a bare echo, a client, a phone system. Each runs in its own.

What lives here: a uvloop echo (the peer that everything is compared with), one client that speaks to both with raw
non-blocking sockets, and real SIPREC calls with RTP. What does not: what is measured and what is said about it. The one
rule: the client does the same system calls for either server; how many bytes make an answer is told, not parsed.
"""

import asyncio
import ctypes
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing.connection import Connection
from typing import cast

import uvloop
from benchmarks.callers import Callers, paced

from earshot.simulate.load import Load, run_load

CALLS_PER_SECOND = 100
TICK_S = 0.05
DIE_WITH_PARENT = 1
IP_BIND_ADDRESS_NO_PORT = 24

Exchange = tuple[bytes, int]
"""What is sent at once, and how many bytes of answer are awaited before the next is sent."""


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


# --- the peer -----------------------------------------------------------------------------------------------------


class Echo(asyncio.Protocol):
    """The least that a server in Python can do on this event loop: give back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self.write(data)


def echo(pipe: Connection) -> None:
    """Listen on a free port, tell it, and echo until this process is ended."""
    _die_with_parent()

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1000)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


# --- the client ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`lanes`: for each connection what it sends over and over, in turn. Ends after `seconds`.

    With `fresh` each exchange has a connection of its own. With `per_second` the exchanges of all lanes together begin
    at that rate whatever becomes of them (and wait for their turn on their connection), else each follows the last.
    With `once` nothing is sent twice: the task ends early when a connection has nothing left.
    """

    port: int
    lanes: Sequence[Sequence[Exchange]]
    seconds: float
    fresh: bool = False
    per_second: float = 0.0
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """`exchanges` that were answered in full in `seconds`; their `latencies` from the moment they were due."""

    exchanges: int
    seconds: float
    latencies: list[float] = field(default_factory=list)


class Lane:
    """One connection at a time and where it stands."""

    __slots__ = ("due", "exchanges", "missing", "socket")

    def __init__(self, exchanges: Sequence[Exchange], once: bool = False) -> None:
        self.exchanges: Iterator[Exchange] = iter(exchanges) if once else cycle(exchanges)
        self.missing = 0
        self.due = 0.0
        self.socket: socket.socket = None  # type: ignore[assignment]

    def begin(self, due: float) -> bool:
        """Send what is next; False when there is nothing left."""
        self.due = due
        data, self.missing = next(self.exchanges, (b"", 0))
        if self.socket.send(data) != len(data):
            raise OSError("the socket took only a part: send less at once")
        return bool(data)


def client(pipe: Connection) -> None:
    """Carry out each `Task` that comes through the pipe and send back what was `Done`."""
    _die_with_parent()
    sources = cycle(f"127.0.{number // 250}.{1 + number % 250}" for number in range(2500))
    while (task := pipe.recv()) is not None:
        pipe.send(_paced(task, sources) if task.per_second else _closed_loop(task, sources))


def _connect(port: int, sources: Iterator[str]) -> socket.socket:
    # A source address of its own for each: ports in TIME_WAIT would run out within seconds.
    made = socket.socket()
    made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.bind((next(sources), 0))
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


def _closed_loop(task: Task, sources: Iterator[str]) -> Done:
    clock = time.perf_counter
    poll = select.epoll()
    lanes: dict[int, Lane] = {}
    done, latencies = 0, []

    def open_lane(lane: Lane) -> None:
        lane.socket = _connect(task.port, sources)
        lanes[lane.socket.fileno()] = lane
        poll.register(lane.socket.fileno(), select.EPOLLIN)

    for exchanges in task.lanes:
        open_lane(Lane(exchanges, task.once))
    began = clock()
    for lane in lanes.values():
        lane.begin(clock())
    until = began + task.seconds
    while (now := clock()) < until:
        for number, _ in poll.poll(TICK_S):
            lane = lanes[number]
            lane.missing -= len(_received(lane.socket))
            if lane.missing > 0:
                continue
            done += 1
            now = clock()
            latencies.append(now - lane.due)
            if task.fresh:
                del lanes[number]
                lane.socket.close()
                open_lane(lane)
            if not lane.begin(now):
                until = now
    spent = clock() - began
    for lane in lanes.values():
        lane.socket.close()
    poll.close()
    return Done(exchanges=done, seconds=spent, latencies=latencies)


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 20)
    if not data:
        raise OSError("the server closed the connection")
    return data


def _paced(task: Task, sources: Iterator[str]) -> Done:
    """At a set rate, as many clients would: each exchange is due at its moment, also when the one before is late."""
    clock, period = time.perf_counter, 1 / task.per_second
    poll = select.epoll()
    idle = [Lane(exchanges) for exchanges in task.lanes]
    lanes: dict[int, Lane] = {}
    for lane in idle:
        lane.socket = _connect(task.port, sources)
        lanes[lane.socket.fileno()] = lane
        poll.register(lane.socket.fileno(), select.EPOLLIN)
    latencies: list[float] = []
    began = due = clock()
    while (now := clock()) < began + task.seconds or len(idle) < len(lanes):
        while idle and due <= now and due < began + task.seconds:
            idle.pop().begin(due)
            due += period
        wait = max(0.0, min(TICK_S, due - now)) if idle else TICK_S
        for number, _ in poll.poll(wait):
            lane = lanes[number]
            lane.missing -= len(_received(lane.socket))
            if lane.missing <= 0:
                latencies.append(clock() - lane.due)
                idle.insert(0, lane)
    for lane in lanes.values():
        lane.socket.close()
    poll.close()
    return Done(exchanges=len(latencies), seconds=clock() - began, latencies=latencies)


# --- the phone system ---------------------------------------------------------------------------------------------


def phones(pipe: Connection, sip_port: int, calls: int, seconds: float) -> None:
    """Place `calls` calls, tell how many were answered, then send both sides of all of them for `seconds`.

    Tells the packets that were sent at the end. The calls are not ended: whoever measures ends the server.
    """
    _die_with_parent()
    ports = uvloop.run(_placed(sip_port, calls))
    pipe.send(len(ports) // 2)
    figures = run_load(Load(host="127.0.0.1", ports=ports, seconds=seconds), threading.Event())
    pipe.send(figures.packets)


async def _placed(sip_port: int, calls: int) -> list[int]:
    callers = Callers(sip_port, None)
    await callers.open()
    await paced(CALLS_PER_SECOND, calls, callers.place)
    ports = callers.ports()
    await callers.close()
    return ports
