"""The RTP listener: one UDP port per leg, drained in slices by a timer, straight into the journal.

Here live the ports in use, which of them are recorded, and the timer. Not here: how datagrams come out of the kernel
(rtp_receive: a socket for each port; rtp_ring: one packet ring for all), the counters (rtp_figures), the choice of a
port (rtp_ports), whose turn it is (rtp_round), and any rule about calls. The one rule: what must not be recorded is
dropped before anything is written, exactly from the moment it was asked for.

An idle socket is asked in vain once per period, about a microsecond of 500 ms; an epoll to skip it would cost the busy
ones more than that.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earshot.clock import Clock
from earshot.journal.timeline import ArrivalTimes, JournalTime
from earshot.listeners.rtp_figures import LiveFigures, PortFigures
from earshot.listeners.rtp_ports import NoFreePort, PortPool
from earshot.listeners.rtp_receive import BURST, Drained, OpenPort, Sockets
from earshot.listeners.rtp_ring import PacketRing
from earshot.listeners.rtp_round import Round
from earshot.telephony.rtp import classify

_ROUNDS = 40
_HURRY_S = 0.001
_NEVER = np.iinfo(np.int64).max


class MediaSink(Protocol):
    """Where packets go: `earshot.journal.writer.JournalWriter`."""

    def open_leg(self, leg: int) -> int: ...

    def append_media(
        self,
        slots: NDArray[np.int32],
        counts: NDArray[np.int64],
        times_us: NDArray[np.int64],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        overflow: NDArray[np.uint8] | None = None,
    ) -> int: ...


class Intake(Protocol):
    """How datagrams come out of the kernel."""

    @property
    def lost(self) -> int:
        """Datagrams for which there was no room and of which nobody knows for whom they were."""
        ...

    def open(self, port: int, place: int) -> socket.socket:
        """Bind a port and hear it as `place`. Raises OSError."""
        ...

    def close(self, place: int) -> None:
        """Forget what nobody took of the port at `place`; its socket is closed next."""
        ...

    def end(self) -> None:
        """Hear nothing any more."""
        ...

    def drain(self, ports: Sequence[OpenPort]) -> Drained:
        """Take what has arrived for `ports`, which are neighbours in the order of their places (there may be none);
        `counts` may be shorter than `ports`: the room was full, drain the others next."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpSettings:
    """`period_s`: each port is drained once per period, in slices of `slice_ports` or more, at most `ticks` of them.
    A slice ends early when it has brought `slice_packets`, so that the loop is never held up for long. A longer period
    costs less per packet, here and when the sound is read again to be sealed: more packets come with each system call,
    and lie together in the journal. What a crash may cost is the period and the journal's flush interval.
    `receive_buffer` bytes per socket hold several seconds of audio, so that a late drain loses nothing. `ring_mb`: with
    a packet ring of that size instead, which all ports share; 0 for none."""

    host: str = "127.0.0.1"
    first_port: int = 30000
    last_port: int = 39999
    even_only: bool = True
    cool_down_s: float = 10.0
    receive_buffer: int = 512 * 1024
    ring_mb: int = 0
    period_s: float = 0.5
    ticks: int = 50
    slice_ports: int = 64
    slice_packets: int = 2304


def _intake(settings: RtpSettings) -> Intake:
    if not settings.ring_mb:
        return Sockets(settings.host, settings.receive_buffer, settings.slice_packets)
    first, last = settings.first_port, settings.last_port
    return PacketRing(settings.host, first, last, megabytes=settings.ring_mb, slots=settings.slice_packets)


