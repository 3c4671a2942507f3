"""What a bad network does to a stream, decided packet by packet and always the same for the same seed.

What lives here: the fate of packet n of a leg as a pure function of (seed, n). What does not: sending. The one rule: no
state and no random generator; a test can compute the fate of every packet without having sent one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ON_TIME = 0
LOST = 1
DUPLICATED = 2
REORDERED = 3
DELAYED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """Probabilities (0 to 1) of what becomes of a packet, and the seed that decides.

    `loss`: never sent. `duplicate`: sent twice. `reorder`: sent just after its successor. `jitter`: held back for one
    frame and sent just before its successor, as a queue does that fills and drains.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    jitter: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.loss, self.duplicate, self.reorder, self.jitter) < 0 or self.thresholds()[-1] > 1:
            raise ValueError("the probabilities of an impairment are not negative and add up to at most 1")

    def thresholds(self) -> tuple[float, float, float, float]:
        """The upper ends of the ranges of [0, 1) that mean lost, duplicated, reordered and delayed."""
        lost = self.loss
        duplicated = lost + self.duplicate
        reordered = duplicated + self.reorder
        return lost, duplicated, reordered, reordered + self.jitter

    @property
    def none(self) -> bool:
        """True if every packet is on time."""
        return self.thresholds()[-1] == 0


PERFECT = Impairment()


def chances(seeds: NDArray[np.uint64], numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each pair of seed and packet number: splitmix64, vectorised."""
    with np.errstate(over="ignore"):
        mixed = seeds + (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return np.asarray((mixed >> np.uint64(11)) / float(1 << 53), np.float64)


def fates(thresholds: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.int8]:
    """The fate of each packet: `thresholds` is (n, 4) as `Impairment.thresholds` gives them, `draws` is (n,)."""
    below = (draws[:, np.newaxis] < thresholds).sum(axis=1)
    return np.where(below == 0, ON_TIME, 5 - below).astype(np.int8)


def fates_of(impairment: Impairment, packets: int) -> NDArray[np.int8]:
    """The fates of the first `packets` packets of a leg."""
    seeds = np.full(packets, impairment.seed & (2**64 - 1), np.uint64)
    draws = chances(seeds, np.arange(packets, dtype=np.uint64))
    return fates(np.tile(np.array(impairment.thresholds()), (packets, 1)), draws)
