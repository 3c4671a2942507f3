"""The sound of many calls: a process that sends RTP in real time, a frame of each leg every 20 ms, told what by a pipe.

Not here: signalling (callers.py), and the sending itself, which is `earshot.simulate.sender`. The one rule: the sender
shares no process with what is measured, nor with what measures.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from earshot.clock import SystemClock
from earshot.simulate.codecs import frames
from earshot.simulate.rtp import LegSpec
from earshot.simulate.sender import Leg, Seat, Sender
from earshot.simulate.speech import AGENT, CUSTOMER, conversations

CODEC = "PCMU"
PHASES = 10
"""So many moments within 20 ms at which packets leave: calls of a real phone system do not speak in step, but each
moment costs the sender."""
STOP_S = 10.0

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Said:
    """A call that was ended: packets sent by its legs, and when the last of them may have left (monotonic seconds)."""

    packets: tuple[int, ...]
    ended_at: float


class Voices:
    """Up to `calls` calls with two legs of PCMU each. Ends with `close()`, or with this process."""

    def __init__(self, calls: int, phases: int = PHASES) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_send, args=(theirs, calls, phases), daemon=True)
        self._process.start()
        theirs.close()
        self._ask("ready")

    def seat(self, number: int) -> tuple[int, int]:
        """The local ports from which call `number` will be heard."""
        ports: tuple[int, int] = self._ask("seat", number)
        return ports

    def talk(self, number: int, targets: Sequence[Address]) -> None:
        """Send the sound of call `number` (it has a seat) to these addresses, a leg each, from the next frame on."""
        self._ask("talk", number, tuple(targets))

    def hush(self, number: int) -> Said:
        """End the sound of a call."""
        said: Said = self._ask("hush", number)
        return said

    def packets(self) -> int:
        """How many packets were sent in all."""
        count: int = self._ask("packets")
        return count

    def play(self, ports: Sequence[int]) -> None:
        """Calls to consecutive pairs of ports of this machine, which have no signalling."""
        for number in range(len(ports) // 2):
            self.seat(number)
            self.talk(number, [("127.0.0.1", port) for port in ports[2 * number : 2 * number + 2]])

    def close(self) -> None:
        """Stop sending and end the process."""
        with contextlib.suppress(OSError):  # it may have been ended by somebody else
            self._pipe.send(("close",))
            self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self, *words: Any) -> Any:
        self._pipe.send(words)
        return self._pipe.recv()


class _Booth:
    """The sending process's side of `Voices`: each method answers one word."""

    def __init__(self, calls: int, phases: int) -> None:
        self._talks = [one.name for one in conversations()]
        for talk in self._talks:
            for party in (AGENT, CUSTOMER):
                frames(talk, party, CODEC)
        self.sender = Sender(SystemClock(), calls=calls, phases=phases)
        self._seats: dict[int, Seat] = {}
        self._legs: dict[int, tuple[Leg, ...]] = {}

    def ready(self) -> None:
        self.sender.start()

    def seat(self, number: int) -> tuple[int, int]:
        self._seats[number] = self.sender.seat()
        return self._seats[number].ports

    def talk(self, number: int, targets: Sequence[Address]) -> None:
        talk = self._talks[number % len(self._talks)]
        specs = [
            LegSpec(host=host, port=port, frames=frames(talk, party, CODEC), ssrc=2 * number + side + 1)
            for side, ((host, port), party) in enumerate(zip(targets, (AGENT, CUSTOMER), strict=False))
        ]
        self._legs[number] = self.sender.add(self._seats[number], specs)

    def hush(self, number: int) -> Said:
        counts = self.sender.remove(self._legs.pop(number))
        self.sender.leave(self._seats.pop(number))
        return Said(tuple(count.packets for count in counts), time.monotonic())

    def packets(self) -> int:
        return self.sender.figures().packets


def _send(pipe: Connection, calls: int, phases: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever holds the other end
    booth = _Booth(calls, phases)
    try:
        while True:
            word, *rest = pipe.recv()
            if word == "close":
                break
            pipe.send(getattr(booth, word)(*rest))
    except EOFError:
        pass
    finally:
        booth.sender.close()
