"""Where the newest entry of every open leg lies, and which segments each leg still needs.

Here lives the table of legs: one row of a few integers per open leg, in columns, so that a whole batch is linked at
once. Not here: files. The one rule: memory per leg is constant, however long the leg lasts.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from earshot.journal.format import ChainPointer

NONE_NEEDED = 2**32 - 1


class LegTails:
    """Legs by slot number (dense, reused) with their newest entry, first segment and last carried segment."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._leaving: list[int] = []
        self.ids = np.zeros(64, np.uint64)
        self._segment = np.zeros(64, np.uint32)
        self._offset = np.zeros(64, np.uint32)
        self._first = np.zeros(64, np.uint32)
        self._carried = np.zeros(64, np.uint32)
        self._used = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, leg: int) -> bool:
        return leg in self._slots

    def legs(self) -> Collection[int]:
        """The open legs."""
        return self._slots.keys()

    def open(self, leg: int) -> int:
        """The slot of `leg`, a new one if it has none yet."""
        slot = self._slots.get(leg)
        if slot is not None:
            return slot
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._used
            self._used += 1
            if slot == len(self.ids):
                self._grow()
        self._slots[leg] = slot
        self.ids[slot] = leg
        for column in (self._segment, self._offset, self._first, self._carried):
            column[slot] = 0
        return slot

    def _grow(self) -> None:
        self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)])
        self._segment = np.concatenate([self._segment, np.zeros_like(self._segment)])
        self._offset = np.concatenate([self._offset, np.zeros_like(self._offset)])
        self._first = np.concatenate([self._first, np.zeros_like(self._first)])
        self._carried = np.concatenate([self._carried, np.zeros_like(self._carried)])

    def adopt(self, leg: int, tail: ChainPointer, first_segment: int, carried_upto: int) -> None:
        """Take over a leg as recovery found it."""
        slot = self.open(leg)
        self._segment[slot], self._offset[slot] = tail.segment, tail.offset
        self._first[slot], self._carried[slot] = first_segment, carried_upto

    def forget(self, leg: int) -> None:
        """Drop `leg`. Its slot is reused only after the next `settle()`: pending packets may still name it."""
        slot = self._slots.pop(leg, None)
        if slot is not None:
            self._leaving.append(slot)

    def settle(self) -> None:
        """Nothing that was pending names a forgotten slot any more: the slots may be reused."""
        self._free += self._leaving
        self._leaving.clear()

    def tail(self, leg: int) -> ChainPointer:
        """The newest entry of `leg` that has a place in a segment (durable or on its way). Raises KeyError."""
        slot = self._slots[leg]
        return ChainPointer(int(self._segment[slot]), int(self._offset[slot]))

    def link(
        self, slots: NDArray[np.int32], offsets: NDArray[np.uint32], segment: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Place entries of `slots`, in order, at `offsets` of `segment`; gives (segments, offsets) of those before."""
        order = np.argsort(slots, kind="stable")
        by_leg = slots[order]
        placed = offsets[order]
        repeated = np.zeros(len(slots), bool)
        repeated[1:] = by_leg[1:] == by_leg[:-1]
        before_segment = np.where(repeated, np.uint32(segment), self._segment[by_leg])
        before_offset = self._offset[by_leg]
        before_offset[1:] = np.where(repeated[1:], placed[:-1], before_offset[1:])
        newest = np.ones(len(slots), bool)
        newest[:-1] = ~repeated[1:]
        legs = by_leg[newest]
        self._segment[legs] = segment
        self._offset[legs] = placed[newest]
        self._first[legs] = np.where(self._first[legs] == 0, segment, self._first[legs])
        previous_segment = np.empty_like(before_segment)
        previous_offset = np.empty_like(before_offset)
        previous_segment[order] = before_segment
        previous_offset[order] = before_offset
        return previous_segment, previous_offset

    def carried(self, legs: Collection[int], upto: int) -> None:
        """What `legs` have in segments up to and including `upto` is in their carry files now."""
        slots = [self._slots[leg] for leg in legs if leg in self._slots]
        self._carried[slots] = np.maximum(self._carried[slots], upto)

    def first_needed(self) -> int:
        """The oldest segment that an open leg still needs; NONE_NEEDED if no leg needs any."""
        if not self._slots:
            return NONE_NEEDED
        slots = np.fromiter(self._slots.values(), np.int64, len(self._slots))
        first, carried = self._first[slots], self._carried[slots]
        needed = np.where(self._segment[slots] > carried, np.maximum(first, carried + 1), NONE_NEEDED)
        return int(needed.min())
