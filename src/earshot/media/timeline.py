"""Where each packet's sound belongs on the recording's timeline.

RTP timestamps say how packets of one stream lie to each other; arrival times say where that lies in our time. The
least delayed packets define the offset between the two (minimum-delay filter over some 25 s), and as the sender's clock
drifts against ours, the offset follows in steps of 125 µs. The one rule: packets whose timestamps are contiguous stay
contiguous to the sample, save where such a step is taken.
"""

from dataclasses import dataclass, field

import numpy as np

from earshot.media.packets import Int64s

STEP_US = 125
"""The offset moves in units of this: one sample at 8 kHz."""

DEADBAND_US = 4000
"""The offset is left alone until the filter says that it is off by more."""

STEPS_PER_PACKET = 4
BLOCK_US = 5_000_000
NEIGHBOURS = 2
JUMP_US = 500_000
"""A step between timestamps and arrival beyond this is examined: a clock jump, a pause, or a network that stalled."""

LOOK_AHEAD_US = 3_000_000
LOOK_AHEAD_PACKETS = 400


@dataclass(frozen=True, slots=True)
class SoundPackets:
    """Sound packets of one stream in order: arrival times, unwrapped timestamps and numbers, how long each plays in
    ticks, and the RTP clock in Hz of each. All int64[N]."""

    times_us: Int64s
    ticks: Int64s
    numbers: Int64s
    lengths: Int64s
    clocks: Int64s


@dataclass(frozen=True, slots=True)
class Placement:
    """Where packets go. `origin_us` is the time of tick 0 of the packet's epoch, `ticks` counts from there, `shift` is
    the drift correction in units of `STEP_US`, `epoch` numbers the stretches with an anchor of their own."""

    origin_us: Int64s
    ticks: Int64s
    shift: Int64s
    epoch: Int64s
    clocks: Int64s

    def samples(self, rate: int, start_us: int) -> Int64s:
        """Sample positions at `rate` Hz relative to `start_us`."""
        origin = np.rint((self.origin_us - start_us) * (rate / 1e6)).astype(np.int64)
        placed: Int64s = origin + self.ticks * rate // self.clocks + self.shift * (rate * STEP_US) // 1_000_000
        return placed


@dataclass(slots=True)
class _Epoch:
    """A stretch of a stream with one clock: `delays` holds the least delay per block of media time."""

    number: int
    clock: int
    first_tick: int
    origin_us: int | None = None
    shift: int = 0
    delays: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Row:
    """The last packet of a window, which the first of the next is compared with."""

    time_us: int
    tick: int
    number: int
    length: int
    clock: int


def _row(packets: SoundPackets, at: int) -> _Row:
    columns = (packets.times_us, packets.ticks, packets.numbers, packets.lengths, packets.clocks)
    return _Row(*(int(column[at]) for column in columns))