class RtpListener:
    """All RTP ports of a core. Used from one event loop. Raises ConfigurationError for a ring that is not to be had."""

    def __init__(self, settings: RtpSettings, sink: MediaSink, clock: Clock, time: JournalTime) -> None:
        self._settings = settings
        self._sink = sink
        self._clock = clock
        self._time = time
        self._arrivals = ArrivalTimes(clock, time)
        self._pool = PortPool(
            settings.first_port, settings.last_port, cool_down_s=settings.cool_down_s, even_only=settings.even_only
        )
        self._intake = _intake(settings)
        self._figures = LiveFigures()
        self._ports: dict[int, OpenPort] = {}
        self._by_place: list[OpenPort | None] = []
        self._free_places: list[int] = []
        self._slots = np.zeros(64, np.int32)
        self._attached = np.zeros(64, bool)
        self._dropped_from = np.full(64, _NEVER)
        self._timer: asyncio.TimerHandle | None = None

    # --- ports ----------------------------------------------------------------------------------------------------

    def open_port(self, port: int | None = None) -> int:
        """Bind a free port of the range, or exactly `port` again after a restart; returns the port.

        Nothing is recorded before `record()`. Raises NoFreePort.
        """
        now = self._clock.monotonic()
        for candidate in self._pool.candidates(now) if port is None else iter([port]):
            if candidate in self._ports:
                raise NoFreePort(f"port {candidate} is in use")
            place = self._free_places[-1] if self._free_places else len(self._by_place)
            try:
                opened = self._intake.open(candidate, place)
            except OSError as taken:
                if port is not None:
                    raise NoFreePort(f"port {port} cannot be bound: {taken}") from taken
                self._pool.put_aside(candidate, now)
                continue
            self._pool.take(candidate)
            self._ports[candidate] = OpenPort(opened, opened.fileno(), place)
            self._seat(self._ports[candidate])
            return candidate
        raise NoFreePort(f"no port of {self._settings.first_port}-{self._settings.last_port} is free")

    def _seat(self, port: OpenPort) -> None:
        place = port.place
        if place < len(self._by_place):
            self._free_places.pop()
        else:
            self._by_place.append(None)
        if place == len(self._slots):
            self._slots = np.concatenate([self._slots, np.zeros_like(self._slots)])
            self._attached = np.concatenate([self._attached, np.zeros_like(self._attached)])
            self._dropped_from = np.concatenate([self._dropped_from, np.full_like(self._dropped_from, _NEVER)])
        self._by_place[place] = port
        self._attached[place], self._dropped_from[place] = False, _NEVER
        self._figures.clear(place, self._time.now_us())

    def close_port(self, port: int) -> None:
        """Take what has arrived, then close; the port cools down. Raises KeyError for a port that is not open."""
        closing = self._ports[port]
        self._drain_whole(closing)
        del self._ports[port]
        self._by_place[closing.place] = None
        self._intake.close(closing.place)
        closing.socket.close()
        self._free_places.append(closing.place)
        self._pool.give_back(port, self._clock.monotonic())

    def free_ports(self) -> int:
        """How many ports could be opened now."""
        return self._pool.free(self._clock.monotonic())

    def open_ports(self) -> list[int]:
        """The ports in use."""
        return list(self._ports)

    # --- what is recorded -----------------------------------------------------------------------------------------

    def record(self, port: int, leg: int | None) -> None:
        """From now on write what the port hears as `leg`; None: write nothing. Detach before the leg is released."""
        there = self._ports[port]
        self._drain_whole(there)
        self._attached[there.place] = leg is not None
        if leg is not None:
            self._slots[there.place] = self._sink.open_leg(leg)

    def mask(self, port: int, masked: bool, since_us: int = 0) -> None:
        """From now on drop what the port hears (a blackout), or no longer. It is still counted. Of what waits in the
        socket, what arrived before journal time `since_us` is not masked, and everything is that was until now."""
        there = self._ports[port]
        if masked and self._dropped_from[there.place] == _NEVER:
            self._dropped_from[there.place] = since_us
        self._drain_whole(there)
        self._dropped_from[there.place] = 0 if masked else _NEVER

    def figures(self, port: int) -> PortFigures:
        """What the port has heard, as of its last drain. Raises KeyError."""
        return self._figures.of(self._ports[port].place)

    def packets(self, port: int) -> int:
        """RTP packets the port has heard, as of its last drain. Raises KeyError."""
        return self._figures.packets(self._ports[port].place)

    def last_heard_us(self, port: int) -> int:
        """Journal time of the last of them, 0 for never. Raises KeyError."""
        return self._figures.last_us(self._ports[port].place)

    def packets_total(self) -> int:
        """RTP packets heard on all ports since the start; never goes down."""
        return self._figures.packets_total

    def lost_total(self) -> int:
        """Datagrams for which the packet ring had no room, since the start; what a socket had none for is with its
        port."""
        return self._intake.lost

    def silent_ports(self, for_s: float) -> list[int]:
        """The ports that have heard no RTP for `for_s` seconds (and were opened before that)."""
        places = np.fromiter((port.place for port in self._ports.values()), np.int64, len(self._ports))
        since_us = self._time.now_us() - int(for_s * 1e6)
        silent = self._figures.silent(places, since_us).tolist()
        return [number for number, is_silent in zip(self._ports, silent, strict=True) if is_silent]

    # --- draining -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to drain by the timer of the running loop."""
        self._round = Round(self._settings.period_s, asyncio.get_running_loop().time())
        self._tick()

    def stop(self) -> None:
        """Drain everything once more and close all ports."""
        if self._timer is not None:
            self._timer.cancel()
        for port in list(self._ports):
            self.close_port(port)
        self._intake.end()

    def drain(self) -> None:
        """Drain every port now."""
        self._drain(self._seated(0, len(self._by_place)))

    def _seated(self, start: int, end: int) -> list[OpenPort]:
        return [port for port in self._by_place[start:end] if port is not None]

    def _tick(self) -> None:
        """Drain as many ports as are due by now and fit into a slice; come back at once while more are due."""
        loop = asyncio.get_running_loop()
        places, settings = len(self._by_place), self._settings
        ticks = min(settings.ticks, max(1, -(-places // settings.slice_ports)))
        try:
            if not places:
                self._intake.drain(())
            for first, end in self._round.due(loop.time(), places):
                ports = self._seated(first, end)
                done, _ = self._drain_slice(ports)
                if done < len(ports):
                    self._round.drained(ports[done].place)
                    break
                self._round.drained(end)
        finally:
            is_behind = self._round.behind >= 2 / ticks
            self._timer = loop.call_later(_HURRY_S if is_behind else settings.period_s / ticks, self._tick)

    def _drain_whole(self, port: OpenPort) -> None:
        """Drain one port until it is empty, or its receive buffer must have been twice over (a flood)."""
        for _ in range(_ROUNDS):
            if self._drain([port]) < BURST:
                return

    def _drain(self, ports: Sequence[OpenPort]) -> int:
        """Take what waits at `ports`, at most BURST from each; returns how many datagrams that were."""
        total = 0
        while ports:
            done, packets = self._drain_slice(ports)
            ports = ports[done:]
            total += packets
        return total

    def _drain_slice(self, ports: Sequence[OpenPort]) -> tuple[int, int]:
        """The same for as many of `ports` as fit into one slice; returns how many ports and datagrams that were."""
        self._arrivals.read_clocks()
        drained = self._intake.drain(ports)
        done = len(drained.counts)
        if len(drained.rows) or drained.dropped:
            places = np.fromiter((port.place for port in ports[:done]), np.int64, done)
            self._take(places, drained)
        return done, len(drained.rows)

    def _take(self, places: NDArray[np.int64], drained: Drained) -> None:
        """Count what a drain brought and hand on what is to be recorded."""
        times_us = self._arrivals.convert(drained.stamps_us)
        kinds = classify(drained.rows, drained.lengths)
        self._figures.add(places, drained, kinds, times_us)
        dropped_from = self._dropped_from[places]
        wanted_places = self._attached[places] & (dropped_from > 0)
        counts, lengths, rows, overflow = drained.counts, drained.lengths, drained.rows, drained.overflow
        is_simple = kinds.only_rtp and not drained.any_oversize and bool(wanted_places.all())
        if not (is_simple and bool((dropped_from == _NEVER).all())):
            owner = np.repeat(np.arange(len(places)), counts)
            keep = kinds.rtp & ~drained.oversize & wanted_places[owner] & (times_us < dropped_from[owner])
            counts = np.bincount(owner[keep], minlength=len(places))
            chosen = np.flatnonzero(keep)
            if len(chosen) < len(keep):
                times_us, lengths, rows = times_us[chosen], lengths[chosen], rows[chosen]
                overflow = (
                    overflow[chosen] if len(lengths) and lengths.max() > rows.shape[1] else overflow[: len(chosen)]
                )
        if not counts.all():
            active = counts > 0
            places, counts = places[active], counts[active]
        self._sink.append_media(self._slots[places], counts, times_us, lengths, rows, overflow)
