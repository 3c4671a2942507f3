"""What encrypting the journal costs: CPU microseconds per packet with and without, and sealing CPU per call.

Both in one run, in windows that take turns: the same listener hears the same calls (two legs of G.711 each, sent by a
process of their own) and gives what it hears now to a plain journal, now to an encrypted one. What is left over of the
window before is written first and not counted. Processor time is what is printed, not wall time: the machine may be
busy with other things. Then some calls are sealed out of each journal, in turns too. Ends with status 1 when the ratio
per packet is above the goal.
"""

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from benchmarks.callers import run_to_the_end
from benchmarks.voices import CODEC, Voices
from numpy.typing import NDArray

from earshot.clock import SystemClock
from earshot.core.seal_job import LegJob, SealJob, seal
from earshot.engine.inputs import CodecFacts, LegFacts
from earshot.journal.reader import read_leg
from earshot.journal.timeline import JournalTime
from earshot.journal.writer import JournalWriter
from earshot.listeners.rtp import RtpListener, RtpSettings
from earshot.media.render import Limits
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring

GOAL = 1.3
WINDOW_S = 1.0
SETTLE_S = 0.6
RAMP_S = 1.0
PLAIN, ENCRYPTED = "plain", "encrypted"
SIDES: tuple[Literal["agent", "other"], ...] = ("agent", "other")


@dataclass
class Journal:
    """A journal of one kind, and what was measured of it."""

    writer: JournalWriter
    keyring: Keyring | None
    costs: list[float] = field(default_factory=list)
    sealing_s: list[float] = field(default_factory=list)


@dataclass
class InTurns:
    """A place for packets (`earshot.listeners.rtp.MediaSink`): the journal whose turn it is."""

    journals: dict[str, Journal]
    turn: str = PLAIN
    packets: int = 0

    def open_leg(self, leg: int) -> int:
        """The slot of the leg, which is the same in every journal: they are opened in the same order."""
        slots = {journal.writer.open_leg(leg) for journal in self.journals.values()}
        assert len(slots) == 1
        return slots.pop()

    def append_media(
        self,
        slots: NDArray[np.int32],
        counts: NDArray[np.int64],
        times_us: NDArray[np.int64],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        overflow: NDArray[np.uint8] | None = None,
    ) -> int:
        """Pass packets on."""
        self.packets += len(lengths)
        writer = self.journals[self.turn].writer
        return writer.append_media(slots, counts, times_us, lengths, rows, overflow)


async def take_turns(sink: InTurns, windows: int) -> None:
    """Measure so many windows of each journal."""
    await asyncio.sleep(RAMP_S)
    for number in range(2 * windows):
        before = sink.journals[sink.turn]
        sink.turn = (PLAIN, ENCRYPTED)[number % 2]
        await before.writer.sync()
        await asyncio.sleep(SETTLE_S)
        spent, packets = time.process_time(), sink.packets
        await asyncio.sleep(WINDOW_S)
        spent, packets = time.process_time() - spent, sink.packets - packets
        sink.journals[sink.turn].costs.append(spent / max(1, packets) * 1e6)


def sealing_job(journal: Journal, call: int, work: Path) -> SealJob:
    """Call `call` (legs 2 · call + 1 and + 2) as it lies in a journal."""
    directory = journal.writer.directory
    numbers = (2 * call + 1, 2 * call + 2)
    tails = [journal.writer.leg_tail(leg) for leg in numbers]
    times = [read_leg(directory, leg, tail, journal.keyring).times_us for leg, tail in zip(numbers, tails, strict=True)]
    start_us, stop_us = int(min(one[0] for one in times)), int(max(one[-1] for one in times)) + 20_000
    legs = [
        LegJob(
            facts=LegFacts(leg=leg, port=0, side=side, codecs={0: CodecFacts(name=CODEC, clock_hz=8000)}),
            tail=tail,
            from_us=start_us,
            until_us=stop_us,
        )
        for leg, side, tail in zip(numbers, SIDES, tails, strict=True)
    ]
    return SealJob(
        journal=directory,
        out_path=work / f"{call}.wav",
        start_us=start_us,
        stop_us=stop_us,
        legs=tuple(legs),
        limits=Limits(),
        keyring=journal.keyring,
        object_name=f"{call}.wav",
    )