class Timeline:
    """Places the packets of one SSRC, window by window. `clock_jumps` counts jumps of the sender's clock so far."""

    def __init__(self) -> None:
        self.clock_jumps = 0
        self._epoch: _Epoch | None = None
        self._epochs = 0
        self._last: _Row | None = None

    def place(self, packets: SoundPackets, ready: int) -> Placement:
        """Place the first `ready` packets; the others are a look ahead that will come again."""
        origin, ticks, shift, epoch = (np.zeros(ready, np.int64) for _ in range(4))
        if ready == 0:
            return Placement(origin, ticks, shift, epoch, packets.clocks[:0])
        bounds = [*self._boundaries(packets, ready), packets.times_us.size]
        current = self._epoch
        first = 0
        for last in bounds:
            if first >= ready:
                break
            if current is None or first > 0 or last == 0:
                current = self._begin(packets, first)
            if last == 0:
                continue
            done = min(last, ready)
            shift[first:done], origin[first:done] = self._follow(current, packets, first, last, done)
            ticks[first:done] = packets.ticks[first:done] - current.first_tick
            epoch[first:done] = current.number
            first = last
        at = ready - 1
        self._last = _row(packets, at)
        return Placement(origin, ticks, shift, epoch, packets.clocks[:ready])

    def _begin(self, packets: SoundPackets, at: int) -> _Epoch:
        self._epochs += 1
        self._epoch = _Epoch(self._epochs, int(packets.clocks[at]), int(packets.ticks[at]))
        return self._epoch

    def _boundaries(self, packets: SoundPackets, ready: int) -> list[int]:
        """Rows at which a new epoch begins, compared with the row before (that of the last window for row 0)."""
        before = self._last or _row(packets, 0)
        arrived = np.diff(packets.times_us, prepend=before.time_us)
        ticked = np.diff(packets.ticks, prepend=before.tick)
        sped = ticked * 1e6 / packets.clocks - arrived
        other_clock = np.diff(packets.clocks, prepend=before.clock) != 0
        suspects = np.flatnonzero((np.abs(sped) > JUMP_US) | other_clock)
        if suspects.size == 0:
            return []
        numbered = np.diff(packets.numbers, prepend=before.number)
        lasted = np.concatenate(([before.length], packets.lengths[:-1]))
        found: list[int] = []
        for at in suspects.tolist():
            expected = int(numbered[at]) * int(lasted[at])
            contiguous = abs(int(ticked[at]) - expected) <= int(lasted[at]) * (1 + int(numbered[at]) // 2)
            if other_clock[at]:
                found.append(at)
            elif not contiguous:
                found.append(at)
                self.clock_jumps += at < ready
            elif sped[at] < 0 and self._paused(packets, at, found[-1] if found else 0):
                found.append(at)
        return found

    def _paused(self, packets: SoundPackets, at: int, since: int) -> bool:
        """Whether the delay that began at row `at` stays: the sender paused without counting, it was no stall."""
        horizon = packets.times_us[at] + LOOK_AHEAD_US
        after = slice(at, at + LOOK_AHEAD_PACKETS)
        soon = packets.times_us[after] <= horizon
        later = (packets.times_us[after] - packets.ticks[after] * 1e6 / packets.clocks[after])[soon].min()
        if at > since:
            rows = slice(max(since, at - LOOK_AHEAD_PACKETS), at)
            earlier = (packets.times_us[rows] - packets.ticks[rows] * 1e6 / packets.clocks[rows]).min()
        elif self._last is not None:
            earlier = self._last.time_us - self._last.tick * 1e6 / self._last.clock
        else:
            return False
        return bool(later - earlier > JUMP_US)

    def _follow(self, epoch: _Epoch, packets: SoundPackets, first: int, last: int, done: int) -> tuple[Int64s, int]:
        """The shifts of rows first to done of an epoch whose rows, as far as we see, end at `last`; and its origin."""
        media = (packets.ticks[first:last] - epoch.first_tick) * (1e6 / epoch.clock)
        delays = packets.times_us[first:last] - packets.lengths[first:last] * (1e6 / epoch.clock) - media
        block = (media // BLOCK_US).astype(np.int64)
        starts = np.concatenate(([0], np.flatnonzero(np.diff(block)) + 1))
        blocks = block[starts].tolist()
        for number, least in zip(blocks, np.minimum.reduceat(delays, starts).tolist(), strict=True):
            epoch.delays[number] = min(least, epoch.delays.get(number, least))
        shifts = np.empty(done - first, np.int64)
        ends = [*starts[1:].tolist(), last - first]
        for number, begin, end in zip(blocks, starts.tolist(), ends, strict=True):
            if begin >= shifts.size:
                break
            near = range(number - NEIGHBOURS, number + NEIGHBOURS + 1)
            least = min(epoch.delays[other] for other in near if other in epoch.delays)
            if epoch.origin_us is None:
                epoch.origin_us = round(least)
            off = least - epoch.origin_us - epoch.shift * STEP_US
            count = end - begin
            steps = round(off / STEP_US) if abs(off) > DEADBAND_US else 0
            steps = max(-count * STEPS_PER_PACKET, min(count * STEPS_PER_PACKET, steps))
            shifts[begin:end] = (epoch.shift + (steps * np.arange(1, count + 1)) // count)[: shifts.size - begin]
            epoch.shift = int(shifts[min(end, shifts.size) - 1])
        newest = blocks[-1]
        for number in [old for old in epoch.delays if old < newest - 8]:
            del epoch.delays[number]
        return shifts, epoch.origin_us or 0
