"""Channels: a core's capacity to record one call at a time, and what each of them does now.

A call takes a channel when its sound begins and gives it back when it ends: sealing needs none. Channels lie on voice
boards; one may be kept for a device or for a kind of recording (reference.md 6.2). The one rule: a channel that is kept
for something is given to nothing else, and is taken before one that is for anything.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

ANYTHING = ("anything", "")
ASSIGNMENTS = ("anything", "device", "kind")


@dataclass(frozen=True, slots=True)
class Board:
    """A voice board: `count` channels, all of them for `assign` (anything, device or kind) `value`, as it is spelt."""

    name: str
    count: int
    assign: str = "anything"
    value: str = ""


@dataclass(slots=True)
class Channel:
    """`state` is a word of reference.md 2.4; `changed_us` is journal time; `purpose` what it is kept for."""

    number: int
    state: str = "Idle"
    device_id: str = ""
    device_alias: str = ""
    changed_us: int = 0
    board: str = ""
    purpose: tuple[str, str] = ANYTHING


class Channels:
    """The channels of one core. The lowest free number is taken first."""

    def __init__(self, count: int, now_us: int) -> None:
        self.all: list[Channel] = []
        self._free: dict[tuple[str, str], list[int]] = {}
        self._of_call: dict[str, Channel] = {}
        self.on_change: list[Callable[[Channel], None]] = []
        """Told of every channel whose state has changed."""
        self.lay_out([Board("", count)], now_us)

    def lay_out(self, boards: Sequence[Board], now_us: int) -> None:
        """Have the channels of these boards from now on, all of them free."""
        self._of_call.clear()
        self.all = [
            Channel(0, changed_us=now_us, board=board.name, purpose=(board.assign, board.value))
            for board in boards
            for _ in range(board.count)
        ]
        self._free = {}
        for place, channel in enumerate(self.all):
            channel.number = place + 1
            self._free.setdefault(channel.purpose, []).append(place)

    @property
    def busy(self) -> int:
        """How many channels are taken."""
        return len(self._of_call)

    def holds(self, call: str) -> bool:
        """Whether the call has a channel."""
        return call in self._of_call

    def has_free(self, device_id: str = "", device_alias: str = "", kind: str = "") -> bool:
        """Whether such a call would get a channel now."""
        return any(self._free.get(purpose) for purpose in _purposes(device_id, device_alias, kind))

    def take(self, call: str, device_id: str, device_alias: str, now_us: int, kind: str = "") -> bool:
        """Give the call a channel. False when none is free for it; True as well when it has one already."""
        if call in self._of_call:
            return True
        for purpose in _purposes(device_id, device_alias, kind):
            free = self._free.get(purpose)
            if free:
                channel = self.all[heapq.heappop(free)]
                self._of_call[call] = channel
                channel.device_id, channel.device_alias = device_id, device_alias
                self._set(channel, "Recording", now_us)
                return True
        return False

    def give_back(self, call: str, now_us: int) -> None:
        """The call is not being recorded any more. Its channel can record another call from now on."""
        channel = self._of_call.pop(call, None)
        if channel is not None:
            self._set(channel, "Idle", now_us)
            heapq.heappush(self._free[channel.purpose], channel.number - 1)

    def taken_from(self, device_id: str, device_alias: str, kind: str) -> Iterable[str]:
        """The calls whose channel such a call could have."""
        purposes = _purposes(device_id, device_alias, kind)
        return [call for call, channel in self._of_call.items() if channel.purpose in purposes]

    def _set(self, channel: Channel, state: str, now_us: int) -> None:
        channel.state = state
        channel.changed_us = now_us
        for told in self.on_change:
            told(channel)


def _purposes(device_id: str, device_alias: str, kind: str) -> tuple[tuple[str, str], ...]:
    """What a channel for such a call may be kept for, the most particular first."""
    return ("device", device_id), ("device", device_alias or device_id), ("kind", kind), ANYTHING
