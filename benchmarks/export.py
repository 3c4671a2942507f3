"""What exports cost beside ffmpeg and sox doing the same conversion of the same WAV file, process start included.

`python -m benchmarks.export`. Our side is the very process by which the server makes its exports, begun anew for each.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earshot.media.export_task import ExportTask, SourceFile

WORKER = (sys.executable, "-m", "earshot.media.export_worker")
BITS = "48k"


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall seconds, processor seconds, and the most memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def a_call(path: Path, seconds: int, number: int) -> None:
    """Stereo speech at 8 kHz, another order of the conversations for each call."""
    # Loaded here, in a process of its own: what this process needs of memory counts for each that it begins.
    import numpy as np

    from earshot.media.formats.wav import WavWriter
    from earshot.simulate.speech import AGENT, CUSTOMER, conversations, track

    spoken = conversations()
    order = [spoken[(place + number) % len(spoken)] for place in range(len(spoken))]
    sides = [np.concatenate([track(one.name, party) for one in order]) for party in (AGENT, CUSTOMER)]
    with path.open("wb") as file:
        writer = WavWriter(file, 2, 8000, seconds * 8000)
        left = seconds * 8000
        while left:
            frames = min(left, sides[0].size)
            writer.write([side[:frames] for side in sides])
            left -= frames
        writer.finish()


def measured(command: Sequence[str], told: bytes = b"") -> Cost:
    """Run it to its end. Raises CalledProcessError."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(told)
        stdin.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        out = process.stdout.read()
        process.stdout.close()
        process.stderr.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
    if process.returncode or b'"failed"' in out:
        raise subprocess.CalledProcessError(process.returncode, command, out)
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def ours(sources: Sequence[Path], wanted: str, out: Path) -> Cost:
    """The same by our export process."""
    task = ExportTask(
        out=str(out),
        kind="combined" if len(sources) > 1 else "single",
        format=wanted,
        created="2026-01-01T00:00:00Z",
        sources=tuple(
            SourceFile(record_id=number, path=str(path), sha256="0" * 64) for number, path in enumerate(sources, 1)
        ),
    )
    return measured(WORKER, task.to_json())


def peers(sources: Sequence[Path], wanted: str, out: Path) -> dict[str, list[str]]:
    """What others would be told, by name; what is not installed is left out."""
    names = [str(path) for path in sources]
    ffmpeg = ["ffmpeg", "-v", "error", "-nostdin", "-y", *(part for name in names for part in ("-i", name))]
    if len(names) > 1:
        joined = "".join(f"[{place}:a]" for place in range(len(names)))
        ffmpeg += ["-filter_complex", f"{joined}concat=n={len(names)}:v=0:a=1"]
    same = ["-compression_level", "7"]
    found = {
        "WAV": {"sox": ["sox", *names, f"{out}.wav"], "ffmpeg": [*ffmpeg, f"{out}.wav"]},
        "MP3": {
            "ffmpeg": [*ffmpeg, "-b:a", BITS, f"{out}.mp3"],
            "ffmpeg, our quality": [*ffmpeg, "-b:a", BITS, *same, f"{out}.mp3"],
        },
        "VOX": {"sox": ["sox", *names, "-r", "8000", "-c", "1", f"{out}.vox"]},
    }[wanted]
    return {name: command for name, command in found.items() if shutil.which(command[0])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One export, ours and a peer's."""

    export: str
    peer: str
    own: list[Cost]
    theirs: list[Cost]

    def figures(self) -> dict[str, float]:
        """Medians of both, what ours are to theirs (below 1 is faster), and the most memory of both."""
        wall, their_wall = (statistics.median(cost.wall_s for cost in side) for side in (self.own, self.theirs))
        cpu, their_cpu = (statistics.median(cost.cpu_s for cost in side) for side in (self.own, self.theirs))
        return {
            "wall_s": wall,
            "their_wall_s": their_wall,
            "wall_ratio": wall / their_wall,
            "cpu_s": cpu,
            "their_cpu_s": their_cpu,
            "cpu_ratio": cpu / their_cpu,
            "best_cpu_ratio": min(cost.cpu_s for cost in self.own) / min(cost.cpu_s for cost in self.theirs),
            "peak_mb": max(cost.peak_mb for cost in self.own),
            "their_peak_mb": max(cost.peak_mb for cost in self.theirs),
        }

    def __str__(self) -> str:
        return (
            "{export:<10} {peer:<20} wall {wall_s:6.2f} s {their_wall_s:6.2f} s x{wall_ratio:.2f}   "
            "cpu {cpu_s:6.2f} s {their_cpu_s:6.2f} s x{cpu_ratio:.2f} (best of both x{best_cpu_ratio:.2f})   "
            "memory {peak_mb:4.0f} MB {their_peak_mb:4.0f} MB"
        ).format(export=self.export, peer=self.peer, **self.figures())


def compare(sources: Sequence[Path], wanted: str, folder: Path, runs: int) -> list[Compared]:
    """Alternating runs, so that whatever else the machine does meets both."""
    commands = peers(sources, wanted, folder / "theirs")
    costs: dict[str, list[Cost]] = {name: [] for name in ("earshot", *commands)}
    for _ in range(runs):
        costs["earshot"].append(ours(sources, wanted, folder / "ours"))
        for name, command in commands.items():
            costs[name].append(measured(command))
    own = costs.pop("earshot")
    title = f"{wanted} of {len(sources)}"
    return [Compared(export=title, peer=name, own=own, theirs=theirs) for name, theirs in costs.items()]


def main() -> None:
    """Print ours, theirs, and ours over theirs: below 1 is faster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600, help="length of each call")
    parser.add_argument("--joined", type=int, default=3, help="calls in a combined export")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earshot-export-") as name:
        folder = Path(name)
        calls = [folder / f"{number}.wav" for number in range(chosen.joined)]
        for number, path in enumerate(calls):
            making = multiprocessing.get_context("spawn").Process(target=a_call, args=(path, chosen.seconds, number))
            making.start()
            making.join()
        for sources in (calls[:1], calls):
            for wanted in ("WAV", "MP3", "VOX"):
                for row in compare(sources, wanted, folder, chosen.runs):
                    said = {"export": row.export, "peer": row.peer, **row.figures()}
                    sys.stdout.write((json.dumps(said) if chosen.json else str(row)) + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
