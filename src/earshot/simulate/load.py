"""RTP without signalling: the load generator of the benchmarks, `python -m earshot.simulate.load`.

What lives here: many legs towards a range of ports for a number of seconds, and the figures as one JSON line. What does
not: calls (`earshot.simulate.command`). The one rule: the figures are of the sending thread alone.
"""

import argparse
import itertools
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from earshot.clock import SystemClock
from earshot.simulate.burst import BurstLane
from earshot.simulate.codecs import CODECS, frames
from earshot.simulate.impairment import Impairment
from earshot.simulate.rtp import LegSpec
from earshot.simulate.sender import FRAME_S, Pace, Sender, SenderFigures, pace
from earshot.simulate.speech import AGENT, CUSTOMER, conversations

BURST_PHASES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Two-leg calls to consecutive pairs of `ports` on `host`, for `seconds`.

    `burst` frames of each leg leave together: 1 is true to life, more is cheaper (`earshot.simulate.burst`).
    """

    host: str
    ports: Sequence[int]
    seconds: float
    codec: str = "PCMU"
    loss: float = 0.0
    seed: int = 1
    burst: int = 1


def leg_specs(load: Load) -> list[tuple[LegSpec, LegSpec]]:
    """The legs of `load`, call by call. SSRCs are 1, 2, 3 and so on in the order of the ports."""
    talks = conversations()
    pairs = []
    for call in range(len(load.ports) // 2):
        talk = talks[call % len(talks)].name
        first, second = (
            LegSpec(
                host=load.host,
                port=load.ports[2 * call + side],
                frames=frames(talk, party, load.codec),
                ssrc=2 * call + side + 1,
                first_frame=call * 7,
                impairment=Impairment(loss=load.loss, seed=load.seed * 1_000_003 + 2 * call + side),
            )
            for side, party in enumerate((AGENT, CUSTOMER))
        )
        pairs.append((first, second))
    return pairs


def run_load(load: Load, stop: threading.Event) -> SenderFigures:
    """Send until the time is over or `stop` is set; blocks. Raises ValueError for a burst that cannot be."""
    host = "127.0.0.1" if load.host.startswith("127.") else "0.0.0.0"
    return _run_bursts(load, host, stop) if load.burst > 1 else _run_frames(load, host, stop)


def _run_frames(load: Load, host: str, stop: threading.Event) -> SenderFigures:
    pairs = leg_specs(load)
    sender = Sender(SystemClock(), host=host, calls=len(pairs))
    for pair in pairs:
        sender.add(sender.seat(), pair)
    sender.start()
    try:
        stop.wait(load.seconds)
    finally:
        sender.close()
    return sender.figures()


def _run_bursts(load: Load, host: str, stop: threading.Event) -> SenderFigures:
    if load.loss:
        raise ValueError("bursts go out whole: loss needs burst 1")
    specs = [spec for pair in leg_specs(load) for spec in pair]
    parts = [specs[first::BURST_PHASES] for first in range(min(BURST_PHASES, len(specs)))]
    lanes = [BurstLane(host, part, load.burst) for part in parts]
    turns, kept, over = itertools.cycle(lanes), Pace(), threading.Event()
    period = load.burst * FRAME_S / len(lanes)
    thread = threading.Thread(
        target=pace, args=(SystemClock(), over, period, lambda: next(turns).tick(), kept), name="rtp-bursts"
    )
    thread.start()
    try:
        stop.wait(load.seconds)
    finally:
        over.set()
        thread.join()
        for lane in lanes:
            lane.close()
    packets = sum(lane.packets for lane in lanes)
    return SenderFigures(
        packets=packets,
        errors=sum(lane.errors for lane in lanes),
        ticks=packets // max(1, load.burst * len(parts[0])),
        late_ticks=kept.late,
        skipped_s=kept.skipped_s,
        cpu_s=kept.cpu_s,
    )


def port_range(text: str) -> range:
    """`FIRST-LAST` as a range of ports. Raises ValueError."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, send, print one JSON object with the figures and µs of processor time per packet."""
    parser = argparse.ArgumentParser(prog="earshot.simulate.load", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("ports", type=port_range, help="FIRST-LAST, one leg to each port")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--codec", choices=tuple(CODECS), default="PCMU")
    parser.add_argument("--loss", type=float, default=0.0, help="0 to 1")
    parser.add_argument("--burst", type=int, default=1, help="frames of a leg that leave together")
    wanted = parser.parse_args(arguments)
    load = Load(
        host=wanted.host,
        ports=wanted.ports,
        seconds=wanted.seconds,
        codec=wanted.codec,
        loss=wanted.loss,
        burst=wanted.burst,
    )
    figures = run_load(load, threading.Event())
    shown: dict[str, Any] = asdict(figures)
    shown["us_per_packet"] = round(1e6 * figures.cpu_s / max(1, figures.packets), 3)
    sys.stdout.write(json.dumps(shown) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
