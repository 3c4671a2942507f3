"""Channels: a core's capacity to record one call at a time, and what each of them does now.

A call takes a channel when its sound begins and gives it back when it ends: sealing needs none.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Channel:
    """`state` is a word of reference.md 2.4; `changed_us` is journal time."""

    number: int
    state: str = "Idle"
    device_id: str = ""
    device_alias: str = ""
    changed_us: int = 0


class Channels:
    """The channels of one core. The lowest free number is taken first."""

    def __init__(self, count: int, now_us: int) -> None:
        self.all = [Channel(number, changed_us=now_us) for number in range(1, count + 1)]
        self._free = list(range(count))
        self._of_call: dict[str, Channel] = {}
        self.on_change: list[Callable[[Channel], None]] = []
        """Told of every channel whose state has changed."""

    @property
    def busy(self) -> int:
        """How many channels are taken."""
        return len(self._of_call)

    def take(self, call: str, device_id: str, device_alias: str, now_us: int) -> bool:
        """Give the call a channel. False when none is free; True as well when it has one already."""
        if call in self._of_call:
            return True
        if not self._free:
            return False
        channel = self.all[heapq.heappop(self._free)]
        self._of_call[call] = channel
        channel.device_id, channel.device_alias = device_id, device_alias
        self._set(channel, "Recording", now_us)
        return True

    def give_back(self, call: str, now_us: int) -> None:
        """The call has ended and is being sealed. The channel can record another call from now on."""
        channel = self._of_call.pop(call, None)
        if channel is not None:
            self._set(channel, "Idle", now_us)
            heapq.heappush(self._free, channel.number - 1)

    def _set(self, channel: Channel, state: str, now_us: int) -> None:
        channel.state = state
        channel.changed_us = now_us
        for told in self.on_change:
            told(channel)
