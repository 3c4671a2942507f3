"""One recording rendered from the journal: what a sealing process does. Nothing here knows the core or the store.

A job is a value with paths and pointers only, so that it crosses into another process. Doing it twice gives the same
file, which is what makes sealing safe to repeat after a crash.
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.engine.inputs import LegFacts
from earshot.journal.format import ChainPointer
from earshot.journal.reader import iter_leg
from earshot.media.packets import Codec, LegDescription, LegPackets, LegSource
from earshot.media.render import Limits, Rendered, render_recording
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard

PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 256 * 2**20
"""Freed memory up to this much stays with a sealing process: mapped anew for each call, it costs a third of sealing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegJob:
    """A leg of the recording: its newest journal entry, and the span in which its sound belonged to the call (µs)."""

    facts: LegFacts
    tail: ChainPointer
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealJob:
    """One recording to be rendered to `out_path`: from `start_us` to `stop_us`, journal time; silent in `masks`, the
    (from, until) of its blackouts. `keyring` opens what is encrypted,
    and encrypts the file, which belongs to `object_name`."""

    journal: Path
    out_path: Path
    start_us: int
    stop_us: int
    legs: tuple[LegJob, ...]
    limits: Limits
    masks: tuple[tuple[int, int], ...] = ()
    keyring: Keyring | None = None
    object_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What came of a job; `rendered` is None when not one packet fell into the span, and no blackout explains that."""

    packets: int
    rendered: Rendered | None


class _Counted:
    """The packets of a leg that fall into a span, chunk by chunk, counted as they go by."""

    def __init__(self, leg: LegJob, job: SealJob) -> None:
        self._leg = leg
        self._journal = job.journal
        self._from_us = max(leg.from_us, job.start_us)
        self._until_us = min(leg.until_us, job.stop_us)
        self._masks = job.masks
        self._keyring = job.keyring
        self.packets = 0

    def __iter__(self) -> Iterator[LegPackets]:
        self.packets = 0
        for chunk in iter_leg(self._journal, self._leg.facts.leg, self._leg.tail, wrap=self._keyring):
            lengths = chunk.lengths.astype(np.int64)
            first, last = (int(at) for at in np.searchsorted(chunk.times_us, (self._from_us, self._until_us)))
            if (np.diff(chunk.times_us) < 0).any():
                first, last = 0, len(lengths)
            if first >= last:
                continue
            ends = np.cumsum(lengths)
            begin = int(ends[first - 1]) if first else 0
            self.packets += last - first
            data = chunk.data[begin : int(ends[last - 1])]
            yield self._unmasked(LegPackets(chunk.times_us[first:last], lengths[first:last], data.data))

    def _unmasked(self, packets: LegPackets) -> LegPackets:
        """Without those that arrived in a blackout: of them only headers are left, and zeros would be a noise."""
        times, lengths = packets.times_us, packets.lengths
        hidden = np.zeros(len(times), bool)
        for begin, end in self._masks:
            hidden |= (times >= begin) & (times < end)
        if not hidden.any():
            return packets
        data = np.frombuffer(packets.data, np.uint8)[np.repeat(~hidden, lengths)]
        return LegPackets(times[~hidden], lengths[~hidden], data.data)


def _description(facts: LegFacts) -> LegDescription:
    codecs = {kind: Codec(one.name, one.clock_hz, one.channels, one.fmtp) for kind, one in facts.codecs.items()}
    return LegDescription(side=facts.side, label=facts.label, participant=facts.participant, codecs=codecs)


def seal(job: SealJob) -> Sealed:
    """Render the recording. Raises JournalDamaged, JournalLocked, OSError."""
    counted = [_Counted(leg, job) for leg in job.legs]
    sources = [LegSource(_description(leg.facts), chunks) for leg, chunks in zip(job.legs, counted, strict=True)]
    job.out_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        rendered = render_recording(
            sources,
            job.start_us,
            job.stop_us,
            job.masks,
            job.out_path,
            limits=job.limits,
            sync=True,
            keys=job.keyring,
            name=job.object_name,
        )
    except OSError:
        discard(job.out_path)  # half a file would keep a full disk full
        raise
    packets = sum(one.packets for one in counted)
    if not packets and not _is_mostly_masked(job):
        discard(job.out_path)
        return Sealed(packets=0, rendered=None)
    return Sealed(packets=packets, rendered=rendered)


def _is_mostly_masked(job: SealJob) -> bool:
    """Whether blackouts cover most of the recording: then it is silent because of them, and kept."""
    masked_us = done_us = 0
    for begin, end in job.masks:
        begin, end = max(begin, job.start_us, done_us), min(end, job.stop_us)
        masked_us += max(end - begin, 0)
        done_us = max(done_us, end)
    return 2 * masked_us > job.stop_us - job.start_us


def begin_worker(parent: int) -> None:
    """Prepare a sealing process: lower priority than recording, and no life of its own after its parent's."""
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    if os.getppid() != parent:  # it died before we asked to be told
        os.kill(os.getpid(), signal.SIGKILL)