def seal_some(sink: InTurns, calls: int, work: Path) -> None:
    """Seal so many calls out of each journal. The first call is sealed once more than is counted."""
    for call in (0, *range(calls)):
        for kind, journal in sink.journals.items():
            job = sealing_job(journal, call, work / kind)
            began = time.process_time()
            assert seal(job).packets
            journal.sealing_s.append(time.process_time() - began)
    for journal in sink.journals.values():
        del journal.sealing_s[0]


async def measure(calls: int, windows: int, sealed: int, directory: Path) -> dict[str, Journal]:
    """Run the load, take the windows, seal; returns both journals with what was measured."""
    clock = SystemClock()
    journal_time = JournalTime(clock)
    spawner = Spawner()
    journals = {}
    for kind, keyring in ((PLAIN, None), (ENCRYPTED, Keyring((secrets.token_bytes(32),)))):
        writer = JournalWriter(
            directory / kind, time=journal_time, random_u32=lambda: secrets.randbits(32), wrap=keyring
        )
        await writer.start(spawner)
        journals[kind] = Journal(writer, keyring)
    sink = InTurns(journals)
    settings = RtpSettings(first_port=10_000, last_port=31_999, receive_buffer=512 * 1024)
    listener = RtpListener(settings, sink, clock, journal_time)
    legs = {listener.open_port(): leg for leg in range(1, 2 * calls + 1)}
    for port, leg in legs.items():
        listener.record(port, leg)
    listener.start()
    voices = Voices(calls)
    await asyncio.to_thread(voices.play, list(legs))
    await take_turns(sink, windows)
    voices.close()
    listener.drain()
    listener.stop()
    for journal in journals.values():
        await journal.writer.sync()
    await asyncio.to_thread(seal_some, sink, min(sealed, calls), directory / "work")
    for journal in journals.values():
        await journal.writer.close()
    await spawner.close()
    return journals


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--windows", type=int, default=8, help="windows of a second of each kind")
    parser.add_argument("--sealed", type=int, default=20, help="calls that are sealed out of each journal")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        journals = run_to_the_end(measure(chosen.calls, chosen.windows, chosen.sealed, Path(directory)))
    print(f"{chosen.calls} calls of two legs, {chosen.windows} windows of {WINDOW_S:g} s of each kind, in turns")
    cost, sealing = {}, {}
    for kind, journal in journals.items():
        cost[kind] = statistics.median(journal.costs)
        sealing[kind] = statistics.median(journal.sealing_s) * 1000
        print(
            f"  {kind:10s} CPU {cost[kind]:.2f} µs/packet (best window {min(journal.costs):.2f}, "
            f"worst {max(journal.costs):.2f}); sealing {sealing[kind]:.1f} ms of CPU a call"
        )
    pairs = zip(journals[ENCRYPTED].costs, journals[PLAIN].costs, strict=True)
    ratio = statistics.median(encrypted / plain for encrypted, plain in pairs)
    print(
        f"encrypted costs {ratio:.2f} times as much per packet (median of neighbouring windows; medians "
        f"{cost[ENCRYPTED] / cost[PLAIN]:.2f}, best windows "
        f"{min(journals[ENCRYPTED].costs) / min(journals[PLAIN].costs):.2f}; goal: at most {GOAL}), "
        f"{sealing[ENCRYPTED] / sealing[PLAIN]:.2f} times as much per sealed call"
    )
    if ratio > GOAL:
        raise SystemExit("the goal was not reached")


if __name__ == "__main__":
    main()
